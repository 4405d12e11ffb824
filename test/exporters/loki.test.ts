import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import loki from '../../exporters/loki.ts';
import { ConfigError, PermanentError, RefusedError, RetryableError, TooLargeError } from '../../src/errors.ts';
import { DoubleValue, type AnyValue } from '../../src/model/attributes.ts';
import type { LogBatch, LogRecord } from '../../src/model/batch.ts';
import { runExporter } from '../support/exporter.ts';
import { parseJson, parsePushProtobuf, startLoki, type LokiServer } from '../support/loki_server.ts';
import { logRecord } from '../support/processor.ts';
import { asRequest } from '../support/request.ts';

const never = new AbortController().signal;
const NOW = 1_700_000_000_000_000_001n;
const RESOURCE = { attributes: { 'host.name': 'web-1', 'service.name': 'shop', 'os.type': 'linux' }, schemaUrl: '' };
const SCOPE = { name: 'io.shop', version: '1.2', attributes: { build: 'x' }, schemaUrl: '' };

let server: LokiServer;
const stops: (() => unknown)[] = [];
beforeEach(async () => {
  server = await startLoki();
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await server[Symbol.asyncDispose]();
});

function run(config: Readonly<Record<string, unknown>> = {}) {
  const made = runExporter(loki, { endpoint: server.url, ...config }, ['logs']);
  stops.push(() => made.exporter.stop?.());
  return made;
}

function record(body: AnyValue | undefined, overrides: Partial<LogRecord> = {}): LogRecord {
  return { ...logRecord('', { resource: RESOURCE, scope: SCOPE, time: NOW, observedTime: NOW }), body, ...overrides };
}

function logs(...records: LogRecord[]): LogBatch {
  return { signal: 'logs', count: records.length, records };
}

/** Encodes and sends; what the server holds then. */
async function push(config: Readonly<Record<string, unknown>>, ...records: LogRecord[]) {
  const { exporter, dropped, log } = run(config);
  for (const payload of exporter.encode(logs(...records))) await exporter.send(asRequest(payload), 'logs', never);
  const streams = [...server.streams.values()];
  return { streams, entries: streams.flatMap(({ entries }) => entries), dropped, log };
}

const BOTH = [{ encoding: 'protobuf' }, { encoding: 'json' }] as const;

const HARD = [
  '',
  'two words',
  '"\'`',
  'a\nb\r\tc',
  '\\',
  'ä€😀',
  '\u0000\u0001\u007f\u2028',
  '{a="b"}',
  'x'.repeat(70_000),
];

