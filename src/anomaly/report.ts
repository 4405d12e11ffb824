/** What anomaly detection says of itself and of the host, as metrics that go on in the pipeline. */
import { NO_ATTRIBUTES, type Attributes } from '../model/attributes.ts';
import { type Metric, type MetricBatch, type Resource, type Scope, Series } from '../model/batch.ts';
import { VERSION } from '../model/version.ts';
import type { Layout } from '../model/layout.ts';
import type { AnomalyKind } from './state.ts';
import type { Watch, Watched } from './watch.ts';

/** Over so many seconds a series counts as anomalous in the rate of the host. */
const RATE_WINDOW_S = 300;

export type CountedKind = AnomalyKind | 'group';
export const COUNTED_KINDS: readonly CountedKind[] = ['spike', 'level_shift', 'drift', 'variance', 'stuck', 'group'];

const SCOPE: Scope = { name: 'sonde.processor.anomaly', version: VERSION, attributes: NO_ATTRIBUTES, schemaUrl: '' };

function gauge(name: string, unit: string, description: string, valueType: 'int' | 'double'): Metric {
  return { name, description, unit, kind: 'gauge', isMonotonic: false, temporality: 'unspecified', valueType };
}

const RATE = gauge(
  'sonde.anomaly.rate',
  '1',
  'Share of the series that are judged of which any sample of the last five minutes was anomalous.',
  'double',
);
const SERIES = gauge('sonde.anomaly.series', '{series}', 'Series that are watched, by state.', 'int');
const REFUSED = gauge('sonde.anomaly.refused', '{series}', 'Series that max_series leaves no room for.', 'int');
const DETECTED: Metric = {
  ...gauge('sonde.anomaly.detected', '{anomaly}', 'Anomalies that began, by kind.', 'int'),
  kind: 'sum',
  isMonotonic: true,
  temporality: 'cumulative',
};
const GROUP_SCORE = gauge(
  'sonde.anomaly.group.score',
  '1',
  'How far a group of series is from behaving as usual; an anomaly from 1 on.',
  'double',
);
const SCORE = gauge(
  'sonde.anomaly.score',
  '1',
  'How far a series is from what is usual; an anomaly from 1 on.',
  'double',
);

export interface ReportOptions {
  readonly watch: Watch;
  readonly resource: Resource;
  /** Unix nanoseconds since when anomalies are counted. */
  readonly startTime: bigint;
  readonly detected: ReadonlyMap<CountedKind, number>;
  readonly collection: { readonly receiver: string };
  /** Whether a metric of that name shows the score of each of its series. */
  hasScore(name: string): boolean;
}

/** A function that makes the batch of now; as long as the same is reported, with the very same layout. */
export function createReport(options: ReportOptions): (time: bigint) => MetricBatch {
  const { watch, resource, startTime, detected, hasScore } = options;
  const series = (metric: Metric, attributes: Attributes): Series =>
    new Series(resource, SCOPE, metric, attributes, metric.kind === 'sum' ? startTime : 0n);
  const fixed: readonly Series[] = [
    series(RATE, NO_ATTRIBUTES),
    ...['learning', 'normal', 'anomalous'].map((state) => series(SERIES, { 'sonde.anomaly.state': state })),
    series(REFUSED, NO_ATTRIBUTES),
    ...COUNTED_KINDS.map((kind) => series(DETECTED, { 'sonde.anomaly.kind': kind })),
  ];
  const ofGroups = new Map<string, Series>();
  const ofScores = new Map<number, Series>();
  let layout: Layout = fixed;

  function scoreSeries({ id, series: of, feature }: Watched): Series {
    let score = ofScores.get(id);
    if (score === undefined) {
      const attributes = { ...of.attributes, 'metric.name': of.metric.name, 'sonde.anomaly.feature': feature };
      const metric = of.metric.entity === undefined ? SCORE : { ...SCORE, entity: of.metric.entity };
      ofScores.set(id, (score = new Series(of.resource, SCOPE, metric, attributes, 0n)));
    }
    return score;
  }

  return (time) => {
    const counts = countStates(watch);
    const rows: Series[] = [...fixed];
    const values = [
      counts.ready === 0 ? 0 : counts.recent / counts.ready,
      counts.learning,
      counts.ready - counts.anomalous,
      counts.anomalous,
      watch.overflow,
      ...COUNTED_KINDS.map((kind) => detected.get(kind) ?? 0),
    ];
    for (const { name, model } of watch.groups) {
      if (!model.model.isReady) continue;
      let row = ofGroups.get(name);
      if (row === undefined) ofGroups.set(name, (row = series(GROUP_SCORE, { 'sonde.anomaly.group': name })));
      rows.push(row);
      values.push(model.model.score);
    }
    const shown = new Set<number>();
    for (const watched of watch.watched) {
      if (!watched.model.isReady || !hasScore(watched.series.metric.name)) continue;
      shown.add(watched.id);
      rows.push(scoreSeries(watched));
      values.push(watched.model.score);
    }
    for (const id of ofScores.keys()) if (!shown.has(id)) ofScores.delete(id);
    const isSame = rows.length === layout.length && rows.every((row, index) => row === layout[index]);
    if (!isSame) layout = rows;
    return {
      signal: 'metrics',
      count: rows.length,
      series: layout,
      values: Float64Array.from(values),
      time,
      collection: { ...options.collection, onDemand: false },
    };
  };
}

function countStates(watch: Watch): { learning: number; ready: number; anomalous: number; recent: number } {
  const counts = { learning: 0, ready: 0, anomalous: 0, recent: 0 };
  for (const { model, lastAnomalous_s } of watch.watched) {
    if (!model.isReady) {
      counts.learning++;
      continue;
    }
    counts.ready++;
    if (model.isAnomalous) counts.anomalous++;
    if (watch.now_s - lastAnomalous_s <= RATE_WINDOW_S) counts.recent++;
  }
  return counts;
}
