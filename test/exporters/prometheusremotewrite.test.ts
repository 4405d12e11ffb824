import fc from 'fast-check';
import * as v from 'valibot';
import { afterEach, describe, expect, test } from 'vitest';
import prometheusremotewrite from '../../exporters/prometheusremotewrite.ts';
import type { Payload } from '../../src/component.ts';
import { ConfigError } from '../../src/errors.ts';
import {
  NO_RECORDED_VALUE,
  Series,
  type DistributionPoint,
  type Exemplar,
  type Metric,
  type MetricBatch,
  type Resource,
} from '../../src/model/batch.ts';
import type { Attributes } from '../../src/model/attributes.ts';
import { metricBatch as anyBatch } from '../model/otlp/arbitraries.ts';
import { runExporter } from '../support/exporter.ts';
import { metric } from '../support/processor.ts';
import { isCanonical, readVersion2, type ReadSeries } from './prometheusremotewrite/oracle.ts';

const RESOURCE: Resource = {
  attributes: { 'service.name': 'shop', 'service.instance.id': 'i-1', 'cloud.region': 'eu' },
  schemaUrl: '',
};
const SCOPE = { name: 'lib', version: '1', attributes: {}, schemaUrl: '' };
const JOB = 'instance="i-1",job="shop"';
/** 2023-11-14T22:13:20.123456789Z. */
const TIME = 1_700_000_000_123_456_789n;
const TIME_MS = 1_700_000_000_123;
const START = 1_600_000_000_000_999_999n;
const START_MS = 1_600_000_000_000;

const GAUGE = metric('room.temperature', { kind: 'gauge', unit: 'Cel', description: 'How warm it is.' });
const COUNTER = metric('http.requests', { unit: '{request}', description: 'Requests.' });
const HISTOGRAM = metric('http.duration', { kind: 'histogram', isMonotonic: false, unit: 's' });
const EXPONENTIAL = metric('http.size', { kind: 'exponential_histogram', isMonotonic: false, unit: 'By' });
const SUMMARY = metric('rpc.duration', { kind: 'summary', isMonotonic: false, unit: 's' });

function series(of: Metric, attributes: Attributes = {}, resource = RESOURCE, scope = SCOPE): Series {
  return new Series(resource, scope, of, attributes, of.kind === 'gauge' ? 0n : START);
}

function batch(layout: readonly Series[], values: readonly number[], more: Partial<MetricBatch> = {}): MetricBatch {
  return {
    signal: 'metrics',
    count: layout.length,
    series: layout,
    values: Float64Array.from(values),
    time: TIME,
    ...more,
  };
}

function points(layout: readonly Series[], ...of: DistributionPoint[]): MetricBatch {
  return batch(
    layout,
    of.map(() => NaN),
    { points: of },
  );
}

function create(config: Readonly<Record<string, unknown>> = {}) {
  const run = runExporter(prometheusremotewrite, { target_info: false, ...config }, ['metrics']);
  stops.push(() => run.exporter.stop?.());
  return {
    ...run,
    /** Encodes a batch, and reads what it became; payloads without points apart. */
    encode(of: MetricBatch): { series: ReadSeries[]; rest: ReadSeries[]; count: number } {
      const payloads = run.exporter.encode(of);
      const read = (some: readonly Payload[]) => some.flatMap(({ body }) => readVersion2(body));
      return {
        series: read(payloads.filter(({ count }) => count > 0)),
        rest: read(payloads.filter(({ count }) => count === 0)),
        count: payloads.reduce((sum, { count }) => sum + count, 0),
      };
    },
  };
}

const namesOf = (some: readonly { name: string }[]): string[] => some.map(({ name }) => name);
const valuesOf = (some: readonly ReadSeries[]) =>
  Object.fromEntries(some.map(({ name, samples }) => [name, samples[0]![0]]));

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