describe.each(BOTH)('loki by push as $encoding', (encoding) => {
  test('sends a record with its labels, line and structured metadata', async () => {
    const { streams } = await push(
      encoding,
      record('hello', {
        observedTime: NOW + 5n,
        severityNumber: 17,
        severityText: 'ERR',
        attributes: { 'http.route': '/a', nested: { deep: [1, 2.5], flag: true } },
        traceId: '5b8efff798038103d269b633813fc60c',
        spanId: 'eee19b7ec3c1b174',
        flags: 1,
        eventName: 'shop.sold',
        droppedAttributesCount: 3,
      }),
    );
    expect(streams).toEqual([
      {
        labels: { host_name: 'web-1', service_name: 'shop' },
        entries: [
          {
            time: NOW,
            line: 'hello',
            metadata: {
              level: 'error',
              severity_text: 'ERR',
              severity_number: '17',
              trace_id: '5b8efff798038103d269b633813fc60c',
              span_id: 'eee19b7ec3c1b174',
              event_name: 'shop.sold',
              flags: '1',
              observed_timestamp: `${NOW + 5n}`,
              dropped_attributes_count: '3',
              http_route: '/a',
              nested_deep: '[1,2.5]',
              nested_flag: 'true',
              os_type: 'linux',
              scope_name: 'io.shop',
              scope_version: '1.2',
              build: 'x',
            },
          },
        ],
      },
    ]);
    const [{ path, headers }] = server.requests;
    expect(path).toBe('/loki/api/v1/push');
    expect(headers['content-encoding']).toBe(encoding.encoding === 'json' ? 'gzip' : 'snappy');
    expect(headers['x-scope-orgid']).toBeUndefined();
  });

  test.each(HARD.map((text) => [text.slice(0, 20), text]))('brings %j over unchanged', async (_, text) => {
    const { entries, streams } = await push(
      { ...encoding, labels: { record: ['label'] } },
      record(text, { attributes: { value: text.slice(0, 1000), label: `l${text.slice(0, 1000)}` } }),
    );
    expect(entries[0]).toMatchObject({ line: text, metadata: { value: text.slice(0, 1000) } });
    expect(streams[0]!.labels.label).toBe(`l${text.slice(0, 1000)}`);
  });

  test('halves of surrogate pairs become U+FFFD', async () => {
    const { entries } = await push(
      { ...encoding, labels: { record: ['label'] } },
      record('a\ud800b', { attributes: { value: '\udc00', label: '\ud800' } }),
    );
    expect(entries[0]).toMatchObject({ line: 'a\ufffdb', metadata: { value: '\ufffd' } });
    expect([...server.streams.values()][0]!.labels.label).toBe('\ufffd');
  });

  test.each<[AnyValue | undefined, string]>([
    [2n ** 63n - 1n, '9223372036854775807'],
    [-(2n ** 63n), '-9223372036854775808'],
    [2n ** 53n + 1n, '9007199254740993'],
    [NaN, 'NaN'],
    [-Infinity, '-Infinity'],
    [-0, '-0'],
    [0.1, '0.1'],
    [new DoubleValue(1), '1'],
    [true, 'true'],
    [null, ''],
    [undefined, ''],
    [Uint8Array.of(1, 2), 'AQI='],
    [
      { big: 2n ** 63n - 1n, nan: NaN, list: ['a', null, new DoubleValue(2)] },
      '{"big":9223372036854775807,"nan":"NaN","list":["a",null,2.0]}',
    ],
  ])('a body of %o is the line %j', async (body, line) => {
    const { entries } = await push(encoding, record(body));
    expect(entries.map((entry) => entry.line)).toEqual([line]);
  });

  test('an event without a body is its name', async () => {
    const { entries } = await push(encoding, record(undefined, { eventName: 'process.exec' }));
    expect(entries[0]!.line).toBe('process.exec');
  });

  test('takes the time, else the observed time, else now', async () => {
    const before = BigInt(Date.now()) * 1_000_000n;
    const { entries } = await push(
      encoding,
      record('a', { time: 7n, observedTime: 9n }),
      record('b', { time: 0n, observedTime: 9n }),
      record('c', { time: 0n, observedTime: 0n }),
      record('d', { time: 2n ** 63n, observedTime: 9n }),
    );
    const times = Object.fromEntries(entries.map(({ line, time }) => [line, time]));
    expect(times).toMatchObject({ a: 7n, b: 9n, d: 9n });
    expect(times.c).toBeGreaterThanOrEqual(before);
  });

  test('orders the entries of a stream by time, equal times as they came', async () => {
    const { entries } = await push(encoding, ...[3n, 1n, 2n, 1n].map((time, index) => record(`${index}`, { time })));
    expect(entries.map(({ line }) => line)).toEqual(['1', '3', '2', '0']);
  });

  test('keeps structured metadata under 64 KiB and 128 entries, own fields first, and says how many are missing', async () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`a${index}`, 'v']));
    const { entries } = await push(
      encoding,
      record('many', { attributes: many }),
      record('large', { attributes: { big: 'x'.repeat(70_000), small: 's' } }),
      record('several', { attributes: { a: 'x'.repeat(40_000), b: 'y'.repeat(40_000), c: 'z' } }),
    );
    expect(entries).toHaveLength(3);
    const byLine = Object.fromEntries(entries.map(({ line, metadata }) => [line, metadata]));
    expect(Object.keys(byLine.many!)).toHaveLength(128);
    // 200 attributes, three fields, and four of resource and scope.
    expect(byLine.many).toMatchObject({ level: 'info', dropped_attributes_count: `${207 - 127}` });
    expect(byLine.large).toMatchObject({ small: 's', os_type: 'linux', dropped_attributes_count: '1' });
    expect(byLine.several).toMatchObject({ c: 'z', dropped_attributes_count: '1' });
  });

  test('cuts a line over 256 KiB between characters, and marks it', async () => {
    const { entries, dropped, log } = await push(encoding, record('€'.repeat(100_000)));
    expect(Buffer.byteLength(entries[0]!.line)).toBe(262_143);
    expect(entries[0]!.line).toBe('€'.repeat(87_381));
    expect(entries[0]!.metadata.truncated_bytes).toBe(`${300_000 - 262_143}`);
    expect(dropped.size).toBe(0);
    expect(log.lines.filter(({ message }) => message.includes('truncated_bytes'))).toHaveLength(1);
  });

  test('drops and counts a line over 256 KiB where long_lines says so', async () => {
    const { entries, dropped } = await push(
      { ...encoding, long_lines: 'drop' },
      record('x'.repeat(262_145)),
      record('y'),
    );
    expect(entries.map(({ line }) => line)).toEqual(['y']);
    expect([...dropped]).toEqual([['line_too_long', 1]]);
  });

  test('splits what is over max_request_bytes and loses no entry', async () => {
    const { exporter, dropped } = run({ ...encoding, max_request_bytes: 2000 });
    const records = Array.from({ length: 60 }, (_, index) =>
      record(`line ${index}`, { resource: index % 2 === 0 ? RESOURCE : { attributes: {}, schemaUrl: '' } }),
    );
    const payloads = exporter.encode(logs(...records));
    expect(payloads.length).toBeGreaterThan(4);
    expect(Math.max(...payloads.map(({ body }) => body.byteLength))).toBeLessThanOrEqual(2000);
    expect(payloads.reduce((sum, { count }) => sum + count, 0)).toBe(60);
    for (const payload of payloads) await exporter.send(asRequest(payload), 'logs', never);
    const lines = [...server.streams.values()].flatMap(({ entries }) => entries.map(({ line }) => line));
    expect(lines.toSorted()).toEqual(records.map(({ body }) => body as string).toSorted());
    expect(dropped.size).toBe(0);
  });

  test('drops and counts an entry that alone is over max_request_bytes', () => {
    const { exporter, dropped } = run({ ...encoding, max_request_bytes: 600 });
    const payloads = exporter.encode(logs(record('a'), record('x'.repeat(700)), record('b')));
    expect(payloads.reduce((sum, { count }) => sum + count, 0)).toBe(2);
    expect([...dropped]).toEqual([['too_large', 1]]);
  });

  test('split halves a request until one entry is left', () => {
    const { exporter } = run(encoding);
    const parse = encoding.encoding === 'json' ? parseJson : parsePushProtobuf;
    const batch = logs(
      record('a'),
      record('b', { resource: { attributes: { 'host.name': 'b' }, schemaUrl: '' } }),
      record('c'),
    );
    const [payload] = exporter.encode(batch);
    const parts = exporter.split!(payload!, 'logs');
    expect(parts.map(({ count }) => count)).toEqual([2, 1]);
    const lines = parts.flatMap(({ body }) => parse(body).flatMap(({ entries }) => entries.map(({ line }) => line)));
    expect(lines.toSorted()).toEqual(['a', 'b', 'c']);
    expect(exporter.split!(parts[1]!, 'logs').map(({ count }) => count)).toEqual([1]);
  });

  test('makes the bytes of the golden', async () => {
    const { exporter } = run(encoding);
    const [payload] = exporter.encode(
      logs(
        record('first "line"\n', { attributes: { 'user.name': 'Zoë', n: 2n ** 53n + 1n } }),
        record(
          { code: 7 },
          { time: NOW + 1n, resource: { attributes: {}, schemaUrl: '' }, severityNumber: 0, severityText: '' },
        ),
      ),
    );
    const text = encoding.encoding === 'json' ? Buffer.from(payload!.body).toString() : hexDump(payload!.body);
    await expect(`${text}\n`).toMatchFileSnapshot(`../golden/exporters/loki.push.${encoding.encoding}.txt`);
  });
});

