import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Signal } from '../../../src/model/batch.ts';
import { decodeLogs } from '../../../src/model/otlp/decode_logs.ts';
import { decodeMetrics } from '../../../src/model/otlp/decode_metrics.ts';
import { encodeLogs } from '../../../src/model/otlp/encode_logs.ts';
import { encodeMetrics } from '../../../src/model/otlp/encode_metrics.ts';
import { lazyLogBatch, lazyMetricBatch } from '../../../src/model/otlp/lazy_batch.ts';
import { REQUEST_TYPES } from '../../../src/model/otlp/message_types.ts';
import { protobufToJson } from '../../../src/model/otlp/protobuf_to_json.ts';
import { countItems, countSpans, splitRequest, splitToSize } from '../../../src/model/otlp/requests.ts';
import { Writer } from '../../../src/model/otlp/writer.ts';
import { logBatch, metricBatch, recordsOf, rowsOf } from './arbitraries.ts';
import { objectOf, TraceRequest } from './oracle.ts';
import { traceRequest } from './traces.ts';

/** Encoded requests of a signal, with the number of their items and the items as text. */
const requests = fc.oneof(
  metricBatch.map((batch) => ({ signal: 'metrics' as Signal, bytes: encodeMetrics(batch), count: batch.count })),
  logBatch.map((batch) => ({ signal: 'logs' as Signal, bytes: encodeLogs(batch), count: batch.count })),
  traceRequest.map(({ otlp, count }) => ({ signal: 'traces' as Signal, bytes: otlp, count })),
);

function itemsOf(signal: Signal, bytes: Uint8Array): readonly string[] {
  if (signal === 'metrics') return rowsOf(decodeMetrics(bytes));
  return signal === 'logs' ? recordsOf(decodeLogs(bytes)) : spansOf(objectOf(TraceRequest, bytes));
}

/** Each span together with its resource and scope. */
function spansOf(request: unknown): readonly string[] {
  const { resourceSpans } = request as { resourceSpans: { scopeSpans: { spans: unknown[] }[] }[] };
  return resourceSpans
    .flatMap((resource) =>
      resource.scopeSpans.flatMap((scope) =>
        scope.spans.map((span) => JSON.stringify([{ ...resource, scopeSpans: [] }, { ...scope, spans: [] }, span])),
      ),
    )
    .sort();
}