describe('a request', () => {
  test('has a sample of each number, in milliseconds, with the start of what counts', () => {
    const { series: read } = create().encode(
      batch([series(GAUGE, { room: 'a' }), series(COUNTER, { code: 200, Host: 'x' })], [21.5, 7]),
    );
    expect(read).toEqual([
      {
        name: `room_temperature_celsius{${JOB},room="a"}`,
        labels: { __name__: 'room_temperature_celsius', instance: 'i-1', job: 'shop', room: 'a' },
        samples: [[21.5, TIME_MS, 0]],
        histograms: [],
        exemplars: [],
        type: 'GAUGE',
        help: 'How warm it is.',
        unit: 'celsius',
      },
      {
        name: `http_requests_total{Host="x",code="200",${JOB}}`,
        labels: { Host: 'x', __name__: 'http_requests_total', code: '200', instance: 'i-1', job: 'shop' },
        samples: [[7, TIME_MS, START_MS]],
        histograms: [],
        exemplars: [],
        type: 'COUNTER',
        help: 'Requests.',
        unit: '',
      },
    ]);
  });

  test('is what protobufjs would write', () => {
    const { exporter } = create();
    const [payload] = exporter.encode(batch([series(GAUGE, { room: 'a' }), series(COUNTER)], [21.5, 7]));
    expect(isCanonical('2.0', payload!.body)).toBe(true);
  });

  test('is the same from the template of a layout as it would be without', () => {
    const layout = Array.from({ length: 50 }, (_, i) =>
      series(i % 2 === 0 ? GAUGE : COUNTER, { number: i, text: 'x'.repeat(3 * i) }),
    );
    const { exporter } = create();
    const values = [0, -0, 1.5, NaN, Infinity, -Infinity, 2 ** 53 + 2, -(2 ** 63), 5e-324, 1.7976931348623157e308];
    for (let turn = 0; turn < 12; turn++) {
      const own = layout.map((_, i) => values[(i + turn) % values.length]!);
      const times =
        turn % 3 === 2 ? BigUint64Array.from(layout, (_, i) => TIME + BigInt(i + turn) * 77_000_000n) : undefined;
      const now = batch(layout, own, { time: TIME + BigInt(turn) * 987_654_321n, ...(times && { times }) });
      const fresh = create().exporter.encode(now)[0]!;
      const [patched] = exporter.encode(now);
      expect(Buffer.from(patched!.body).equals(fresh.body)).toBe(true);
    }
  });

  test.each([1n, 999_999n, 2n ** 35n * 1_000_000n - 1n, 2n ** 42n * 1_000_000n, 2n ** 64n - 1n])(
    'has the time %d whatever the template was made for',
    (time) => {
      const { encode } = create();
      const layout = [series(GAUGE)];
      for (const turn of [TIME, TIME, time, TIME + 1_000_000n, time]) {
        const [only] = encode(batch(layout, [1], { time: turn })).series;
        expect(only!.samples[0]![1]).toBe(Number(turn / 1_000_000n));
      }
    },
  );

  test('has numbers as doubles: integers beyond 2^53 are rounded to the nearest', () => {
    const layout = [series(GAUGE, { n: 0 }), series(GAUGE, { n: 1 }), series(GAUGE, { n: 2 })];
    const exact = [2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)];
    const { series: read } = create().encode(
      batch(layout, exact.map(Number), { exactValues: new Map(exact.map((value, row) => [row, value])) }),
    );
    expect(read.map(({ samples }) => samples[0]![0])).toEqual([2 ** 53, 2 ** 63, -(2 ** 63)]);
  });

  test('has hard names and values as they are', () => {
    const hard = 'a "b"\n\\ü😀\u{10ffff}\ue000';
    const { series: read } = create({ translation_strategy: 'NoTranslation' }).encode(
      batch([series(metric(hard, { kind: 'gauge' }), { [hard]: hard, '\ue000': 'after', '\u{10000}': 'last' })], [1]),
    );
    expect(read[0]!.labels).toMatchObject({ __name__: hard, [hard]: hard });
    expect(Object.keys(read[0]!.labels).slice(-2)).toEqual(['\ue000', '\u{10000}']);
  });

  test('has half a surrogate as U+FFFD, and no label that is empty', () => {
    const { series: read } = create().encode(batch([series(GAUGE, { half: '\ud800', empty: '', none: null })], [1]));
    expect(read[0]!.labels).toMatchObject({ half: '\ufffd' });
    expect(Object.keys(read[0]!.labels)).not.toContain('empty');
  });

  test('has scope, resource attributes and external labels, where they are wanted', () => {
    const { encode } = create({
      scope_labels: true,
      resource_attributes: ['cloud.region'],
      external_labels: { cluster: 'c1', room: 'z', le: 'x', void: '' },
      namespace: 'ours',
    });
    const { series: read } = encode(batch([series(GAUGE, { room: 'a', job: 'mine' })], [1]));
    expect(namesOf(read)).toEqual([
      `ours_room_temperature_celsius{cloud_region="eu",cluster="c1",exported_job="mine",${JOB},otel_scope_name="lib",otel_scope_version="1",room="a"}`,
    ]);
  });

  test('leaves help and unit out if it shall', () => {
    const { series: read } = create({ metadata: false }).encode(batch([series(GAUGE)], [1]));
    expect(read[0]).toMatchObject({ type: 'GAUGE', help: '', unit: '' });
  });

  test('has the samples of a series together, in the order of time; of two in one millisecond the later', () => {
    const { encode, dropped } = create();
    const one = series(GAUGE);
    const again = series(GAUGE);
    const times = BigUint64Array.of(TIME + 5_000_000n, TIME, TIME + 1n, TIME - 9_000_000n);
    const { series: read, count } = encode(batch([one, again, one, one], [1, 2, 3, 4], { times }));
    expect(read.map(({ samples }) => samples.map(([value, time]) => [value, time - TIME_MS]))).toEqual([
      [
        [4, -9],
        [3, 0],
        [1, 5],
      ],
    ]);
    expect(count).toBe(3);
    expect([...dropped]).toEqual([['duplicate_timestamp', 1]]);
  });
});

