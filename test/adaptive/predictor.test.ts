import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boundOf, kindOf, type AdaptiveOptions } from '../../src/adaptive/bounds.ts';
import { createPredictor } from '../../src/adaptive/predictor.ts';
import type { Series } from '../../src/model/batch.ts';
import { collectionOf, seriesOf, type Kind } from './batches.ts';

const OPTIONS: AdaptiveOptions = { max: 120_000, gauge_error: 0.05, counter_error: 0.1, floors: {} };
const START_MS = 1_700_000_000_000;

interface Point {
  readonly time_ms: number;
  readonly value: number;
}

/** What is pushed of series whose values at each tick are the rows of `ticks`, each with its time and who is there. */
function push(
  series: readonly Series[],
  ticks: readonly { readonly time_ms: number; readonly values: readonly number[]; readonly isWhole?: boolean }[],
  options = OPTIONS,
  layoutAt: (tick: number) => readonly number[] = () => series.map((_, index) => index),
) {
  const predictor = createPredictor(options);
  const sent = new Map<Series, Point[]>(series.map((one) => [one, []]));
  let [layout, indices]: [readonly Series[], readonly number[]] = [[], []];
  ticks.forEach(({ time_ms, values, isWhole = false }, tick) => {
    const now = layoutAt(tick);
    if (layout.length === 0 || now.join() !== indices.join())
      [layout, indices] = [now.map((index) => series[index]!), now];
    const batch = collectionOf(
      layout,
      now.map((index) => values[index]!),
      time_ms,
    );
    const { before } = predictor;
    const { late, rows } = predictor.plan(batch, isWhole);
    for (const row of late) {
      sent.get(before!.series[row]!)!.push({ time_ms: Number(before!.time / 1_000_000n), value: before!.values[row]! });
    }
    for (const row of rows) sent.get(batch.series[row]!)!.push({ time_ms, value: batch.values[row]! });
  });
  return sent;
}

/** The rate that a reader has counters go on at, as docs/adaptive.md says it. */
function slopeOf(sent: readonly Point[]): number {
  let [older, younger] = [sent[0]!, sent[0]!];
  sent.forEach((last, index) => {
    if (index === sent.length - 1) return;
    if (sent[index + 1]!.time_ms - last.time_ms > OPTIONS.max) older = younger = sent[index + 1]!;
    else if (last.time_ms - younger.time_ms >= OPTIONS.max / 2) [older, younger] = [younger, last];
  });
  const last = sent.at(-1)!;
  return (last.value - older.value) / (last.time_ms - older.time_ms);
}

/** How far a reader of `sent` is from a value measured, in bounds: by drawing lines, and by going on from the last point. */
function errors(series: Series, sent: readonly Point[], { time_ms, value }: Point): { drawn: number; live: number } {
  const kind = kindOf(series.metric);
  const at = sent.findLastIndex((point) => point.time_ms <= time_ms);
  const last = sent[at]!;
  if (last.time_ms === time_ms) return { drawn: Math.abs(last.value - value), live: 0 };
  const slope = kind === 'counter' ? slopeOf(sent.slice(0, at + 1)) : 0;
  const bound = boundOf(series.metric, kind, OPTIONS, last.value, slope);
  // Sums of such numbers are no better than this.
  const inBounds = (error: number): number => (error <= Math.abs(value) * 1e-12 ? 0 : error / bound);
  const live = inBounds(Math.abs(value - last.value - slope * (time_ms - last.time_ms)));
  const next = sent[at + 1];
  if (next === undefined) return { drawn: 0, live };
  const share = (time_ms - last.time_ms) / (next.time_ms - last.time_ms);
  return { drawn: inBounds(Math.abs(value - last.value - share * (next.value - last.value))), live };
}

const steps = fc.array(
  fc.record({
    wait_ms: fc.oneof(
      { weight: 20, arbitrary: fc.constant(15_000) },
      { weight: 3, arbitrary: fc.integer({ min: 1000, max: 60_000 }) },
      { weight: 1, arbitrary: fc.integer({ min: 100_000, max: 400_000 }) },
    ),
    change: fc.oneof(
      { weight: 4, arbitrary: fc.constant(0) },
      { weight: 4, arbitrary: fc.integer({ min: -100, max: 100 }).map((number) => number / 1024) },
      { weight: 1, arbitrary: fc.integer({ min: -1e9, max: 1e9 }).map((number) => number / 1024) },
    ),
    isWhole: fc.integer({ min: 0, max: 19 }).map((number) => number === 0),
    isThere: fc.integer({ min: 0, max: 9 }).map((number) => number > 0),
  }),
  { minLength: 1, maxLength: 80 },
);

