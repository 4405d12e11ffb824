/** Collections of a receiver, made of bare numbers. */
import { Series, type Metric, type MetricBatch } from '../../src/model/batch.ts';

export type Kind = 'gauge' | 'updown' | 'counter' | 'delta' | 'histogram';

export function seriesOf(kind: Kind, name: string = kind, unit = '1'): Series {
  const metric: Metric = {
    name,
    description: '',
    unit,
    kind: kind === 'gauge' || kind === 'histogram' ? kind : 'sum',
    isMonotonic: kind === 'counter' || kind === 'delta',
    temporality: kind === 'gauge' ? 'unspecified' : kind === 'delta' ? 'delta' : 'cumulative',
    valueType: 'double',
  };
  const scope = { name: 's', version: '', attributes: {}, schemaUrl: '' };
  return new Series({ attributes: {}, schemaUrl: '' }, scope, metric, {}, 0n);
}

export function collectionOf(
  series: readonly Series[],
  values: readonly number[],
  time_ms: number,
  onDemand = false,
): MetricBatch {
  return {
    signal: 'metrics',
    count: series.length,
    series,
    values: Float64Array.from(values),
    time: BigInt(time_ms) * 1_000_000n,
    collection: { receiver: 'r', onDemand },
  };
}
