import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import topK from '../../../processors/top_k/index.ts';
import { RetryableError } from '../../../src/errors.ts';
import { NO_RECORDED_VALUE, type HistogramPoint, type MetricBatch, type Series } from '../../../src/model/batch.ts';
import { metric, metricBatch, runProcessor, series, table, type ProcessorRun } from '../../support/processor.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const GAUGE = metric('g', { kind: 'gauge' });
const DELTA = metric('d', { temporality: 'delta' });
const REST = { 'otel.metric.overflow': true };
const SECOND = 1_000_000_000n;
const now = () => BigInt(Date.now()) * 1_000_000n;
const EAGER = { window: '1ms', hysteresis: 0, min_stay: '0' };

/** Consumes a batch of now, and then lets ten seconds pass. */
async function give(
  run: ProcessorRun,
  layout: readonly Series[],
  values: readonly number[],
  more: Partial<MetricBatch> = {},
) {
  await run.consume(metricBatch(layout, values, { time: now(), ...more }));
  await vi.advanceTimersByTimeAsync(10_000);
}
const lastTable = (run: ProcessorRun) =>
  table(
    run
      .metrics()
      .filter(({ flags }) => flags === undefined)
      .at(-1)!,
  );
const total = (counts: ReadonlyMap<string, number>) => [...counts.values()].reduce((sum, count) => sum + count, 0);

