/**
 * Makes the components that a configuration names and joins them to pipelines. A graph can take over, from the graph
 * before it, every component whose configuration is the same: that is what a reload restarts and what it leaves alone.
 */
import type { AgentFigures, ComponentFigures, ComponentLog, Consumer, Host } from './component.ts';
import type {
  AnyExporterDefinition,
  AnyProcessorDefinition,
  AnyReceiverDefinition,
  CommonPushConfig,
  CommonReceiverConfig,
  CreateHttpSender,
  PipelineFigures,
  Processor,
  PullExporter,
  PushExporter,
  Receiver,
  Serve,
} from './component.ts';
import type { Logger } from '@opentelemetry/api';
import { createCollector, type Collector } from './collector.ts';
import { createPush, type Push } from './delivery/push.ts';
import type { Resource, Signal } from './model/batch.ts';
import { SCHEMA_URL } from './model/semconv.ts';
import { ObservableMeter } from './otel/meter.ts';
import { counted, counting, createFigures, fanOut, Outlet, together, type Branch } from './pipeline.ts';
import { systemClock } from './scheduler.ts';
import type { Log } from './telemetry/log.ts';

/** A component as the configuration names it. */
export interface Configured<D> {
  /** `type` or `type/name`. */
  readonly id: string;
  readonly definition: D;
  /** Its block as it was written, defaults left out and references replaced: equal blocks make equal components. */
  readonly raw: unknown;
  /** What the component's schema made of it. */
  readonly config: unknown;
}

export interface ConfiguredPipeline {
  /** `metrics` or `metrics/name`. */
  readonly name: string;
  readonly signal: Signal;
  readonly receivers: readonly string[];
  readonly processors: readonly string[];
  readonly exporters: readonly string[];
}

export interface GraphConfig {
  readonly receivers: ReadonlyMap<string, Configured<AnyReceiverDefinition>>;
  readonly processors: ReadonlyMap<string, Configured<AnyProcessorDefinition>>;
  readonly exporters: ReadonlyMap<string, Configured<AnyExporterDefinition>>;
  readonly pipelines: readonly ConfiguredPipeline[];
  /** How often receivers collect that do not say it themselves. */
  readonly collectionInterval_ms: number;
}

/** What the agent lends to components. */
export interface Services {
  readonly version: string;
  readonly host: Host;
  readonly resource: Resource;
  readonly startTime: bigint;
  readonly log: Log;
  readonly serve: Serve;
  readonly http: CreateHttpSender;
  readonly logger: (component: string, next: Consumer) => Logger;
  readonly figures: () => AgentFigures;
  /** Meters of instrumentation outside the receivers; they are collected with the receiver `self`. */
  readonly otherMeters: () => readonly ObservableMeter[];
}

/** What the agent starts and stops. */
export type GraphNode = ReceiverNode | ProcessorNode | ExporterNode;

interface Node {
  readonly id: string;
  /** Equal as long as nothing that the component was made from has changed. */
  readonly fingerprint: string;
  readonly figures: readonly ComponentFigures[];
  readonly log: ComponentLog;
  readonly startupError: 'fail' | 'retry' | 'ignore';
}

export interface ReceiverNode extends Node {
  readonly kind: 'receiver';
  readonly instance: Receiver;
  readonly outlets: Readonly<Record<Signal, Outlet>>;
  /** Where collections go that a pull exporter asked for. */
  readonly onDemand: Outlet;
  /** Undefined for receivers that are pushed to. */
  readonly collector: Collector | undefined;
  readonly interval_ms: number;
}

export interface ProcessorNode extends Node {
  readonly kind: 'processor';
  readonly instance: Processor;
  readonly entry: Consumer;
  readonly outlet: Outlet;
  readonly isStateful: boolean;
}

export interface ExporterNode extends Node {
  readonly kind: 'exporter';
  readonly instance: PushExporter | PullExporter;
  readonly isPull: boolean;
  /** One queue for each signal; none for pull exporters. */
  readonly pushes: readonly Push[];
  readonly entries: ReadonlyMap<Signal, Consumer>;
  /** Receivers behind the pipelines that it stands in. */
  readonly sources: Set<ReceiverNode>;
}

export interface Graph {
  readonly receivers: ReadonlyMap<string, ReceiverNode>;
  /** By pipeline and id: each pipeline has processors of its own. */
  readonly processors: ReadonlyMap<string, ProcessorNode>;
  readonly exporters: ReadonlyMap<string, ExporterNode>;
  readonly pipelines: readonly PipelineFigures[];
  /** Directs everything that flows to this graph's components; until then they are inactive. */
  connect(): void;
}

