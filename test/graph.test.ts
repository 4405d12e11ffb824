import { expect, test } from 'vitest';
import * as v from 'valibot';
import { NO_BRAKE } from '../src/adaptive/brake.ts';
import { createThinnings } from '../src/adaptive/thinning.ts';
import { createWatchers } from '../src/adaptive/watchers.ts';
import { createBoard } from '../src/rules/board.ts';
import {
  definePullExporter,
  definePushExporter,
  defineProcessor,
  defineReceiver,
  type AnyExporterDefinition,
  type AnyProcessorDefinition,
  type AnyReceiverDefinition,
} from '../src/component.ts';
import { option } from '../src/config/options.ts';
import { buildGraph, type ConfiguredPipeline, type Graph, type GraphConfig } from '../src/graph.ts';
import type { Configured, Services } from '../src/nodes.ts';
import { createTaps } from '../src/taps.ts';
import type { MetricBatch } from '../src/model/batch.ts';
import { createLoggerProvider } from '../src/otel/logger.ts';
import { createHost } from '../src/procfs/host.ts';
import { createLog } from '../src/telemetry/log.ts';

const pulled: MetricBatch[] = [];
let collect: (maxAge_ms: number) => Promise<void> | void;

const counter = defineReceiver({
  type: 'counter',
  about: 'Counts collections.',
  config: v.strictObject({ step: option(v.number(), 'By how much.', 1) }),
  metrics: { total: { name: 'total', instrument: 'counter', unit: '1', about: '', attributes: [] } },
  create({ config, metrics }) {
    let total = 0;
    return { collect: (observer) => observer.observe(metrics.total, (total += config.step)) };
  },
});
const passing = (type: string, isStateful: boolean) =>
  defineProcessor({
    type,
    about: 'Passes.',
    signals: ['metrics'],
    isStateful,
    config: v.strictObject({}),
    create: ({ next }) => ({ consume: (batch) => next.consume(batch) }),
  });
const pull = definePullExporter({
  type: 'pull',
  about: 'Keeps.',
  signals: ['metrics'],
  config: v.strictObject({}),
  create(context) {
    collect = context.collect;
    return { consume: (batch) => void pulled.push(batch as MetricBatch) };
  },
});
const push = definePushExporter({
  type: 'push',
  about: 'Sends.',
  signals: ['metrics'],
  config: v.strictObject({}),
  create: () => ({ encode: (batch) => [{ body: new Uint8Array(1), count: batch.count }], send: async () => {} }),
});
const definitions = {
  receivers: [counter] as readonly AnyReceiverDefinition[],
  processors: [passing('passing', false), passing('remembering', true)] as readonly AnyProcessorDefinition[],
  exporters: [pull, push] as readonly AnyExporterDefinition[],
};

function configured<D extends { type: string; config: v.GenericSchema }>(
  list: readonly D[],
  blocks: Record<string, object>,
): Map<string, Configured<D>> {
  return new Map(
    Object.entries(blocks).map(([id, raw]) => {
      const definition = list.find(({ type }) => type === id.split('/')[0])!;
      return [id, { id, definition, raw, config: v.parse(definition.config, raw) }];
    }),
  );
}

function configOf(
  pipelines: readonly Omit<ConfiguredPipeline, 'signal'>[],
  blocks: {
    receivers?: Record<string, object>;
    processors?: Record<string, object>;
    exporters?: Record<string, object>;
  } = {},
): GraphConfig {
  return {
    receivers: configured(definitions.receivers, blocks.receivers ?? { counter: {} }),
    processors: configured(definitions.processors, blocks.processors ?? { passing: {}, remembering: {} }),
    exporters: configured(definitions.exporters, blocks.exporters ?? { pull: {}, push: {} }),
    pipelines: pipelines.map((pipeline) => ({ ...pipeline, signal: 'metrics' })),
    collectionInterval_ms: 15_000,
  };
}

const resource = { attributes: {}, schemaUrl: '' };
const services: Services = {
  taps: createTaps(),
  version: '0',
  host: createHost(),
  resource,
  startTime: 0n,
  log: createLog({ level: 'error', format: 'text', hasColor: false, write: () => {} }),
  serve: () => Promise.reject(new Error('not served here')),
  board: createBoard(),
  watchers: createWatchers(() => false),
  thinnings: createThinnings(() => false),
  brake: NO_BRAKE,
  http: () => {
    throw new Error('not sent here');
  },
  logger: createLoggerProvider(resource, '0').logger,
  figures: () => ({ startTime: 0n, components: [], pipelines: [] }),
  otherMeters: () => [],
};

const plain = { name: 'metrics', receivers: ['counter'], processors: ['passing'], exporters: ['pull', 'push'] };

/** Only receivers that run are asked. */
function run(graph: Graph): void {
  for (const { figures } of graph.receivers.values()) figures[0].state = 'running';
}

test('buildGraph joins receivers, processors and exporters, and counts at each', async () => {
  pulled.length = 0;
  const graph = buildGraph(configOf([plain]), services);
  graph.connect();
  await graph.receivers.get('counter')!.collector!.tick(1);
  expect(pulled.map((batch) => batch.values[0])).toEqual([1]);
  expect(graph.receivers.get('counter')!.figures[0]).toMatchObject({ accepted: 1 });
  expect(graph.processors.get('metrics passing')!.figures[0]).toMatchObject({ accepted: 1, sent: 1 });
  expect(graph.exporters.get('push')!.figures[0]).toMatchObject({ accepted: 1, queued: 1 });
});

