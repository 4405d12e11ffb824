/** The value of a data point as JSON, and the mapping that Elasticsearch's templates give it. */
import type {
  ExponentialBuckets,
  ExponentialHistogramPoint,
  HistogramPoint,
  Metric,
  MetricBatch,
} from '../../src/model/batch.ts';
import { NO_RECORDED_VALUE } from '../../src/model/batch.ts';
import { doubleJson, integerJson } from '../../src/text/value_json.ts';

/** Why a point is in no document. */
export type Omission = 'no_recorded_value' | 'not_finite' | 'not_representable';

/** A `long` of Elasticsearch. */
const MAX_LONG = 2n ** 63n - 1n;

/** JSON text in an object, or why there is none. */
export type PointValue = { readonly json: string } | Omission;

export function pointValue(batch: MetricBatch, row: number): PointValue {
  if (((batch.flags?.[row] ?? 0) & NO_RECORDED_VALUE) !== 0) return 'no_recorded_value';
  const point = batch.points?.[row];
  switch (point?.type) {
    case 'histogram':
      return histogramValue(point);
    case 'exponential_histogram':
      return exponentialValue(point);
    case 'summary':
      if (point.count > MAX_LONG) return 'not_representable';
      if (!Number.isFinite(point.sum)) return 'not_finite';
      return { json: `{"sum":${doubleJson(point.sum)},"value_count":${point.count}}` };
    default:
      return numberValue(batch, row);
  }
}

function numberValue({ series, values, exactValues }: MetricBatch, row: number): PointValue {
  const exact = exactValues?.get(row);
  if (exact !== undefined) return exact > MAX_LONG ? 'not_representable' : { json: `${exact}` };
  const value = values[row]!;
  if (!Number.isFinite(value)) return 'not_finite';
  const isInteger = series[row]!.metric.valueType === 'int' && Number.isInteger(value);
  return { json: isInteger ? integerJson(value) : doubleJson(value) };
}

/** Elasticsearch's histogram has values with counts: the middle of each bucket that is not empty. */
function histogramValue({ count, sum, explicitBounds, bucketCounts }: HistogramPoint): PointValue {
  if (explicitBounds.length === 0) {
    // All there is to say without buckets is the mean.
    if (count === 0n) return bucketsValue([], []);
    return sum === undefined ? 'not_representable' : bucketsValue([sum / Number(count)], [count]);
  }
  const counts: bigint[] = [];
  const middles: number[] = [];
  for (const [index, inBucket] of bucketCounts.entries()) {
    if (inBucket === 0n) continue;
    counts.push(inBucket);
    middles.push(bucketMiddle(explicitBounds, index));
  }
  return bucketsValue(middles, counts);
}

/** The outermost buckets have no middle: half of the bound if the values are positive, else the bound itself. */
function bucketMiddle(bounds: readonly number[], index: number): number {
  const upper = bounds[index];
  if (index === 0) return upper! > 0 ? upper! / 2 : upper!;
  const lower = bounds[index - 1]!;
  return upper === undefined ? lower : lower + (upper - lower) / 2;
}

function exponentialValue({ scale, zeroCount, positive, negative }: ExponentialHistogramPoint): PointValue {
  const counts: bigint[] = [];
  const middles: number[] = [];
  const add = (buckets: ExponentialBuckets, index: number, sign: number): void => {
    const inBucket = buckets.bucketCounts[index]!;
    if (inBucket === 0n) return;
    const lower = 2 ** ((buckets.offset + index) * 2 ** -scale);
    const upper = 2 ** ((buckets.offset + index + 1) * 2 ** -scale);
    counts.push(inBucket);
    middles.push(sign * (lower + (upper - lower) / 2));
  };
  for (let index = negative.bucketCounts.length - 1; index >= 0; index--) add(negative, index, -1);
  if (zeroCount > 0n) {
    counts.push(zeroCount);
    middles.push(0);
  }
  for (let index = 0; index < positive.bucketCounts.length; index++) add(positive, index, 1);
  return bucketsValue(middles, counts);
}

/** Values must rise: buckets so narrow that their middles are the same double become one. */
function bucketsValue(middles: readonly number[], counts: readonly bigint[]): PointValue {
  const values: number[] = [];
  const sums: bigint[] = [];
  for (const [index, middle] of middles.entries()) {
    if (!Number.isFinite(middle)) return 'not_finite';
    if (values.length > 0 && middle <= values.at(-1)!) sums[sums.length - 1]! += counts[index]!;
    else {
      values.push(middle);
      sums.push(counts[index]!);
    }
  }
  if (sums.some((sum) => sum > MAX_LONG)) return 'not_representable';
  return { json: `{"counts":[${sums.join()}],"values":[${values.map(doubleJson).join()}]}` };
}

/** Names of dynamic templates in Elasticsearch's `metrics-otel@mappings`. */
export function dynamicTemplate({ kind, isMonotonic, temporality, valueType }: Metric): string {
  if (kind === 'histogram' || kind === 'exponential_histogram') return 'histogram';
  if (kind === 'summary') return 'summary';
  const type = valueType === 'int' ? 'long' : 'double';
  return `${kind === 'sum' && isMonotonic && temporality === 'cumulative' ? 'counter' : 'gauge'}_${type}`;
}