describe('what cannot be sent is counted:', () => {
  test.each<[string, () => MetricBatch]>([
    ['delta_temporality', () => batch([series({ ...COUNTER, temporality: 'delta' })], [1])],
    ['invalid_name', () => batch([series(metric('°§', { kind: 'gauge', unit: '' }))], [1])],
    [
      'duplicate_series',
      () => batch([series(GAUGE), series(GAUGE, {}, RESOURCE, { ...SCOPE, name: 'other' })], [1, 2]),
    ],
    [
      'name_conflict',
      () =>
        batch(
          [series(HISTOGRAM), series(metric('http.duration.seconds.count', { kind: 'gauge', unit: '' }))],
          [NaN, 1],
          {
            points: [{ type: 'histogram', count: 0n, sum: 0, explicitBounds: [], bucketCounts: [] }, undefined],
          },
        ),
    ],
    [
      'invalid_point',
      () =>
        points([series(HISTOGRAM)], {
          type: 'histogram',
          count: 1n,
          explicitBounds: [2, 1],
          bucketCounts: [1n, 0n, 0n],
        }),
    ],
    ['invalid_point', () => batch([series(HISTOGRAM)], [NaN])],
    ['invalid_point', () => batch([series(EXPONENTIAL)], [NaN])],
    ['histogram_without_sum', () => points([series(EXPONENTIAL)], exponential({ sum: undefined }))],
    ['histogram_too_coarse', () => points([series(EXPONENTIAL)], exponential({ scale: -5 }))],
  ])('%s', (reason, of) => {
    const { encode, dropped, log } = create();
    const given = of();
    const { count } = encode(given);
    expect([...dropped]).toEqual([[reason, given.count - count]]);
    expect(given.count - count).toBe(1);
    expect(log.lines.map(({ message }) => message)).toEqual([expect.stringMatching(/^Cannot send .+: [^u]/)]);
  });

  test('nothing of a batch that has nothing to send', () => {
    const { exporter } = create();
    expect(exporter.encode(batch([series({ ...COUNTER, temporality: 'delta' })], [1]))).toEqual([]);
    expect(exporter.encode(batch([], []))).toEqual([]);
  });
});

