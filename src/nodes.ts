/** The components of a graph: each made from its definition and configuration, with its counters and its outlets. */
import type { Logger } from '@opentelemetry/api';
import type {
  AgentFigures,
  AnyExporterDefinition,
  AnyProcessorDefinition,
  AnyReceiverDefinition,
  CommonPushConfig,
  CommonReceiverConfig,
  ComponentFigures,
  ComponentLog,
  Consumer,
  CreateHttpSender,
  Host,
  PipelineFigures,
  Processor,
  PullExporter,
  PushExporter,
  Receiver,
  Serve,
} from './component.ts';
import { createCollector, type Collector } from './collector.ts';
import { createPush, type Push } from './delivery/push.ts';
import { createDiskQueue } from './delivery/queues.ts';
import { createIntakes } from './intakes.ts';
import type { Resource, Signal } from './model/batch.ts';
import { RetryableError } from './errors.ts';
import { SCHEMA_URL } from './model/semconv.ts';
import { ObservableMeter } from './otel/meter.ts';
import { add, booked, counted, counting, createFigures, hold, leave, Outlet, release } from './pipeline.ts';
import type { Board } from './rules/board.ts';
import { systemClock } from './scheduler.ts';
import type { Taps } from './taps.ts';
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
  readonly taps: Taps;
  readonly board: Board;
  /** Meters of instrumentation outside the receivers; they are collected with the receiver `self`. */
  readonly otherMeters: () => readonly ObservableMeter[];
}

/** What the agent starts and stops. */
export type GraphNode = ReceiverNode | ProcessorNode | ExporterNode;

interface NodeBase {
  readonly id: string;
  /** Equal as long as nothing that the component was made from has changed. */
  readonly fingerprint: string;
  readonly figures: readonly ComponentFigures[];
  readonly log: ComponentLog;
  readonly startupError: 'fail' | 'retry' | 'ignore';
}

export interface ReceiverNode extends NodeBase {
  readonly kind: 'receiver';
  readonly instance: Receiver;
  readonly outlets: Readonly<Record<Signal, Outlet>>;
  /** Where collections go that a pull exporter asked for. */
  readonly onDemand: Outlet;
  /** Undefined for receivers that are pushed to. */
  readonly collector: Collector | undefined;
  /** Of a connector, what pipelines hand over to that it ends, and the names of these pipelines. */
  readonly intakes: ReadonlyMap<Signal, Consumer>;
  readonly feeders: Set<string>;
  readonly interval_ms: number;
}

export interface ProcessorNode extends NodeBase {
  readonly kind: 'processor';
  readonly instance: Processor;
  readonly entry: Consumer;
  readonly outlet: Outlet;
  readonly isStateful: boolean;
  readonly isBatching: boolean;
  /** From now on everything goes past it: it could not start, and may be missing. */
  leaveOut(): void;
}

export interface ExporterNode extends NodeBase {
  readonly kind: 'exporter';
  readonly instance: PushExporter | PullExporter;
  readonly isPull: boolean;
  /** One queue for each signal; none for pull exporters. */
  readonly pushes: readonly Push[];
  readonly entries: ReadonlyMap<Signal, Consumer>;
  /** Receivers behind the pipelines that it stands in. */
  readonly sources: Set<ReceiverNode>;
  /** From now on nothing goes into it: it could not start, and may be missing. */
  leaveOut(): void;
}

const LONGEST_COLLECTION_MS = 10_000;

export function createReceiver(
  { id, definition, config }: Configured<AnyReceiverDefinition>,
  signals: readonly Signal[],
  fingerprint: string,
  collectionInterval_ms: number,
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
      const message = `More series of ${metric} than cardinality_limit allows: the rest is summed into one`;
      log.once(`overflow ${metric}`, message, { limit: common.cardinality_limit, observations });
    },
  });
  const metrics = meter.declareAll(definition.metrics);
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
    board: services.board,
    get agent() {
      return services.figures();
    },
  });
  const intakes = createIntakes(id, definition.takes, instance);
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
    figures: [...figures, ...intakes.figures],
    log,
    startupError: common.startup_error,
    instance,
    outlets,
    onDemand,
    collector,
    intakes: intakes.entries,
    feeders: new Set(),
    interval_ms,
  };
}

