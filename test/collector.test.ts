import { expect, test } from 'vitest';
import type { BatchObservableResult } from '@opentelemetry/api';
import { createCollector } from '../src/collector.ts';
import { RetryableError } from '../src/errors.ts';
import type { MetricBatch } from '../src/model/batch.ts';
import { ObservableMeter } from '../src/otel/meter.ts';
import { createFigures } from '../src/pipeline.ts';
import { createLog } from '../src/telemetry/log.ts';
import { systemClock } from '../src/scheduler.ts';

/** A collector over one gauge, whose source is `source`; what it hands over is in `clocked` and `demanded`. */
function createHarness(
  source: () => void | Promise<void>,
  { timeout_ms = 30_000, refuse = false, others = [] as ObservableMeter[] } = {},
) {
  const lines: string[] = [];
  const [clocked, demanded]: [MetricBatch[], MetricBatch[]] = [[], []];
  const meter = new ObservableMeter({
    resource: { attributes: {}, schemaUrl: '' },
    scope: { name: 's', version: '', attributes: {}, schemaUrl: '' },
    bootTime: 0n,
    agentStartTime: 0n,
  });
  const gauge = meter.declare({ name: 'g', instrument: 'gauge', unit: '1', about: '', attributes: [] });
  let collections = 0;
  meter.addBatchObservableCallback(async (observer: BatchObservableResult) => {
    observer.observe(gauge, ++collections);
    await source();
  });
  const figures = createFigures({ id: 'r', kind: 'receiver', signal: 'metrics', pipeline: undefined });
  const collector = createCollector({
    receiver: 'r',
    meters: () => [meter, ...others],
    next: {
      consume: (batch) => {
        if (refuse) throw new RetryableError('full');
        clocked.push(batch);
      },
    },
    onDemand: { consume: (batch) => void demanded.push(batch) },
    timeout_ms,
    figures,
    log: createLog({
      level: 'info',
      format: 'logfmt',
      hasColor: false,
      write: (line) => lines.push(line),
    }).forComponent('r'),
    clock: systemClock,
  });
  return { collector, figures, clocked, demanded, lines, collections: () => collections };
}

test('Collector.tick hands a collection of the clock over with the time of the tick', async () => {
  const { collector, clocked, figures } = createHarness(() => {});
  await collector.tick(1234);
  expect(clocked.map(({ time, collection }) => ({ time, collection }))).toEqual([
    { time: 1_234_000_000n, collection: { receiver: 'r', onDemand: false } },
  ]);
  expect(figures).toMatchObject({ accepted: 1, operations: 1, skipped: 0 });
});

test('Collector.tick gives a slow source up, skips ticks while it still runs, and says so once', async () => {
  const gate = Promise.withResolvers<void>();
  const { collector, clocked, figures, lines } = createHarness(() => gate.promise, { timeout_ms: 20 });
  const slow = collector.tick(1);
  await new Promise((resolve) => setTimeout(resolve, 40));
  await collector.tick(2);
  await collector.tick(3);
  expect(figures).toMatchObject({ timed_out: 1, skipped: 2, accepted: 0 });
  gate.resolve();
  await slow;
  await new Promise((resolve) => setImmediate(resolve));
  expect(clocked).toEqual([]);
  await collector.tick(4);
  expect(clocked).toHaveLength(1);
  expect(lines.map((line) => /msg="(\w+ \w+)/.exec(line)?.[1])).toEqual(['Cannot collect', 'Collects in']);
});

test('Collector.collectFor collects for pull exporters alone, once for all who ask, and not if values are fresh', async () => {
  const { collector, clocked, demanded, collections } = createHarness(
    () => new Promise((resolve) => setImmediate(resolve)),
  );
  await Promise.all([collector.collectFor(0), collector.collectFor(0), collector.collectFor(0)]);
  expect([clocked.length, demanded.length, collections()]).toEqual([0, 1, 1]);
  expect(demanded[0].collection).toEqual({ receiver: 'r', onDemand: true });
  await collector.collectFor(10_000);
  expect(collections()).toBe(1);
  await collector.collectFor(0);
  expect(collections()).toBe(2);
});

test('Collector.collectFor keeps no scrape waiting for a source that hangs', async () => {
  const { collector, demanded } = createHarness(() => new Promise(() => {}), { timeout_ms: 10 });
  await collector.collectFor(0);
  await collector.collectFor(0);
  expect(demanded).toEqual([]);
});

test('Collector counts what the pipeline refuses and what a source throws, and goes on', async () => {
  const refused = createHarness(() => {}, { refuse: true });
  await refused.collector.tick(1);
  expect(refused.figures).toMatchObject({ accepted: 0, refused: 1 });
  const broken = createHarness(() => {
    throw new SyntaxError('Cannot parse /proc/x: found ""');
  });
  await broken.collector.tick(1);
  await broken.collector.tick(2);
  expect(broken.clocked).toHaveLength(2);
  expect(broken.lines.filter((line) => line.includes('/proc/x'))).toHaveLength(1);
});

test('Collector hands over what other meters measure as wholes of their own, so that none stands for the rest', async () => {
  const other = new ObservableMeter({
    resource: { attributes: {}, schemaUrl: '' },
    scope: { name: 'other', version: '', attributes: {}, schemaUrl: '' },
    bootTime: 0n,
    agentStartTime: 0n,
  });
  const { collector, clocked } = createHarness(() => {}, { others: [other] });
  await collector.tick(1);
  expect(clocked.map(({ count, collection }) => [count, collection?.receiver])).toEqual([
    [1, 'r'],
    [0, 'r#1'],
  ]);
});
