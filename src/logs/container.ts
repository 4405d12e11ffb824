/** What container runtimes make of the lines of a container: containerd and CRI-O one way, Docker another. */
import type { AnyValue } from '../model/attributes.ts';
import type { ParsedLine } from './format.ts';
import { parseJsonObject } from './json.ts';
import { plainLine } from './plain.ts';
import type { TimeReader } from './time/reader.ts';

/** Of both streams, which do not change: one object each is faster, for us and for encoders. */
const STREAMS: Readonly<Record<string, { readonly 'log.iostream': string }>> = {
  stdout: { 'log.iostream': 'stdout' },
  stderr: { 'log.iostream': 'stderr' },
};

/**
 * `2024-01-02T15:04:05.123456789Z stdout F text`; `P` for a part that the next line of the stream continues:
 * https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
 */
export function parseCri(line: string, times: TimeReader): ParsedLine | undefined {
  // The stream is looked for first, as it is what tells these lines from others.
  const space = line.charCodeAt(10) === 0x54 ? line.slice(0, 40).indexOf(' std') : -1;
  if (space < 20) return undefined;
  const attributes = STREAMS[line.slice(space + 1, space + 7)];
  if (attributes === undefined || line.charCodeAt(space + 7) !== 0x20) return undefined;
  const tag = line.charCodeAt(space + 8);
  const isPartial = tag === 0x50;
  if (!isPartial && tag !== 0x46) return undefined;
  let text = space + 9;
  if (line.charCodeAt(text) === 0x3a) {
    // Further tags, as in `F:TAG`.
    const end = line.indexOf(' ', text);
    text = end < 0 ? line.length : end;
  }
  if (text < line.length && line.charCodeAt(text) !== 0x20) return undefined;
  const time = times.readAt(line, 0);
  if (time === undefined || times.end !== space) return undefined;
  const parsed = plainLine(line.slice(text + 1));
  parsed.time = time;
  parsed.attributes = attributes;
  if (isPartial) parsed.isPartial = true;
  return parsed;
}

const NO_FIELD_IS_TIME = (): boolean => false;

/** `{"log":"text\n","stream":"stdout","time":"2024-01-02T15:04:05.123456789Z"}`, of Docker's driver json-file. */
export function parseDocker(line: string, times: TimeReader): ParsedLine | undefined {
  const object = parseJsonObject(line, NO_FIELD_IS_TIME);
  if (object === undefined) return undefined;
  const { log, stream, time: timeText, attrs } = object;
  if (typeof log !== 'string' || typeof timeText !== 'string') return undefined;
  const time = times.readAt(timeText, 0);
  if (time === undefined || times.end !== timeText.length) return undefined;
  // Docker splits long lines, and only the last part ends with a line feed.
  const isPartial = !log.endsWith('\n');
  const parsed = plainLine(isPartial ? log : log.slice(0, log.endsWith('\r\n') ? -2 : -1));
  parsed.time = time;
  const streamed = typeof stream === 'string' ? (STREAMS[stream] ?? { 'log.iostream': stream }) : {};
  // Labels and variables that --log-opt chose.
  parsed.attributes = isLabels(attrs) ? { ...streamed, 'container.log.attrs': attrs } : streamed;
  if (isPartial) parsed.isPartial = true;
  return parsed;
}

function isLabels(attrs: AnyValue | undefined): attrs is { readonly [key: string]: AnyValue } {
  return typeof attrs === 'object' && attrs !== null && !Array.isArray(attrs);
}