export function buildGraph(config: GraphConfig, services: Services, before?: Graph): Graph {
  const signalsOf = usedSignals(config.pipelines);
  const exporters = new Map<string, ExporterNode>();
  const receivers = new Map<string, ReceiverNode>();
  const processors = new Map<string, ProcessorNode>();

  for (const [id, configured] of config.exporters) {
    const signals = signalsOf.get(`exporter ${id}`);
    if (signals === undefined) continue;
    const fingerprint = JSON.stringify([configured.raw, signals]);
    const kept = before?.exporters.get(id);
    exporters.set(
      id,
      kept?.fingerprint === fingerprint ? kept : createExporter(configured, signals, fingerprint, services),
    );
  }
  for (const pipeline of config.pipelines) {
    for (const id of pipeline.processors) {
      const configured = config.processors.get(id)!;
      const key = `${pipeline.name} ${id}`;
      const fingerprint = JSON.stringify([configured.raw]);
      const kept = before?.processors.get(key);
      processors.set(
        key,
        kept?.fingerprint === fingerprint ? kept : createProcessor(configured, pipeline, fingerprint, services),
      );
    }
  }
  for (const [id, configured] of config.receivers) {
    const signals = signalsOf.get(`receiver ${id}`);
    if (signals === undefined) continue;
    const fingerprint = JSON.stringify([configured.raw, signals, config.collectionInterval_ms]);
    const kept = before?.receivers.get(id);
    receivers.set(
      id,
      kept?.fingerprint === fingerprint ? kept : createReceiver(configured, signals, fingerprint, config, services),
    );
  }

  const entries = new Map<string, Consumer>();
  return {
    receivers,
    processors,
    exporters,
    pipelines: config.pipelines,
    connect() {
      for (const exporter of exporters.values()) exporter.sources.clear();
      for (const pipeline of config.pipelines) {
        entries.set(pipeline.name, connectPipeline(pipeline, { receivers, processors, exporters }));
      }
      for (const receiver of receivers.values())
        connectReceiver(receiver, config.pipelines, entries, { processors, exporters });
    },
  };
}

/** Joins a pipeline from its back to its front, and returns its front. */
function connectPipeline(
  pipeline: ConfiguredPipeline,
  { receivers, processors, exporters }: Pick<Graph, 'receivers' | 'processors' | 'exporters'>,
): Consumer {
  const branches = pipeline.exporters.map((id): Branch => {
    const exporter = exporters.get(id)!;
    for (const receiver of pipeline.receivers) exporter.sources.add(receivers.get(receiver)!);
    return { consumer: exporter.entries.get(pipeline.signal)!, isPull: exporter.isPull };
  });
  let next = fanOut(branches);
  for (const id of pipeline.processors.toReversed()) {
    const processor = processors.get(`${pipeline.name} ${id}`)!;
    processor.outlet.target = next;
    next = processor.entry;
  }
  return next;
}

function connectReceiver(
  receiver: ReceiverNode,
  pipelines: readonly ConfiguredPipeline[],
  entries: ReadonlyMap<string, Consumer>,
  { processors, exporters }: Pick<Graph, 'processors' | 'exporters'>,
): void {
  const mine = pipelines.filter((pipeline) => pipeline.receivers.includes(receiver.id));
  for (const signal of ['metrics', 'logs', 'traces'] as const) {
    receiver.outlets[signal].target = joined(
      mine.filter((pipeline) => pipeline.signal === signal),
      entries,
    );
  }
  // A processor with a memory would take a scrape for one more tick of the clock.
  const isForScrapes = (pipeline: ConfiguredPipeline): boolean =>
    pipeline.signal === 'metrics' &&
    pipeline.exporters.some((id) => exporters.get(id)!.isPull) &&
    !pipeline.processors.some((id) => processors.get(`${pipeline.name} ${id}`)!.isStateful);
  receiver.onDemand.target = joined(mine.filter(isForScrapes), entries);
}

/** One consumer for several pipelines; undefined for none. */
function joined(
  pipelines: readonly ConfiguredPipeline[],
  entries: ReadonlyMap<string, Consumer>,
): Consumer | undefined {
  const targets = pipelines.map((pipeline) => entries.get(pipeline.name)!);
  return targets.length === 0 ? undefined : together(targets);
}