function hexDump(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return hex.replace(/.{64}/g, '$&\n');
}

test('loki says the same in protobuf and JSON, whatever the records hold', () => {
  const text = fc.string({ unit: 'binary', maxLength: 30 });
  const value = fc.oneof(text, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.double(), fc.boolean());
  const attributes = fc.dictionary(text, fc.oneof(value, fc.dictionary(text, value, { maxKeys: 2 })), { maxKeys: 6 });
  const records = fc.array(
    fc.record({
      body: value,
      time: fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }),
      attributes,
      resource: attributes,
      scope: attributes,
    }),
    { maxLength: 8 },
  );
  const options = { labels: { record: ['a', ''], resource: ['', 'b'] }, max_request_bytes: 4000 };
  const [protobuf, json] = BOTH.map((encoding) => run({ ...encoding, ...options }).exporter);
  fc.assert(
    fc.property(records, (drawn) => {
      const batch = logs(
        ...drawn.map(({ body, time, attributes: own, resource, scope }) =>
          record(body, {
            time,
            attributes: own,
            resource: { attributes: resource, schemaUrl: '' },
            scope: { ...SCOPE, attributes: scope },
          }),
        ),
      );
      const entriesOf = (streams: ReturnType<typeof parseJson>) =>
        streams.flatMap(({ labels, entries }) => entries.map((entry) => ({ ...entry, labels })));
      const fromProtobuf = protobuf!.encode(batch).flatMap(({ body }) => entriesOf(parsePushProtobuf(body)));
      const fromJson = json!.encode(batch).flatMap(({ body }) => entriesOf(parseJson(body)));
      expect(fromProtobuf).toEqual(fromJson);
      expect(fromProtobuf).toHaveLength(drawn.length);
    }),
  );
});

