import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keyOf, splitByKey } from '../../../exporters/kafka/keys.ts';
import type { LogBatch } from '../../../src/model/batch.ts';
import { decodeLogs } from '../../../src/model/otlp/decode_logs.ts';
import { encodeLogs } from '../../../src/model/otlp/encode_logs.ts';
import { encodeMetrics } from '../../../src/model/otlp/encode_metrics.ts';
import { countItems } from '../../../src/model/otlp/requests.ts';
import { logBatch, logRecord } from '../../support/processor.ts';
import { createSpans, createSums } from '../../support/telemetry.ts';

/** Records whose resources say who they are of, in order; undefined is a resource that does not. */
function logsOf(...hosts: readonly (string | number | undefined)[]): LogBatch {
  return logBatch(
    hosts.map((host, index) => {
      const attributes = { other: 'x', ...(host !== undefined && { 'host.id': host }) };
      return logRecord(`record ${index}`, { resource: { attributes, schemaUrl: `s${index % 2}` } });
    }),
  );
}

const hostOf = (attributes: Readonly<Record<string, unknown>>): string | undefined =>
  attributes['host.id'] === undefined ? undefined : String(attributes['host.id']);

test('splitByKey makes one part for each key, which keyOf finds, and loses nothing', () => {
  const host = fc.option(fc.oneof(fc.string(), fc.maxSafeInteger()), { nil: undefined });
  fc.assert(
    fc.property(fc.array(host, { minLength: 1, maxLength: 12 }), (hosts) => {
      const parts = splitByKey(encodeLogs(logsOf(...hosts)), 'logs', 'host.id');
      const keys = parts.map(({ body }) => keyOf(body, 'host.id'));
      expect(new Set(keys)).toEqual(new Set(hosts.map((one) => (one === undefined ? undefined : String(one)))));
      expect(keys).toHaveLength(new Set(keys).size);
      const bodies: unknown[] = [];
      for (const [index, { body, count }] of parts.entries()) {
        const { records } = decodeLogs(body);
        expect(records).toHaveLength(count);
        expect(records.every(({ resource }) => hostOf(resource.attributes) === keys[index])).toBe(true);
        bodies.push(...records.map((record) => record.body));
      }
      expect(bodies.toSorted()).toEqual(hosts.map((_, index) => `record ${index}`).toSorted());
    }),
  );
});

test('splitByKey hands on a request of one key byte for byte', () => {
  const body = encodeLogs(logsOf('a', 'a'));
  const [part] = splitByKey(body, 'logs', 'host.id');
  expect(part.body).toBe(body);
  expect(part.count).toBe(2);
});

test('splitByKey keeps unknown fields of the request, once', () => {
  const unknown = Buffer.from([0x9a, 0x06, 0x01, 0x41]);
  const body = Buffer.concat([encodeLogs(logsOf('a')), unknown, encodeLogs(logsOf('b'))]);
  const parts = splitByKey(body, 'logs', 'host.id');
  expect(parts.map((part) => Buffer.from(part.body).includes(unknown))).toEqual([true, false]);
});

test.each([
  ['metrics', encodeMetrics(createSums([1, 2])), 2],
  ['traces', createSpans('GET /').otlp, 1],
] as const)('keyOf and splitByKey know %s', (signal, body, count) => {
  expect(keyOf(body, 'service.name')).toBe('shop');
  expect(splitByKey(body, signal, 'service.name')).toEqual([{ body, count }]);
  expect(countItems(body, signal)).toBe(count);
});

test('keyOf finds no key where a resource, or the attribute, is not there or is no text', () => {
  expect(keyOf(new Uint8Array(), 'host.id')).toBeUndefined();
  expect(keyOf(encodeLogs(logsOf(undefined)), 'host.id')).toBeUndefined();
  const batch = logBatch([logRecord('a', { resource: { attributes: { 'host.id': true }, schemaUrl: '' } })]);
  expect(keyOf(encodeLogs(batch), 'host.id')).toBeUndefined();
  expect(keyOf(Buffer.from([0x0a, 0x00]), 'host.id')).toBeUndefined();
});
