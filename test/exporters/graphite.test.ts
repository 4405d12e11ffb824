import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import graphite from '../../exporters/graphite.ts';
import { ConfigError } from '../../src/errors.ts';
import type { DistributionPoint, MetricBatch } from '../../src/model/batch.ts';
import { runExporter } from '../support/exporter.ts';
import { metric, metricBatch, series } from '../support/processor.ts';
import { asRequest } from '../support/request.ts';

const gauge = (name = 'temp', valueType: 'int' | 'double' = 'double') => metric(name, { kind: 'gauge', valueType });
const run = (config: Readonly<Record<string, unknown>> = {}) => runExporter(graphite, config, ['metrics']);

function lines(batch: MetricBatch, config: Readonly<Record<string, unknown>> = {}): string[] {
  const payloads = run(config).exporter.encode(batch);
  return payloads.flatMap(({ body }) => Buffer.from(body).toString().split('\n').slice(0, -1));
}

describe('graphite paths', () => {
  const resource = {
    attributes: { 'service.name': 'shop', 'host.name': 'web 1', 'os.type': 'linux', 'k8s.pod.name': '' },
    schemaUrl: '',
  };
  const layout = [series(gauge('system.cpu.time'), { mode: 'user', cpu: 0, name: 'n', empty: '' }, { resource })];

  test.each([
    [{}, 'system.cpu.time;cpu=0;host.name=web_1;mode=user;name_=n;service.name=shop 1.5 1'],
    [{ prefix: 'a.b.' }, 'a.b.system.cpu.time;cpu=0;host.name=web_1;mode=user;name_=n;service.name=shop 1.5 1'],
    [{ resource_attributes: ['os.type', 'none'] }, 'system.cpu.time;cpu=0;mode=user;name_=n;os.type=linux 1.5 1'],
    [
      { format: 'template', template: '{host.name}.{metric}.{cpu}.{mode}', prefix: 'servers' },
      'servers.web_1.system.cpu.time.0.user 1.5 1',
    ],
  ])('%j', (config, line) => expect(lines(metricBatch(layout, [1.5]), config)).toEqual([line]));

  test('an attribute of the point overrides one of the resource', () => {
    const own = [series(gauge(), { 'host.name': 'own' }, { resource })];
    expect(lines(metricBatch(own, [1]), { resource_attributes: ['host.name'] })).toEqual(['temp;host.name=own 1 1']);
  });

  test('says once that two series have the same path', () => {
    const { exporter, log } = run({ format: 'template', template: '{metric}' });
    const two = [series(gauge(), { cpu: 0 }), series(gauge(), { cpu: 1 })];
    for (let i = 0; i < 3; i++) exporter.encode(metricBatch(i === 2 ? [...two] : two, [1, 2]));
    expect(log.lines).toEqual([
      {
        level: 'warn',
        message: 'Several series have the same path, and replace each other in Graphite',
        fields: { path: 'temp' },
      },
    ]);
  });
});

