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
import type { MetricBatch, Signal } from './model/batch.ts';
import type { Thinned } from './adaptive/thinning.ts';
import { createExporter } from './exporter_node.ts';
import type { Configured, ExporterNode, ProcessorNode, ReceiverNode, Services } from './nodes.ts';
import { booked, counting, createBooks, fanOut, labelled, together } from './pipeline.ts';
import { createProcessor } from './processor_node.ts';
import { createReceiver } from './receiver_node.ts';
import { END, FRONT } from './taps.ts';

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
  /** Joins the same components anew, with the taps there are now. */
  rejoin(): void;
}

export function buildGraph(config: GraphConfig, services: Services, before?: Graph): Graph {
  const signalsOf = usedSignals(config.pipelines);
  const exporters = new Map<string, ExporterNode>();
  const receivers = new Map<string, ReceiverNode>();
  const processors = new Map<string, ProcessorNode>();
  // A pipeline is the same as long as it has its name, whatever it is made of.
  const pipelines: readonly PipelineFigures[] = config.pipelines.map((pipeline) => ({
    ...pipeline,
    books: before?.pipelines.find(({ name }) => name === pipeline.name)?.books ?? createBooks(),
  }));

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
  for (const pipeline of pipelines) {
    for (const id of inOrder(pipeline, config.processors)) {
      const configured = config.processors.get(id)!;
      const key = `${pipeline.name} ${id}`;
      const fingerprint = JSON.stringify([configured.raw, configured.definition.fingerprint?.(configured.config)]);
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
  function join(): void {
    for (const exporter of exporters.values()) exporter.sources.clear();
    for (const receiver of receivers.values()) receiver.feeders.clear();
    for (const pipeline of pipelines) {
      entries.set(pipeline.name, connectPipeline(pipeline, { receivers, processors, exporters }, services));
    }
    for (const receiver of receivers.values()) {
      connectReceiver(receiver, config.pipelines, entries, { processors, exporters });
    }
  }
  return {
    receivers,
    processors,
    exporters,
    pipelines,
    rejoin: join,
    connect() {
      join();
      // A pull exporter that is new here has had none of the values, however young they are.
      for (const { collector } of receivers.values()) collector?.outdate();
    },
  };
}

/** The processors of a pipeline as they work: those that only batch behind the others. */
function inOrder(pipeline: ConfiguredPipeline, configured: GraphConfig['processors']): string[] {
  const isBatching = (id: string): boolean => configured.get(id)!.definition.isBatching;
  return [...pipeline.processors.filter((id) => !isBatching(id)), ...pipeline.processors.filter(isBatching)];
}

/** Joins a pipeline from its back to its front, and returns its front. */
function connectPipeline(
  pipeline: PipelineFigures,
  { receivers, processors, exporters }: Pick<Graph, 'receivers' | 'processors' | 'exporters'>,
  { taps, thinnings }: Pick<Services, 'taps' | 'thinnings'>,
): Consumer {
  const tapped = (point: string, consumer: Consumer): Consumer => taps.at(pipeline.name, point, consumer);
  const ownProcessors = pipeline.processors.map((id) => processors.get(`${pipeline.name} ${id}`)!);
  const ownExporters = pipeline.exporters.flatMap((id) => exporters.get(id) ?? []);
  const connectors = pipeline.exporters.flatMap((id) => (exporters.has(id) ? [] : receivers.get(id)!));
  for (const { feeders } of connectors) feeders.add(pipeline.name);
  for (const { sources } of ownExporters) for (const id of pipeline.receivers) sources.add(receivers.get(id)!);
  const through = (chain: readonly ProcessorNode[], end: Consumer): Consumer =>
    chain.reduceRight((next, processor) => {
      processor.outlet.target = tapped(processor.id, next);
      return processor.entry;
    }, end);

  const entryOf = ({ id, entries }: ExporterNode): Consumer => tapped(id, entries.get(pipeline.signal)!);
  const pushers = [
    ...ownExporters.filter(({ isPull }) => !isPull).map(entryOf),
    ...connectors.map(({ id, intakes }) => tapped(id, intakes.get(pipeline.signal)!)),
  ];
  const pullers = ownExporters.filter(({ isPull }) => isPull).map((node) => labelled(entryOf(node), pipeline.name));
  const batching = ownProcessors.filter(({ isBatching }) => isBatching);
  const toPush = through(batching, together(pushers));
  const thinned = new Map<string, Thinned>();
  for (const id of pipeline.receivers) {
    const { thinned: own } = receivers.get(id)!;
    if (own !== undefined && pushers.length > 0) thinned.set(id, own);
  }
  // What pull exporters have has been sent, though what is pushed is less.
  const isPushOnly = pullers.length === 0;
  const thinnedTo = (consumer: Consumer): Consumer =>
    thinnings.at(pipeline.name, thinned, isPushOnly ? pipeline.books : undefined, consumer);
  const fork = fanOut([
    ...(pushers.length === 0 ? [] : [{ consumer: isPushOnly ? toPush : thinnedTo(toPush), isPull: false }]),
    ...pullers.map((consumer) => ({ consumer, isPull: true })),
  ]);
  const end = counting(fork, pipeline.books);
  const front = through(
    ownProcessors.filter(({ isBatching }) => !isBatching),
    tapped(END, isPushOnly ? thinnedTo(end) : end),
  );
  return booked(tapped(FRONT, front), pipeline.books);
}

/**
 * Tells the pull exporters that stay what no longer reaches them, so that it is gone at the next scrape: a receiver that
 * is no more will not say that its series have ended.
 */
export function endCollections(before: Graph, after: Graph): void {
  for (const pipeline of before.pipelines) {
    if (pipeline.signal !== 'metrics') continue;
    const now = after.pipelines.find(({ name }) => name === pipeline.name);
    for (const id of pipeline.exporters) {
      const exporter = after.exporters.get(id);
      if (exporter === undefined || !exporter.isPull || exporter !== before.exporters.get(id)) continue;
      const staying = now?.exporters.includes(id) === true ? now.receivers : [];
      for (const receiver of pipeline.receivers) {
        if (staying.includes(receiver)) continue;
        const collection = { receiver, pipeline: pipeline.name, onDemand: false };
        void exporter.entries.get('metrics')!.consume({ ...NOTHING, collection });
      }
    }
  }
}

const NOTHING: MetricBatch = { signal: 'metrics', count: 0, series: [], values: new Float64Array(0), time: 0n };

function connectReceiver(
  receiver: ReceiverNode,
  pipelines: readonly ConfiguredPipeline[],
  entries: ReadonlyMap<string, Consumer>,
  { processors, exporters }: Pick<Graph, 'processors' | 'exporters'>,
): void {
  const mine = pipelines.filter((pipeline) => pipeline.receivers.includes(receiver.id));
  for (const signal of SIGNALS) {
    receiver.outlets[signal].target = joined(
      mine.filter((pipeline) => pipeline.signal === signal),
      entries,
    );
  }
  // A processor with a memory would take a scrape for one more tick of the clock.
  const isForScrapes = (pipeline: ConfiguredPipeline): boolean =>
    pipeline.signal === 'metrics' &&
    pipeline.exporters.some((id) => exporters.get(id)?.isPull) &&
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

/** The signals that each component is used for, in one order whatever that of the pipelines: `receiver cpu` → metrics. */
function usedSignals(pipelines: readonly ConfiguredPipeline[]): Map<string, Signal[]> {
  const used = new Map<string, Signal[]>();
  const note = (key: string, signal: Signal): void => {
    const signals = used.get(key) ?? [];
    if (!signals.includes(signal)) used.set(key, [...signals, signal]);
  };
  for (const each of SIGNALS) {
    for (const { signal, receivers, exporters } of pipelines) {
      if (signal !== each) continue;
      for (const id of receivers) note(`receiver ${id}`, signal);
      for (const id of exporters) note(`exporter ${id}`, signal);
    }
  }
  return used;
}

const SIGNALS: readonly Signal[] = ['metrics', 'logs', 'traces'];
