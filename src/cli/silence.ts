/** `sonde silence`: makes, shows and ends silences of a running agent. */
import { matcherText } from '../notify/matchers.ts';
import type { GettableSilence, MatcherJson } from '../notify/silence_json.ts';
import { durationText } from '../text/duration.ts';
import { printable } from '../text/printable.ts';
import { matchersOf, newSilence, withAlerts } from './alerts_api.ts';
import type { NewSilence, SilencesSelection } from './alerts_commands.ts';
import { EXIT_CODES } from './exit_codes.ts';
import type { LiveSelection } from './live_commands.ts';
import { LiveError } from './live_request.ts';
import type { Surroundings } from './live_session.ts';
import { renderTable } from './table.ts';
import { painter, type Paint } from './terminal.ts';

const SILENCED_FOR = '1h';

/** Resolves with the exit code. */
export function addSilence(texts: readonly string[], options: NewSilence, surroundings: Surroundings): Promise<number> {
  return withAlerts('silence', options, surroundings, async (api) => {
    const silence = newSilence(matchersOf(texts), options, SILENCED_FOR, Date.now());
    const { silenceID } = (await api.post('silences', silence)) as { readonly silenceID: string };
    const text = options.json === true ? JSON.stringify({ silenceID, ...silence }, undefined, 2) : silenceID;
    surroundings.terminal.print(`${text}\n`);
    return EXIT_CODES.ok;
  });
}

/** Resolves with the exit code. */
export function listSilences(options: SilencesSelection, surroundings: Surroundings): Promise<number> {
  const { terminal } = surroundings;
  return withAlerts('silence', options, surroundings, async (api) => {
    const all = (await api.get('silences')) as readonly GettableSilence[];
    const shown = options.expired === true ? all : all.filter(({ status }) => status.state !== 'expired');
    if (options.json === true) terminal.print(`${JSON.stringify(shown, undefined, 2)}\n`);
    else if (shown.length === 0) terminal.print('Nothing is silenced.\n');
    else terminal.print(silenceTable(shown, painter(terminal), terminal.columns, Date.now()));
    return EXIT_CODES.ok;
  });
}

/** Resolves with the exit code; the others are ended though one cannot be. */
export function expireSilences(
  ids: readonly string[],
  options: LiveSelection,
  { terminal, ...surroundings }: Surroundings,
): Promise<number> {
  return withAlerts('silence', options, { terminal, ...surroundings }, async (api) => {
    let code: number = EXIT_CODES.ok;
    for (const id of ids) {
      try {
        await api.delete(`silence/${encodeURIComponent(id)}`);
      } catch (error) {
        if (!(error instanceof LiveError) || error.status === 0) throw error;
        terminal.complain(`${id}: ${error.message}\n`);
        code = EXIT_CODES.found;
      }
    }
    return code;
  });
}

export function silenceTable(
  silences: readonly GettableSilence[],
  paint: Paint,
  columns: number | undefined,
  now_ms: number,
): string {
  const rows = silences.map((silence) => [
    silence.id,
    silence.status.state,
    timeText(silence, now_ms),
    printable(silence.createdBy),
    printable(silence.matchers.map(textOf).join(' ')),
    printable(silence.comment),
  ]);
  const heads = ['ID', 'STATE', 'TIME', 'BY', 'MATCHERS', 'COMMENT'].map((head) => paint('bold', head));
  return renderTable([heads, ...rows], { columns });
}

/** How long it lasts still, or when it begins, or when it ended. */
function timeText({ status, startsAt, endsAt, untilResolved }: GettableSilence, now_ms: number): string {
  const seconds = (from_ms: number, to_ms: number): string =>
    durationText(Math.max(0, Math.round((to_ms - from_ms) / 1000)));
  if (status.state === 'expired') return `ended ${seconds(Date.parse(endsAt), now_ms)} ago`;
  if (status.state === 'pending') return `begins in ${seconds(now_ms, Date.parse(startsAt))}`;
  const left = seconds(now_ms, Date.parse(endsAt));
  return untilResolved === true ? `until resolved, at most ${left}` : `${left} left`;
}

function textOf({ name, value, isRegex, isEqual = true }: MatcherJson): string {
  const op = isRegex ? (isEqual ? '=~' : '!~') : isEqual ? '=' : '!=';
  return matcherText({ name, op, value });
}