describe('a histogram', () => {
  const point = {
    type: 'histogram',
    count: 6n,
    sum: 20.5,
    explicitBounds: [0.0000001, 5, 1e21],
    bucketCounts: [1n, 2n, 3n, 0n],
  } as const;

  test('is a series for each bucket, with sum and count', () => {
    const { series: read, count } = create().encode(points([series(HISTOGRAM, { a: 'b', x: 'y' })], point));
    expect(count).toBe(1);
    expect(valuesOf(read)).toEqual({
      [`http_duration_seconds_bucket{a="b",${JOB},le="0.0000001",x="y"}`]: 1,
      [`http_duration_seconds_bucket{a="b",${JOB},le="5",x="y"}`]: 3,
      [`http_duration_seconds_bucket{a="b",${JOB},le="1000000000000000000000",x="y"}`]: 6,
      [`http_duration_seconds_bucket{a="b",${JOB},le="+Inf",x="y"}`]: 6,
      [`http_duration_seconds_sum{a="b",${JOB},x="y"}`]: 20.5,
      [`http_duration_seconds_count{a="b",${JOB},x="y"}`]: 6,
    });
    for (const { type, samples } of read)
      expect([type, samples[0]!.slice(1)]).toEqual(['HISTOGRAM', [TIME_MS, START_MS]]);
  });

  test('has its exemplars at their buckets, the oldest first', () => {
    const exemplar = (value: number, time: bigint, more: Partial<Exemplar> = {}): Exemplar => ({
      value,
      time,
      traceId: '5b8efff798038103d269b633813fc60c',
      spanId: '',
      filteredAttributes: { 'a.b': 'c' },
      ...more,
    });
    const exemplars = [[exemplar(4, TIME), exemplar(3, TIME - 5_000_000n), exemplar(1e30, 0n), exemplar(NaN, TIME)]];
    const { encode } = create();
    const { series: read } = encode({ ...points([series(HISTOGRAM)], point), exemplars });
    const labels = { a_b: 'c', trace_id: '5b8efff798038103d269b633813fc60c' };
    expect(Object.fromEntries(read.map(({ labels: { le }, exemplars: own }) => [le ?? '', own]))).toMatchObject({
      '5': [
        { labels, value: 3, time_ms: TIME_MS - 5 },
        { labels, value: 4, time_ms: TIME_MS },
      ],
      '+Inf': [{ labels, value: 1e30, time_ms: TIME_MS }],
      '0.0000001': [],
      '': [],
    });
    expect(
      create({ exemplars: false })
        .encode({ ...points([series(HISTOGRAM)], point), exemplars })
        .series.flatMap(({ exemplars: own }) => own),
    ).toEqual([]);
  });

  test('without a sum has none', () => {
    const { series: read } = create().encode(points([series(HISTOGRAM)], { ...point, sum: undefined }));
    expect(namesOf(read).filter((name) => name.includes('_sum'))).toEqual([]);
  });

  test('whose bounds change gives each that is gone its stale marker, once', () => {
    const { encode } = create();
    encode(points([series(HISTOGRAM)], point));
    const changed = { ...point, explicitBounds: [5, 7], bucketCounts: [1n, 2n, 3n] };
    const markers = (): unknown =>
      Object.entries(valuesOf(encode(points([series(HISTOGRAM)], changed)).series)).filter(
        ([, value]) => value === 'stale',
      );
    expect(markers()).toEqual([
      [`http_duration_seconds_bucket{${JOB},le="0.0000001"}`, 'stale'],
      [`http_duration_seconds_bucket{${JOB},le="1000000000000000000000"}`, 'stale'],
    ]);
    expect(markers()).toEqual([]);
  });

  test('is native with bounds of its own where all shall be', () => {
    const { series: read, count } = create({ native_histograms: 'all' }).encode(points([series(HISTOGRAM)], point));
    expect(count).toBe(1);
    expect(read).toHaveLength(1);
    expect(read[0]).toMatchObject({
      name: `http_duration_seconds{${JOB}}`,
      samples: [],
      histograms: [
        {
          count: 6,
          sum: 20.5,
          schema: -53,
          zeroCount: 0,
          negative: {},
          positive: { 0: 1, 1: 2, 2: 3 },
          bounds: [0.0000001, 5, 1e21],
          time_ms: TIME_MS,
          start_ms: START_MS,
        },
      ],
    });
  });

  test('without buckets is native, too', () => {
    const bare = { type: 'histogram', count: 4n, sum: 1, explicitBounds: [], bucketCounts: [] } as const;
    const { series: read } = create({ native_histograms: 'all' }).encode(points([series(HISTOGRAM)], bare));
    expect(read[0]!.histograms[0]).toMatchObject({ count: 4, positive: { 0: 4 }, bounds: [] });
  });
});

function exponential(over: Partial<Extract<DistributionPoint, { type: 'exponential_histogram' }>> = {}) {
  return {
    type: 'exponential_histogram',
    count: 13n,
    sum: 30,
    scale: 1,
    zeroCount: 2n,
    zeroThreshold: 0,
    positive: { offset: 0, bucketCounts: [1n, 2n, 0n, 0n, 0n, 7n] },
    negative: { offset: -3, bucketCounts: [1n] },
    ...over,
  } as const;
}

