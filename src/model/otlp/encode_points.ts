/** Writes the data points of opentelemetry/proto/metrics/v1/metrics.proto, fields in the order of their numbers. */
import {
  NO_RECORDED_VALUE,
  type Exemplar,
  type ExponentialBuckets,
  type ExponentialHistogramPoint,
  type HistogramPoint,
  type MetricBatch,
  type MetricKind,
  type Series,
  type SummaryPoint,
} from '../batch.ts';
import { perSeries } from '../layout.ts';
import { writeAttributes } from './any_value.ts';
import { wireAttributes } from './layout_groups.ts';
import { isInt64, setInt64, sharedWriter, type Writer } from './writer.ts';

/** Tags of `attributes`, which each kind of point numbers otherwise. */
const ATTRIBUTES_TAG: Readonly<Record<MetricKind, number>> = {
  gauge: 0x3a,
  sum: 0x3a,
  histogram: 0x4a,
  exponential_histogram: 0x0a,
  summary: 0x3a,
};
const AS_DOUBLE = 0x21;
const AS_INT = 0x31;

/** The encoded attributes of a series' points. */
const attributeBytes = perSeries((series): Uint8Array => {
  const start = sharedWriter.position;
  writeAttributes(sharedWriter, ATTRIBUTES_TAG[series.metric.kind], wireAttributes(series));
  return sharedWriter.take(start);
});

/**
 * Writes one row as an element of `data_points`, with attribute bytes that are kept for the next time if `isKept`.
 * Returns the position of the time of a number point without flags and exemplars: its time, value and attributes are
 * the last that is written.
 */
export function writePoint(writer: Writer, batch: MetricBatch, row: number, isKept: boolean): number {
  const series = batch.series[row] as Series;
  const { kind } = series.metric;
  const kept = isKept ? attributeBytes(series) : undefined;
  let attributesSize = 0;
  const writeOwnAttributes = (): void => {
    const before = writer.position;
    if (kept === undefined) writeAttributes(writer, ATTRIBUTES_TAG[kind], wireAttributes(series));
    else writer.raw(kept);
    attributesSize = writer.position - before;
  };
  // 27 bytes: start time, time and value of a number point.
  const expected = (kept?.length ?? 100) + 27;
  const start = writer.begin(0x0a, expected);
  if (kind === 'exponential_histogram') writeOwnAttributes();
  if (series.startTime !== 0n) writer.fixed64(0x11, series.startTime);
  writer.fixed64(0x19, batch.times?.[row] ?? batch.time);
  const point = batch.points?.[row];
  const flags = batch.flags?.[row] ?? 0;
  const exemplars = batch.exemplars?.[row];
  if (kind === 'gauge' || kind === 'sum') {
    if ((flags & NO_RECORDED_VALUE) === 0) writeNumber(writer, batch, row);
    writeExemplars(writer, 0x2a, exemplars);
    writeOwnAttributes();
    if (flags !== 0) writer.uint(0x40, flags);
  } else if (kind === 'histogram') {
    writeHistogram(writer, point?.type === kind ? point : undefined, exemplars, writeOwnAttributes, flags);
  } else if (kind === 'exponential_histogram') {
    writeExponentialHistogram(writer, point?.type === kind ? point : undefined, exemplars, flags);
  } else writeSummary(writer, point?.type === kind ? point : undefined, writeOwnAttributes, flags);
  writer.end(start, expected);
  return writer.position - attributesSize - 17;
}

function writeNumber(writer: Writer, batch: MetricBatch, row: number): void {
  writer.reserve(9);
  const { valueType } = (batch.series[row] as Series).metric;
  const exact = valueType === 'int' ? batch.exactValues?.get(row) : undefined;
  setNumber(writer.bytes, writer.view, writer.position, batch.values[row] as number, valueType === 'int');
  if (exact !== undefined) setExactInt(writer.bytes, writer.view, writer.position, exact);
  writer.position += 9;
}

/**
 * Puts tag and value at `position`, 9 bytes in any case. A value of an integer metric that no integer holds (an
 * average, NaN) goes as the double that it is.
 */