describe('graphite encode', () => {
  test('each layout is written with the values and times of its batch', () => {
    const { exporter } = run({ resource_attributes: [] });
    const layout = [series(gauge('a')), series(gauge('b', 'int'))];
    const bodies = [1n, 2n].map((time) => {
      const batch = metricBatch(layout, [Number(time) + 0.5, Number(time)], { time: time * 1_000_000_000n });
      return Buffer.from(exporter.encode(batch)[0]!.body).toString();
    });
    expect(bodies).toEqual(['a 1.5 1\nb 1 1\n', 'a 2.5 2\nb 2 2\n']);
  });

  test('integers have all their digits, and infinities their names', () => {
    const layout = ['a', 'b', 'c'].map((name) => series(gauge(name, 'int')));
    const exactValues = new Map([[0, 2n ** 53n + 1n]]);
    expect(lines(metricBatch(layout, [2 ** 53, -(2 ** 62), 3], { exactValues }), { resource_attributes: [] })).toEqual([
      'a 9007199254740993 1',
      'b -4611686018427387904 1',
      'c 3 1',
    ]);
    const doubles = ['a', 'b', 'c'].map((name) => series(gauge(name)));
    expect(lines(metricBatch(doubles, [Infinity, -Infinity, -0]), { resource_attributes: [] })).toEqual([
      'a inf 1',
      'b -inf 1',
      'c -0 1',
    ]);
  });

  test.each([
    ['not_representable', gauge(), NaN, {}],
    ['bad_time', gauge(), 1, { time: 999_999_999n }],
    ['ended', gauge(), NaN, { flags: Uint32Array.of(1) }],
    ['unnamed', gauge('..'), 1, {}],
    ['too_large', gauge('x'.repeat(16_400)), 1, {}],
  ] as const)('drops as %s, and counts, %j of %d', (reason, of, value, more) => {
    for (const config of [{}, { format: 'template', template: '{metric}.{attributes}' }, { protocol: 'pickle' }]) {
      const { exporter, dropped } = run(config);
      expect(exporter.encode(metricBatch([series(of)], [value], more))).toEqual([]);
      expect([...dropped]).toEqual([[reason, 1]]);
    }
  });

  test('with UDP drops a point of which a line is over a datagram, and counts it', () => {
    const { exporter, dropped } = run({ transport: 'udp', max_datagram_bytes: 100, resource_attributes: [] });
    const layout = [series(gauge('x'.repeat(100))), series(gauge('y'))];
    expect(exporter.encode(metricBatch(layout, [1, 2])).map(({ count }) => count)).toEqual([1]);
    expect([...dropped]).toEqual([['too_large', 1]]);
  });

  test('splits at max_request_bytes, between points, and counts them', () => {
    const layout = Array.from({ length: 10 }, (_, i) => series(gauge(`m${i}`)));
    const batch = metricBatch(
      layout,
      layout.map((_, i) => i),
    );
    for (const protocol of ['plaintext', 'pickle']) {
      const { exporter, dropped } = run({ protocol, max_request_bytes: 60, resource_attributes: [] });
      const payloads = exporter.encode(batch);
      expect(payloads.length).toBeGreaterThan(1);
      expect(payloads.reduce((sum, { count }) => sum + count, 0)).toBe(10);
      for (const { body } of payloads) {
        expect(body.length).toBeLessThanOrEqual(60);
        if (protocol === 'pickle') expect(Buffer.from(body).readUInt32BE(0)).toBe(body.length - 4);
      }
      expect(dropped.size).toBe(0);
    }
  });

  test('drops a point that alone is over max_request_bytes, and counts it', () => {
    const { exporter, dropped } = run({ max_request_bytes: 30, resource_attributes: [] });
    const layout = [series(gauge('a')), series(gauge('x'.repeat(40))), series(gauge('b'))];
    const payloads = exporter.encode(metricBatch(layout, [1, 2, 3]));
    expect(payloads.map(({ body }) => Buffer.from(body).toString()).join('')).toBe('a 1 1\nb 3 1\n');
    expect([...dropped]).toEqual([['too_large', 1]]);
  });

  const histogram: DistributionPoint = {
    type: 'histogram',
    count: 6n,
    sum: NaN,
    max: 3,
    explicitBounds: [0.5, 5],
    bucketCounts: [1n, 2n, 3n],
  };
  const distributed = (point: DistributionPoint, attributes = {}) =>
    metricBatch([series(metric('h', { kind: point.type, valueType: 'double' }), attributes)], [NaN], {
      points: [point],
    });

  test('a histogram is a series for each of its numbers', () => {
    expect(lines(distributed(histogram, { le: 'own', z: 1 }), { resource_attributes: [] })).toEqual([
      'h.count;le=own;z=1 6 1',
      'h.max;le=own;z=1 3 1',
      'h.bucket;exported_le=own;le=0.5;z=1 1 1',
      'h.bucket;exported_le=own;le=5;z=1 3 1',
      'h.bucket;exported_le=own;le=+Inf;z=1 6 1',
    ]);
    expect(lines(distributed(histogram), { format: 'template', template: '{metric}.x' })).toEqual([
      'h.x.count 6 1',
      'h.x.max 3 1',
      'h.x.bucket.le_0_5 1 1',
      'h.x.bucket.le_5 3 1',
      'h.x.bucket.le_+Inf 6 1',
    ]);
  });

  test('an exponential histogram has powers of two as bounds, and a summary its quantiles', () => {
    const exponential: DistributionPoint = {
      type: 'exponential_histogram',
      count: 4n,
      sum: 6,
      scale: 0,
      zeroCount: 1n,
      zeroThreshold: 0,
      positive: { offset: 0, bucketCounts: [3n] },
      negative: { offset: 0, bucketCounts: [] },
    };
    expect(lines(distributed(exponential), { resource_attributes: [] })).toEqual([
      'h.count 4 1',
      'h.sum 6 1',
      'h.bucket;le=0 1 1',
      'h.bucket;le=2 4 1',
      'h.bucket;le=+Inf 4 1',
    ]);
    const summary: DistributionPoint = {
      type: 'summary',
      count: 2n,
      sum: 3,
      quantiles: [{ quantile: 0.99, value: 2 }],
    };
    expect(lines(distributed(summary), { resource_attributes: [] })).toEqual([
      'h.count 2 1',
      'h.sum 3 1',
      'h.quantile;quantile=0.99 2 1',
    ]);
  });

  test('drops as malformed a histogram whose buckets do not fit', () => {
    const { exporter, dropped } = run();
    expect(exporter.encode(distributed({ ...histogram, explicitBounds: [1] }))).toEqual([]);
    expect([...dropped]).toEqual([['malformed', 1]]);
  });
});

test('graphite sends what it encoded to its endpoint', async () => {
  let received = '';
  const server = createServer((socket) => socket.on('data', (chunk) => (received += chunk.toString())));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { exporter } = run({
    endpoint: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    resource_attributes: [],
  });
  onTestFinished(() => exporter.stop?.());
  for (const payload of exporter.encode(metricBatch([series(gauge())], [1.5]))) {
    await exporter.send(asRequest(payload), 'metrics', new AbortController().signal);
  }
  expect(received).toBe('temp 1.5 1\n');
});

test.each([
  [{ protocol: 'pickle', transport: 'udp' }, 'transport', 'Cannot send pickle over UDP: its messages are for TCP'],
  [{ transport: 'udp', tls: {} }, 'tls', 'Cannot use tls: UDP has none'],
  [{ transport: 'udp', connection: 'kept' }, 'connection', 'Cannot use connection: UDP has none'],
  [{ max_datagram_bytes: 1000 }, 'max_datagram_bytes', 'Cannot use max_datagram_bytes: TCP has no datagrams'],
  [{ template: '{metric}' }, 'template', 'Cannot use template: the format is tags'],
  [{ format: 'template' }, 'template', 'Cannot make paths by a template: there is none'],
  [{ format: 'template', template: '{cpu}' }, 'template', 'Cannot use the template "{cpu}": it has no {metric}'],
  [
    { format: 'template', template: '{metric}', resource_attributes: [] },
    'resource_attributes',
    'Cannot use resource_attributes: a template names the attributes that it takes',
  ],
])('create refuses %j and names the option', (config, name, message) => {
  let problem: unknown;
  try {
    run(config);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    problem = (error as ConfigError).problems[0];
  }
  expect(problem).toMatchObject({ message, path: `exporters.graphite.${name}` });
});
