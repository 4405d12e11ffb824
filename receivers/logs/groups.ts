/** Lines that belong together: parts that a container runtime made of one, and records of several lines. */
import { CONTINUED, PARTIAL, type TakeLine } from './split.ts';

export interface GroupOptions {
  /** Whether lines may be those of a container runtime. */
  readonly containers: 'cri' | 'docker' | 'any' | 'none';
  readonly multiline: Multiline | undefined;
  readonly max_bytes: number;
}

export interface Multiline {
  /** Whether a line begins a record; without it, what follows the end of one does. */
  readonly begins: ((line: string) => boolean) | undefined;
  readonly ends: ((line: string) => boolean) | undefined;
  readonly max_lines: number;
}

/** Joins the lines of one stretch of a file; nothing of it outlives that. */
export interface Groups {
  readonly take: TakeLine;
  /** Takes what waits for more as it is. */
  flush(): void;
  /** The place where what waits begins; undefined where nothing does. */
  readonly waiting: { readonly start: number; readonly flags: number } | undefined;
}

interface Group {
  readonly start: number;
  /** Of its first part. */
  readonly flags: number;
  readonly wrap: ((text: string) => string) | undefined;
  text: string;
  lines: number;
  /** Where the last line begins in the text. */
  lineStart: number;
  /** The last line is not complete. */
  isInLine: boolean;
}

/** A line that a container runtime wrote. */
interface Envelope {
  readonly stream: string;
  readonly content: string;
  readonly isPart: boolean;
  /** The line with another content. */
  readonly wrap: (content: string) => string;
}

/**
 * @param emitted records that a line before this place completes were taken already
 * @param take the whole record; `start` is that of its first line
 */
export function createGroups(
  { containers, multiline, max_bytes }: GroupOptions,
  emitted: number,
  take: TakeLine,
): Groups {
  /** By stream: those of a container are written to one file in turns. */
  const open = new Map<string, Group>();

  function complete(stream: string, group: Group, lineStart: number, next: number, more: number): boolean {
    open.delete(stream);
    if (lineStart < emitted) return true;
    const { wrap, text, start, flags } = group;
    return take(wrap === undefined ? text : wrap(text), start, next, (flags & ~PARTIAL) | more);
  }

  return {
    take(text, start, next, flags) {
      const envelope = containers === 'none' ? undefined : openEnvelope(text, containers);
      const content = envelope?.content ?? text;
      const isPart = envelope?.isPart ?? (flags & PARTIAL) !== 0;
      if (envelope === undefined && multiline === undefined) {
        return start < emitted ? true : take(text, start, next, flags);
      }
      const stream = envelope?.stream ?? '';
      if (multiline === undefined && !isPart && !open.has(stream)) {
        return start < emitted ? true : take(text, start, next, flags);
      }
      let goesOn = true;
      let group = open.get(stream);
      const begins = group?.isInLine !== true && multiline?.begins?.(content) === true;
      if (group !== undefined && (begins || group.text.length + content.length > max_bytes)) {
        goesOn = complete(stream, group, start, start, group.isInLine ? PARTIAL : 0);
        group = undefined;
      }
      if (group === undefined) {
        group = { start, flags, wrap: envelope?.wrap, text: content, lines: 1, lineStart: 0, isInLine: isPart };
        open.set(stream, group);
      } else if (group.isInLine) {
        group.text += content;
        group.isInLine = isPart;
      } else {
        group.lineStart = group.text.length + 1;
        group.text += `\n${content}`;
        group.lines += 1;
        group.isInLine = isPart;
      }
      if (isPart) return goesOn;
      const isOver =
        multiline === undefined ||
        group.lines >= multiline.max_lines ||
        multiline.ends?.(group.text.slice(group.lineStart)) === true;
      return isOver ? complete(stream, group, start, next, 0) && goesOn : goesOn;
    },
    flush() {
      for (const [stream, group] of open) {
        complete(stream, group, Infinity, group.start, group.isInLine ? PARTIAL : 0);
      }
    },
    get waiting() {
      let first: Group | undefined;
      for (const group of open.values()) if (first === undefined || group.start < first.start) first = group;
      return first === undefined ? undefined : { start: first.start, flags: first.flags & CONTINUED };
    },
  };
}

/** `2016-10-06T00:17:09.669794202Z stdout P the first part`: CRI, with P for a part and F for the last one. */
const CRI = /^(\S+ (stdout|stderr) )([PF])(:\S*)?(?: ([^]*))?$/;
const DOCKER_START = '{"log":"';

function openEnvelope(line: string, containers: GroupOptions['containers']): Envelope | undefined {
  if (containers !== 'docker' && line.charCodeAt(10) === 0x54) {
    const match = CRI.exec(line);
    if (match !== null) {
      const [, header, stream, tag, more = '', content = ''] = match;
      const wrap = (text: string): string => `${header}F${more} ${text}`;
      return { stream: stream!, content, isPart: tag === 'P', wrap };
    }
  }
  return containers !== 'cri' && line.startsWith(DOCKER_START) ? openDockerLine(line) : undefined;
}

/** `{"log":"hello\n","stream":"stdout","time":"2019-01-01T11:00:00.000000001Z"}`: a log without newline goes on. */
function openDockerLine(line: string): Envelope | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // It only begins as one; whoever parses it says so.
    return undefined;
  }
  const { log, stream } = value as { log: unknown; stream: unknown };
  if (typeof log !== 'string' || typeof stream !== 'string') return undefined;
  const isPart = !log.endsWith('\n');
  const content = isPart ? log : log.slice(0, -1);
  const wrap = (text: string): string => JSON.stringify({ ...(value as object), log: `${text}\n` });
  return { stream, content, isPart, wrap };
}
