/** What PromQL says of a query: errors that end it, and annotations that go with its result. */

/** Offsets in UTF-16 units of the query's text; `end` is behind the last one. */
export interface Position {
  readonly start: number;
  readonly end: number;
}

/** The query is wrong, or its evaluation ended: `position` is the part that it is about, where one is known. */
export class PromqlError extends Error {
  readonly position: Position | undefined;
  /** `parse`: the text is no valid expression; `execution`: evaluating failed; `limit`: it was stopped. */
  readonly reason: 'parse' | 'execution' | 'limit';
  constructor(reason: PromqlError['reason'], message: string, position?: Position, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'PromqlError';
    this.reason = reason;
    this.position = position;
  }
}

/** `line:column`, both from 1, columns in bytes of UTF-8, as Prometheus writes positions. */
export function placeIn(text: string, offset: number): string {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  const line = before.split('\n').length;
  return `${line}:${new TextEncoder().encode(before.slice(lineStart)).length + 1}`;
}

/** Different annotations of one query that are kept. */
const MAX_ANNOTATIONS = 100;

/** Collects the annotations of one evaluation; each distinct one once. */
export interface Annotations {
  /** `text` without the `PromQL warning: ` in front. */
  warn(text: string, position: Position): void;
  /** `text` without the `PromQL info: ` in front. */
  info(text: string, position: Position): void;
}

export interface AnnotationLists {
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

/** `source` is the text that positions are of; without one (an expression made by hand) they are left out. */
export function createAnnotations(source: string | undefined): Annotations & { lists(): AnnotationLists } {
  const seen = new Map<string, Set<number>>();
  const warnings: string[] = [];
  const infos: string[] = [];
  const add = (into: string[], text: string, { start }: Position): void => {
    let starts = seen.get(text);
    if (starts?.has(start) === true || into.length >= MAX_ANNOTATIONS) return;
    if (starts === undefined) seen.set(text, (starts = new Set()));
    starts.add(start);
    into.push(source === undefined ? text : `${text} (${placeIn(source, start)})`);
  };
  return {
    warn: (text, position) => add(warnings, `PromQL warning: ${text}`, position),
    info: (text, position) => add(infos, `PromQL info: ${text}`, position),
    lists: () => ({ warnings, infos }),
  };
}
