import { describe, expect, test } from 'vitest';
import { decodeMetrics } from '../../../src/model/otlp/decode_metrics.ts';
import { encodeLogs } from '../../../src/model/otlp/encode_logs.ts';
import { encodeMetrics } from '../../../src/model/otlp/encode_metrics.ts';
import { holdEncoded, isEncoded, lentBatch, readEncoded } from '../../../src/model/otlp/lazy_batch.ts';
import { LentBytes } from '../../../src/model/otlp/lent_bytes.ts';
import type { LogBatch, MetricBatch } from '../../../src/model/batch.ts';
import { createLogs, createSums } from '../../support/telemetry.ts';

/** Memory of their own, as a body of a request has that is not small. */
function lend(bytes: Uint8Array): { bytes: Uint8Array; lent: LentBytes } {
  const own = Uint8Array.from(bytes);
  return { bytes: own, lent: new LentBytes(own) };
}

describe('LentBytes', () => {
  const sums = createSums(Array.from({ length: 500 }, (_, index) => index));
  const encoded = encodeMetrics(sums);

  test('LentBytes that were decoded are given back at the end, and the columns stay', () => {
    const { bytes, lent } = lend(encoded);
    const batch = lentBatch('metrics', lent, sums.count) as MetricBatch;
    expect(batch.values).toHaveLength(500);
    lent.end();
    expect(bytes).toHaveLength(0);
    expect(batch).toEqual(decodeMetrics(encoded));
    expect(batch.otlp).toBeUndefined();
    expect(encodeMetrics({ ...batch })).toEqual(encoded);
  });

  test('LentBytes of logs are given back, and the records stay', () => {
    const logs = createLogs('one', 'two');
    const { bytes, lent } = lend(encodeLogs(logs));
    const batch = lentBatch('logs', lent, logs.count) as LogBatch;
    expect(batch.records).toEqual(logs.records);
    lent.end();
    expect(bytes).toHaveLength(0);
    expect(batch.records).toEqual(logs.records);
  });

  test('LentBytes that someone took are theirs', () => {
    const { bytes, lent } = lend(encoded);
    const batch = lentBatch('metrics', lent, sums.count) as MetricBatch;
    expect(batch.values).toHaveLength(500);
    const taken = batch.otlp;
    lent.end();
    expect(taken).toBe(bytes);
    expect(bytes).toEqual(Uint8Array.from(encoded));
  });

  test('LentBytes that nobody decoded are still there for who does later', () => {
    const { lent } = lend(encoded);
    const batch = lentBatch('metrics', lent, sums.count) as MetricBatch;
    lent.end();
    expect(batch).toEqual(decodeMetrics(encoded));
  });

  test('LentBytes that were copied are given back at the end, and then nobody can look into the batch', () => {
    const { bytes, lent } = lend(encoded);
    const batch = lentBatch('metrics', lent, sums.count) as MetricBatch;
    expect(isEncoded(batch)).toBe(true);
    expect(readEncoded(batch, (shown) => Uint8Array.from(shown))).toEqual(Uint8Array.from(encoded));
    lent.end();
    expect(bytes).toHaveLength(0);
    expect(isEncoded(batch)).toBe(false);
    expect(() => batch.values).toThrow('Cannot read the bytes of a batch: they were given back');
  });

  test('LentBytes that one copied and another took are his', () => {
    const { bytes, lent } = lend(encoded);
    const batch = lentBatch('metrics', lent, sums.count) as MetricBatch;
    readEncoded(batch, () => undefined);
    expect(batch.otlp).toBe(bytes);
    lent.end();
    expect(bytes).toEqual(Uint8Array.from(encoded));
  });

  test('LentBytes that several hold are given back when the last has released them, and whoever lent them is done', () => {
    const { bytes, lent } = lend(encoded);
    const batch = lentBatch('metrics', lent, sums.count) as MetricBatch;
    const [one, other] = [holdEncoded(batch)!, holdEncoded(batch)!];
    expect(one.bytes).toBe(bytes);
    one.release();
    other.release();
    expect(bytes).toEqual(Uint8Array.from(encoded));
    const last = holdEncoded(batch)!;
    lent.end();
    expect(bytes).toEqual(Uint8Array.from(encoded));
    last.release();
    expect(bytes).toHaveLength(0);
    expect(holdEncoded(batch)).toBeUndefined();
  });

  test('LentBytes that one held and another took are his', () => {
    const { bytes, lent } = lend(encoded);
    const batch = lentBatch('metrics', lent, sums.count) as MetricBatch;
    const { release } = holdEncoded(batch)!;
    expect(batch.otlp).toBe(bytes);
    lent.end();
    release();
    expect(bytes).toEqual(Uint8Array.from(encoded));
  });

  test('LentBytes of traces are always taken', () => {
    const { bytes, lent } = lend(encoded);
    const batch = lentBatch('traces', lent, 1);
    lent.end();
    expect(batch.otlp).toBe(bytes);
    expect(bytes).toHaveLength(encoded.length);
  });
});