describe('loki labels', () => {
  test('a record without any label is of an unknown service', async () => {
    const { streams } = await push({}, record('a', { resource: { attributes: {}, schemaUrl: '' } }));
    expect(streams[0]!.labels).toEqual({ service_name: 'unknown_service' });
  });

  test('fixed ones, chosen attributes and the level; what is a label is no structured metadata', async () => {
    const { streams } = await push(
      { labels: { fixed: { job: 'agent' }, resource: ['os.type'], record: ['log.iostream', 'absent'], level: true } },
      record('a', { attributes: { 'log.iostream': 'stderr', other: 'x' }, severityNumber: 13 }),
      record('b', { attributes: { 'log.iostream': 'stdout' }, severityNumber: 0, severityText: '' }),
    );
    expect(streams.map(({ labels }) => labels)).toEqual([
      { job: 'agent', os_type: 'linux', level: 'warn', log_iostream: 'stderr' },
      { job: 'agent', os_type: 'linux', log_iostream: 'stdout' },
    ]);
    const { metadata } = streams[0]!.entries[0]!;
    expect(metadata).toMatchObject({ other: 'x', host_name: 'web-1', service_name: 'shop' });
    expect(metadata).not.toHaveProperty('log_iostream');
    expect(metadata).not.toHaveProperty('os_type');
    expect(metadata).not.toHaveProperty('level');
  });

  test('beyond fifteen, empty or too long, an attribute is structured metadata', async () => {
    const attributes = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`r${index}`, `${index}`]));
    const long = 'x'.repeat(2049);
    const { streams } = await push(
      { labels: { resource: ['long', 'empty', ...Object.keys(attributes)] } },
      record('a', { resource: { attributes: { ...attributes, long, empty: '' }, schemaUrl: '' } }),
    );
    expect(Object.keys(streams[0]!.labels)).toHaveLength(15);
    expect(streams[0]!.entries[0]!.metadata).toMatchObject({ r15: '15', r19: '19', long, empty: '' });
  });

  test('names that become the same are told apart, equal values said once', async () => {
    const { streams } = await push(
      {},
      record('a', {
        resource: { attributes: { 'host.name': 'h', 'a.b': '1', 'a-b': '2', level: 'r' }, schemaUrl: '' },
        attributes: {
          host_name: 'other',
          'service.name': 'x',
          a_b: '1',
          'a b': '3',
          trace_id: 't',
          '9x': 'd',
          _u: 'u',
          '': 'e',
          é: 'f',
        },
        traceId: '5b8efff798038103d269b633813fc60c',
      }),
    );
    expect(streams[0]!.labels).toEqual({ host_name: 'h' });
    expect(streams[0]!.entries[0]!.metadata).toMatchObject({
      host_name_2: 'other',
      service_name: 'x',
      a_b: '1',
      a_b_2: '2',
      a_b_3: '3',
      level: 'info',
      level_2: 'r',
      trace_id: '5b8efff798038103d269b633813fc60c',
      trace_id_2: 't',
      key_9x: 'd',
      key_u: 'u',
      key_: 'e',
      key__2: 'f',
    });
  });

  test.each([
    [1, 'trace'],
    [4, 'trace'],
    [5, 'debug'],
    [12, 'info'],
    [16, 'warn'],
    [17, 'error'],
    [24, 'fatal'],
  ])('severity number %d is level %s', async (severityNumber, level) => {
    const { entries } = await push({}, record('a', { severityNumber }));
    expect(entries[0]!.metadata.level).toBe(level);
  });

  test('without a severity there is no level, and an attribute may be it', async () => {
    const { entries } = await push(
      {},
      record('a', { severityNumber: 0, severityText: '', attributes: { level: 'warn' } }),
    );
    expect(entries[0]!.metadata).toMatchObject({ level: 'warn' });
    expect(entries[0]!.metadata).not.toHaveProperty('severity_number');
  });
});

