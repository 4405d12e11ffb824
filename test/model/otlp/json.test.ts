import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DoubleValue } from '../../../src/model/attributes.ts';
import { decodeLogsJson, decodeMetricsJson, decodeTracesJson, encodeTracesJson } from '../../../src/model/otlp/json.ts';
import { jsonToProtobuf } from '../../../src/model/otlp/json_to_protobuf.ts';
import type { MessageType } from '../../../src/model/otlp/message_type.ts';
import { REQUEST_TYPES, RESPONSE_TYPES } from '../../../src/model/otlp/message_types.ts';
import {
  LogsRequest,
  MetricsRequest,
  MetricsResponse,
  objectOf,
  otlpJsonOf,
  parseJson,
  TraceRequest,
} from './oracle.ts';
import { traceRequest } from './traces.ts';

const json = (value: unknown): Uint8Array => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const point = (text: string): Uint8Array =>
  json(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[${text}]}}]}]}]}`);
const record = (text: string): Uint8Array => json(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[${text}]}]}]}`);
const bodyOf = (text: string): unknown => decodeLogsJson(record(`{"body":${text}}`)).records[0]?.body;

/** Characters that mean something in JSON, or must not be there. */
const EDITS = '{}[]",:0-.eE+\\un\u0001tfa \n'.split('');

