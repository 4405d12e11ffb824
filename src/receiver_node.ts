/** A receiver of the graph: made from its definition and configuration, with its meter, its collector and its outlets. */
import { createPace, type Pace } from './adaptive/pace.ts';
import { createCollector, type Collector } from './collector.ts';
import type { AnyReceiverDefinition, CommonReceiverConfig, Consumer } from './component.ts';
import { createIntakes } from './intakes.ts';
import type { Signal } from './model/batch.ts';
import { SCHEMA_URL } from './model/semconv.ts';
import { dropInto, type Configured, type ReceiverNode, type Services } from './nodes.ts';
import { ObservableMeter } from './otel/meter.ts';
import { counted, createFigures, Outlet } from './pipeline.ts';
import { systemClock } from './scheduler.ts';

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
  const thinned =
    common.adaptive_interval === undefined ? undefined : { options: common.adaptive_interval, figures: figures[0] };
  if (thinned !== undefined) figures[0].left_out = 0;
  let collector: Collector | undefined;
  let pace: Pace | undefined;
  const collect = instance.collect?.bind(instance);
  for (const option of ineffectiveOptions(common, collect === undefined ? undefined : interval_ms)) log.warn(option);
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
    const { board, brake } = services;
    pace = createPace({ receiver: id, collector, interval_ms, burst: common.burst, board, brake, figures: figures[0] });
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
    pace,
    thinned,
  };
}

/** Options that change nothing, each as a sentence. `interval_ms` is undefined for receivers that are pushed to. */
function ineffectiveOptions(
  { adaptive_interval, burst }: CommonReceiverConfig,
  interval_ms: number | undefined,
): readonly string[] {
  if (interval_ms === undefined) {
    const isAny = adaptive_interval !== undefined || burst !== undefined;
    return isAny ? ['Has no interval, as it is sent its data: adaptive_interval and burst change nothing'] : [];
  }
  const sentences: string[] = [];
  if (adaptive_interval !== undefined && adaptive_interval.max < 2 * interval_ms) {
    sentences.push('Leaves nothing out: adaptive_interval.max is shorter than two intervals');
  }
  if (burst !== undefined && burst.interval >= interval_ms) {
    sentences.push('Makes no bursts: burst.interval is no shorter than the interval');
  } else if (burst !== undefined && Math.min(burst.for, burst.per_hour) < burst.interval) {
    sentences.push('Makes no bursts: burst.for or burst.per_hour is shorter than burst.interval');
  }
  return sentences;
}
