/** Runs one receiver as the agent would, and shows what it measured. */
import { createBoard, type Board } from '../../src/rules/board.ts';
import type { LogRecord } from '@opentelemetry/api';
import * as v from 'valibot';
import type {
  AgentFigures,
  MetricDefinition,
  Receiver,
  ReceiverContext,
  AnyReceiverDefinition,
} from '../../src/component.ts';
import { type Batch, type MetricBatch, NO_RECORDED_VALUE, type Resource, type Series } from '../../src/model/batch.ts';
import type { MetricView } from '../../src/otel/instrument.ts';
import { createTimeLimit } from '../../src/time_limit.ts';
import { ObservableMeter } from '../../src/otel/meter.ts';
import { createHost, type Host } from '../../src/procfs/host.ts';

export interface RunOptions {
  /** What is measured; a host called test if left out. */
  readonly resource?: Resource;
  /** Folder that stands for the machine's `/`. */
  readonly rootPath?: string;
  /** What a user would write below the receiver's id. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly platform?: NodeJS.Platform;
  /** Switches every opt-in metric on. */
  readonly everything?: boolean;
  /** Parts of the host to replace, as a recorded `systeminformation`. */
  readonly host?: Partial<Host>;
  readonly board?: Board;
  readonly agent?: AgentFigures;
  /** Whether `start` is called; it is unless this is false. */
  readonly isStarted?: boolean;
  readonly next?: ReceiverContext<unknown, unknown>['next'];
  readonly serve?: ReceiverContext<unknown, unknown>['serve'];
}

export interface ReceiverRun {
  readonly receiver: Receiver;
  readonly host: Host;
  /** Log records that the receiver emitted. */
  readonly records: readonly LogRecord[];
  /** What it said, as `once /proc/stat: Cannot read …` and `over /proc/stat: …`. */
  readonly said: readonly string[];
  /** Items it dropped, by reason. */
  readonly dropped: ReadonlyMap<string, number>;
  /** Batches it handed to the pipelines itself. */
  readonly handedOver: readonly Batch[];
  /**
   * One collection; 15 s after the one before.
   * @throws what `collect` threw
   */
  collect(limit_ms?: number): Promise<readonly MetricBatch[]>;
  stop(): Promise<void>;
}

const RESOURCE: Resource = { attributes: { 'host.name': 'test' }, schemaUrl: '' };
const SCOPE = { name: 'test', version: '0', attributes: {}, schemaUrl: '' };
const NO_FIGURES: AgentFigures = { startTime: 0n, components: [], pipelines: [] };