describe('an exponential histogram', () => {
  test('is a native one', () => {
    const { series: read } = create().encode(points([series(EXPONENTIAL)], exponential()));
    expect(read[0]).toMatchObject({
      name: `http_size_bytes{${JOB}}`,
      type: 'HISTOGRAM',
      histograms: [
        {
          count: 13,
          sum: 30,
          schema: 1,
          zeroThreshold: 1e-128,
          zeroCount: 2,
          positive: { 1: 1, 2: 2, 6: 7 },
          negative: { [-2]: 1 },
          time_ms: TIME_MS,
          start_ms: START_MS,
        },
      ],
    });
  });

  test('of a finer scale than 8 is merged', () => {
    const fine = exponential({
      scale: 10,
      zeroCount: 0n,
      zeroThreshold: 0.25,
      count: 10n,
      positive: { offset: -5, bucketCounts: Array.from({ length: 10 }, () => 1n) },
      negative: { offset: 0, bucketCounts: [] },
    });
    const { series: read } = create().encode(points([series(EXPONENTIAL)], fine));
    // Buckets -5 … 4, four of them in one: -8…-5 | -4…-1 | 0…3 | 4…7, each called by one more.
    expect(read[0]!.histograms[0]).toMatchObject({
      schema: 8,
      zeroThreshold: 0.25,
      positive: { [-1]: 1, 0: 4, 1: 4, 2: 1 },
    });
  });

  test('is series of buckets where none shall be native', () => {
    const { series: read } = create({ native_histograms: 'none' }).encode(points([series(EXPONENTIAL)], exponential()));
    expect(namesOf(read).every((name) => /_(bucket|sum|count)\{/.test(name))).toBe(true);
  });

  test.each([
    ['fewer values than in its buckets has as many as these', { count: 5n }, 13],
    ['more, some of them no numbers, has all', { count: 20n, sum: NaN }, 20],
  ])('with %s', (_, over, expected) => {
    const { series: read } = create().encode(points([series(EXPONENTIAL)], exponential(over)));
    expect(read[0]!.histograms[0]!.count).toBe(expected);
  });

  test.each([
    ['more values than in its buckets', { count: 20n }],
    [
      'a count that no difference holds',
      { count: 2n ** 64n - 1n, sum: NaN, positive: { offset: 0, bucketCounts: [2n ** 63n] } },
    ],
    ['a scale that is none', { scale: 1.5 }],
  ])('with %s is dropped', (_, over) => {
    const { encode, dropped } = create();
    expect(encode(points([series(EXPONENTIAL)], exponential(over))).count).toBe(0);
    expect([...dropped]).toEqual([['invalid_point', 1]]);
  });
});

test('a summary is a series for each quantile, with sum and count', () => {
  const quantiles = [
    { quantile: 0.99, value: NaN },
    { quantile: 0.5, value: 2 },
  ];
  const { series: read, count } = create().encode(
    points([series(SUMMARY, { z: 1 })], { type: 'summary', count: 3n, sum: 6, quantiles }),
  );
  expect(count).toBe(1);
  expect(valuesOf(read)).toEqual({
    [`rpc_duration_seconds{${JOB},quantile="0.5",z="1"}`]: 2,
    [`rpc_duration_seconds{${JOB},quantile="0.99",z="1"}`]: NaN,
    [`rpc_duration_seconds_sum{${JOB},z="1"}`]: 6,
    [`rpc_duration_seconds_count{${JOB},z="1"}`]: 3,
  });
  expect(new Set(read.map(({ type }) => type))).toEqual(new Set(['SUMMARY']));
});

describe('a series that ended', () => {
  const ended = (layout: readonly Series[], more: Partial<MetricBatch> = {}): MetricBatch =>
    batch(
      layout,
      layout.map(() => NaN),
      { flags: Uint32Array.from(layout, () => NO_RECORDED_VALUE), ...more },
    );

  test('has a stale marker, which counts as its point', () => {
    const { series: read, count } = create().encode(ended([series(GAUGE), series(COUNTER)]));
    expect(count).toBe(2);
    expect(read.map(({ samples }) => samples)).toEqual([[['stale', TIME_MS, 0]], [['stale', TIME_MS, 0]]]);
  });

  test('has one for each series that it was, though the ended point does not say which', () => {
    const { encode } = create();
    const quantiles = [{ quantile: 0.5, value: 2 }];
    const layout = [series(HISTOGRAM), series(SUMMARY), series(EXPONENTIAL)];
    const before = encode(
      points(
        layout,
        { type: 'histogram', count: 6n, sum: 20, explicitBounds: [1, 5], bucketCounts: [1n, 2n, 3n] },
        { type: 'summary', count: 3n, sum: 6, quantiles },
        exponential(),
      ),
    );
    const after = encode(ended([series(HISTOGRAM), series(SUMMARY), series(EXPONENTIAL)]));
    expect(namesOf(after.series).sort()).toEqual(namesOf(before.series).sort());
    expect(after.count).toBe(3);
    for (const { samples, histograms } of after.series) {
      expect(samples[0]?.[0] ?? histograms[0]!.sum).toBe('stale');
    }
    // What was never heard of: only what there is in any case.
    expect(namesOf(encode(ended([series(HISTOGRAM)])).series)).toEqual([
      `http_duration_seconds_bucket{${JOB},le="+Inf"}`,
      `http_duration_seconds_sum{${JOB}}`,
      `http_duration_seconds_count{${JOB}}`,
    ]);
  });

  test('in the middle of a batch of several times is stale there', () => {
    const { encode } = create();
    const one = series(HISTOGRAM);
    const point = { type: 'histogram', count: 1n, sum: 1, explicitBounds: [1], bucketCounts: [1n, 0n] } as const;
    const { series: read } = encode(
      batch([one, one, one], [NaN, NaN, NaN], {
        points: [point, undefined, point],
        flags: Uint32Array.of(0, NO_RECORDED_VALUE, 0),
        times: BigUint64Array.of(TIME, TIME + 1_000_000n, TIME + 2_000_000n),
      }),
    );
    for (const { samples } of read) expect(samples.map(([value]) => value)).toEqual([1, 'stale', 1]);
  });
});

describe('a series that vanished from a collection', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((room) => series(GAUGE, { room })) as [Series, Series, Series];
  const at = (seconds: number): bigint => TIME + BigInt(seconds) * 1_000_000_000n;
  const collected = (layout: readonly Series[], seconds: number, receiver = 'r'): MetricBatch =>
    batch(
      layout,
      layout.map(() => 1),
      { time: at(seconds), collection: { receiver, onDemand: false } },
    );
  const rest = ({ rest: all }: { rest: readonly ReadSeries[] }) =>
    all.map(({ labels, samples }) => [labels['room'], samples[0]![0], samples[0]![1] - TIME_MS]);

  test('has a stale marker at the time of the first collection without it, in a request that counts no points', () => {
    const { encode } = create();
    expect(rest(encode(collected([a, b, c], 0)))).toEqual([]);
    expect(rest(encode(collected([a, c], 10)))).toEqual([]);
    const shown = encode(collected([a, c], 20));
    expect(rest(shown)).toEqual([['b', 'stale', 10_000]]);
    expect(shown.count).toBe(2);
    expect(rest(encode(collected([a, b, c], 30)))).toEqual([]);
    expect(rest(encode(collected([a, b, c], 40)))).toEqual([]);
  });

  test('has none where it was said to have ended', () => {
    const { encode } = create();
    encode(collected([a, b], 0));
    encode(collected([a], 10));
    encode(batch([b], [NaN], { time: at(10), flags: Uint32Array.of(NO_RECORDED_VALUE) }));
    expect(rest(encode(collected([a], 20)))).toEqual([]);
  });

  test('has none where another object goes on with the same labels, or another pipeline brings it', () => {
    const { encode } = create();
    encode(collected([a], 0));
    encode(collected([b], 0));
    encode(collected([a], 10));
    encode(collected([new Series(RESOURCE, SCOPE, GAUGE, { room: 'b' }, 0n)], 10));
    expect(rest(encode(collected([a], 20)))).toEqual([]);
    expect(rest(encode(collected([b], 20)))).toEqual([]);
  });

  test('has none where points were left out that could be expected, and one between whole collections again', () => {
    const { encode } = create();
    const thinned = (layout: readonly Series[], seconds: number): MetricBatch => ({
      ...collected(layout, seconds),
      collection: { receiver: 'r', onDemand: false, isThinned: true },
    });
    const turns = [collected([a, b], 0), thinned([a], 10), thinned([b], 20), collected([a], 30), collected([a], 40)];
    for (const turn of turns) expect(rest(encode(turn))).toEqual([]);
    encode(collected([a, b], 50));
    encode(collected([a], 60));
    expect(rest(encode(collected([a], 70)))).toEqual([['b', 'stale', 60_000]]);
  });

  test('is looked for among the series of its own receiver', () => {
    const { encode } = create();
    for (const turn of [0, 10, 20]) {
      expect(rest(encode(collected([a], turn)))).toEqual([]);
      expect(rest(encode(collected([b], turn, 'other')))).toEqual([]);
    }
  });
});

