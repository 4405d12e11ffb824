/** `sonde alerts`: shows the alerts of a running agent, and acknowledges them. */
import type { GettableAlert } from '../notify/alert_list.ts';
import { matcherText } from '../notify/matchers.ts';
import type { Matcher } from '../store/queryable.ts';
import { durationText } from '../text/duration.ts';
import { printable } from '../text/printable.ts';
import type { AlertsSelection, NewAcknowledgement } from './alerts_commands.ts';
import { matchersOf, newSilence, withAlerts, type AlertsApi } from './alerts_api.ts';
import { EXIT_CODES } from './exit_codes.ts';
import { LiveError } from './live_request.ts';
import type { Surroundings } from './live_session.ts';
import { count } from './selection.ts';
import { renderTable } from './table.ts';
import { painter, type Paint } from './terminal.ts';

/** Resolves with the exit code. */
export function listAlerts(
  matchers: readonly string[],
  options: AlertsSelection,
  surroundings: Surroundings,
): Promise<number> {
  const { terminal } = surroundings;
  return withAlerts('alerts', options, surroundings, async (api) => {
    const alerts = await fetchAlerts(api, matchersOf(matchers), options.firing !== true);
    if (options.json === true) terminal.print(`${JSON.stringify(alerts, undefined, 2)}\n`);
    else if (alerts.length === 0) terminal.print('No alert fires.\n');
    else terminal.print(alertTable(alerts, painter(terminal), terminal.columns, Date.now()));
    return EXIT_CODES.ok;
  });
}

/** What acknowledges an alert that is not looked at: it ends with the alert, or then. */
const ACKNOWLEDGED_FOR = '24h';

/** Resolves with the exit code. */
export function acknowledge(
  texts: readonly string[],
  options: NewAcknowledgement,
  surroundings: Surroundings,
): Promise<number> {
  const { terminal } = surroundings;
  return withAlerts('alerts', options, surroundings, async (api) => {
    const matchers = matchersOf(texts);
    const alerts = await fetchAlerts(api, matchers, true);
    if (alerts.length === 0) {
      throw new LiveError(
        `Cannot acknowledge ${matchers.map(matcherText).join(', ')}: no such alert fires or is pending`,
        {
          hint: 'see "sonde alerts"; "sonde silence add" silences what is to come',
        },
      );
    }
    if (alerts.length > 1 && options.all !== true) {
      throw new LiveError(`Cannot acknowledge one alert: ${alerts.length} match`, {
        hint: `add labels, or --all:\n${alerts.map((alert) => `    ${alertText(alert)}`).join('\n')}`,
      });
    }
    const made: unknown[] = [];
    for (const alert of alerts) {
      const own = Object.entries(alert.labels).map(([name, value]) => ({ name, op: '=', value }) as const);
      const silence = { ...newSilence(own, options, ACKNOWLEDGED_FOR, Date.now()), untilResolved: true };
      const { silenceID } = (await api.post('silences', silence)) as { readonly silenceID: string };
      made.push({ silenceID, labels: alert.labels });
      if (options.json !== true) terminal.print(`${silenceID}  ${alertText(alert)}\n`);
    }
    if (options.json === true) terminal.print(`${JSON.stringify(made, undefined, 2)}\n`);
    return EXIT_CODES.ok;
  });
}

async function fetchAlerts(
  api: AlertsApi,
  matchers: readonly Matcher[],
  pending: boolean,
): Promise<readonly GettableAlert[]> {
  const query = new URLSearchParams(matchers.map((matcher) => ['filter', matcherText(matcher)]));
  if (pending) query.set('pending', 'true');
  return (await api.get(`alerts?${query}`)) as readonly GettableAlert[];
}

const STATES = { active: 'firing', suppressed: 'silenced', unprocessed: 'pending' } as const;
const STYLES = { active: 'red', suppressed: 'dim', unprocessed: 'yellow' } as const;

/** What fires first, then by name. */
export function alertTable(
  alerts: readonly GettableAlert[],
  paint: Paint,
  columns: number | undefined,
  now_ms: number,
): string {
  const order = Object.keys(STATES);
  const sorted = alerts.toSorted(
    (a, b) => order.indexOf(a.status.state) - order.indexOf(b.status.state) || (alertText(a) < alertText(b) ? -1 : 1),
  );
  const rows = sorted.map(({ status, startsAt, labels, annotations }) => [
    paint(STYLES[status.state], STATES[status.state]),
    durationText(Math.max(0, Math.round((now_ms - Date.parse(startsAt)) / 1000))),
    printable(labels['alertname'] ?? ''),
    printable(labelsText(labels)),
    printable(annotations['summary'] ?? annotations['description'] ?? ''),
  ]);
  const heads = ['STATE', 'SINCE', 'ALERT', 'LABELS', 'SUMMARY'].map((head) => paint('bold', head));
  const firing = alerts.filter(({ status }) => status.state === 'active').length;
  return `${renderTable([heads, ...rows], { columns })}\n${count(alerts.length, 'alert')}, ${firing} firing\n`;
}

function alertText({ labels }: GettableAlert): string {
  return printable(`${labels['alertname'] ?? ''} ${labelsText(labels)}`.trim());
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .filter(([name]) => name !== 'alertname')
    .map(([name, value]) => matcherText({ name, op: '=', value }))
    .join(' ');
}