export function setNumber(bytes: Uint8Array, view: DataView, position: number, value: number, isInt: boolean): void {
  if (isInt && isInt64(value)) {
    bytes[position] = AS_INT;
    setInt64(view, position + 1, value);
  } else {
    bytes[position] = AS_DOUBLE;
    view.setFloat64(position + 1, value, true);
  }
}

/** Like {@link setNumber}, for an integer that a double cannot hold. */
export function setExactInt(bytes: Uint8Array, view: DataView, position: number, value: bigint): void {
  bytes[position] = AS_INT;
  view.setBigInt64(position + 1, value, true);
}

function writeHistogram(
  writer: Writer,
  point: HistogramPoint | undefined,
  exemplars: readonly Exemplar[] | undefined,
  writeOwnAttributes: () => void,
  flags: number,
): void {
  if (point !== undefined) {
    writer.fixed64(0x21, point.count);
    if (point.sum !== undefined) writer.double(0x29, point.sum);
    if (point.bucketCounts.length > 0) {
      writer.varint(0x32);
      writer.varint(point.bucketCounts.length * 8);
      for (const count of point.bucketCounts) writer.rawFixed64(count);
    }
    if (point.explicitBounds.length > 0) {
      writer.varint(0x3a);
      writer.varint(point.explicitBounds.length * 8);
      for (const bound of point.explicitBounds) writer.rawDouble(bound);
    }
  }
  writeExemplars(writer, 0x42, exemplars);
  writeOwnAttributes();
  if (flags !== 0) writer.uint(0x50, flags);
  if (point?.min !== undefined) writer.double(0x59, point.min);
  if (point?.max !== undefined) writer.double(0x61, point.max);
}

function writeExponentialHistogram(
  writer: Writer,
  point: ExponentialHistogramPoint | undefined,
  exemplars: readonly Exemplar[] | undefined,
  flags: number,
): void {
  if (point !== undefined) {
    writer.fixed64(0x21, point.count);
    if (point.sum !== undefined) writer.double(0x29, point.sum);
    if (point.scale !== 0) writer.sint32(0x30, point.scale);
    if (point.zeroCount !== 0n) writer.fixed64(0x39, point.zeroCount);
    writeBuckets(writer, 0x42, point.positive);
    writeBuckets(writer, 0x4a, point.negative);
  }
  if (flags !== 0) writer.uint(0x50, flags);
  writeExemplars(writer, 0x5a, exemplars);
  if (point?.min !== undefined) writer.double(0x61, point.min);
  if (point?.max !== undefined) writer.double(0x69, point.max);
  if (point !== undefined && !Object.is(point.zeroThreshold, 0)) writer.double(0x71, point.zeroThreshold);
}

function writeBuckets(writer: Writer, tag: number, { offset, bucketCounts }: ExponentialBuckets): void {
  const start = writer.begin(tag);
  if (offset !== 0) writer.sint32(0x08, offset);
  if (bucketCounts.length > 0) {
    const countsStart = writer.begin(0x12);
    for (const count of bucketCounts) writer.varint64(count);
    writer.end(countsStart);
  }
  writer.end(start);
}

function writeSummary(
  writer: Writer,
  point: SummaryPoint | undefined,
  writeOwnAttributes: () => void,
  flags: number,
): void {
  if (point !== undefined) {
    writer.fixed64(0x21, point.count);
    writer.double(0x29, point.sum);
    for (const { quantile, value } of point.quantiles) {
      const start = writer.begin(0x32);
      writer.double(0x09, quantile);
      writer.double(0x11, value);
      writer.end(start);
    }
  }
  writeOwnAttributes();
  if (flags !== 0) writer.uint(0x40, flags);
}

function writeExemplars(writer: Writer, tag: number, exemplars: readonly Exemplar[] | undefined): void {
  for (const exemplar of exemplars ?? []) {
    const start = writer.begin(tag);
    writer.fixed64(0x11, exemplar.time);
    if (typeof exemplar.value === 'number') writer.double(0x19, exemplar.value);
    if (exemplar.spanId !== '') writer.hex(0x22, exemplar.spanId);
    if (exemplar.traceId !== '') writer.hex(0x2a, exemplar.traceId);
    if (typeof exemplar.value === 'bigint') writer.fixed64(0x31, BigInt.asUintN(64, exemplar.value));
    writeAttributes(writer, 0x3a, exemplar.filteredAttributes);
    writer.end(start);
  }
}