describe('OTLP/JSON', { timeout: 60_000 }, () => {
  test('decodeMetricsJson takes 64-bit integers as strings and as numbers, exactly', () => {
    for (const value of ['-9223372036854775808', '9223372036854775807', '9007199254740993', '0', '-1']) {
      for (const text of [value, `"${value}"`]) {
        const decoded = decodeMetricsJson(point(`{"asInt":${text},"timeUnixNano":18446744073709551615}`));
        expect(decoded.exactValues?.get(0) ?? BigInt(decoded.values[0] as number)).toBe(BigInt(value));
        expect(decoded.time).toBe(18446744073709551615n);
      }
    }
    expect(decodeMetricsJson(point('{"asInt":1.0}')).values[0]).toBe(1);
    expect(decodeMetricsJson(point('{"asInt":"1e3"}')).values[0]).toBe(1000);
  });

  test('decodeMetricsJson takes doubles as numbers, strings and words', () => {
    const texts = ['1', '-0.5', '"2.5"', '"NaN"', '"Infinity"', '"-Infinity"', '1e400', '-0'];
    const values = texts.map((text) => decodeMetricsJson(point(`{"asDouble":${text}}`)).values[0]);
    expect(values).toEqual([1, -0.5, 2.5, Number.NaN, Infinity, -Infinity, Infinity, -0]);
    expect(bodyOf('{"doubleValue":3}')).toEqual(new DoubleValue(3));
  });

  test.each([
    ['{"asInt":1.5}', 'an integer'],
    ['{"asInt":9223372036854775808}', 'an integer'],
    ['{"timeUnixNano":"-1"}', 'an integer'],
    ['{"asInt":"0x10"}', 'an integer'],
    ['{"asInt":""}', 'an integer'],
    ['{"asDouble":"one"}', 'a number'],
    ['{"asDouble":true}', 'a number'],
    ['{"flags":4294967296}', 'an integer'],
    ['{"exemplars":[{"traceId":"abc"}]}', 'hex digits'],
    ['{"exemplars":{}}', '"["'],
    ['{"exemplars":[null]}', '"{"'],
    ['{"attributes":[{"key":1}]}', '"""'],
    ['{"asInt":1,}', '"""'],
    ['{"asInt":01}', 'a number'],
    ['[]', '"{"'],
  ])('decodeMetricsJson refuses the point %s', (text, wanted) => {
    expect(() => decodeMetricsJson(point(text))).toThrow(SyntaxError);
    expect(() => decodeMetricsJson(point(text))).toThrow(`instead of ${wanted}`);
  });

  test('decodeLogsJson refuses names of enums, as the specification says', () => {
    expect(decodeLogsJson(record('{"severityNumber":9}')).records[0]?.severityNumber).toBe(9);
    expect(() => decodeLogsJson(record('{"severityNumber":"SEVERITY_NUMBER_INFO"}'))).toThrow(SyntaxError);
  });

  test('decodeLogsJson takes ids as hex in either case, and bytes in either alphabet of base64', () => {
    expect(decodeLogsJson(record('{"traceId":"AbCdef"}')).records[0]?.traceId).toBe('abcdef');
    expect(bodyOf('{"bytesValue":"-_8="}')).toEqual(Uint8Array.of(0xfb, 0xff));
    expect(bodyOf('{"bytesValue":"+/8"}')).toEqual(Uint8Array.of(0xfb, 0xff));
    expect(() => bodyOf('{"bytesValue":"*"}')).toThrow('instead of base64');
  });

  test('decodeLogsJson ignores unknown members, names in snake_case, and null', () => {
    const text =
      '{"x":{"y":[1,{"z":"\\u0000"}],"w":null},"severity_text":"no","severityText":null,"body":null,"flags":2}';
    expect(decodeLogsJson(record(text)).records[0]).toMatchObject({ severityText: '', body: undefined, flags: 2 });
  });

  test('decodeLogsJson keeps keys that are names of Object.prototype as data', () => {
    const attribute = (key: string): string =>
      `{"key":"${key}","value":{"kvlistValue":{"values":[{"key":"polluted","value":{"boolValue":true}}]}}}`;
    const text = `{"attributes":[${attribute('__proto__')},${attribute('constructor')}],"__proto__":{"flags":7}}`;
    const [decoded] = decodeLogsJson(record(text)).records;
    expect(Object.keys(decoded?.attributes ?? {})).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(decoded?.attributes)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(decoded?.flags).toBe(0);
  });

  test('decodeLogsJson refuses what nests too deep, in values and in unknown members', () => {
    const nest = (depth: number): string =>
      '{"arrayValue":{"values":['.repeat(depth) + '{"intValue":1}' + ']}}'.repeat(depth);
    expect(bodyOf(nest(63))).toBeInstanceOf(Array);
    expect(() => bodyOf(nest(64))).toThrow('nested more than 64 deep');
    expect(() => bodyOf(nest(100_000))).toThrow('nested more than 64 deep');
    expect(() => decodeLogsJson(json(`{"x":${'['.repeat(100_000)}`))).toThrow('nested more than 100 deep');
  });

  test('decodeMetricsJson replaces bytes that are no UTF-8, and lone surrogates', () => {
    const bytes = Buffer.concat([json('{"resourceLogs":[{"schemaUrl":"'), Buffer.from([0xff]), json('\\ud800"}]}')]);
    expect(otlpJsonOf(LogsRequest, jsonToProtobuf(REQUEST_TYPES.logs, bytes))).toEqual({
      resourceLogs: [{ schemaUrl: '\ufffd\ufffd' }],
    });
  });

  test('jsonToProtobuf accepts exactly what JSON.parse accepts', () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.constantFrom(...EDITS)), { maxLength: 2 });
    fc.assert(
      fc.property(fc.json({ maxDepth: 4, stringUnit: 'binary' }), edits, (text, changes) => {
        let edited = text;
        for (const [at, character] of changes) {
          const index = at % (edited.length + 1);
          edited = edited.slice(0, index) + character + edited.slice(index + 1);
        }
        const whole = `{"unknown":${edited},"resourceLogs":[]}`;
        const parses = doesParse(() => JSON.parse(whole));
        expect(doesParse(() => jsonToProtobuf(REQUEST_TYPES.logs, json(whole)))).toBe(parses);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    [REQUEST_TYPES.metrics, MetricsRequest],
    [REQUEST_TYPES.logs, LogsRequest],
    [REQUEST_TYPES.traces, TraceRequest],
    [RESPONSE_TYPES.metrics, MetricsResponse],
  ] as const)('MessageType $name has the fields of the .proto files', (ours, theirs) => {
    const known = new Set<MessageType>();
    const compare = (type: MessageType, oracle: typeof MetricsRequest): void => {
      if (known.has(type)) return;
      known.add(type);
      const expected = oracle.fieldsArray.filter(({ name }) => !/strindex$/i.test(name));
      expect(type.fields.map(({ name }) => name).sort(), oracle.name).toEqual(expected.map(({ name }) => name).sort());
      for (const field of type.fields) {
        const peer = oracle.fields[field.name]?.resolve();
        expect(peer).toMatchObject({ id: field.number, repeated: field.isRepeated });
        expect(peer?.partOf !== null && peer?.partOf !== undefined, field.name).toBe(field.hasPresence);
        if (typeof field.type === 'object') compare(field.type, peer?.resolvedType as typeof MetricsRequest);
        else if (field.type === 'id') expect(peer?.type).toBe('bytes');
        else if (field.type === 'enum') expect(peer?.resolvedType).not.toBeNull();
        else expect(peer?.type).toBe(field.type);
      }
    };
    compare(ours, theirs);
  });
});

describe('OTLP/JSON of traces', { timeout: 60_000 }, () => {
  test('encodeTracesJson agrees with protobufjs, and decodeTracesJson reads it back', () => {
    fc.assert(
      fc.property(traceRequest, ({ otlp, count }) => {
        const text = encodeTracesJson({ signal: 'traces', count, otlp });
        expect(parseJson(text)).toEqual(otlpJsonOf(TraceRequest, otlp));
        const decoded = decodeTracesJson(text);
        expect(decoded.count).toBe(count);
        expect(objectOf(TraceRequest, decoded.otlp)).toEqual(objectOf(TraceRequest, otlp));
      }),
    );
  });
});

function doesParse(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