describe('target_info', () => {
  const infos = (all: readonly ReadSeries[]) =>
    all.map(({ name, samples, type }) => [name, samples[0]![0], samples[0]![1] - TIME_MS, type]);
  const at = (seconds: number): bigint => TIME + BigInt(seconds) * 1_000_000_000n;

  test('is there once a minute for each resource, and again in a batch that is encoded again', () => {
    const { encode } = create({ target_info: true, external_labels: { cluster: 'c1' } });
    const expected = [`target_info{cloud_region="eu",cluster="c1",${JOB}}`, 1];
    const layout = [series(GAUGE)];
    expect(infos(encode(batch(layout, [1])).rest)).toEqual([[...expected, 0, 'INFO']]);
    expect(infos(encode(batch(layout, [1])).rest)).toEqual([[...expected, 0, 'INFO']]);
    expect(infos(encode(batch(layout, [1], { time: at(59) })).rest)).toEqual([]);
    expect(infos(encode(batch(layout, [1], { time: at(60) })).rest)).toEqual([[...expected, 60_000, 'INFO']]);
    expect(infos(encode(batch(layout, [1], { time: at(30) })).rest)).toEqual([]);
  });

  test('is not there for a resource that says nothing but its name, or has none', () => {
    const { encode } = create({ target_info: true });
    const named: Resource = { attributes: { 'service.name': 'x', 'service.instance.id': 'y' }, schemaUrl: '' };
    const nameless: Resource = { attributes: { 'cloud.region': 'eu' }, schemaUrl: '' };
    expect(encode(batch([series(GAUGE, {}, named), series(GAUGE, { a: 1 }, nameless)], [1, 2])).rest).toEqual([]);
  });

  test('of another resource with the same identity waits until the first was silent, which then ends', () => {
    const { encode } = create({ target_info: true });
    const other: Resource = { ...RESOURCE, attributes: { ...RESOURCE.attributes, 'cloud.region': 'us' } };
    encode(batch([series(GAUGE)], [1]));
    expect(infos(encode(batch([series(GAUGE, {}, other)], [1], { time: at(61) })).rest)).toEqual([]);
    expect(infos(encode(batch([series(GAUGE, {}, other)], [1], { time: at(120) })).rest)).toEqual([
      [`target_info{cloud_region="us",${JOB}}`, 1, 120_000, 'INFO'],
      [`target_info{cloud_region="eu",${JOB}}`, 'stale', 120_000, 'INFO'],
    ]);
  });
});

