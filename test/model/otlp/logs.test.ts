import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LogRecord } from '../../../src/model/batch.ts';
import { decodeLogs } from '../../../src/model/otlp/decode_logs.ts';
import { encodeLogs } from '../../../src/model/otlp/encode_logs.ts';
import { decodeLogsJson, encodeLogsJson } from '../../../src/model/otlp/json.ts';
import { logBatch, recordsOf } from './arbitraries.ts';
import { Writer } from '../../../src/model/otlp/writer.ts';
import { LogsRequest, otlpJsonOf, parseJson, reencode } from './oracle.ts';

const record: LogRecord = {
  resource: { attributes: { 'service.name': 'sonde' }, schemaUrl: 'r' },
  scope: { name: 'journald', version: '1', attributes: {}, schemaUrl: 's' },
  time: 1n,
  observedTime: 2n,
  severityNumber: 9,
  severityText: 'info',
  body: 'hello',
  attributes: { a: 1 },
  droppedAttributesCount: 3,
  flags: 1,
  traceId: '0102030405060708090a0b0c0d0e0f10',
  spanId: 'a1a2a3a4a5a6a7a8',
  eventName: 'device.added',
};

describe('encodeLogs', { timeout: 60_000 }, () => {
  test('decodeLogs gives back what encodeLogs was given, through protobufjs or not', () => {
    fc.assert(
      fc.property(logBatch, (batch) => {
        const bytes = encodeLogs(batch);
        expect(recordsOf(decodeLogs(bytes))).toEqual(recordsOf(batch));
        expect(recordsOf(decodeLogs(reencode(LogsRequest, bytes)))).toEqual(recordsOf(batch));
      }),
    );
  });

  test('decodeLogsJson gives back what encodeLogsJson was given, and protobufjs says the same', () => {
    fc.assert(
      fc.property(logBatch, (batch) => {
        const json = encodeLogsJson(batch);
        expect(parseJson(json)).toEqual(otlpJsonOf(LogsRequest, encodeLogs(batch)));
        expect(recordsOf(decodeLogsJson(json))).toEqual(recordsOf(batch));
      }),
    );
  });

  test('encodeLogsJson puts every field where it belongs', () => {
    expect(parseJson(encodeLogsJson({ signal: 'logs', count: 1, records: [record] }))).toEqual({
      resourceLogs: [
        {
          resource: { attributes: [{ key: 'service.name', value: { stringValue: 'sonde' } }] },
          schemaUrl: 'r',
          scopeLogs: [
            {
              scope: { name: 'journald', version: '1' },
              schemaUrl: 's',
              logRecords: [
                {
                  timeUnixNano: '1',
                  observedTimeUnixNano: '2',
                  severityNumber: 9,
                  severityText: 'info',
                  body: { stringValue: 'hello' },
                  attributes: [{ key: 'a', value: { intValue: '1' } }],
                  droppedAttributesCount: 3,
                  flags: 1,
                  traceId: '0102030405060708090a0b0c0d0e0f10',
                  spanId: 'a1a2a3a4a5a6a7a8',
                  eventName: 'device.added',
                },
              ],
            },
          ],
        },
      ],
    });
  });

  test('encodeLogs groups records by the content of resource and scope, and keeps their order within', () => {
    const other = { ...record, resource: { ...record.resource, schemaUrl: 'else' } };
    const records = [record, other, { ...record, resource: { ...record.resource }, body: 'second' }];
    const decoded = decodeLogs(encodeLogs({ signal: 'logs', count: 3, records }));
    expect(decoded.records.map(({ body, resource }) => [body, resource.schemaUrl])).toEqual([
      ['hello', 'r'],
      ['second', 'r'],
      ['hello', 'else'],
    ]);
    expect(decoded.records[1]?.resource).toBe(decoded.records[0]?.resource);
  });

  test('encodeLogs tells a body that is null from none', () => {
    const records = [null, undefined].map((body) => ({ ...record, body }));
    const decoded = decodeLogs(encodeLogs({ signal: 'logs', count: 2, records }));
    expect(decoded.records.map(({ body }) => body)).toEqual([null, undefined]);
  });

  test('encodeLogs writes records that are larger than any buffer before, and small ones after them', () => {
    for (const size of [100, 100_000, 9 * 1024 * 1024, 100]) {
      const body = 'ä'.repeat(size / 2);
      const attributes = { bytes: new Uint8Array(size).fill(7) };
      const records = [record, { ...record, body, attributes }, record];
      const decoded = decodeLogs(encodeLogs({ signal: 'logs', count: 3, records }));
      expect(decoded.records[1]?.body === body).toBe(true);
      expect(Buffer.compare(attributes.bytes, decoded.records[1]?.attributes['bytes'] as Uint8Array)).toBe(0);
      expect(decoded.records[2]).toEqual(record);
    }
  });

  test('encodeLogs puts several batches into one request, and hands on bytes that came encoded', () => {
    const batch = { signal: 'logs', count: 1, records: [record] } as const;
    const otlp = encodeLogs(batch);
    expect(encodeLogs({ ...batch, otlp })).toBe(otlp);
    expect(decodeLogs(encodeLogs([batch, { ...batch, otlp }])).count).toBe(2);
  });
});

describe('decodeLogs', () => {
  test('decodeLogs hands over the same object for attributes that came three times, which encodeLogs writes as they came', () => {
    const bytes = encodeLogs({ signal: 'logs', count: 3, records: [record, record, record] });
    const { records } = decodeLogs(bytes);
    const again = decodeLogs(bytes);
    expect(again.records[0]!.attributes).toBe(records[2]!.attributes);
    expect(Buffer.compare(encodeLogs(again), bytes)).toBe(0);
    expect(Buffer.compare(encodeLogs(decodeLogs(bytes)), bytes)).toBe(0);
  });

  test('decodeLogs reads all attributes behind a long one', () => {
    const attributes = {
      long: 'x'.repeat(200),
      ...Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`a${at}`, at])),
    };
    const bytes = encodeLogs({ signal: 'logs', count: 1, records: [{ ...record, attributes }] });
    for (let time = 0; time < 3; time++) expect(decodeLogs(bytes).records[0]!.attributes).toEqual(attributes);
  });

  test('decodeLogs adds attributes that come apart from the first ones, and leaves those of other records alone', () => {
    const write = (writer: Writer, tag: number, content: () => void): void => {
      const start = writer.begin(tag);
      content();
      writer.end(start);
    };
    const writer = new Writer();
    const attribute = (key: string): void =>
      write(writer, 0x32, () => {
        writer.string(0x0a, key);
        write(writer, 0x12, () => writer.string(0x0a, `value of ${key}`));
      });
    write(writer, 0x0a, () =>
      write(writer, 0x12, () => {
        for (const later of [[], [], [], ['later', 'last'], []]) {
          write(writer, 0x12, () => {
            attribute('apart');
            writer.uint(0x10, 9);
            later.forEach(attribute);
          });
        }
      }),
    );
    const { records } = decodeLogs(writer.take());
    const keys = records.map(({ attributes }) => Object.keys(attributes));
    expect(keys).toEqual([['apart'], ['apart'], ['apart'], ['apart', 'later', 'last'], ['apart']]);
  });
});
