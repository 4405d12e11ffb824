/** Which records of a queue are settled: everything before `low`, and spans behind it where the order was left. */
import type { Position } from './format.ts';

export interface Span {
  readonly from: Position;
  readonly to: Position;
}

export interface Progress {
  /** Everything before it is settled. */
  readonly low: Position;
  /** Settled spans behind `low`, in order, none touching another. */
  readonly spans: readonly Span[];
  isDone(seq: number): boolean;
  /** Whether all of a span is. */
  covers(span: Span): boolean;
  /** Settles a span: the items in it that were not settled before. */
  add(span: Span): number;
}

export function createProgress(low: Position, spans: readonly Span[] = []): Progress {
  let above: Span[] = [];
  const progress = {
    low,
    get spans() {
      return above;
    },
    isDone(seq: number) {
      return seq < progress.low.seq || above.some(({ from, to }) => seq >= from.seq && seq < to.seq);
    },
    covers({ from, to }: Span) {
      if (to.seq <= progress.low.seq) return true;
      return above.some((span) => span.from.seq <= Math.max(from.seq, progress.low.seq) && to.seq <= span.to.seq);
    },
    add(span: Span) {
      const from = later(span.from, progress.low);
      if (from.seq >= span.to.seq) return 0;
      let [start, end] = [from, span.to];
      let known = 0;
      const rest: Span[] = [];
      for (const old of above) {
        if (old.to.seq < start.seq || old.from.seq > end.seq) {
          rest.push(old);
          continue;
        }
        const inside = earlier(old.to, span.to).item - later(old.from, from).item;
        known += Math.max(0, inside);
        start = earlier(start, old.from);
        end = later(end, old.to);
      }
      above = rest;
      if (start.seq <= progress.low.seq) progress.low = end;
      else above = [...rest, { from: start, to: end }].toSorted((a, b) => a.from.seq - b.from.seq);
      return Math.max(0, span.to.item - from.item - known);
    },
  };
  for (const span of spans) progress.add(span);
  return progress;
}

export function later(a: Position, b: Position): Position {
  return a.seq >= b.seq ? a : b;
}

function earlier(a: Position, b: Position): Position {
  return a.seq <= b.seq ? a : b;
}
