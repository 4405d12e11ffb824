/**
 * The books of the agent's pipelines: accepted = sent + dropped + filtered. The names are a contract with dashboards and
 * alerts (test/telemetry_names.test.ts): add, but do not rename.
 */
import type { Observable } from '@opentelemetry/api';
import type { AgentFigures, BatchObservableResult, MetricDefinition, PipelineFigures } from '../../src/component.ts';
import type { Attributes } from '../../src/model/attributes.ts';

const PIPELINE = ['sonde.pipeline.name', 'sonde.signal'];

export const pipelineMetrics = {
  pipelineAccepted: {
    ...counter('sonde.pipeline.accepted', 'Items that the pipeline took: accepted = sent + dropped + filtered.'),
    attributes: PIPELINE,
  },
  pipelineRefused: {
    ...counter('sonde.pipeline.refused', 'Items that it did not take; whoever sent them has been told.'),
    attributes: PIPELINE,
  },
  pipelineSent: {
    ...counter('sonde.pipeline.sent', 'Items that its exporters took: into their queues, or to be asked for.'),
    attributes: PIPELINE,
  },
  pipelineDropped: {
    ...counter(
      'sonde.pipeline.dropped',
      'Items that its processors lost or left out, by reason; without filtered ones.',
    ),
    attributes: [...PIPELINE, 'sonde.drop.reason'],
  },
  pipelineFiltered: {
    ...counter('sonde.pipeline.filtered', 'Items that its filters took out, by the name of the rule, if it has one.'),
    attributes: [...PIPELINE, 'sonde.filter.rule'],
  },
  pipelineWaiting: {
    name: 'sonde.pipeline.waiting',
    instrument: 'updowncounter',
    unit: '{item}',
    about:
      'Items that it was handed and has neither accepted nor refused yet: they wait in a batch or a window, or for a full queue.',
    attributes: PIPELINE,
    since: 'agent',
    source: 'sonde',
  },
} as const satisfies Record<string, MetricDefinition>;

function counter(name: string, about: string) {
  return { name, instrument: 'counter', unit: '{item}', about, since: 'agent', source: 'sonde' } as const;
}

/** Attributes of one pipeline's series, made once. */
interface Pipeline {
  readonly all: Attributes;
  readonly byReason: Map<string, Attributes>;
  readonly byRule: Map<string, Attributes>;
}

export function createPipelines(metrics: { readonly [K in keyof typeof pipelineMetrics]: Observable }) {
  /** By the books, which outlive a reload. */
  const known = new WeakMap<PipelineFigures['books'], Pipeline>();

  function observeOne(observer: BatchObservableResult, figures: PipelineFigures): void {
    const { books } = figures;
    let pipeline = known.get(books);
    if (pipeline === undefined) known.set(books, (pipeline = createPipeline(figures)));
    const { all, byReason, byRule } = pipeline;
    observer.observe(metrics.pipelineAccepted, books.accepted, all);
    observer.observe(metrics.pipelineRefused, books.refused, all);
    observer.observe(metrics.pipelineSent, books.sent, all);
    observer.observe(metrics.pipelineWaiting, books.waiting, all);
    for (const [reason, count] of books.dropped) {
      let attributes = byReason.get(reason);
      if (attributes === undefined) byReason.set(reason, (attributes = { ...all, 'sonde.drop.reason': reason }));
      observer.observe(metrics.pipelineDropped, count, attributes);
    }
    for (const [rule, count] of books.filtered) {
      let attributes = byRule.get(rule);
      if (attributes === undefined) {
        byRule.set(rule, (attributes = rule === '' ? all : { ...all, 'sonde.filter.rule': rule }));
      }
      observer.observe(metrics.pipelineFiltered, count, attributes);
    }
  }

  return {
    observe(observer: BatchObservableResult, { pipelines }: AgentFigures): void {
      for (const figures of pipelines) observeOne(observer, figures);
    },
  };
}

function createPipeline({ name, signal }: PipelineFigures): Pipeline {
  return {
    all: { 'sonde.pipeline.name': name, 'sonde.signal': signal },
    byReason: new Map(),
    byRule: new Map(),
  };
}
