/**
 * Joins the components that a configuration names to pipelines. A graph can take over, from the graph before it, every
 * component whose configuration is the same: that is what a reload restarts and what it leaves alone.
 */
import type {
  AnyExporterDefinition,
  AnyProcessorDefinition,
  AnyReceiverDefinition,
  Consumer,
  PipelineFigures,
} from './component.ts';
import type { Signal } from './model/batch.ts';
import {
  createExporter,
  createProcessor,
  createReceiver,
  type Configured,
  type ExporterNode,
  type ProcessorNode,
  type ReceiverNode,
  type Services,
} from './nodes.ts';
import { fanOut, together, type Branch } from './pipeline.ts';

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
      kept?.fingerprint === fingerprint
        ? kept
        : createReceiver(configured, signals, fingerprint, config.collectionInterval_ms, services),
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