describe('a request that is too large', () => {
  const layout = Array.from({ length: 100 }, (_, i) => series(COUNTER, { number: i }));

  test('is split, with the strings that each part needs, and no point is lost', () => {
    const { exporter, dropped } = create({ max_request_bytes: 600 });
    const payloads = exporter.encode(
      batch(
        layout,
        layout.map((_, i) => i),
      ),
    );
    expect(payloads.length).toBeGreaterThan(5);
    expect(Math.max(...payloads.map(({ body }) => body.byteLength))).toBeLessThanOrEqual(600);
    expect(payloads.flatMap(({ body }) => readVersion2(body)).map(({ samples }) => samples[0]![0])).toEqual(
      layout.map((_, i) => i),
    );
    for (const { body, count } of payloads) expect(readVersion2(body)).toHaveLength(count);
    expect(payloads.every(({ body }) => isCanonical('2.0', body))).toBe(true);
    expect(dropped.size).toBe(0);
  });

  test('loses, and counts, a point that alone is too large', () => {
    const { exporter, dropped } = create({ max_request_bytes: 600 });
    const payloads = exporter.encode(
      batch([layout[0]!, series(GAUGE, { long: 'x'.repeat(700) }), layout[1]!], [1, 2, 3]),
    );
    expect(payloads.reduce((sum, { count }) => sum + count, 0)).toBe(2);
    expect([...dropped]).toEqual([['too_large', 1]]);
  });

  test('keeps the series of one histogram together, and its exemplars', () => {
    const { exporter } = create();
    const point = {
      type: 'histogram',
      count: 6n,
      sum: 20,
      explicitBounds: [1, 5],
      bucketCounts: [1n, 2n, 3n],
    } as const;
    const exemplar = { value: 3, time: TIME, traceId: 'ab'.repeat(16), spanId: '', filteredAttributes: {} };
    const three = [1, 2, 3].map((n) => series(HISTOGRAM, { n }));
    const [whole] = exporter.encode({ ...points(three, point, point, point), exemplars: three.map(() => [exemplar]) });
    const parts = exporter.split!(whole!, 'metrics');
    expect(parts.map(({ count }) => count)).toEqual([2, 1]);
    expect(parts.flatMap(({ body }) => readVersion2(body))).toEqual(readVersion2(whole!.body));
  });

  test('that is one point stays as it is', () => {
    const { exporter } = create();
    const [payload] = exporter.encode(batch([series(GAUGE)], [1]));
    expect(exporter.split!(payload!, 'metrics')).toEqual([payload]);
  });

  test('that counts no points counts none in its parts', () => {
    const { exporter } = create({ target_info: true });
    const resources = [1, 2].map((n): Resource => ({ attributes: { 'host.name': `h${n}`, a: 'b' }, schemaUrl: '' }));
    const [, info] = exporter.encode(
      batch(
        resources.map((resource) => series(GAUGE, {}, resource)),
        [1, 2],
      ),
    );
    expect(exporter.split!(info!, 'metrics').map(({ count }) => count)).toEqual([0, 0]);
  });
});

