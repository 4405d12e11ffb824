import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import interval from '../../../processors/interval/index.ts';
import { RetryableError } from '../../../src/errors.ts';
import { NO_RECORDED_VALUE, type HistogramPoint, type MetricBatch } from '../../../src/model/batch.ts';
import { metric, metricBatch, runProcessor, series, table, type ProcessorRun } from '../../support/processor.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const GAUGE = metric('g', { kind: 'gauge' });
const DELTA = metric('d', { temporality: 'delta' });
const at = (seconds: number) => ({ time: BigInt(seconds) * 1_000_000_000n });
const total = (counts: ReadonlyMap<string, number>) => [...counts.values()].reduce((sum, count) => sum + count, 0);
const cpu = { collection: { receiver: 'cpu', onDemand: false } };
const ENDED = { flags: Uint32Array.of(NO_RECORDED_VALUE) };
const rowsOf = (run: ProcessorRun) => run.metrics().flatMap((batch) => table(batch));

function histogram(count: bigint, explicitBounds: readonly number[] = [1]): HistogramPoint {
  return { type: 'histogram', count, sum: Number(count), explicitBounds, bucketCounts: [count, 0n] };
}

describe('interval', () => {
  test('hands on the latest value of each series once an interval, with its own time', async () => {
    const run = runProcessor(interval, { interval: '60s' });
    const layout = [series('a', { x: 1 }), series(GAUGE)];
    for (let i = 1; i <= 6; i++) await run.consume(metricBatch(layout, [i * 10, i], at(i * 10)));
    expect([run.out.length, run.held]).toEqual([0, 2]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(rowsOf(run)).toEqual([
      ['a', { x: 1 }, 60],
      ['g', {}, 6],
    ]);
    expect(run.metrics()[0]!.time).toBe(60_000_000_000n);
    expect([run.held, run.dropped.get('merged')]).toEqual([0, 10]);
  });

  test('has the same layout in each window, says nothing of what is silent, and rests when nothing comes', async () => {
    const run = runProcessor(interval, { interval: '1s' });
    const layout = [series('a'), series('b')];
    for (let i = 1; i <= 2; i++) {
      await run.consume(metricBatch(layout, [i, i], at(i)));
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(run.metrics()[1]!.series).toBe(run.metrics()[0]!.series);
    await vi.advanceTimersByTimeAsync(5000);
    expect(run.out).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('is regular as long as something comes', async () => {
    const run = runProcessor(interval, { interval: '10s' });
    const layout = [series('a')];
    for (let i = 1; i <= 20; i++) {
      await run.consume(metricBatch(layout, [i], at(i)));
      await vi.advanceTimersByTimeAsync(3000);
    }
    expect(run.out).toHaveLength(6);
  });

  test('gives several statistics of a gauge under names of their own', async () => {
    const run = runProcessor(interval, { gauges: ['last', 'avg', 'min', 'max'] });
    const layout = [series(GAUGE)];
    for (const value of [3, NaN, 1, 7, 2]) await run.consume(metricBatch(layout, [value]));
    await run.processor.stop?.();
    expect(rowsOf(run)).toEqual([
      ['g', {}, 2],
      ['g.avg', {}, 3.25],
      ['g.min', {}, 1],
      ['g.max', {}, 7],
    ]);
    expect(run.metrics()[1]!.series[0]!.metric.valueType).toBe('double');
    expect([run.held, run.dropped.get('merged')]).toEqual([0, 4]);
  });

  test.each([
    ['avg', 2.5],
    ['min', 1],
    ['max', 4],
  ])('gives a single statistic %s under the name of the gauge', async (statistic, value) => {
    const run = runProcessor(interval, { gauges: [statistic] });
    await run.consume(metricBatch([series(GAUGE)], [1]));
    await run.consume(metricBatch([series(GAUGE)], [4]));
    await run.processor.stop?.();
    expect(rowsOf(run)).toEqual([['g', {}, value]]);
  });

  test('adds deltas up, from the first start to the last time', async () => {
    const run = runProcessor(interval);
    for (let i = 1; i <= 3; i++) {
      const layout = [series(DELTA, {}, { startTime: BigInt(i * 10) * 1_000_000_000n })];
      await run.consume(metricBatch(layout, [i], at(i * 10 + 10)));
    }
    await run.processor.stop?.();
    const [batch] = run.metrics();
    expect([batch!.values[0], batch!.series[0]!.startTime, batch!.time]).toEqual([6, 10_000_000_000n, 40_000_000_000n]);
  });

  test('adds delta histograms, and holds those of other bounds beside them', async () => {
    const run = runProcessor(interval);
    const layout = [series(metric('h', { kind: 'histogram', isMonotonic: false, temporality: 'delta' }))];
    for (const [seconds, point] of [
      [1, histogram(2n)],
      [2, histogram(3n)],
      [3, histogram(5n, [9])],
    ] as const) {
      await run.consume(metricBatch(layout, [NaN], { ...at(seconds), points: [point] }));
    }
    expect(run.held).toBe(2);
    await run.processor.stop?.();
    expect(run.metrics().map(({ points }) => points)).toEqual([[histogram(5n)], [histogram(5n, [9])]]);
    expect([run.held, run.dropped.get('merged')]).toEqual([0, 1]);
  });

  test('keeps the last point of a run when a pushed counter begins anew', async () => {
    const run = runProcessor(interval);
    await run.consume(metricBatch([series('a', {}, { startTime: 1n })], [100], at(10)));
    await run.consume(metricBatch([series('a', {}, { startTime: 15_000_000_000n })], [4], at(20)));
    await run.processor.stop?.();
    expect(run.metrics().map(({ series: [one], values }) => [one!.startTime, values[0]])).toEqual([
      [1n, 100],
      [15_000_000_000n, 4],
    ]);
  });

  test('passes what is not held at once, and no longer as a whole collection', async () => {
    const run = runProcessor(interval, { pass_through: { gauge: true, up_down_counter: true, delta: true } });
    const layout = [series(GAUGE), series('a'), series(DELTA), series(metric('u', { isMonotonic: false }))];
    await run.consume(metricBatch(layout, [1, 2, 3, 4], cpu));
    expect(rowsOf(run).map((row) => (row as unknown[])[0])).toEqual(['g', 'd', 'u']);
    expect(run.metrics()[0]!.collection).toBeUndefined();
    const whole = metricBatch([series(GAUGE)], [1], cpu);
    await run.consume(whole);
    expect(run.out[1]).toBe(whole);
  });

  test('holds nothing of a batch of which the rest is refused later, as it comes again', async () => {
    const run = runProcessor(interval, { interval: '1s', pass_through: { gauge: true } });
    const batch = metricBatch([series(GAUGE), series(DELTA)], [1, 5], at(1));
    run.answer = () => Promise.reject(new RetryableError('full'));
    await expect(run.consume(batch)).rejects.toThrow('full');
    expect(run.held).toBe(0);
    run.answer = () => Promise.resolve();
    await run.consume(batch);
    await vi.advanceTimersByTimeAsync(1000);
    expect(rowsOf(run).at(-1)).toEqual(['d', {}, 5]);
    expect([run.held, run.dropped.size]).toEqual([0, 0]);
  });

  test('hands on what a receiver measures as a whole collection, an empty one too', async () => {
    const run = runProcessor(interval, { interval: '1s' });
    await run.consume(metricBatch([series('a')], [1], cpu));
    await run.consume(metricBatch([series('pushed')], [1]));
    await vi.advanceTimersByTimeAsync(1000);
    expect(run.metrics().map(({ collection, count }) => [collection?.receiver, count])).toEqual([
      ['cpu', 1],
      [undefined, 1],
    ]);
    await run.consume(metricBatch([], [], cpu));
    await vi.advanceTimersByTimeAsync(1000);
    expect(run.metrics()[2]).toMatchObject({ count: 0, collection: { receiver: 'cpu' } });
  });

  test('tells the end of a series behind its last value, and outside the collection', async () => {
    const run = runProcessor(interval, { interval: '1s' });
    const gone = series('a', { x: 1 });
    const stays = series('a', { x: 2 });
    await run.consume(metricBatch([gone, stays], [5, 6], { ...cpu, ...at(1) }));
    await run.consume(metricBatch([stays], [7], { ...cpu, ...at(2) }));
    await run.consume(metricBatch([gone], [NaN], { ...ENDED, ...at(2) }));
    await vi.advanceTimersByTimeAsync(1000);
    const [collection, ends] = run.metrics();
    expect(table(collection!)).toEqual([['a', { x: 2 }, 7]]);
    expect([[...ends!.values], [...ends!.flags!], ends!.collection]).toEqual([
      [5, NaN],
      [0, NO_RECORDED_VALUE],
      undefined,
    ]);
    expect([run.held, total(run.dropped)]).toEqual([0, 1]);
    // Nothing is held of it: its end need not wait.
    await run.consume(metricBatch([stays], [NaN], { ...ENDED, ...at(3) }));
    expect(run.metrics()[2]!.flags).toEqual(ENDED.flags);
  });

  test('leaves out series beyond max_series, and has room again when others are silent', async () => {
    const run = runProcessor(interval, { interval: '1s', max_series: 2 });
    const layout = [1, 2, 3].map((x) => series('a', { x }));
    await run.consume(metricBatch(layout, [1, 2, 3]));
    expect([run.held, run.dropped.get('series_limit')]).toEqual([2, 1]);
    await vi.advanceTimersByTimeAsync(2000);
    await run.consume(metricBatch([layout[2]!], [9]));
    await run.processor.stop?.();
    expect(table(run.metrics().at(-1)!)).toEqual([['a', { x: 3 }, 9]]);
  });

  test('goes on gathering while what follows refuses, and hands everything on later', async () => {
    const run = runProcessor(interval, { interval: '1s' });
    run.answer = () => Promise.reject(new RetryableError('Cannot take: full'));
    const layout = [series(DELTA)];
    for (let i = 1; i <= 5; i++) {
      await run.consume(metricBatch(layout, [1], at(i)));
      await vi.advanceTimersByTimeAsync(1000);
    }
    run.out.length = 0;
    run.answer = () => undefined;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(run.metrics().reduce((sum, batch) => sum + batch.values[0]!, 0)).toBe(5);
    expect(run.held).toBe(0);
  });

  test('at the stop tries a last time, then drops, counted', async () => {
    const run = runProcessor(interval);
    run.answer = () => Promise.reject(new RetryableError('Cannot take: full'));
    await run.consume(metricBatch([series('a'), series('b')], [1, 2]));
    await run.processor.stop?.();
    expect(Object.fromEntries(run.dropped)).toEqual({ undelivered: 2 });
    expect([run.held, vi.getTimerCount()]).toEqual([0, 0]);
  });

  test('lets what is collected on demand pass', async () => {
    const run = runProcessor(interval);
    const batch = metricBatch([series('a')], [1], { collection: { receiver: 'cpu', onDemand: true } });
    await run.consume(batch);
    expect(run.out).toEqual([batch]);
  });

  test('loses no delta and no last value, and its books balance, whatever comes', async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ x: fc.nat({ max: 4 }), value: fc.nat({ max: 100 }), isDelta: fc.boolean() }),
      },
      { weight: 1, arbitrary: fc.record({ end: fc.nat({ max: 4 }) }) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 1500 }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const run = runProcessor(interval, { interval: '1s' });
        let given = 0;
        const deltas = new Map<number, number>();
        const last = new Map<number, number>();
        let time = 0;
        for (const each of steps) {
          time++;
          if (typeof each === 'number') await vi.advanceTimersByTimeAsync(each);
          else if ('end' in each) {
            given++;
            await run.consume(metricBatch([series('a', { x: each.end })], [NaN], { ...ENDED, ...at(time) }));
          } else {
            given++;
            const one = series(each.isDelta ? DELTA : 'a', { x: each.x });
            await run.consume(metricBatch([one], [each.value], at(time)));
            if (each.isDelta) deltas.set(each.x, (deltas.get(each.x) ?? 0) + each.value);
            else last.set(each.x, each.value);
          }
        }
        const handedOn = (batches: readonly MetricBatch[]) => batches.reduce((sum, { count }) => sum + count, 0);
        expect(handedOn(run.metrics()) + total(run.dropped) + run.held).toBe(given);
        await run.processor.stop?.();
        expect(handedOn(run.metrics()) + total(run.dropped)).toBe(given);
        const sums = new Map<number, number>();
        const latest = new Map<number, number>();
        for (const batch of run.metrics()) {
          batch.series.forEach((one, row) => {
            const x = one.attributes['x'] as number;
            const value = batch.values[row]!;
            if (Number.isNaN(value)) return;
            if (one.metric.name === 'd') sums.set(x, (sums.get(x) ?? 0) + value);
            else latest.set(x, value);
          });
        }
        expect(sums).toEqual(deltas);
        expect(latest).toEqual(last);
      }),
    );
  });
});