describe('top_k', () => {
  test('keeps the counters that rise most, and counts in one remainder what the others rise', async () => {
    const run = runProcessor(topK, { k: 1, ...EAGER });
    const layout = ['a', 'b', 'c'].map((x) => series('m', { x }));
    await give(run, layout, [100, 1000, 10]);
    await give(run, layout, [100, 1600, 30]);
    await give(run, layout, [105, 2200, 40]);
    expect(lastTable(run)).toEqual([
      ['m', { x: 'b' }, 2200],
      ['m', REST, 35],
    ]);
    const [, second, third] = run.metrics();
    expect(third!.series).toBe(second!.series);
    expect(run.dropped.get('merged')).toBe(3);
  });

  test('has one remainder, also where there was one before it', async () => {
    const run = runProcessor(topK, { k: 1, ...EAGER });
    const layout = [series('m', { x: 'a' }), series('m', REST), series('m', { x: 'b' })];
    await give(run, layout, [100, 1000, 10]);
    await give(run, layout, [200, 3000, 11]);
    expect(lastTable(run)).toEqual([
      ['m', { x: 'a' }, 200],
      ['m', REST, 2001],
    ]);
  });

  test('lets a series that comes in count from there, and tells the end of the one that goes', async () => {
    const run = runProcessor(topK, { k: 1, ...EAGER });
    const layout = ['a', 'b'].map((x) => series('m', { x }));
    await give(run, layout, [1000, 500]);
    await give(run, layout, [2000, 510]);
    const before = now() - 10n * SECOND;
    await give(run, layout, [2005, 3510]);
    const [ended] = run.metrics().filter(({ flags }) => flags !== undefined);
    expect(ended!.series).toEqual([layout[0]]);
    expect(lastTable(run)).toEqual([
      ['m', { x: 'b' }, 3000],
      ['m', REST, 15],
    ]);
    const joined = run.metrics().findLast(({ flags }) => flags === undefined)!.series[0]!;
    expect(joined.startTime).toBe(before);
    await give(run, layout, [2006, 5510]);
    expect(lastTable(run)[0]).toEqual(['m', { x: 'b' }, 5000]);
    expect(run.metrics().at(-1)!.series[0]).toBe(joined);
  });

  test('keeps who is in until another is clearly more, and for a while', async () => {
    const run = runProcessor(topK, { k: 1, window: '1ms', hysteresis: 0.5, min_stay: '15s' });
    const layout = ['a', 'b'].map((x) => series(GAUGE, { x }));
    const kept: unknown[] = [];
    for (const [a, b] of [
      [10, 9],
      [10, 100],
      [10, 14],
      [10, 16],
      [16, 16],
    ] as const) {
      await give(run, layout, [a, b]);
      kept.push((lastTable(run)[0] as [string, { x: string }])[1].x);
    }
    expect(kept).toEqual(['a', 'a', 'a', 'b', 'b']);
  });

  test('leaves out gauges that are not kept, counted, and tells the end of one that goes', async () => {
    const run = runProcessor(topK, { k: 1, ...EAGER });
    const layout = ['a', 'b'].map((x) => series(GAUGE, { x }));
    await give(run, layout, [2, 1]);
    await give(run, layout, [2, 3]);
    expect(run.dropped.get('top_k')).toBe(2);
    expect(run.metrics().find(({ flags }) => flags !== undefined)!.series).toEqual([layout[0]]);
    expect(lastTable(run)).toEqual([['g', { x: 'b' }, 3]]);
  });

  test.each([
    ['sum', 12],
    ['avg', 4],
    ['min', 3],
    ['max', 5],
  ])('makes one gauge of the others by %s', async (gauges, value) => {
    const run = runProcessor(topK, { k: 1, gauges });
    const layout = [9, 3, 5, 4].map((x) => series(GAUGE, { x }));
    await give(run, layout, [9, 3, 5, 4]);
    expect(lastTable(run)[1]).toEqual(['g', REST, value]);
  });

  test('keeps the lowest, ranks within groups, and names the remainder as told', async () => {
    const run = runProcessor(topK, {
      k: 1,
      order: 'lowest',
      group_by: ['disk'],
      gauges: 'sum',
      remainder_attributes: { x: 'other' },
    });
    const layout = ['p', 'q'].flatMap((disk) => [1, 2, 3].map((x) => series(GAUGE, { disk, x })));
    await give(run, layout, [7, 8, 9, 3, 2, 1]);
    expect(lastTable(run)).toEqual([
      ['g', { disk: 'p', x: 1 }, 7],
      ['g', { disk: 'q', x: 3 }, 1],
      ['g', { disk: 'p', x: 'other' }, 17],
      ['g', { disk: 'q', x: 'other' }, 5],
    ]);
  });

  test('adds deltas, levels and histograms of the others', async () => {
    const run = runProcessor(topK, { k: 1, ...EAGER });
    const histogram = metric('h', { kind: 'histogram', isMonotonic: false, temporality: 'delta' });
    const level = metric('l', { isMonotonic: false });
    const layout = [DELTA, level, histogram].flatMap((one) => [1, 2, 3].map((x) => series(one, { x })));
    const point = (count: bigint): HistogramPoint => ({
      type: 'histogram',
      count,
      explicitBounds: [],
      bucketCounts: [count],
    });
    const points = [...Array.from({ length: 6 }, () => undefined), point(9n), point(2n), point(1n)];
    await give(run, layout, [9, 2, 1, 9, 4, 3, NaN, NaN, NaN], { points });
    const batch = run.metrics()[0]!;
    expect(lastTable(run).slice(3)).toEqual([
      ['d', REST, 3],
      ['l', REST, 7],
      ['h', REST, NaN],
    ]);
    expect(batch.points![5]).toEqual(point(3n));
  });

  test('gives the place of a series that ended to another, and hands on its end', async () => {
    const run = runProcessor(topK, { k: 1 });
    const layout = ['a', 'b'].map((x) => series('m', { x }));
    const collection = { collection: { receiver: 'r', onDemand: false } };
    await give(run, layout, [0, 0], collection);
    await give(run, layout, [500, 5], collection);
    await give(run, [layout[1]!], [7], collection);
    await give(run, [layout[0]!], [NaN], { flags: Uint32Array.of(NO_RECORDED_VALUE) });
    expect(lastTable(run)).toEqual([['m', { x: 'b' }, 2]]);
    expect(run.metrics().at(-1)).toMatchObject({ series: [layout[0]], flags: Uint32Array.of(NO_RECORDED_VALUE) });
  });

  test('counts nothing twice when a series ends and comes back', async () => {
    const run = runProcessor(topK, { k: 1 });
    const startTime = now() + 1n;
    const layout = [series('m', { x: 'a' }, { startTime }), series('m', { x: 'b' }, { startTime })];
    await vi.advanceTimersByTimeAsync(1000);
    await give(run, layout, [1000, 10]);
    await give(run, [layout[1]!], [NaN], { flags: Uint32Array.of(NO_RECORDED_VALUE) });
    await give(run, layout, [2000, 15]);
    expect(lastTable(run)[1]).toEqual(['m', REST, 15]);
  });

  test('takes a counter outside that falls for one that begins anew, and an unknown start for a baseline', async () => {
    const run = runProcessor(topK, { k: 1 });
    const layout = [series('m', { x: 'a' }), series('m', { x: 'b' })];
    await give(run, layout, [1000, 10]);
    await give(run, layout, [2000, 30]);
    await give(run, layout, [3000, 4]);
    expect(lastTable(run)[1]).toEqual(['m', REST, 24]);
    await give(run, [layout[0]!, series('m', { x: 'b' }, { startTime: now() })], [4000, 90]);
    expect(lastTable(run)[1]).toEqual(['m', REST, 24]);
  });

  test('passes on the very same batch where everything is kept', async () => {
    const run = runProcessor(topK, { k: 2 });
    const batch = metricBatch(
      [series('m', { x: 1 }), series('m', { x: 2 }), series(metric('s', { kind: 'summary' }))],
      [1, 2, 3],
    );
    await run.consume(batch);
    expect(run.out[0]).toBe(batch);
  });

  test('leaves out counters beyond max_series, and says so', async () => {
    const run = runProcessor(topK, { k: 1, max_series: 2 });
    const layout = [1, 2, 3, 4].map((x) => series('m', { x }));
    await give(run, layout, [1, 2, 3, 4]);
    await give(run, layout, [1, 2, 3, 4]);
    expect(run.dropped.get('series_limit')).toBe(4);
    expect(run.said[0]).toContain('once series_limit: Cannot remember more than 2 series');
  });

  test('tells an end later if it is refused, and at the stop', async () => {
    const run = runProcessor(topK, { k: 1, ...EAGER });
    run.answer = (batch) => {
      if (batch.signal === 'metrics' && batch.flags !== undefined) return Promise.reject(new RetryableError('full'));
      return undefined;
    };
    const layout = ['a', 'b'].map((x) => series(GAUGE, { x }));
    await give(run, layout, [2, 1]);
    await give(run, layout, [2, 3]);
    run.out.length = 0;
    run.answer = () => undefined;
    await run.processor.stop?.();
    expect(run.metrics()).toMatchObject([{ series: [layout[0]] }]);
  });

  test('keeps totals exactly, whoever comes in, goes out or begins anew, and its books balance', async () => {
    const rises = fc.record({
      by: fc.array(fc.oneof(fc.nat({ max: 1000 }), fc.constant(2 ** 50)), { minLength: 5, maxLength: 5 }),
      resets: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
      present: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(rises, { minLength: 1, maxLength: 15 }),
        fc.integer({ min: 1, max: 4 }),
        async (steps, k) => {
          const run = runProcessor(topK, { k, ...EAGER });
          const before = now();
          await vi.advanceTimersByTimeAsync(1000);
          let layout = [0, 1, 2, 3, 4].map((x) => series('m', { x }, { startTime: before }));
          const values = [0n, 0n, 0n, 0n, 0n];
          const seen = [0n, 0n, 0n, 0n, 0n];
          let counted = 0n;
          let given = 0;
          for (const { by, resets, present } of steps) {
            layout = layout.map((one, x) => {
              if (!resets[x] || !present[x]) return one;
              // What it counted since it was seen last is lost to everyone.
              values[x] = seen[x] = 0n;
              return series('m', { x }, { startTime: now() - SECOND });
            });
            for (let x = 0; x < 5; x++) values[x]! += BigInt(by[x]!);
            const rows = [0, 1, 2, 3, 4].filter((x) => present[x]);
            for (const x of rows) {
              counted += values[x]! - seen[x]!;
              seen[x] = values[x]!;
            }
            given += rows.length;
            const exactValues = new Map(
              rows.map((x, row) => [row, values[x]!] as const).filter(([, value]) => value > 2n ** 53n),
            );
            await give(
              run,
              rows.map((x) => layout[x]!),
              rows.map((x) => Number(values[x])),
              exactValues.size > 0 ? { exactValues } : {},
            );
          }
          const batches = run.metrics().filter(({ flags }) => flags === undefined);
          expect(batches.reduce((sum, { count }) => sum + count, 0) + total(run.dropped)).toBe(given);
          expect(increases(batches)).toBe(counted);
        },
      ),
    );
  });
});

/** What a reader of OpenTelemetry adds up: in each run the last value, for a run counts from 0 at its start. */
function increases(batches: readonly MetricBatch[]): bigint {
  const runs = new Map<string, bigint>();
  for (const { series: layout, values, exactValues } of batches) {
    layout.forEach((one, row) => {
      const value = exactValues?.get(row) ?? BigInt(values[row]!);
      const key = `${one.key} ${one.startTime}`;
      expect(value).toBeGreaterThanOrEqual(runs.get(key) ?? 0n);
      runs.set(key, value);
    });
  }
  return [...runs.values()].reduce((sum, value) => sum + value, 0n);
}
