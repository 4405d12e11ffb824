/** Runs one receiver with its default options on this machine, as the agent would. */
import * as v from 'valibot';
import type { AnyExporterDefinition, AnyReceiverDefinition } from '../component.ts';
import { messageOf } from '../errors.ts';
import { buildGraph } from '../graph.ts';
import type { ReceiverNode } from '../nodes.ts';
import type { Batch, MetricBatch } from '../model/batch.ts';
import type { Host } from '../procfs/host.ts';
import { createLog } from '../telemetry/log.ts';
import { trialServices } from './trial.ts';

export interface Trial {
  /**
   * `collects`; `partly`, if something of it could not be read; `nothing`; `receives`, if it is sent its data; `failed`,
   * if it cannot start; `unconfigured`, if it has an option that must be given.
   */
  readonly state: 'collects' | 'partly' | 'nothing' | 'receives' | 'failed' | 'unconfigured';
  readonly series: number;
  /** Of the second collection, when files are open and memory is warm. */
  readonly duration_ms: number;
  /** What it said. */
  readonly messages: readonly string[];
  /** Lines such as `system.memory.usage{system.memory.state="used"} 123 By`. */
  readonly values: readonly string[];
}

const NOTHING = { series: 0, duration_ms: 0, values: [] };
const LONGEST_START_MS = 5000;
const LONGEST_COLLECTION_MS = 5000;
/** Collections are this far apart, so that a rate has something to go by. */
const PAUSE_MS = 100;

export async function tryReceiver(definition: AnyReceiverDefinition, host: Host): Promise<Trial> {
  const parsed = v.safeParse(definition.config, {});
  if (!parsed.success) {
    const options = parsed.issues.map((issue) => v.getDotPath(issue) ?? '').join(', ');
    return { ...NOTHING, state: 'unconfigured', messages: [`needs to be told ${options}`] };
  }
  const messages: string[] = [];
  const log = createLog({ level: 'warn', format: 'text', hasColor: false, write: () => {} });
  log.listen(({ message }) => messages.push(message));
  const batches: Batch[] = [];
  try {
    const node = buildReceiver(definition, parsed.output, host, log, batches);
    if (node.collector === undefined) return { ...NOTHING, state: 'receives', messages };
    const { duration_ms } = await collectTwice(node, batches);
    const collected = batches.filter(
      (batch): batch is MetricBatch => batch.signal === 'metrics' && 'collection' in batch,
    );
    const series = collected.reduce((sum, { count }) => sum + count, 0);
    const state = series === 0 ? 'nothing' : messages.length > 0 ? 'partly' : 'collects';
    return { state, series, duration_ms, messages, values: collected.flatMap(renderValues) };
  } catch (error) {
    return { ...NOTHING, state: 'failed', messages: [messageOf(error)] };
  }
}

function buildReceiver(
  definition: AnyReceiverDefinition,
  config: unknown,
  host: Host,
  log: ReturnType<typeof createLog>,
  batches: Batch[],
): ReceiverNode {
  const { type, signals } = definition;
  const catcher: AnyExporterDefinition = {
    kind: 'exporter',
    type: 'catcher',
    about: '',
    signals: ['metrics', 'logs', 'traces'],
    isPull: true,
    permissions: [],
    config: v.strictObject({}),
    create: () => ({ consume: (batch) => void batches.push(batch) }),
  };
  const caught = { id: 'catcher', definition: catcher, raw: {}, config: { startup_error: 'fail' } };
  const graph = buildGraph(
    {
      receivers: new Map([[type, { id: type, definition, raw: {}, config }]]),
      processors: new Map(),
      exporters: new Map([['catcher', caught]]),
      pipelines: signals.map((signal) => ({
        name: signal,
        signal,
        receivers: [type],
        processors: [],
        exporters: ['catcher'],
      })),
      collectionInterval_ms: LONGEST_COLLECTION_MS,
    },
    trialServices(host, log),
  );
  graph.connect();
  return graph.receivers.get(type)!;
}

async function collectTwice(
  { instance, collector, figures }: ReceiverNode,
  batches: Batch[],
): Promise<{ duration_ms: number }> {
  const tooLate = Promise.withResolvers<never>();
  const message = `Cannot start: it takes longer than ${LONGEST_START_MS / 1000} s`;
  const timer = setTimeout(() => tooLate.reject(new Error(message)), LONGEST_START_MS);
  try {
    await Promise.race([instance.start?.(), tooLate.promise]);
  } finally {
    clearTimeout(timer);
  }
  try {
    await collector!.tick(Date.now());
    await new Promise((resolve) => void setTimeout(resolve, PAUSE_MS));
    batches.length = 0;
    const before_s = figures[0]!.duration_s;
    await collector!.tick(Date.now());
    return { duration_ms: Math.round((figures[0]!.duration_s - before_s) * 1e5) / 100 };
  } finally {
    await instance.stop?.();
  }
}

function renderValues({ series, values }: MetricBatch): string[] {
  return series.map(({ metric, attributes }, row) => {
    const labels = Object.entries(attributes).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
    const unit = /^[{1]/.test(metric.unit) ? '' : ` ${metric.unit}`;
    return `${metric.name}${labels.length === 0 ? '' : `{${labels.join(',')}}`} ${values[row]}${unit}`;
  });
}