test('A scrape has receivers that run collect, for pull exporters alone, and names the pipeline', async () => {
  pulled.length = 0;
  const graph = buildGraph(configOf([plain]), services);
  graph.connect();
  await collect(0);
  expect(pulled).toEqual([]);
  run(graph);
  await collect(0);
  expect(pulled.map(({ collection }) => collection)).toEqual([
    { receiver: 'counter', onDemand: true, pipeline: 'metrics' },
  ]);
  expect(graph.exporters.get('push')!.figures[0].accepted).toBe(0);
});

test('A scrape runs no pipeline out of turn whose processor remembers', async () => {
  pulled.length = 0;
  const graph = buildGraph(configOf([{ ...plain, processors: ['remembering'] }]), services);
  graph.connect();
  run(graph);
  await collect(0);
  expect(pulled).toEqual([]);
  await graph.receivers.get('counter')!.collector!.tick(1);
  expect(pulled).toHaveLength(1);
});

test('A component that no pipeline names is not made', () => {
  const graph = buildGraph(configOf([{ ...plain, exporters: ['pull'] }]), services);
  expect([...graph.exporters.keys()]).toEqual(['pull']);
});

test('buildGraph takes over what has not changed, with its state, and makes anew what has', async () => {
  pulled.length = 0;
  const before = buildGraph(configOf([plain]), services);
  before.connect();
  await before.receivers.get('counter')!.collector!.tick(1);
  const after = buildGraph(
    configOf([{ ...plain, exporters: ['pull'] }], { receivers: { counter: {} }, exporters: { pull: {} } }),
    services,
    before,
  );
  expect(after.receivers.get('counter')).toBe(before.receivers.get('counter'));
  expect(after.exporters.get('pull')).toBe(before.exporters.get('pull'));
  after.connect();
  await after.receivers.get('counter')!.collector!.tick(2);
  expect(pulled.map((batch) => batch.values[0])).toEqual([1, 2]);
  expect(before.exporters.get('push')!.figures[0].accepted).toBe(1);

  const changed = buildGraph(configOf([plain], { receivers: { counter: { step: 5 } } }), services, after);
  expect(changed.receivers.get('counter')).not.toBe(after.receivers.get('counter'));
  expect(changed.exporters.get('pull')).toBe(after.exporters.get('pull'));
});

test('Each pipeline has processors of its own', () => {
  const graph = buildGraph(configOf([plain, { ...plain, name: 'metrics/two' }]), services);
  expect([...graph.processors.keys()]).toEqual(['metrics passing', 'metrics/two passing']);
});

/** A receiver that could be left out: its gauge stands still. */
const adaptive = { counter: { step: 0, adaptive_interval: {} } };

test('adaptive_interval leaves points out of what is pushed, and nothing of what pull exporters and processors have', async () => {
  pulled.length = 0;
  const graph = buildGraph(configOf([plain], { receivers: adaptive }), services);
  graph.connect();
  const receiver = graph.receivers.get('counter')!;
  for (let tick = 0; tick < 8; tick++) await receiver.collector!.tick(1_700_000_000_000 + tick * 15_000);
  expect(pulled).toHaveLength(8);
  expect(graph.processors.get('metrics passing')!.figures[0]).toMatchObject({ accepted: 8, sent: 8 });
  // The rate of a counter is known from two points on.
  expect(graph.exporters.get('push')!.figures[0]).toMatchObject({ accepted: 2 });
  expect(receiver.figures[0]).toMatchObject({ accepted: 8, left_out: 5 });
  expect(graph.pipelines[0]!.books).toMatchObject({ accepted: 8, sent: 8, waiting: 0, gone: 0 });
});

test('adaptive_interval is in the books of a pipeline that only pushes', async () => {
  const graph = buildGraph(
    configOf([{ ...plain, name: 'metrics/push', exporters: ['push'] }], { receivers: adaptive }),
    services,
  );
  graph.connect();
  const { collector } = graph.receivers.get('counter')!;
  for (let tick = 0; tick < 8; tick++) await collector!.tick(1_700_000_000_000 + tick * 15_000);
  const { books } = graph.pipelines[0]!;
  expect(books).toMatchObject({ sent: 2, accepted: 7, waiting: 1 });
  expect([...books.filtered]).toEqual([['adaptive_interval', 5]]);
  services.thinnings.settle();
  await Promise.resolve();
  expect(books).toMatchObject({ sent: 2, accepted: 8, waiting: 0 });
});

test('adaptive_interval leaves nothing out while an alert waits or fires, or someone watches', async () => {
  let isWatched = false;
  const own = { ...services, thinnings: createThinnings(() => isWatched) };
  const graph = buildGraph(configOf([plain], { receivers: adaptive }), own);
  graph.connect();
  const { collector } = graph.receivers.get('counter')!;
  const { accepted } = graph.exporters.get('push')!.figures[0];
  const ticks = async (from: number, count: number): Promise<number> => {
    for (let tick = from; tick < from + count; tick++) await collector!.tick(1_700_000_000_000 + tick * 15_000);
    return graph.exporters.get('push')!.figures[0].accepted - accepted;
  };
  expect(await ticks(0, 4)).toBe(2);
  isWatched = true;
  expect(await ticks(4, 4)).toBe(6);
  isWatched = false;
  expect(await ticks(8, 4)).toBe(6);
  // A graph that is joined anew goes on where it was.
  graph.rejoin();
  expect(await ticks(12, 2)).toBe(6);
});

test('A scrape has a receiver that is braked collect no sooner than it may', async () => {
  pulled.length = 0;
  const own = { ...services, brake: { factorOf: () => 10 } };
  const graph = buildGraph(configOf([plain]), own);
  graph.connect();
  run(graph);
  await collect(0);
  await collect(0);
  expect(pulled).toHaveLength(1);
});