describe('countItems', { timeout: 60_000 }, () => {
  test('countItems counts data points, records and spans', () => {
    fc.assert(
      fc.property(requests, ({ signal, bytes, count }) => {
        expect(countItems(bytes, signal)).toBe(count);
      }),
    );
  });

  test('countSpans counts those of all resources and scopes', () => {
    fc.assert(fc.property(traceRequest, ({ otlp, count }) => countSpans(otlp) === count));
  });

  test.each([
    ['a length beyond the end', [0x0a, 5, 0]],
    ['a length beyond its message', [0x0a, 2, 0x12, 3, 0, 0, 0]],
    ['a fixed64 beyond its message', [0x0a, 6, 0x12, 4, 0x12, 2, 0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    ['a varint without end', [0x0a, 0x80]],
    ['a varint of 11 bytes', [0x08, ...Array.from({ length: 10 }, () => 0x80), 0]],
    ['field number 0', [0x02, 0]],
    ['wire type 7', [0x0f]],
    ['the end of a group that did not begin', [0x14]],
    ['the end of another group', [0x13, 0x1c]],
    ['a group without end', [0x13]],
    ['groups nested 65 deep', [...Array.from({ length: 65 }, () => 0x13), ...Array.from({ length: 65 }, () => 0x14)]],
  ])('countItems refuses %s, with its place', (_, bytes) => {
    expect(() => countItems(Uint8Array.from(bytes), 'logs')).toThrow(SyntaxError);
    expect(() => countItems(Uint8Array.from(bytes), 'logs')).toThrow(/^Cannot decode OTLP: .* at byte \d+$/);
    expect(() => decodeLogs(Uint8Array.from(bytes))).toThrow(SyntaxError);
  });

  test('countItems, decodeLogs and protobufToJson refuse values that nest more than 64 deep', () => {
    const writer = new Writer();
    const wrap = (tag: number, content: Uint8Array): Uint8Array => {
      writer.data(tag, content);
      return writer.take();
    };
    const nested = (depth: number): Uint8Array => {
      let body: Uint8Array = Uint8Array.of(0x18, 1);
      for (let level = 1; level < depth; level++) body = wrap(0x2a, wrap(0x0a, body));
      return wrap(0x0a, wrap(0x12, wrap(0x12, wrap(0x2a, body))));
    };
    const readers = [
      (bytes: Uint8Array) => countItems(bytes, 'logs'),
      (bytes: Uint8Array) => decodeLogs(bytes),
      (bytes: Uint8Array) => protobufToJson(REQUEST_TYPES.logs, bytes),
    ];
    for (const read of readers) {
      expect(() => read(nested(64))).not.toThrow();
      expect(() => read(nested(65))).toThrow('values nested more than 64 deep');
    }
  });

  test('countItems goes past fields that it does not know, groups among them', () => {
    const unknown = [0xfa, 0x3e, 2, 1, 2, 0x9b, 0x06, 0x08, 1, 0x9c, 0x06, 0x0d, 1, 2, 3, 4, 0x10, 0xff, 1];
    const message = Uint8Array.from([...unknown, 0x0a, 2 + unknown.length, ...unknown, 0x12, 0, ...unknown]);
    const nested = Uint8Array.from({ length: 128 }, (_, index) => (index < 64 ? 0x13 : 0x14));
    expect(countItems(nested, 'logs')).toBe(0);
    expect(countItems(message, 'logs')).toBe(0);
    expect(decodeLogs(message).count).toBe(0);
  });
});

describe('splitRequest', { timeout: 60_000 }, () => {
  test('splitRequest halves a request without losing an item or its surroundings', () => {
    fc.assert(
      fc.property(requests, ({ signal, bytes, count }) => {
        const parts = splitRequest(bytes, signal);
        expect(parts).toHaveLength(count < 2 ? 1 : 2);
        for (const part of parts) expect(countItems(part.body, signal)).toBe(part.count);
        const [first = 0, second = first] = parts.map((part) => part.count);
        expect(Math.abs(first - second)).toBeLessThan(2);
        expect(parts.flatMap(({ body }) => itemsOf(signal, body)).sort()).toEqual(itemsOf(signal, bytes));
      }),
    );
  });

  test('splitToSize makes parts that fit, or hold one item', () => {
    fc.assert(
      fc.property(requests, fc.integer({ min: 0, max: 400 }), ({ signal, bytes }, max_bytes) => {
        const parts = splitToSize(bytes, signal, max_bytes);
        for (const { body, count } of parts) {
          expect(countItems(body, signal)).toBe(count);
          expect(body.length <= max_bytes || count <= 1).toBe(true);
        }
        expect(parts.flatMap(({ body }) => itemsOf(signal, body)).sort()).toEqual(itemsOf(signal, bytes));
      }),
    );
  });

  test('splitRequest keeps fields that it does not know', () => {
    const unknown = [0xfa, 0x3e, 2, 1, 2];
    const records = [0x12, 0, 0x12, 0];
    const scope = [...unknown, ...records];
    const message = Uint8Array.from([0x0a, scope.length + 2, 0x12, scope.length, ...scope]);
    const half = [...unknown, 0x12, 0];
    const expected = Uint8Array.from([0x0a, half.length + 2, 0x12, half.length, ...half]);
    for (const { body } of splitRequest(message, 'logs')) expect(Uint8Array.from(body)).toEqual(expected);
  });
});

describe('lazy batches', { timeout: 60_000 }, () => {
  test('lazyMetricBatch has the columns of the decoded batch, and hands its bytes on', () => {
    fc.assert(
      fc.property(metricBatch, (batch) => {
        const bytes = encodeMetrics(batch);
        const lazy = lazyMetricBatch(bytes, batch.count);
        expect(encodeMetrics(lazy)).toBe(bytes);
        expect(rowsOf(lazy)).toEqual(rowsOf(batch));
        expect(lazy.series).toBe(lazy.series);
      }),
    );
  });

  test('lazyLogBatch has the records of the decoded batch, and hands its bytes on', () => {
    fc.assert(
      fc.property(logBatch, (batch) => {
        const bytes = encodeLogs(batch);
        const lazy = lazyLogBatch(bytes, batch.count);
        expect(encodeLogs(lazy)).toBe(bytes);
        expect(recordsOf(lazy)).toEqual(recordsOf(batch));
      }),
    );
  });

  test('lazyMetricBatch does not decode for its count', () => {
    const lazy = lazyMetricBatch(Uint8Array.of(0xff), 3);
    expect(lazy.count).toBe(3);
    expect(() => lazy.values).toThrow(SyntaxError);
  });

  test('lazyMetricBatch spread into a changed batch loses the bytes of the old', () => {
    fc.assert(
      fc.property(metricBatch, (batch) => {
        const lazy = lazyMetricBatch(encodeMetrics(batch), batch.count);
        const changed = { ...lazy, time: 1n, times: undefined };
        expect(changed.otlp).toBeUndefined();
        expect(rowsOf(decodeMetrics(encodeMetrics(changed)))).toEqual(rowsOf({ ...batch, time: 1n, times: undefined }));
      }),
    );
  });
});