test('whatever the batch, requests keep the rules, every row is in them or counted, and parts hold the whole', () => {
  fc.assert(
    fc.property(anyBatch, fc.constantFrom('exponential', 'all', 'none'), (given, native_histograms) => {
      const { exporter, dropped } = create({ native_histograms, target_info: true, scope_labels: true });
      // Once to compile, once to keep the template, once to use it.
      for (let turn = 1; turn <= 3; turn++) {
        const payloads = exporter.encode(given);
        const left = [...dropped.values()].reduce((sum, count) => sum + count, 0);
        expect(payloads.reduce((sum, { count }) => sum + count, 0) * turn + left).toBe(given.count * turn);
        for (const payload of payloads) {
          const read = readVersion2(payload.body);
          expect(isCanonical('2.0', payload.body)).toBe(true);
          const parts = exporter.split!(payload, 'metrics');
          expect(parts.flatMap(({ body }) => readVersion2(body))).toEqual(read);
          expect(parts.reduce((sum, { count }) => sum + count, 0)).toBe(payload.count);
        }
      }
    }),
    { numRuns: 100 },
  );
});

test.each(['not a URL', 'ftp://127.0.0.1/'])('the endpoint %j is refused', (endpoint) => {
  expect(() => create({ endpoint })).toThrow(ConfigError);
});

test('a header that says another version is refused', () => {
  expect(() => create({ headers: { 'X-Prometheus-Remote-Write-Version': '9' } })).toThrow(ConfigError);
});

test.each([
  ['2.0', '2.0'],
  [2, '2.0'],
  ['1.0', '1.0'],
  [1, '1.0'],
  [undefined, 'auto'],
])('protocol: %j, as YAML reads it, is %s', (protocol, expected) => {
  expect(v.parse(prometheusremotewrite.config, { protocol })).toMatchObject({ protocol: expected });
});

test.each([{ concurrency: 2 }, { order: 'fresh_first' }])('start warns of a queue with %j', async (queue) => {
  const { exporter, log } = create({ queue });
  await exporter.start!();
  expect(log.lines.map(({ message }) => message)).toEqual([expect.stringContaining('out of order')]);
  const inOrder = create();
  await inOrder.exporter.start!();
  expect(inOrder.log.lines).toEqual([]);
});