/** Creates, and unless told otherwise starts, a receiver on the machine below `rootPath`. */
export async function runReceiver(definition: AnyReceiverDefinition, options: RunOptions = {}): Promise<ReceiverRun> {
  const { rootPath = '/', platform = 'linux', everything = false } = options;
  const host: Host = { ...createHost({ rootPath, platform }), ...options.host };
  const config = v.parse(definition.config, options.config ?? {}) as Record<string, unknown>;
  const bootTime = bootTimeOf(host);
  const meter = new ObservableMeter({
    resource: RESOURCE,
    scope: SCOPE,
    bootTime,
    agentStartTime: bootTime + 1_000_000_000n,
    views: viewsOf(definition, config.metrics as Record<string, MetricView>, everything),
    cardinalityLimit: config.cardinality_limit as number,
  });
  const metrics = meter.declareAll(definition.metrics);

  const records: LogRecord[] = [];
  const said: string[] = [];
  const open = new Set<string>();
  const dropped = new Map<string, number>();
  const handedOver: Batch[] = [];
  const take = { consume: (batch: Batch) => void handedOver.push(batch) };
  const say = (level: string) => (message: string) => void said.push(`${level} ${message}`);
  const receiver = definition.create({
    id: definition.type,
    config,
    host,
    metrics,
    meter,
    log: {
      info: say('info'),
      warn: say('warn'),
      error: say('error'),
      once(key, message) {
        if (!open.has(key)) said.push(`once ${key}: ${message}`);
        open.add(key);
      },
      over(key, message) {
        if (open.delete(key)) said.push(`over ${key}: ${message}`);
      },
    },
    drop: (reason, count) => void dropped.set(reason, (dropped.get(reason) ?? 0) + count),
    isEnabled: (metric) => metrics[metric].isEnabled,
    logger: { emit: (record) => void records.push(record), enabled: () => true },
    next: options.next ?? { metrics: take, logs: take, traces: take },
    resource: options.resource ?? RESOURCE,
    board: options.board ?? createBoard(),
    serve: options.serve ?? (() => Promise.reject(new Error('Cannot listen: this run has no listener'))),
    agent: options.agent ?? NO_FIGURES,
  });
  if (receiver.collect !== undefined) {
    meter.addBatchObservableCallback((observer, limit) => receiver.collect!(observer, limit));
  }
  if (options.isStarted !== false) await receiver.start?.();

  let time = bootTime + 3_600_000_000_000n;
  return {
    receiver,
    host,
    records,
    said,
    dropped,
    handedOver,
    async collect(limit_ms) {
      time += 15_000_000_000n;
      const limit = createTimeLimit();
      const timer = limit_ms === undefined ? undefined : setTimeout(() => limit.expire(), limit_ms);
      const { batches, errors } = await meter.collect({ time, receiver: definition.type, onDemand: false, limit });
      clearTimeout(timer);
      if (errors.length > 0) throw errors[0];
      return batches;
    },
    async stop() {
      await receiver.stop?.();
      host.close();
    },
  };
}

/** The batches of one collection of a receiver. */
export async function collectReceiver(
  definition: AnyReceiverDefinition,
  options: RunOptions = {},
): Promise<readonly MetricBatch[]> {
  const run = await runReceiver(definition, options);
  try {
    return await run.collect();
  } finally {
    await run.stop();
  }
}

/** A line `name{key="value",…} 12 By counter int` for each row, sorted. */
export function renderBatches(batches: readonly MetricBatch[]): string {
  const lines: string[] = [];
  for (const { series, values, flags } of batches) {
    series.forEach((one, row) => {
      const { kind, isMonotonic, unit, valueType } = one.metric;
      const instrument = kind !== 'sum' ? kind : isMonotonic ? 'counter' : 'updowncounter';
      const value = flags?.[row] === NO_RECORDED_VALUE ? 'ended' : values[row];
      lines.push(`${describeSeries(one)} ${value} ${unit} ${instrument} ${valueType}\n`);
    });
  }
  return lines.sort().join('');
}

/** Values by `name{key="value",…}`; NaN for a series that ended. */
export function valuesOf(batches: readonly MetricBatch[]): Record<string, number> {
  const byName: Record<string, number> = {};
  for (const { series, values } of batches) {
    series.forEach((one, row) => (byName[describeSeries(one)] = values[row]));
  }
  return byName;
}

function describeSeries({ metric, attributes }: Series): string {
  const keys = Object.keys(attributes).sort();
  return `${metric.name}{${keys.map((key) => `${JSON.stringify(key)}=${JSON.stringify(attributes[key])}`).join()}}`;
}

function bootTimeOf(host: Host): bigint {
  try {
    return host.bootTime();
  } catch {
    // The machine under test has no /proc/stat: what it measures then has no start.
    return 0n;
  }
}

function viewsOf(
  definition: AnyReceiverDefinition,
  written: Record<string, MetricView>,
  everything: boolean,
): Map<string, MetricView> {
  const views = new Map(Object.entries(written));
  if (!everything) return views;
  for (const { name } of Object.values<MetricDefinition>(definition.metrics)) {
    views.set(name, { ...views.get(name), enabled: true });
  }
  return views;
}
