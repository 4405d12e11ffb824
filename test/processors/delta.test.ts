import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import delta from '../../processors/delta.ts';
import { NO_RECORDED_VALUE } from '../../src/model/batch.ts';
import { metric, metricBatch, runProcessor, series } from '../support/processor.ts';

const GAUGE = metric('g', { kind: 'gauge', valueType: 'double', unit: 'By' });
const UP_DOWN = metric('u', { isMonotonic: false });
const at = (seconds: number) => ({ time: BigInt(seconds) * 1_000_000_000n });

describe('delta', () => {
  test('hands on how much a gauge and an up-down counter changed, and keeps the rest', async () => {
    const run = runProcessor(delta, { metrics: ['g', 'u'] });
    const layout = [series(GAUGE), series('counter'), series(UP_DOWN)];
    await run.consume(metricBatch(layout, [5, 1, 100], at(10)));
    await run.consume(metricBatch(layout, [7.5, 2, 90], at(20)));
    await run.consume(metricBatch(layout, [7.5, 3, 95], at(30)));
    expect(run.metrics().map(({ values }) => [...values])).toEqual([[1], [2.5, 2, -10], [0, 3, 5]]);
    expect(Object.fromEntries(run.dropped)).toEqual({ no_delta: 2 });
    const [, second, third] = run.metrics();
    expect(third!.series).toBe(second!.series);
    expect(second!.series.map((each) => each.metric.kind)).toEqual(['gauge', 'sum', 'gauge']);
  });

  test('divides by seconds, renames, and counts a first point as 0 if told to', async () => {
    const run = runProcessor(delta, { metrics: ['g'], per_second: true, suffix: '.rate', initial_value: 'zero' });
    const layout = [series(GAUGE)];
    await run.consume(metricBatch(layout, [5], at(10)));
    await run.consume(metricBatch(layout, [25], at(14)));
    expect(run.metrics().map(({ values }) => values[0])).toEqual([0, 5]);
    expect(run.metrics()[0]!.series[0]!.metric).toMatchObject({ name: 'g.rate', unit: 'By/s' });
  });

  test('subtracts integers exactly beyond 2^53', async () => {
    const run = runProcessor(delta, { metrics: ['u'] });
    const layout = [series(UP_DOWN)];
    const big = 2n ** 53n + 1n;
    await run.consume(metricBatch(layout, [-3], at(1)));
    await run.consume(metricBatch(layout, [Number(big)], { ...at(2), exactValues: new Map([[0, big]]) }));
    await run.consume(metricBatch(layout, [Number(big) + 4], { ...at(3), exactValues: new Map([[0, big + 3n]]) }));
    expect(run.metrics()[0]!.exactValues).toEqual(new Map([[0, big + 3n]]));
    expect([...run.metrics()[1]!.values]).toEqual([3]);
  });

  test('leaves out late points and NaN, and goes on from the point before', async () => {
    const run = runProcessor(delta, { metrics: ['g'] });
    const layout = [series(GAUGE)];
    for (const [time, value] of [
      [10, 1],
      [20, NaN],
      [20, 3],
      [15, 100],
      [30, 4],
    ] as const) {
      await run.consume(metricBatch(layout, [value], at(time)));
    }
    expect(run.metrics().map(({ values }) => values[0])).toEqual([2, 1]);
    expect(run.dropped.get('no_delta')).toBe(3);
  });

  test('hands on the end of a series, which begins anew when it comes back', async () => {
    const run = runProcessor(delta, { metrics: ['g'] });
    const layout = [series(GAUGE)];
    const flags = Uint32Array.of(NO_RECORDED_VALUE);
    await run.consume(metricBatch(layout, [1], at(10)));
    await run.consume(metricBatch(layout, [NaN], { ...at(11), flags }));
    await run.consume(metricBatch(layout, [50], at(20)));
    await run.consume(metricBatch(layout, [51], at(30)));
    expect(run.metrics().map(({ values, flags: own }) => [values[0], own?.[0]])).toEqual([
      [NaN, NO_RECORDED_VALUE],
      [1, undefined],
    ]);
  });

  test('says once of a counter that it is none of its', async () => {
    const run = runProcessor(delta, { metrics: ['*'] });
    const batch = metricBatch([series('counter')], [1]);
    await run.consume(batch);
    await run.consume(metricBatch([series('counter')], [2]));
    expect(run.out[0]).toBe(batch);
    expect(run.said[0]).toContain('Cannot make changes of counter');
  });

  test('changes add up to the last value, whatever comes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer(), { minLength: 1 }), async (values) => {
        const run = runProcessor(delta, { metrics: ['u'], initial_value: 'zero' });
        const layout = [series(UP_DOWN)];
        for (const [index, value] of values.entries()) await run.consume(metricBatch(layout, [value], at(index + 1)));
        const sum = run.metrics().reduce((total, batch) => total + batch.values[0]!, values[0]!);
        expect(sum).toBe(values.at(-1));
      }),
    );
  });

  test('needs a metric', () => {
    expect(() => runProcessor(delta, {})).toThrow();
    expect(() => runProcessor(delta, { metrics: [] })).toThrow();
  });
});