function createReceiver(
  { id, definition, config }: Configured<AnyReceiverDefinition>,
  signals: readonly Signal[],
  fingerprint: string,
  { collectionInterval_ms }: GraphConfig,
  services: Services,
): ReceiverNode {
  const { version, host, resource, startTime } = services;
  const common = config as CommonReceiverConfig;
  const log = services.log.forComponent(id);
  const figures = signals.map((signal) => createFigures({ id, kind: 'receiver', signal, pipeline: undefined }));
  const outlets = { metrics: new Outlet(), logs: new Outlet(), traces: new Outlet() };
  const onDemand = new Outlet();
  const drop = dropInto(figures[0]);
  const meter = new ObservableMeter({
    resource,
    scope: { name: `sonde.receiver.${definition.type}`, version, attributes: {}, schemaUrl: SCHEMA_URL },
    bootTime: host.bootTime(),
    agentStartTime: startTime,
    views: new Map(Object.entries(common.metrics)),
    cardinalityLimit: common.cardinality_limit,
    onOverflow(metric, observations) {
      log.once(
        `overflow ${metric}`,
        `More series of ${metric} than cardinality_limit allows: the rest is summed into one`,
        {
          limit: common.cardinality_limit,
          observations,
        },
      );
    },
  });
  const metrics = mapValues(definition.metrics, (metric) => meter.declare(metric));
  /** Push receivers count by batch what their pipelines take. */
  const pushInto = (signal: Signal): Consumer | undefined => {
    const own = figures[signals.indexOf(signal)];
    return own === undefined ? undefined : counted(outlets[signal], own);
  };
  const instance = definition.create({
    id,
    config,
    host,
    metrics,
    meter,
    resource,
    log,
    drop,
    isEnabled: (metric: string) => metrics[metric]?.isEnabled ?? false,
    logger: services.logger(`sonde.receiver.${definition.type}`, outlets.logs),
    next: { metrics: pushInto('metrics'), logs: pushInto('logs'), traces: pushInto('traces') },
    serve: services.serve,
    get agent() {
      return services.figures();
    },
  });
  const interval_ms = common.collection_interval ?? collectionInterval_ms;
  let collector: Collector | undefined;
  const collect = instance.collect?.bind(instance);
  if (collect !== undefined) {
    meter.addBatchObservableCallback(collect);
    collector = createCollector({
      receiver: id,
      meters: () => (definition.type === 'self' ? [meter, ...services.otherMeters()] : [meter]),
      next: outlets.metrics,
      onDemand,
      timeout_ms: common.timeout ?? Math.min(interval_ms, LONGEST_COLLECTION_MS),
      figures: figures[0],
      log,
      clock: systemClock,
    });
  }
  return {
    kind: 'receiver',
    id,
    fingerprint,
    figures,
    log,
    startupError: common.startup_error,
    instance,
    outlets,
    onDemand,
    collector,
    interval_ms,
  };
}

function createProcessor(
  { id, definition, config }: Configured<AnyProcessorDefinition>,
  pipeline: ConfiguredPipeline,
  fingerprint: string,
  services: Services,
): ProcessorNode {
  const log = services.log.forComponent(`${pipeline.name}/${id}`);
  const figures = createFigures({ id, kind: 'processor', signal: pipeline.signal, pipeline: pipeline.name });
  const outlet = new Outlet();
  const instance = definition.create({
    id,
    config,
    host: services.host,
    log,
    drop: dropInto(figures),
    next: counting(outlet, figures),
  });
  return {
    kind: 'processor',
    id,
    fingerprint,
    figures: [figures],
    log,
    startupError: (config as { startup_error: Node['startupError'] }).startup_error,
    instance,
    entry: counted(instance, figures),
    outlet,
    isStateful: definition.isStateful,
  };
}

function createExporter(
  { id, definition, config }: Configured<AnyExporterDefinition>,
  signals: readonly Signal[],
  fingerprint: string,
  services: Services,
): ExporterNode {
  const log = services.log.forComponent(id);
  const figures = signals.map((signal) => createFigures({ id, kind: 'exporter', signal, pipeline: undefined }));
  const sources = new Set<ReceiverNode>();
  const instance = definition.create({
    id,
    config,
    signals,
    log,
    drop: dropInto(figures[0]),
    serve: services.serve,
    http: services.http,
    resource: services.resource,
    async collect(maxAge_ms: number) {
      const waiting: Promise<void>[] = [];
      for (const { collector } of sources) {
        const collecting = collector?.collectFor(maxAge_ms);
        if (collecting !== undefined) waiting.push(collecting);
      }
      if (waiting.length > 0) await Promise.all(waiting);
    },
  });
  const pushes: Push[] = [];
  const entries = new Map<Signal, Consumer>();
  signals.forEach((signal, index) => {
    if (definition.isPull) {
      entries.set(signal, counted(instance as PullExporter, figures[index]));
      return;
    }
    const push = createPush({
      exporter: instance as PushExporter,
      config: config as CommonPushConfig,
      figures: figures[index],
      log,
    });
    pushes.push(push);
    entries.set(signal, push);
  });
  return {
    kind: 'exporter',
    id,
    fingerprint,
    figures,
    log,
    startupError: (config as { startup_error: Node['startupError'] }).startup_error,
    instance,
    isPull: definition.isPull,
    pushes,
    entries,
    sources,
  };
}

const LONGEST_COLLECTION_MS = 10_000;

/** The signals that each component is used for: `receiver cpu` → metrics. */
function usedSignals(pipelines: readonly ConfiguredPipeline[]): Map<string, Signal[]> {
  const used = new Map<string, Signal[]>();
  const note = (key: string, signal: Signal): void => {
    const signals = used.get(key) ?? [];
    if (!signals.includes(signal)) used.set(key, [...signals, signal]);
  };
  for (const { signal, receivers, exporters } of pipelines) {
    for (const id of receivers) note(`receiver ${id}`, signal);
    for (const id of exporters) note(`exporter ${id}`, signal);
  }
  return used;
}

function dropInto(figures: ComponentFigures): (reason: string, count: number) => void {
  return (reason, count) => {
    figures.dropped.set(reason, (figures.dropped.get(reason) ?? 0) + count);
  };
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
