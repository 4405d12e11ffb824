/** An exporter of the graph: a queue for each signal if it pushes, and for all whom to ask for fresh values. */
import type {
  AnyExporterDefinition,
  CommonPushConfig,
  ComponentFigures,
  Consumer,
  PullExporter,
  PushExporter,
} from './component.ts';
import { createPush, type Push } from './delivery/push.ts';
import { createDiskQueue } from './delivery/queues.ts';
import type { Signal } from './model/batch.ts';
import { dropInto, type Configured, type ExporterNode, type ReceiverNode, type Services } from './nodes.ts';
import { counted, createFigures, Outlet } from './pipeline.ts';

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
      for (const { collector, pace, figures: of } of sources) {
        // One that has not started cannot be asked yet.
        if (of[0].state !== 'running') continue;
        const collecting = collector?.collectFor(Math.max(maxAge_ms, pace!.shortest_ms));
        if (collecting !== undefined) waiting.push(collecting);
      }
      return waiting.length === 0 ? undefined : Promise.all(waiting).then(() => undefined);
    },
    watched: services.watchers.look,
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
    startupError: (config as { startup_error: ExporterNode['startupError'] }).startup_error,
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
