/** Reads histogram, exponential histogram and summary points (opentelemetry/proto/metrics/v1/metrics.proto). */
import type { Attributes } from '../attributes.ts';
import type {
  DistributionPoint,
  Exemplar,
  ExponentialBuckets,
  ExponentialHistogramPoint,
  HistogramPoint,
  SummaryPoint,
} from '../batch.ts';
import { type AttributesBuilder, finishAttributes, readAttribute } from './any_value.ts';
import type { Reader } from './reader.ts';

/** What every kind of point has. */
export interface PointHead {
  readonly attributes: Attributes;
  readonly startTime: bigint;
  readonly time: bigint;
  readonly flags: number;
  readonly exemplars: readonly Exemplar[] | undefined;
}

export interface DecodedPoint extends PointHead {
  readonly point: DistributionPoint;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function readHistogramPoint(reader: Reader): DecodedPoint {
  const end = reader.message();
  let attributes: AttributesBuilder | undefined;
  let exemplars: Exemplar[] | undefined;
  let startTime = 0n;
  let time = 0n;
  let flags = 0;
  const bucketCounts: bigint[] = [];
  const explicitBounds: number[] = [];
  const point: Mutable<HistogramPoint> = { type: 'histogram', count: 0n, bucketCounts, explicitBounds };
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    switch (tag) {
      case 0x4a: // attributes
        attributes = readAttribute(reader, attributes);
        break;
      case 0x11: // start_time_unix_nano
        startTime = reader.startTime();
        break;
      case 0x19: // time_unix_nano
        time = reader.time();
        break;
      case 0x21: // count
        point.count = reader.fixed64();
        break;
      case 0x29: // sum
        point.sum = reader.double();
        break;
      case 0x32: // bucket_counts, packed
        readPacked(reader, 8, () => bucketCounts.push(reader.fixed64()));
        break;
      case 0x31: // bucket_counts
        bucketCounts.push(reader.fixed64());
        break;
      case 0x3a: // explicit_bounds, packed
        readPacked(reader, 8, () => explicitBounds.push(reader.double()));
        break;
      case 0x39: // explicit_bounds
        explicitBounds.push(reader.double());
        break;
      case 0x42: // exemplars
        (exemplars ??= []).push(readExemplar(reader));
        break;
      case 0x50: // flags
        flags = reader.uint32();
        break;
      case 0x59: // min
        point.min = reader.double();
        break;
      case 0x61: // max
        point.max = reader.double();
        break;
      default:
        reader.skip(tag);
    }
  }
  return { attributes: finishAttributes(attributes), startTime, time, flags, exemplars, point };
}

export function readExponentialHistogramPoint(reader: Reader): DecodedPoint {
  const end = reader.message();
  let attributes: AttributesBuilder | undefined;
  let exemplars: Exemplar[] | undefined;
  let startTime = 0n;
  let time = 0n;
  let flags = 0;
  const point: Mutable<ExponentialHistogramPoint> = {
    type: 'exponential_histogram',
    count: 0n,
    scale: 0,
    zeroCount: 0n,
    zeroThreshold: 0,
    positive: NO_BUCKETS,
    negative: NO_BUCKETS,
  };
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    switch (tag) {
      case 0x0a: // attributes
        attributes = readAttribute(reader, attributes);
        break;
      case 0x11: // start_time_unix_nano
        startTime = reader.startTime();
        break;
      case 0x19: // time_unix_nano
        time = reader.time();
        break;
      case 0x21: // count
        point.count = reader.fixed64();
        break;
      case 0x29: // sum
        point.sum = reader.double();
        break;
      case 0x30: // scale
        point.scale = reader.sint32();
        break;
      case 0x39: // zero_count
        point.zeroCount = reader.fixed64();
        break;
      case 0x42: // positive
        point.positive = readBuckets(reader);
        break;
      case 0x4a: // negative
        point.negative = readBuckets(reader);
        break;
      case 0x50: // flags
        flags = reader.uint32();
        break;
      case 0x5a: // exemplars
        (exemplars ??= []).push(readExemplar(reader));
        break;
      case 0x61: // min
        point.min = reader.double();
        break;
      case 0x69: // max
        point.max = reader.double();
        break;
      case 0x71: // zero_threshold
        point.zeroThreshold = reader.double();
        break;
      default:
        reader.skip(tag);
    }
  }
  return { attributes: finishAttributes(attributes), startTime, time, flags, exemplars, point };
}

export function readSummaryPoint(reader: Reader): DecodedPoint {
  const end = reader.message();
  let attributes: AttributesBuilder | undefined;
  let startTime = 0n;
  let time = 0n;
  let flags = 0;
  const quantiles: { quantile: number; value: number }[] = [];
  const point: Mutable<SummaryPoint> = { type: 'summary', count: 0n, sum: 0, quantiles };
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    switch (tag) {
      case 0x3a: // attributes
        attributes = readAttribute(reader, attributes);
        break;
      case 0x11: // start_time_unix_nano
        startTime = reader.startTime();
        break;
      case 0x19: // time_unix_nano
        time = reader.time();
        break;
      case 0x21: // count
        point.count = reader.fixed64();
        break;
      case 0x29: // sum
        point.sum = reader.double();
        break;
      case 0x32: // quantile_values
        quantiles.push(readQuantile(reader));
        break;
      case 0x40: // flags
        flags = reader.uint32();
        break;
      default:
        reader.skip(tag);
    }
  }
  return { attributes: finishAttributes(attributes), startTime, time, flags, exemplars: undefined, point };
}

export function readExemplar(reader: Reader): Exemplar {
  const end = reader.message();
  let filteredAttributes: AttributesBuilder | undefined;
  let time = 0n;
  let value: number | bigint = 0;
  let traceId = '';
  let spanId = '';
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    switch (tag) {
      case 0x3a: // filtered_attributes
        filteredAttributes = readAttribute(reader, filteredAttributes);
        break;
      case 0x11: // time_unix_nano
        time = reader.time();
        break;
      case 0x19: // as_double
        value = reader.double();
        break;
      case 0x31: // as_int
        value = BigInt(reader.sfixed64());
        break;
      case 0x22: // span_id
        spanId = reader.hex();
        break;
      case 0x2a: // trace_id
        traceId = reader.hex();
        break;
      default:
        reader.skip(tag);
    }
  }
  return { time, value, filteredAttributes: finishAttributes(filteredAttributes), traceId, spanId };
}

const NO_BUCKETS: ExponentialBuckets = { offset: 0, bucketCounts: [] };

function readBuckets(reader: Reader): ExponentialBuckets {
  const end = reader.message();
  let offset = 0;
  const bucketCounts: bigint[] = [];
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    if (tag === 0x08) offset = reader.sint32();
    else if (tag === 0x12) readPacked(reader, 1, () => bucketCounts.push(reader.uint64()));
    else if (tag === 0x10) bucketCounts.push(reader.uint64());
    else reader.skip(tag);
  }
  return { offset, bucketCounts };
}

function readQuantile(reader: Reader): { quantile: number; value: number } {
  const end = reader.message();
  let quantile = 0;
  let value = 0;
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    if (tag === 0x09) quantile = reader.double();
    else if (tag === 0x11) value = reader.double();
    else reader.skip(tag);
  }
  return { quantile, value };
}

/** Reads the numbers of a packed field, each of `width` bytes or, for varints, at least 1. */
function readPacked(reader: Reader, width: number, read: () => void): void {
  const end = reader.message();
  if ((end - reader.position) % width !== 0) reader.fail(`packed numbers of ${end - reader.position} bytes`);
  while (!reader.isAtEnd(end)) read();
}