describe('loki with line: json', () => {
  test('a line is the whole record, and there is no structured metadata', async () => {
    const { entries } = await push(
      { line: 'json' },
      record({ code: 2n ** 53n + 1n }, { attributes: { 'a"b': '\u0001' }, eventName: 'e' }),
      record(undefined, { time: NOW + 1n }),
    );
    expect(entries.map(({ metadata }) => metadata)).toEqual([{}, {}]);
    expect(entries[0]!.line).toBe(
      '{"body":{"code":9007199254740993},"level":"info","severity_text":"INFO","severity_number":9,"event_name":"e",' +
        `"observed_timestamp":"${NOW}","attributes":{"a\\"b":"\\u0001"},` +
        '"scope":{"name":"io.shop","version":"1.2","attributes":{"build":"x"}},' +
        '"resource":{"host.name":"web-1","service.name":"shop","os.type":"linux"}}',
    );
    expect(JSON.parse(entries[1]!.line)).not.toHaveProperty('body');
  });

  test('a line that is too long stays JSON; one whose body is not to blame is dropped', async () => {
    const { entries, dropped } = await push(
      { line: 'json' },
      record('"'.repeat(300_000)),
      record('short', { attributes: { huge: 'x'.repeat(300_000) } }),
    );
    expect(entries).toHaveLength(1);
    const line = JSON.parse(entries[0]!.line) as { body: string; truncated_bytes: number };
    expect(line.body.length + line.truncated_bytes).toBe(300_000);
    expect([...dropped]).toEqual([['line_too_long', 1]]);
  });
});

describe('loki answers', () => {
  const payloadOf = (exporter: ReturnType<typeof run>['exporter'], ...bodies: string[]) =>
    asRequest(exporter.encode(logs(...bodies.map((body, index) => record(body, { time: BigInt(index + 1) }))))[0]!);

  test('entries that are too old are counted, the others are sent', async () => {
    const { exporter } = run();
    server.oldest = 3n;
    const result = await exporter.send(payloadOf(exporter, 'a', 'b', 'c'), 'logs', never);
    expect(result).toMatchObject({ rejected: 2, message: expect.stringContaining('timestamp too old') });
    expect([...server.streams.values()][0]!.entries.map(({ line }) => line)).toEqual(['c']);
  });

  test('a request of which nothing is taken is refused', async () => {
    const { exporter } = run();
    server.oldest = 10n;
    await expect(exporter.send(payloadOf(exporter, 'a', 'b'), 'logs', never)).rejects.toThrow(RefusedError);
  });

  test('a repetition changes nothing', async () => {
    const { exporter } = run();
    const payload = payloadOf(exporter, 'a', 'b');
    await exporter.send(payload, 'logs', never);
    await exporter.send(payload, 'logs', never);
    expect([...server.streams.values()][0]!.entries).toHaveLength(2);
  });

  test.each([
    [400, RefusedError],
    [401, RefusedError],
    [413, TooLargeError],
    [429, RetryableError],
    [500, RetryableError],
    [503, RetryableError],
    // Ingestion is blocked.
    [260, PermanentError],
  ])('status %d becomes a %o', async (status, kind) => {
    const { exporter } = run();
    server.answers.push({ status, body: 'no' });
    const error: unknown = await Promise.resolve(exporter.send(payloadOf(exporter, 'a'), 'logs', never)).catch(
      (thrown: unknown) => thrown,
    );
    expect((error as Error).constructor).toBe(kind);
  });

  test('Retry-After is heard', async () => {
    const { exporter } = run();
    server.answers.push({ status: 429, headers: { 'retry-after': '7' } });
    await expect(exporter.send(payloadOf(exporter, 'a'), 'logs', never)).rejects.toMatchObject({ retryAfter_ms: 7000 });
  });
});