describe('createPredictor', () => {
  test('keeps the readers of any series within the bound, and sends points as they were', () => {
    fc.assert(
      fc.property(
        steps,
        fc.nat(1_000_000).map((number) => number / 1024),
        (all, growth) => {
          const series = [seriesOf('gauge'), seriesOf('counter', 'c', 's'), seriesOf('updown', 'u', 'By')];
          let time_ms = START_MS;
          let [level, total, bytes] = [1, 0, 0];
          const ticks = all.map(({ wait_ms, change, isWhole }) => {
            time_ms += wait_ms;
            level += change;
            total += (growth * wait_ms) / 1000 + Math.abs(change);
            bytes += change * 1e5;
            return { time_ms, values: [level, total, bytes], isWhole };
          });
          // The gauge comes and goes: layouts change under the others.
          const layouts = all.map(({ isThere }) => (isThere ? [0, 1, 2] : [1, 2]));
          const sent = push(series, ticks, OPTIONS, (tick) => layouts[tick]!);
          ticks.forEach((tick, number) => {
            series.forEach((one, index) => {
              if (!layouts[number]!.includes(index)) return;
              // Where one is away, there is nothing to draw a line through.
              if (index === 0 && layouts.some((layout) => !layout.includes(0))) return;
              const { drawn, live } = errors(one, sent.get(one)!, {
                time_ms: tick.time_ms,
                value: tick.values[index]!,
              });
              expect(drawn).toBeLessThanOrEqual(1 + 1e-6);
              // A point that was sent late was not there when it was measured: what follows it was too far away by then.
              const isLate = sent.get(one)!.some((point) => point.time_ms === tick.time_ms);
              if (!isLate) expect(live).toBeLessThanOrEqual(0.5 + 1e-6);
            });
          });
        },
      ),
      { numRuns: 500 },
    );
  });

  test('sends points of a series in order, each at most once, and the first of each', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const one = seriesOf('gauge');
        let time_ms = START_MS;
        let value = 0;
        const ticks = all.map((step) => ({ time_ms: (time_ms += step.wait_ms), values: [(value += step.change)] }));
        const points = push([one], ticks).get(one)!;
        expect(points[0]).toEqual({ time_ms: ticks[0]!.time_ms, value: ticks[0]!.values[0] });
        points.slice(1).forEach((point, at) => expect(point.time_ms).toBeGreaterThan(points[at]!.time_ms));
      }),
    );
  });

  const every15s = (values: readonly number[]) =>
    values.map((value, tick) => ({ time_ms: START_MS + tick * 15_000, values: [value] }));
  const timesOf = (kind: Kind, values: readonly number[], unit = '1', options = OPTIONS): number[] => {
    const one = seriesOf(kind, kind, unit);
    return push([one], every15s(values), options)
      .get(one)!
      .map(({ time_ms }) => (time_ms - START_MS) / 15_000);
  };

  test('sends what stands still every `max`', () => {
    expect(
      timesOf(
        'gauge',
        Array.from({ length: 20 }, () => 5),
      ),
    ).toEqual([0, 8, 16]);
  });

  test('sends a counter that grows evenly as soon as its rate is known, and then every `max`', () => {
    const values = Array.from({ length: 20 }, (_, tick) => tick * 40);
    expect(timesOf('counter', values, 's')).toEqual([0, 1, 9, 17]);
  });

  test('sends the last point of a counter that is gone, as what it had counted is not told by its successor', () => {
    const [gone, successor, other] = [seriesOf('counter', 'c', 's'), seriesOf('counter', 'c', 's'), seriesOf('gauge')];
    const ticks = [0, 40, 80, 120, 5].map((value, tick) => ({
      time_ms: START_MS + tick * 15_000,
      values: [value, value, 1],
    }));
    const sent = push([gone, successor, other], ticks, OPTIONS, (tick) => (tick < 4 ? [2, 0] : [1, 2]));
    expect(sent.get(gone)!.map(({ value }) => value)).toEqual([0, 40, 120]);
    expect(sent.get(successor)!.map(({ value }) => value)).toEqual([5]);
  });

  test('sends a jump at once, with the point before it', () => {
    expect(timesOf('gauge', [5, 5, 5, 5, 9, 9])).toEqual([0, 3, 4]);
    expect(timesOf('counter', [0, 10, 20, 30, 40, 500, 510], 's').slice(0, 4)).toEqual([0, 1, 4, 5]);
  });

  test('sends the first movement of a counter that stood still, by one', () => {
    expect(timesOf('counter', [7, 7, 7, 7, 8, 8], '{packet}').slice(0, 4)).toEqual([0, 1, 3, 4]);
  });

  test('sends all of delta sums and distributions, and what is no number', () => {
    expect(timesOf('delta', [1, 1, 1])).toEqual([0, 1, 2]);
    expect(timesOf('histogram', [NaN, NaN, NaN])).toEqual([0, 1, 2]);
    expect(timesOf('gauge', [1, Infinity, Infinity, 1])).toEqual([0, 1, 2, 3]);
  });

  test('sends everything after a gap longer than `max`, and when the clock is set back', () => {
    const one = seriesOf('gauge');
    const at = (...seconds: number[]) => seconds.map((second) => ({ time_ms: START_MS + second * 1000, values: [5] }));
    expect(push([one], at(0, 15, 30, 200, 215)).get(one)).toHaveLength(2);
    expect(push([one], at(0, 15, 30, -600, -585)).get(one)).toHaveLength(2);
  });

  test('takes floors by unit from the configuration before its own', () => {
    const values = [10, 10.2, 9.8, 10.1, 9.9];
    expect(timesOf('gauge', values, 'Cel', { ...OPTIONS, gauge_error: 0 })).toEqual([0]);
    expect(timesOf('gauge', values, 'Cel', { ...OPTIONS, gauge_error: 0, floors: { Cel: 0.1 } })).toHaveLength(5);
  });

  test('sends everything after what was planned did not arrive', () => {
    const one = seriesOf('gauge');
    const predictor = createPredictor(OPTIONS);
    const plan = (tick: number) => predictor.plan(collectionOf(layout, [5], START_MS + tick * 15_000), false).rows;
    const layout = [one];
    expect([plan(0), plan(1)]).toEqual([[0], []]);
    predictor.forget();
    expect([plan(2), plan(3)]).toEqual([[0], []]);
  });
});
