/** Messages as protobuf allows them but few write them: fields in any order, lists that are not packed. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Signal } from '../../../src/model/batch.ts';
import { decodeLogs } from '../../../src/model/otlp/decode_logs.ts';
import { decodeMetrics } from '../../../src/model/otlp/decode_metrics.ts';
import { encodeLogs } from '../../../src/model/otlp/encode_logs.ts';
import { encodeMetrics } from '../../../src/model/otlp/encode_metrics.ts';
import type { MessageType } from '../../../src/model/otlp/message_type.ts';
import { REQUEST_TYPES } from '../../../src/model/otlp/message_types.ts';
import { protobufToJson } from '../../../src/model/otlp/protobuf_to_json.ts';
import { Reader } from '../../../src/model/otlp/reader.ts';
import { countItems } from '../../../src/model/otlp/requests.ts';
import { Writer } from '../../../src/model/otlp/writer.ts';
import { logBatch, metricBatch, recordsOf, rowsOf } from './arbitraries.ts';
import { parseJson } from './oracle.ts';
import { traceRequest } from './traces.ts';

const writer = new Writer();

/** The same message with the last fields first, an unknown field between any two, and no list packed. */
function rewrite(type: MessageType, bytes: Uint8Array): Uint8Array {
  const reader = new Reader(bytes);
  const fields: { number: number; content: Uint8Array }[] = [];
  while (!reader.isAtEnd(reader.size)) {
    const tag = reader.tag();
    const field = type.byNumber[tag >>> 3];
    const start = reader.position;
    reader.skip(tag);
    const value = bytes.subarray(start, reader.position);
    if (typeof field?.type === 'object') {
      writer.data(tag, rewrite(field.type, new Reader(value).data()));
    } else if (field !== undefined && field.isRepeated && tag !== field.elementTag) {
      const elements = new Reader(new Reader(value).data());
      while (!elements.isAtEnd(elements.size)) {
        const first = elements.position;
        elements.skip(field.elementTag);
        writer.varint(field.elementTag);
        writer.raw(elements.bytes, first, elements.position);
      }
    } else {
      writer.varint(tag);
      writer.raw(value);
    }
    fields.push({ number: tag >>> 3, content: writer.take() });
  }
  const unknown = [0xba, 0x3e, 1, 0];
  fields.sort((a, b) => b.number - a.number);
  return Buffer.concat(fields.flatMap(({ content }) => [content, Uint8Array.from(unknown)]));
}

const requests = fc.oneof(
  metricBatch.map((batch) => ({ signal: 'metrics' as Signal, bytes: encodeMetrics(batch) })),
  logBatch.map((batch) => ({ signal: 'logs' as Signal, bytes: encodeLogs(batch) })),
  traceRequest.map(({ otlp }) => ({ signal: 'traces' as Signal, bytes: otlp })),
);

describe('messages with fields in another order', { timeout: 60_000 }, () => {
  test('decodeMetrics and decodeLogs read them', () => {
    fc.assert(
      fc.property(metricBatch, logBatch, (metrics, logs) => {
        const rewritten = rewrite(REQUEST_TYPES.metrics, encodeMetrics(metrics));
        expect(rowsOf(decodeMetrics(rewritten))).toEqual(rowsOf(metrics));
        expect(recordsOf(decodeLogs(rewrite(REQUEST_TYPES.logs, encodeLogs(logs))))).toEqual(recordsOf(logs));
      }),
    );
  });

  test('countItems counts them, and protobufToJson writes the same JSON', () => {
    fc.assert(
      fc.property(requests, ({ signal, bytes }) => {
        const rewritten = rewrite(REQUEST_TYPES[signal], bytes);
        expect(countItems(rewritten, signal)).toBe(countItems(bytes, signal));
        const json = protobufToJson(REQUEST_TYPES[signal], bytes);
        expect(Buffer.compare(protobufToJson(REQUEST_TYPES[signal], rewritten), json)).toBe(0);
      }),
    );
  });

  test('protobufToJson gathers lists whose elements lie apart, and takes the last of what comes once', () => {
    const attribute = (key: string): number[] => [0x0a, 3, 0x0a, 1, key.charCodeAt(0)];
    const value = [0x12, 5, 0x0a, 1, 0x78, 0x10, 1];
    const resource = [...attribute('a'), 0x10, 1, ...attribute('b'), 0x10, 2, 0x0a, value.length, ...value];
    const message = Uint8Array.from([0x0a, resource.length + 2, 0x0a, resource.length, ...resource]);
    expect(parseJson(protobufToJson(REQUEST_TYPES.logs, message))).toEqual({
      resourceLogs: [
        {
          resource: {
            attributes: [{ key: 'a' }, { key: 'b' }, { value: { boolValue: true } }],
            droppedAttributesCount: 2,
          },
        },
      ],
    });
  });
});