describe('loki by OTLP', () => {
  test('posts the records as they are, with the tenant', async () => {
    const { exporter } = run({ protocol: 'otlp', tenant: 'team-a' });
    const batch = logs(record('a', { attributes: { n: 2n ** 63n - 1n } }), record('b'));
    for (const payload of exporter.encode(batch)) await exporter.send(asRequest(payload), 'logs', never);
    expect(server.requests[0]).toMatchObject({
      path: '/otlp/v1/logs',
      headers: { 'content-encoding': 'gzip', 'x-scope-orgid': 'team-a' },
    });
    expect(server.otlp[0]!.records.map(({ body }) => body)).toEqual(['a', 'b']);
    expect(server.otlp[0]!.records[0]!.attributes).toEqual({ n: 2n ** 63n - 1n });
  });

  test('splits, counts what is too large alone, and halves', () => {
    const { exporter, dropped } = run({ protocol: 'otlp', max_request_bytes: 600 });
    const payloads = exporter.encode(logs(record('a'), record('x'.repeat(700)), record('b'), record('c'.repeat(400))));
    expect(payloads.reduce((sum, { count }) => sum + count, 0)).toBe(3);
    expect([...dropped]).toEqual([['too_large', 1]]);
    expect(exporter.split!({ ...payloads[0]!, count: 2 }, 'logs').length).toBeGreaterThan(0);
  });
});

test('loki names the tenant of every push', async () => {
  await using strict = await startLoki({ tenant: 'team-a' });
  const { exporter } = run({ endpoint: `${strict.url}/loki/api/v1/push`, tenant: 'team-a' });
  for (const payload of exporter.encode(logs(record('a')))) await exporter.send(asRequest(payload), 'logs', never);
  expect(strict.streams.size).toBe(1);
});

test('loki encodes a batch without records to nothing', () => {
  for (const config of [{}, { encoding: 'json' }, { protocol: 'otlp' }])
    expect(run(config).exporter.encode(logs())).toEqual([]);
});

test.each([
  [{ endpoint: 'loki:3100' }, 'endpoint', 'Cannot use "loki:3100": not an http:// or https:// URL'],
  [{ compression: 'gzip' }, 'compression', 'Cannot compress with gzip: push with protobuf has only snappy'],
  [
    { protocol: 'otlp', compression: 'snappy' },
    'compression',
    'Cannot compress with snappy: otlp with protobuf has only gzip and none',
  ],
  [{ protocol: 'otlp', line: 'json' }, 'line', 'Cannot use line with protocol otlp: Loki decides it itself'],
  [{ protocol: 'otlp', labels: {} }, 'labels', 'Cannot use labels with protocol otlp: Loki decides it itself'],
  [
    { labels: { fixed: { a: '1', b: '2' } }, limits: { labels: 1 } },
    'labels.fixed',
    'Cannot give 2 labels to every line: limits.labels is 1',
  ],
])('loki refuses %j and names the option', (config, option, message) => {
  let error: unknown;
  try {
    runExporter(loki, config, ['logs']);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as ConfigError).problems[0]).toMatchObject({ message, path: `exporters.loki.${option}` });
});

describe('loki with the preset gomon', () => {
  const resource = { ...RESOURCE, attributes: { ...RESOURCE.attributes, 'host.arch': 'amd64' } };

  test('has exactly four labels, and attributes in the line', async () => {
    const { streams } = await push(
      { preset: 'gomon', encoding: 'json' },
      record('[812] -> sleep[901]', {
        resource,
        eventName: 'process.exec',
        attributes: { name: 'sleep', pid: 901, command: 'sleep "1" 0', list: [1, 2] },
      }),
      record('out of memory', { resource, severityNumber: 17 }),
      record(undefined, { eventName: 'alone' }),
    );
    expect(streams).toMatchObject([
      {
        labels: { host: 'web-1', platform: 'linux_amd64', source: 'process', event: 'exec' },
        entries: [
          { line: '[812] -> sleep[901] name=sleep pid=901 command="sleep \\"1\\" 0" list=[1,2]', metadata: {} },
        ],
      },
      { labels: { host: 'web-1', platform: 'linux_amd64', source: 'logs', event: 'error' } },
      { labels: { host: 'web-1', platform: 'linux', source: 'alone', event: 'alone' } },
    ]);
    for (const { labels } of streams) expect(Object.keys(labels)).toHaveLength(4);
  });

  test.each([{ labels: { level: true } }, { line: 'json' }, { protocol: 'otlp' }])('refuses %o beside it', (config) => {
    expect(() => run({ preset: 'gomon', ...config })).toThrow(ConfigError);
  });
});
