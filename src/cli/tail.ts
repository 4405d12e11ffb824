/** `sonde tail`: shows the events of a running agent as they come. */
import type { LoadedConfig } from '../config/load.ts';
import { parseExact } from './exact_json.ts';
import { createEventReader, type ServerSentEvent } from './event_stream.ts';
import { listeningExporters } from './live_address.ts';
import type { TailSelection } from './live_commands.ts';
import { askLive, LiveError } from './live_request.ts';
import { withSession, type LiveSession, type Surroundings, type Target } from './live_session.ts';
import { eventText, type EventFrame } from './tail_text.ts';

const DEFAULT_PATH = '/events';

/** What to add to a configuration that has no stream. */
const EXAMPLE = `add one to the configuration and reload the agent:
    exporters:
      stream:
    service:
      pipelines:
        logs:
          exporters: [stream]  # beside its receivers, and other exporters`;

/** Resolves with the exit code at Ctrl+C, or when there is nothing to show. */
export function tail(options: TailSelection, surroundings: Surroundings): Promise<number> {
  return withSession('tail', options, surroundings, streamsOf, async ([target], session) => {
    if (target === undefined) {
      throw new LiveError('Cannot find a stream: no exporter of the configuration listens', {
        hint: EXAMPLE,
      });
    }
    return follow(withQuery(target, options), options, session, surroundings);
  });
}

/** Without a stream in the configuration, the agent's usual place: it may run with another one than this command was given. */
function streamsOf(loaded: LoadedConfig): readonly Target[] {
  const listening = listeningExporters(loaded);
  const streams = listening.filter(({ type }) => type === 'stream');
  if (streams.length > 0) return streams.map(({ origin, path, tls }) => ({ url: `${origin}${path}`, tls }));
  return listening.map(({ origin, tls }) => ({ url: `${origin}${DEFAULT_PATH}`, tls }));
}

function withQuery({ url, tls }: Target, { event, severity, body, attribute, since }: TailSelection): Target {
  const whole = new URL(url);
  if (whole.pathname === '/') whole.pathname = DEFAULT_PATH;
  const add = (name: string, values: readonly string[] = []): void => {
    for (const value of values) whole.searchParams.append(name, value);
  };
  add('event', event);
  add('severity', severity === undefined ? [] : [severity]);
  add('body', body);
  add('attribute', attribute);
  add('since', since === undefined ? [] : [since]);
  return { url: whole.href, tls };
}

async function follow(
  { url, tls }: Target,
  { json }: TailSelection,
  session: LiveSession,
  { terminal }: Surroundings,
): Promise<number> {
  let last = '';
  let take: (piece: string) => ServerSentEvent[];
  const code = await session.keepReading(
    async () => {
      // What was cut off in the middle comes again.
      take = createEventReader((id) => (last = id));
      const headers = { Accept: 'text/event-stream', ...(last !== '' && { 'Last-Event-ID': last }) };
      try {
        return await askLive({ url, tls, headers, abort: session.abort });
      } catch (error) {
        throw error instanceof LiveError ? explain(error, url) : error;
      }
    },
    (piece) => {
      let lines = '';
      for (const { data } of take(piece)) {
        const frame = parseExact(data) as EventFrame | OtherFrame;
        if (json === true) lines += `${data}\n`;
        else if (frame.frame === 'event') lines += eventText(frame, terminal);
        if (frame.frame !== 'event') tell(frame, session);
      }
      if (lines !== '') terminal.print(lines);
    },
    () => false,
  );
  return code;
}

/** What is no event and is told of. */
type OtherFrame =
  | { readonly frame: 'missed'; readonly reason: string; readonly count: number | null }
  | { readonly frame: 'dropped'; readonly reason: string }
  | { readonly frame: 'hello' | 'resource' | 'position' };

function tell(frame: OtherFrame, { notice }: LiveSession): void {
  if (frame.frame === 'dropped') notice(`the agent ended the connection: ${frame.reason}`);
  if (frame.frame !== 'missed') return;
  if (frame.reason === 'restart') notice('the stream has begun anew: what the one before had left is missed');
  else if (frame.count === null) notice('missed events: they are no longer kept');
  else notice(`missed ${frame.count} event${frame.count === 1 ? '' : 's'}: no longer kept`);
}

function explain(error: LiveError, url: string): LiveError {
  if (error.status !== 404) return error;
  return new LiveError(`Cannot find a stream at ${url.split('?', 1)[0]}: the agent there has none`, {
    hint: EXAMPLE,
    status: 404,
  });
}
