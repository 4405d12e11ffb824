import {
  NO_RECORDED_VALUE,
  type DistributionPoint,
  type MetricBatch,
  type Resource,
  type Scope,
} from '../../src/model/batch.ts';
import { printable } from '../../src/text/printable.ts';
import { attributesText, resourceText, scopeText, timeText } from './text.ts';

/** A line for each point: `system.cpu.time{cpu="0"} 12.5 s`; if `isDetailed`, and what each says besides. */
export function* metricLines(batch: MetricBatch, max_items: number, isDetailed: boolean): Iterable<string> {
  let resource: Resource | undefined;
  let scope: Scope | undefined;
  for (let row = 0; row < Math.min(batch.count, max_items); row += 1) {
    const series = batch.series[row]!;
    const { metric, startTime, attributes } = series;
    if (isDetailed && (series.resource !== resource || series.scope !== scope)) {
      ({ resource, scope } = series);
      yield resourceText(resource);
      yield scopeText(scope);
    }
    yield `${printable(metric.name)}${attributesText(attributes)} ${valueOf(batch, row)} ${printable(metric.unit)}`.trimEnd();
    if (!isDetailed) continue;
    const kind = metric.kind === 'sum' ? (metric.isMonotonic ? 'monotonic sum' : 'sum') : metric.kind;
    const temporality = metric.temporality === 'unspecified' ? '' : ` ${metric.temporality}`;
    yield `    ${kind}${temporality} ${metric.valueType} from ${timeText(startTime)} to ${timeText(batch.times?.[row] ?? batch.time)}`;
    if (metric.description !== '') yield `    ${printable(metric.description)}`;
    yield* pointLines(batch.points?.[row]);
    for (const { time, value, traceId, spanId, filteredAttributes } of batch.exemplars?.[row] ?? []) {
      yield `    exemplar ${value} at ${timeText(time)} trace ${traceId || '-'} span ${spanId || '-'} ${attributesText(filteredAttributes)}`.trimEnd();
    }
  }
}

function valueOf(batch: MetricBatch, row: number): string {
  if (((batch.flags?.[row] ?? 0) & NO_RECORDED_VALUE) !== 0) return 'ended';
  const point = batch.points?.[row];
  if (point === undefined) return String(batch.exactValues?.get(row) ?? batch.values[row]);
  return point.sum === undefined ? `count=${point.count}` : `count=${point.count} sum=${point.sum}`;
}

function* pointLines(point: DistributionPoint | undefined): Iterable<string> {
  if (point === undefined) return;
  if (point.type === 'summary') {
    for (const { quantile, value } of point.quantiles) yield `    quantile ${quantile}: ${value}`;
    return;
  }
  if (point.min !== undefined || point.max !== undefined) yield `    min ${point.min ?? '-'} max ${point.max ?? '-'}`;
  if (point.type === 'histogram') {
    for (const [index, count] of point.bucketCounts.entries())
      yield `    up to ${point.explicitBounds[index] ?? '∞'}: ${count}`;
    return;
  }
  yield `    scale ${point.scale}, ${point.zeroCount} up to ${point.zeroThreshold}`;
  for (const side of ['positive', 'negative'] as const) {
    const { offset, bucketCounts } = point[side];
    if (bucketCounts.length > 0) yield `    ${side} from bucket ${offset}: ${bucketCounts.join(' ')}`;
  }
}
