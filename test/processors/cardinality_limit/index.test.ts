import type { Meter } from '@opentelemetry/api';
import { metrics } from '@opentelemetry/api';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import cardinalityLimit from '../../../processors/cardinality_limit/index.ts';
import type { MetricBatch, Series } from '../../../src/model/batch.ts';
import { createMeterProvider } from '../../../src/otel/meter_provider.ts';
import type { ObservableMeter } from '../../../src/otel/meter.ts';
import {
  metric,
  metricBatch,
  RESOURCE,
  runProcessor,
  series,
  table,
  type ProcessorRun,
} from '../../support/processor.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  metrics.disable();
});

const GAUGE = metric('g', { kind: 'gauge' });
const OVERFLOW = { 'otel.metric.overflow': true };
const now = () => BigInt(Date.now()) * 1_000_000n;

async function give(
  run: ProcessorRun,
  layout: readonly Series[],
  values: readonly number[],
  more: Partial<MetricBatch> = {},
) {
  await run.consume(metricBatch(layout, values, { time: now(), ...more }));
  await vi.advanceTimersByTimeAsync(10_000);
}
const lastTable = (run: ProcessorRun) => table(run.metrics().at(-1)!);
const total = (counts: ReadonlyMap<string, number>) => [...counts.values()].reduce((sum, count) => sum + count, 0);
const numbered = (name: string, count: number) => Array.from({ length: count }, (_, x) => series(name, { x }));