export function createProcessor(
  { id, definition, config }: Configured<AnyProcessorDefinition>,
  pipeline: Pick<PipelineFigures, 'name' | 'signal' | 'books'>,
  fingerprint: string,
  services: Services,
): ProcessorNode {
  const log = services.log.forComponent(`${pipeline.name}/${id}`);
  const figures = createFigures({ id, kind: 'processor', signal: pipeline.signal, pipeline: pipeline.name });
  const outlet = new Outlet();
  const advance = definition.isBatching ? { count: 0 } : undefined;
  const next = counting(outlet, figures, advance);
  const drop = (reason: string, count: number): void => {
    add(figures.dropped, reason, count);
    leave(pipeline.books, reason, count);
  };
  let held = 0;
  const instance = definition.create({
    id,
    config,
    host: services.host,
    resource: services.resource,
    http: services.http,
    board: services.board,
    pipeline: pipeline.name,
    log,
    drop,
    next,
    own: booked(counting(outlet, figures, { count: 0 }), pipeline.books),
    hold(count) {
      held += count;
      figures.queued += count;
      hold(pipeline.books, count);
    },
    release(count) {
      figures.queued -= count;
      release(pipeline.books, count);
    },
  });
  let isLeftOut = false;
  const guarded: Consumer = {
    consume(batch) {
      if (isLeftOut) return next.consume(batch);
      // Past it goes nothing that it might have had to take something out of.
      if (figures.state === 'failed') throw new RetryableError(`Cannot take a batch: ${id} has not started yet`);
      return instance.consume(batch);
    },
  };
  return {
    kind: 'processor',
    id,
    fingerprint,
    figures: [figures],
    log,
    startupError: (config as { startup_error: NodeBase['startupError'] }).startup_error,
    instance,
    entry: counted(guarded, figures, () => held, advance),
    outlet,
    isStateful: definition.isStateful,
    isBatching: definition.isBatching,
    leaveOut() {
      isLeftOut = true;
    },
  };
}

export function createExporter(
  { id, definition, config }: Configured<AnyExporterDefinition>,
  signals: readonly Signal[],
  fingerprint: string,
  services: Services,
): ExporterNode {
  const log = services.log.forComponent(id);
  const figures = signals.map((signal) => createFigures({ id, kind: 'exporter', signal, pipeline: undefined }));
  const sources = new Set<ReceiverNode>();
  /** Of the signal that is being encoded or consumed. */
  let current = figures[0];
  const within = <T>(own: ComponentFigures, work: () => T): T => {
    current = own;
    try {
      return work();
    } finally {
      current = figures[0];
    }
  };
  const instance = definition.create({
    id,
    config,
    signals,
    log,
    drop: (reason, count) => dropInto(current)(reason, count),
    board: services.board,
    serve: services.serve,
    http: services.http,
    resource: services.resource,
    collect(maxAge_ms: number) {
      const waiting: Promise<void>[] = [];
      for (const { collector, figures: of } of sources) {
        // One that has not started cannot be asked yet.
        if (of[0].state !== 'running') continue;
        const collecting = collector?.collectFor(maxAge_ms);
        if (collecting !== undefined) waiting.push(collecting);
      }
      return waiting.length === 0 ? undefined : Promise.all(waiting).then(() => undefined);
    },
    answered(count, duration_s) {
      figures[0].sent += count;
      figures[0].operations++;
      figures[0].duration_s += duration_s;
    },
  });
  const pushes: Push[] = [];
  const entries = new Map<Signal, Outlet>();
  const consumerOf = (own: ComponentFigures): Consumer => {
    if (definition.isPull) {
      return counted({ consume: (batch) => within(own, () => (instance as PullExporter).consume(batch)) }, own);
    }
    const { encode, send, split } = instance as PushExporter;
    const push = createPush({
      ...createDiskQueue(id, own.signal, config as CommonPushConfig, log),
      exporter: {
        encode: (batch) => within(own, () => encode.call(instance, batch)),
        send: send.bind(instance),
        ...(split !== undefined && { split: split.bind(instance) }),
      },
      config: config as CommonPushConfig,
      figures: own,
      log,
    });
    pushes.push(push);
    return push;
  };
  signals.forEach((signal, index) => {
    const entry = new Outlet();
    entry.target = consumerOf(figures[index]);
    entries.set(signal, entry);
  });
  return {
    kind: 'exporter',
    id,
    fingerprint,
    figures,
    log,
    startupError: (config as { startup_error: NodeBase['startupError'] }).startup_error,
    instance,
    isPull: definition.isPull,
    pushes,
    entries,
    sources,
    leaveOut() {
      for (const entry of entries.values()) entry.target = undefined;
    },
  };
}

function dropInto(figures: ComponentFigures): (reason: string, count: number) => void {
  return (reason, count) => add(figures.dropped, reason, count);
}
