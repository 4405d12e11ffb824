/** What the store says of itself, as metrics of the agent (receiver `self`). */
import { ValueType, type BatchObservableResult, type Meter } from '@opentelemetry/api';
import type { StoreFigures } from '../../src/store/series_store.ts';
import type { CountedRequest } from './api.ts';

export interface PublishedFigures {
  /** Counts a request. */
  counted(request: CountedRequest): void;
  withdraw(): void;
}

/** Lets the meter ask. */
export function publishFigures(
  meter: Meter,
  id: string,
  figures: () => StoreFigures,
  waiting: () => number,
): PublishedFigures {
  const of = { 'sonde.component.id': id };
  const options = (unit: string, description: string) => ({ unit, description, valueType: ValueType.INT });
  const level = (name: string, unit: string, description: string) =>
    meter.createObservableUpDownCounter(name, options(unit, description));
  const counter = (name: string, unit: string, description: string) =>
    meter.createObservableCounter(name, options(unit, description));
  const series = level('sonde.store.series', '{series}', 'Series in the store.');
  const samples = level('sonde.store.samples', '{sample}', 'Samples in the store.');
  const usage = level('sonde.store.usage', 'By', 'Memory that they take.');
  const diskUsage = level('sonde.store.disk.usage', 'By', 'Room that they take on disk.');
  const age = meter.createObservableGauge('sonde.store.oldest', {
    unit: 's',
    description: 'Age of the oldest sample.',
    valueType: ValueType.DOUBLE,
  });
  const appended = counter('sonde.store.appended', '{sample}', 'Samples that were taken.');
  const evicted = counter(
    'sonde.store.evicted',
    '{sample}',
    'Samples given up before their time because of max_bytes.',
  );
  const expired = counter('sonde.store.expired', '{sample}', 'Samples given up because of their age.');
  const queued = level('sonde.query.waiting', '{query}', 'Queries that wait for their turn.');
  const observed = [series, samples, usage, diskUsage, age, appended, evicted, expired, queued];
  const observe = (observer: BatchObservableResult): void => {
    const now = figures();
    observer.observe(series, now.series, of);
    observer.observe(samples, now.samples, of);
    observer.observe(usage, now.bytes, of);
    observer.observe(diskUsage, now.disk_bytes, of);
    if (now.oldest_ms !== undefined) observer.observe(age, (Date.now() - now.oldest_ms) / 1000, of);
    observer.observe(appended, now.appended_samples, of);
    observer.observe(evicted, now.evicted_samples, of);
    observer.observe(expired, now.expired_samples, of);
    observer.observe(queued, waiting(), of);
  };
  meter.addBatchObservableCallback(observe, observed);

  const queries = meter.createCounter('sonde.query.count', options('{query}', 'Queries, by endpoint and outcome.'));
  const limited = meter.createCounter(
    'sonde.query.limited',
    options('{query}', 'Queries that a limit ended, by limit.'),
  );
  const duration = meter.createHistogram('sonde.query.duration', {
    unit: 's',
    description: 'Time that queries held the agent.',
    valueType: ValueType.DOUBLE,
    advice: { explicitBucketBoundaries: [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5] },
  });
  return {
    counted({ endpoint, outcome, limit, duration_s }) {
      const which = { ...of, 'sonde.query.endpoint': endpoint };
      queries.add(1, { ...which, 'sonde.query.outcome': outcome });
      duration.record(duration_s, which);
      if (limit !== undefined) limited.add(1, { ...which, 'sonde.query.limit': limit });
    },
    withdraw: () => meter.removeBatchObservableCallback(observe, observed),
  };
}
