/**
 * What the agent's components and queues did. The names are a contract with dashboards and alerts
 * (test/telemetry_names.test.ts): add, but do not rename.
 */
import type { Observable } from '@opentelemetry/api';
import type { AgentFigures, BatchObservableResult, ComponentFigures, MetricDefinition } from '../../src/component.ts';
import type { Attributes } from '../../src/model/attributes.ts';

const COMPONENT = ['sonde.component.kind', 'sonde.component.id', 'sonde.signal', 'sonde.pipeline.name'];

export const componentMetrics = {
  accepted: counter('sonde.component.accepted', '{item}', 'Points, records and spans that the component took.'),
  refused: counter('sonde.component.refused', '{item}', 'Items that it, or what follows it, did not take.'),
  sent: counter(
    'sonde.component.sent',
    '{item}',
    'Items that it handed on: a processor to what follows, an exporter to its back end or to who asked.',
  ),
  failed: counter(
    'sonde.component.failed',
    '{item}',
    'Items in requests that did not succeed; those that are tried again count each time.',
  ),
  dropped: {
    ...counter('sonde.component.dropped', '{item}', 'Items that were lost or left out here, by reason.'),
    attributes: [...COMPONENT, 'sonde.drop.reason'],
  },
  operations: counter(
    'sonde.component.operations',
    '{operation}',
    'Collections of a receiver, requests of an exporter, or what it answered.',
  ),
  duration: {
    ...counter('sonde.component.duration', 's', 'Time that these took, summed over all of them.'),
    value: 'double',
  },
  skipped: counter('sonde.component.skipped', '{collection}', 'Collections left out because the one before still ran.'),
  timedOut: counter('sonde.component.timed_out', '{collection}', 'Collections given up because they took too long.'),
  interval: {
    ...level('sonde.receiver.interval', 'gauge', 's', 'Time from one collection to the next, as it is now.'),
    value: 'double',
  },
  stretched: counter(
    'sonde.receiver.stretched',
    '{collection}',
    'Collections left out because the agent was over its budget.',
  ),
  bursts: counter('sonde.receiver.bursts', '{burst}', 'How often it began to collect faster because of an alert.'),
  leftOut: counter(
    'sonde.receiver.left_out',
    '{item}',
    'Points that adaptive_interval left out of what was pushed, of all pipelines.',
  ),
  up: level('sonde.component.up', 'gauge', '1', 'Whether the component runs: 1 or 0.'),
  budget: {
    ...level('sonde.budget.utilization', 'gauge', '1', 'Share of its budget that the agent takes, by resource.'),
    value: 'double',
    attributes: ['sonde.budget.resource'],
  },
  recovered: counter(
    'sonde.queue.recovered',
    '{item}',
    'Items that a queue on disk held when it was opened: accepted + recovered = sent + dropped + waiting.',
  ),
  queueItems: level('sonde.queue.items', 'updowncounter', '{item}', 'Items that wait for the back end.'),
  queueUsage: level('sonde.queue.usage', 'updowncounter', 'By', 'Bytes that wait for the back end.'),
  queueLimit: level('sonde.queue.limit', 'updowncounter', 'By', 'Most bytes that may wait.'),
} satisfies Record<string, MetricDefinition>;

function counter(name: string, unit: string, about: string) {
  return { name, instrument: 'counter', unit, about, attributes: COMPONENT, since: 'agent', source: 'sonde' } as const;
}

function level(name: string, instrument: 'gauge' | 'updowncounter', unit: string, about: string) {
  return { name, instrument, unit, about, attributes: COMPONENT, since: 'agent', source: 'sonde' } as const;
}

const CPU = { 'sonde.budget.resource': 'cpu' };
const MEMORY = { 'sonde.budget.resource': 'memory' };

/** Attributes of one component's series, made once. */
interface Component {
  readonly all: Attributes;
  readonly byReason: Map<string, Attributes>;
}

export function createComponents(metrics: { readonly [K in keyof typeof componentMetrics]: Observable }) {
  const known = new WeakMap<ComponentFigures, Component>();

  function componentOf(figures: ComponentFigures): Component {
    let component = known.get(figures);
    if (component === undefined) known.set(figures, (component = createComponent(figures)));
    return component;
  }

  /** Of each kind what it has: a receiver sends no requests, only a receiver is collected. */
  function observeOne(observer: BatchObservableResult, figures: ComponentFigures, factor: number): void {
    const { kind, dropped } = figures;
    const { all, byReason } = componentOf(figures);
    observer.observe(metrics.up, figures.state === 'running' ? 1 : 0, all);
    observer.observe(metrics.accepted, figures.accepted, all);
    observer.observe(metrics.refused, figures.refused, all);
    for (const [reason, count] of dropped) {
      let attributes = byReason.get(reason);
      if (attributes === undefined) byReason.set(reason, (attributes = { ...all, 'sonde.drop.reason': reason }));
      observer.observe(metrics.dropped, count, attributes);
    }
    if (kind !== 'receiver') observer.observe(metrics.sent, figures.sent, all);
    if (kind !== 'processor') {
      observer.observe(metrics.operations, figures.operations, all);
      observer.observe(metrics.duration, figures.duration_s, all);
    }
    if (kind === 'receiver') {
      observer.observe(metrics.skipped, figures.skipped, all);
      observer.observe(metrics.timedOut, figures.timed_out, all);
      if (figures.interval_s > 0) {
        observer.observe(metrics.interval, figures.interval_s * factor, all);
        if (figures.stretched > 0) observer.observe(metrics.stretched, figures.stretched, all);
        if (figures.bursts > 0) observer.observe(metrics.bursts, figures.bursts, all);
      }
      if (figures.left_out !== undefined) observer.observe(metrics.leftOut, figures.left_out, all);
    }
    if (kind === 'exporter') observer.observe(metrics.failed, figures.failed, all);
    // Pull exporters keep no queue.
    if (figures.queue_capacity_bytes > 0) {
      if (figures.recovered > 0) observer.observe(metrics.recovered, figures.recovered, all);
      observer.observe(metrics.queueItems, figures.queued, all);
      observer.observe(metrics.queueUsage, figures.queued_bytes, all);
      observer.observe(metrics.queueLimit, figures.queue_capacity_bytes, all);
    }
  }

  return {
    observe(observer: BatchObservableResult, { components, budget }: AgentFigures): void {
      for (const figures of components) observeOne(observer, figures, budget?.factors.get(figures.id) ?? 1);
      if (budget?.cpu !== undefined) observer.observe(metrics.budget, budget.cpu, CPU);
      if (budget?.memory !== undefined) observer.observe(metrics.budget, budget.memory, MEMORY);
    },
  };
}

function createComponent({ kind, id, signal, pipeline }: ComponentFigures): Component {
  const all = {
    'sonde.component.kind': kind,
    'sonde.component.id': id,
    'sonde.signal': signal,
    ...(pipeline === undefined ? {} : { 'sonde.pipeline.name': pipeline }),
  };
  return { all, byReason: new Map() };
}