describe('cardinality_limit', () => {
  test('lets the first series through, and counts what the others rise in one', async () => {
    const run = runProcessor(cardinalityLimit, { max_series: 2 });
    const layout = numbered('m', 4);
    await give(run, layout, [10, 20, 30, 40]);
    await give(run, layout, [11, 21, 33, 44]);
    expect(lastTable(run)).toEqual([
      ['m', { x: 0 }, 11],
      ['m', { x: 1 }, 21],
      ['m', OVERFLOW, 7],
    ]);
    await give(run, layout, [12, 22, 34, 45]);
    expect(lastTable(run)[2]).toEqual(['m', OVERFLOW, 9]);
    expect(run.metrics()[2]!.series).toBe(run.metrics()[1]!.series);
    expect(run.dropped).toEqual(new Map([['merged', 3]]));
  });

  test('has one overflow series, also where there was one before it', async () => {
    const run = runProcessor(cardinalityLimit, { max_series: 1 });
    const layout = [series('m', OVERFLOW), ...numbered('m', 2)];
    await give(run, layout, [5, 10, 20]);
    await give(run, layout, [6, 11, 22]);
    expect(lastTable(run)).toEqual([
      ['m', { x: 0 }, 11],
      ['m', OVERFLOW, 3],
    ]);
  });

  test('lets an overflow series pass where nothing is limited', async () => {
    const run = runProcessor(cardinalityLimit, { max_series: 0 });
    const batch = metricBatch([series('m', OVERFLOW)], [1]);
    await run.consume(batch);
    expect(run.out[0]).toBe(batch);
  });

  test('passes on the very same batch within the limits', async () => {
    const run = runProcessor(cardinalityLimit, { max_series: 4 });
    const batch = metricBatch(numbered('m', 4), [1, 2, 3, 4]);
    await run.consume(batch);
    expect(run.out[0]).toBe(batch);
  });

  test('leaves out an attribute with too many values, and keeps the others', async () => {
    const run = runProcessor(cardinalityLimit, { attributes: { path: 2 } });
    const layout = ['/a', '/b', '/c', '/d'].flatMap((path) =>
      ['GET', 'PUT'].map((method) => series(GAUGE, { method, path })),
    );
    await give(run, layout, [1, 2, 3, 4, 5, 6, 7, 8]);
    expect(lastTable(run)).toEqual([
      ['g', { method: 'GET', path: '/a' }, 1],
      ['g', { method: 'PUT', path: '/a' }, 2],
      ['g', { method: 'GET', path: '/b' }, 3],
      ['g', { method: 'PUT', path: '/b' }, 4],
      ['g', { method: 'GET', ...OVERFLOW }, 6],
      ['g', { method: 'PUT', ...OVERFLOW }, 7],
    ]);
    expect(run.said[0]).toContain('attribute path of g has more than 2 values');
  });

  test('counts overflow series of attributes among those of the metric', async () => {
    const run = runProcessor(cardinalityLimit, { max_series: 1, max_values: 1 });
    await give(run, [series(GAUGE, { x: 1, y: 1 }), series(GAUGE, { x: 2, y: 1 })], [1, 2]);
    expect(lastTable(run)).toEqual([
      ['g', { x: 1, y: 1 }, 1],
      ['g', OVERFLOW, 2],
    ]);
  });

  test('has limits of single metrics', async () => {
    const overrides = [
      { metrics: ['m.*'], max_series: 1 },
      { metrics: ['free'], max_series: 0 },
    ];
    const run = runProcessor(cardinalityLimit, { max_series: 2, overrides });
    const layout = [...numbered('m.a', 3), ...numbered('free', 3), ...numbered('o', 3)];
    await give(
      run,
      layout,
      Array.from({ length: 9 }, () => 1),
    );
    const kept = lastTable(run).filter((row) => !Object.hasOwn((row as [string, object])[1], 'otel.metric.overflow'));
    expect(kept.map((row) => (row as unknown[])[0])).toEqual(['m.a', 'free', 'free', 'free', 'o', 'o']);
  });

  test('leaves out what is beyond, if told to', async () => {
    const run = runProcessor(cardinalityLimit, { max_series: 1, action: 'drop' });
    await give(run, numbered('m', 3), [1, 2, 3]);
    expect(lastTable(run)).toEqual([['m', { x: 0 }, 1]]);
    expect(run.dropped).toEqual(new Map([['cardinality_limit', 2]]));
    await give(run, [series('m', { x: 9 })], [1]);
    expect(run.out).toHaveLength(1);
  });

  test('never remembers more than max_tracked, and leaves out what there is no room for', async () => {
    const run = runProcessor(cardinalityLimit, { max_series: 0, max_tracked: 3 });
    const layout = numbered('m', 10);
    for (let i = 1; i <= 2; i++)
      await give(
        run,
        layout,
        Array.from({ length: 10 }, () => i),
      );
    expect(lastTable(run)).toHaveLength(3);
    expect(run.dropped.get('cardinality_limit')).toBe(14);
  });

  test('gives the room of a series that was silent for long to another, which counts from there', async () => {
    const run = runProcessor(cardinalityLimit, { max_series: 1, expiry: '1m' });
    const [a, b] = numbered('m', 2);
    const both = [a!, b!];
    await give(run, both, [1, 100]);
    await give(run, both, [2, 105]);
    const rest = [b!];
    for (let i = 0; i < 12; i++) await give(run, rest, [110]);
    await give(run, rest, [117]);
    expect(lastTable(run)).toEqual([['m', { x: 1 }, 7]]);
    // It comes back, and there is no room for it: what it counted was told, and is not told again.
    await give(run, both, [3, 117]);
    expect(lastTable(run)[1]).toEqual(['m', OVERFLOW, 10]);
  });

  test('keeps the room of what comes', async () => {
    const run = runProcessor(cardinalityLimit, { max_series: 1, expiry: '1m' });
    const layout = numbered('m', 2);
    for (let i = 0; i < 30; i++) await give(run, layout, [i, i]);
    expect(lastTable(run)).toEqual([
      ['m', { x: 0 }, 29],
      ['m', OVERFLOW, 29],
    ]);
    expect(run.said).toHaveLength(1);
  });

  test('names the offender in its metrics, until it is over', async () => {
    const provider = createMeterProvider(RESOURCE, 0n, 0n);
    provider.register();
    const run = runProcessor(cardinalityLimit, { max_series: 2, expiry: '1m', attributes: { user: 1 } });
    await run.processor.start?.();
    await give(
      run,
      numbered('m', 102),
      Array.from({ length: 102 }, () => 1),
    );
    await give(run, [series('m2', { user: 'ann' }), series('m2', { user: 'bob' })], [1, 2]);
    const meter = provider.getMeter('sonde.processor.cardinality_limit');
    const told = await collect(meter);
    expect(told.get('sonde.cardinality.limit m')).toBe(2);
    expect(told.get('sonde.cardinality.limit m2 user')).toBe(1);
    expect(told.get('sonde.cardinality.exceeding m')).toBeGreaterThan(90);
    expect(told.get('sonde.cardinality.exceeding m')).toBeLessThan(110);
    expect(told.get('sonde.cardinality.exceeding m2 user')).toBe(1);
    expect(told.get('sonde.cardinality.overflowed ')).toBe(101);
    for (let i = 0; i < 12; i++) await give(run, [series('other')], [1]);
    expect([...(await collect(meter)).keys()]).toEqual(['sonde.cardinality.overflowed ']);
    expect(run.said.filter((line) => line.startsWith('over'))).toHaveLength(2);
    await run.processor.stop?.();
    expect((await collect(meter)).size).toBe(0);
  });

  test('keeps totals exactly and its books balanced, whatever comes', async () => {
    const step = fc.array(fc.record({ x: fc.nat({ max: 6 }), by: fc.nat({ max: 1000 }) }), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 5 }), async (steps, max_series) => {
        const run = runProcessor(cardinalityLimit, { max_series, expiry: '35s' });
        const startTime = now() + 1n;
        await vi.advanceTimersByTimeAsync(1000);
        const values = new Map<number, number>();
        let given = 0;
        for (const rises of steps) {
          for (const { x, by } of rises) values.set(x, (values.get(x) ?? 0) + by);
          const present = [...new Set(rises.map(({ x }) => x))];
          given += present.length;
          await give(
            run,
            present.map((x) => series('m', { x }, { startTime })),
            present.map((x) => values.get(x)!),
          );
        }
        const counted = [...values.values()].reduce((sum, value) => sum + value, 0);
        const batches = run.metrics();
        expect(batches.reduce((sum, { count }) => sum + count, 0) + total(run.dropped)).toBe(given);
        for (const { series: layout } of batches) expect(layout.length).toBeLessThanOrEqual(max_series + 1);
        // What begins before something expired, and is first seen later, is a baseline: never counted twice.
        const read = increases(batches);
        expect(read).toBeLessThanOrEqual(counted);
        if (steps.length <= 3) expect(read).toBe(counted);
      }),
    );
  });
});

function increases(batches: readonly MetricBatch[]): number {
  const runs = new Map<string, number>();
  for (const { series: layout, values } of batches) {
    layout.forEach((one, row) => runs.set(`${one.key} ${one.startTime}`, values[row]!));
  }
  return [...runs.values()].reduce((sum, value) => sum + value, 0);
}

async function collect(meter: Meter): Promise<Map<string, number>> {
  const limit = { isOver: false, signal: new AbortController().signal };
  const { batches } = await (meter as ObservableMeter).collect({ time: 1n, receiver: 'self', onDemand: false, limit });
  const told = new Map<string, number>();
  for (const batch of batches) {
    if (batch.flags !== undefined) continue;
    batch.series.forEach(({ metric: { name }, attributes }, row) => {
      const of = [attributes['sonde.cardinality.metric'], attributes['sonde.cardinality.attribute']].filter(Boolean);
      told.set(`${name} ${of.join(' ')}`, batch.values[row]!);
    });
  }
  return told;
}
