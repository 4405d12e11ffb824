/** Loads series into a Prometheus by remote write 1.0, with all that PromQL can meet: marks of ended series, native histograms. */
import { snappyCompress } from '../../../src/delivery/snappy.ts';
import type { NativeBuckets, NativeHistogram } from '../../../src/store/queryable.ts';
import type { LoadedSeries } from '../../support/queryable.ts';

/** Prometheus takes no sample an hour older than its newest, so the series go in slices of time. */
const SLICE_MS = 600_000;
/** Prometheus' mark of an ended series, a NaN of its own (model/value). */
const STALE_BITS = 0x7ff0000000000002n;

export async function loadSeries(url: string, all: readonly LoadedSeries[]): Promise<void> {
  const start = Math.min(...all.map(({ times }) => times[0]!));
  const end = Math.max(...all.map(({ times }) => times.at(-1)!));
  for (let from = start; from <= end; from += SLICE_MS) {
    const queues = all.map((series) => ({ labels: encodeLabels(series), runs: runsOf(series, from, from + SLICE_MS) }));
    while (queues.some(({ runs }) => runs.length > 0)) {
      const parts = queues.flatMap(({ labels, runs }) => {
        const run = runs.shift();
        return run === undefined ? [] : [field(1, Buffer.concat([labels, ...run]))];
      });
      await send(url, Buffer.concat(parts));
    }
  }
}

async function send(url: string, request: Buffer): Promise<void> {
  const response = await fetch(`${url}/api/v1/write`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
    },
    body: Buffer.from(snappyCompress(request)),
  });
  const answer = await response.text();
  if (!response.ok) throw new Error(`Cannot load series: ${response.status} ${answer}`);
}

function encodeLabels({ labels }: LoadedSeries): Buffer {
  const pairs = Array.from(labels, ([name, value]) =>
    field(1, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from(value))])),
  );
  return Buffer.concat(pairs);
}

/**
 * The samples of `from <= time < to`, in runs of one kind: of one request Prometheus stores first the floats, then the
 * histograms, and drops what is then too old.
 */
function runsOf({ times, values, stale, histograms }: LoadedSeries, from: number, to: number): Buffer[][] {
  const runs: Buffer[][] = [];
  // Whole counts could go as integers, which are stored in another way, but all of a series must.
  const areWhole = histograms.every((one) => one === undefined || isWhole(one));
  let hasHistogram = false;
  let last: boolean | undefined;
  for (const [row, time] of times.entries()) {
    const histogram = histograms[row];
    // A mark is of the kind that the series ends with.
    if (stale[row] !== true) hasHistogram = histogram !== undefined;
    if (time < from || time >= to) continue;
    if (last !== hasHistogram) runs.push([]);
    last = hasHistogram;
    const value = stale[row] === true ? STALE_BITS : values[row]!;
    if (hasHistogram) runs.at(-1)!.push(field(4, encodeHistogram(histogram, time, areWhole)));
    else runs.at(-1)!.push(field(2, Buffer.concat([double(1, value), varint(2, time)])));
  }
  return runs;
}

function isWhole({ count, zeroCount, positive, negative }: NativeHistogram): boolean {
  return [count, zeroCount, ...positive.counts, ...negative.counts].every((one) => Number.isSafeInteger(one));
}

const RESET_HINTS = { unknown: 0, reset: 1, none: 2, gauge: 3 } as const;

function encodeHistogram(histogram: NativeHistogram | undefined, time: number, areWhole: boolean): Buffer {
  if (histogram === undefined) {
    return Buffer.concat([areWhole ? varint(1, 0) : double(2, 0), double(3, STALE_BITS), varint(15, time)]);
  }
  const { schema, count, sum, zeroThreshold, zeroCount, positive, negative, customBounds } = histogram;
  return Buffer.concat([
    areWhole ? varint(1, count) : double(2, count),
    double(3, sum),
    varint(4, zigzag(schema)),
    double(5, zeroThreshold),
    areWhole ? varint(6, zeroCount) : double(7, zeroCount),
    encodeBuckets(negative, { spans: 8, deltas: 9, counts: 10 }, areWhole),
    encodeBuckets(positive, { spans: 11, deltas: 12, counts: 13 }, areWhole),
    varint(14, RESET_HINTS[histogram.counterReset]),
    varint(15, time),
    customBounds === undefined ? Buffer.alloc(0) : field(16, Buffer.concat(customBounds.map(rawDouble))),
  ]);
}

interface BucketFields {
  readonly spans: number;
  readonly deltas: number;
  readonly counts: number;
}

function encodeBuckets({ indexes, counts }: NativeBuckets, fields: BucketFields, areWhole: boolean): Buffer {
  if (indexes.length === 0) return Buffer.alloc(0);
  const spans: { offset: number; length: number }[] = [];
  let next = 0;
  for (const index of indexes) {
    const last = spans.at(-1);
    if (last !== undefined && index === next) last.length++;
    else spans.push({ offset: index - next, length: 1 });
    next = index + 1;
  }
  const encoded = spans.map(({ offset, length }) =>
    field(fields.spans, Buffer.concat([varint(1, zigzag(offset)), varint(2, length)])),
  );
  const deltas = Array.from(counts, (count, row) => rawVarint(zigzag(count - (counts[row - 1] ?? 0))));
  if (areWhole) encoded.push(field(fields.deltas, Buffer.concat(deltas)));
  else encoded.push(field(fields.counts, Buffer.concat(Array.from(counts, rawDouble))));
  return Buffer.concat(encoded);
}

function field(number: number, content: Buffer): Buffer {
  return Buffer.concat([rawVarint((number << 3) | 2), rawVarint(content.length), content]);
}

function varint(number: number, value: number): Buffer {
  return Buffer.concat([rawVarint(number << 3), rawVarint(value)]);
}

function double(number: number, value: number | bigint): Buffer {
  return Buffer.concat([rawVarint((number << 3) | 1), rawDouble(value)]);
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function rawVarint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Buffer.from([...bytes, rest]);
}

/** A bigint is the bits themselves. */
function rawDouble(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  if (typeof value === 'bigint') bytes.writeBigUInt64LE(value);
  else bytes.writeDoubleLE(value);
  return bytes;
}
