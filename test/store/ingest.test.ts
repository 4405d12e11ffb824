import { expect, test } from 'vitest';
import type { Attributes } from '../../src/model/attributes.ts';
import { NO_RECORDED_VALUE, Series, type Metric, type MetricBatch, type Resource } from '../../src/model/batch.ts';
import { contentOf, START, storeAt, type Clock } from './store_at.ts';

const RESOURCE: Resource = { attributes: { 'service.name': 'sonde', 'host.name': 'h' }, schemaUrl: '' };
const SCOPE = { name: 'test', version: '0', attributes: {}, schemaUrl: '' };
const time = (ms: number): bigint => BigInt(ms) * 1_000_000n;

function metricOf(name: string, more: Partial<Metric> = {}): Metric {
  return {
    name,
    description: `About ${name}`,
    unit: '1',
    kind: 'gauge',
    isMonotonic: false,
    temporality: 'unspecified',
    valueType: 'double',
    ...more,
  };
}

function seriesOf(metric: Metric, attributes: Attributes = {}, resource = RESOURCE): Series {
  return new Series(resource, SCOPE, metric, attributes, 0n);
}

const counter = metricOf('disk.io', { unit: 'By', kind: 'sum', isMonotonic: true, temporality: 'cumulative' });
const load = metricOf('load', { unit: '{thread}' });

function batchOf(series: readonly Series[], values: readonly number[], ms: number, more: Partial<MetricBatch> = {}) {
  const batch: MetricBatch = {
    signal: 'metrics',
    count: series.length,
    series,
    values: Float64Array.from(values),
    time: time(ms),
    ...more,
  };
  return batch;
}

const collection = (receiver = 'disk', onDemand = false): Partial<MetricBatch> => ({
  collection: { receiver, onDemand, pipeline: 'metrics' },
});

function storeWithoutInfo(clock: Clock) {
  return storeAt(clock, { translation: { hasTargetInfo: false, ownResource: RESOURCE } });
}

test('consume keeps series under the names and labels of the Prometheus exporter', () => {
  const { store } = storeAt({ now: START }, { translation: { ownResource: RESOURCE, constant: { site: 'x' } } });
  const other: Resource = {
    attributes: { 'service.name': 'web', 'service.instance.id': 'i', 'os.type': 'linux' },
    schemaUrl: '',
  };
  const layout = [
    seriesOf(counter, { 'disk.device': 'sda', direction: '' }),
    seriesOf(counter, { 'disk.device': 'sda' }, other),
    seriesOf(load),
  ];
  expect(store.consume(batchOf(layout, [1, 2, 0.5], START)).size).toBe(0);
  store.consume(batchOf(layout, [3, 4, -0], START + 15_000));
  expect(contentOf(store)).toEqual({
    'disk_io_bytes_total{disk_device="sda",site="x"}': [
      [START, 1],
      [START + 15_000, 3],
    ],
    'disk_io_bytes_total{disk_device="sda",instance="i",job="web",site="x"}': [
      [START, 2],
      [START + 15_000, 4],
    ],
    'load{site="x"}': [
      [START, 0.5],
      [START + 15_000, -0],
    ],
    'target_info{host_name="h",service_name="sonde"}': [
      [START, 1],
      [START + 15_000, 1],
    ],
    'target_info{instance="i",job="web",os_type="linux"}': [
      [START, 1],
      [START + 15_000, 1],
    ],
  });
  expect(store.metadata()).toEqual([
    { name: 'disk_io_bytes_total', type: 'counter', help: 'About disk.io', unit: 'bytes' },
    { name: 'load', type: 'gauge', help: 'About load', unit: '' },
  ]);
});

test('consume keeps histograms and summaries as classic series, and ends buckets that there are no more', () => {
  const { store } = storeWithoutInfo({ now: START });
  const histogram = seriesOf(metricOf('d', { kind: 'histogram', temporality: 'cumulative', unit: 's' }));
  const summary = seriesOf(metricOf('q', { kind: 'summary', unit: '' }));
  const layout = [histogram, summary];
  const point = (explicitBounds: number[], bucketCounts: bigint[]) =>
    ({ type: 'histogram', count: 6n, sum: 2.5, explicitBounds, bucketCounts }) as const;
  const quantiles = { type: 'summary', count: 9n, sum: 4, quantiles: [{ quantile: 0.5, value: 0.1 }] } as const;
  store.consume(batchOf(layout, [NaN, NaN], START, { points: [point([0.25, 1], [1n, 2n, 3n]), quantiles] }));
  store.consume(batchOf(layout, [NaN, NaN], START + 1, { points: [point([1], [3n, 3n]), quantiles] }));
  const refused = store.consume(batchOf(layout, [NaN, NaN], START + 2, { points: [point([1], [3n]), undefined] }));
  expect([...refused]).toEqual([['invalid_point', 2]]);
  const twice = (value: number) => [
    [START, value],
    [START + 1, value],
  ];
  expect(contentOf(store)).toEqual({
    'd_seconds_bucket{le="0.25"}': [
      [START, 1],
      [START + 1, 'stale'],
    ],
    'd_seconds_bucket{le="1.0"}': twice(3),
    'd_seconds_bucket{le="+Inf"}': twice(6),
    'd_seconds_sum{}': twice(2.5),
    'd_seconds_count{}': twice(6),
    'q{quantile="0.5"}': twice(0.1),
    'q_sum{}': twice(4),
    'q_count{}': twice(9),
  });
  expect(store.metadata().map(({ name, type }) => [name, type])).toEqual([
    ['d_seconds', 'histogram'],
    ['q', 'summary'],
  ]);
});

test('consume keeps exponential histograms as native ones, as fine as Prometheus has them', () => {
  const { store } = storeWithoutInfo({ now: START });
  const layout = [seriesOf(metricOf('d', { kind: 'exponential_histogram', temporality: 'cumulative', unit: 's' }))];
  const point = {
    type: 'exponential_histogram',
    count: 10n,
    sum: 3,
    scale: 9,
    zeroCount: 1n,
    zeroThreshold: 0,
    positive: { offset: -3, bucketCounts: [1n, 2n, 0n, 3n] },
    negative: { offset: 0, bucketCounts: [3n] },
  } as const;
  store.consume(batchOf(layout, [NaN], START, { points: [point] }));
  expect(contentOf(store)).toEqual({
    'd_seconds{}': [
      [
        START,
        {
          schema: 8,
          count: 10,
          sum: 3,
          zeroThreshold: 1e-128,
          zeroCount: 1,
          // Buckets -3 to 0 of twice the resolution: two by two, and one further.
          positive: { indexes: Int32Array.of(-1, 0, 1), counts: Float64Array.of(1, 2, 3) },
          negative: { indexes: Int32Array.of(1), counts: Float64Array.of(3) },
          counterReset: 'unknown',
        },
      ],
    ],
  });
  const wrong = { ...point, count: 11n };
  expect([...store.consume(batchOf(layout, [NaN], START + 1, { points: [wrong] }))]).toEqual([['invalid_point', 1]]);
});

test('consume marks series that ended, by a flag or because a collection has them no more, once', () => {
  const { store } = storeWithoutInfo({ now: START });
  const [a, b, c] = ['a', 'b', 'c'].map((device) => seriesOf(counter, { device }));
  const layout = [a!, b!, c!];
  store.consume(batchOf(layout, [1, 1, 1], START, collection()));
  // Another receiver's collection ends nothing of this one.
  store.consume(batchOf([seriesOf(load)], [1], START, collection('load')));
  store.consume(batchOf([a!, seriesOf(counter, { device: 'c' })], [2, 2], START + 1, collection()));
  const ended = { flags: Uint32Array.of(NO_RECORDED_VALUE, NO_RECORDED_VALUE) };
  store.consume(batchOf([b!, seriesOf(counter, { device: 'a' })], [NaN, NaN], START + 1, ended));
  store.consume(batchOf([b!, seriesOf(counter, { device: 'a' })], [NaN, NaN], START + 2, ended));
  store.consume(batchOf([seriesOf(counter, { device: 'never' })], [NaN], START + 2, ended));
  store.consume(batchOf(layout, [4, 4, 4], START + 3, collection()));
  expect(contentOf(store)).toEqual({
    'disk_io_bytes_total{device="a"}': [
      [START, 1],
      [START + 1, 2],
      [START + 2, 'stale'],
      [START + 3, 4],
    ],
    'disk_io_bytes_total{device="b"}': [
      [START, 1],
      [START + 1, 'stale'],
      [START + 3, 4],
    ],
    'disk_io_bytes_total{device="c"}': [
      [START, 1],
      [START + 1, 2],
      [START + 3, 4],
    ],
    'load{}': [[START, 1]],
  });
});

test('consume ignores what was collected on demand', () => {
  const { store } = storeWithoutInfo({ now: START });
  store.consume(batchOf([seriesOf(load)], [1], START, collection('load', true)));
  expect(store.figures().series).toBe(0);
});

test('consume refuses deltas, names of nothing, and what is out of order, with a count for each', () => {
  const clock = { now: START };
  const { store } = storeWithoutInfo(clock);
  const layout = [
    seriesOf({ ...counter, temporality: 'delta' }),
    seriesOf(metricOf('***', { unit: '' })),
    seriesOf(load),
    seriesOf(load, { n: 1 }),
  ];
  const consume = (values: number[], ms: number) => Object.fromEntries(store.consume(batchOf(layout, values, ms)));
  const always = { delta_temporality: 1, invalid_name: 1 };
  expect(consume([1, 1, 1, 1], START)).toEqual(always);
  expect(consume([1, 1, 1, 2], START)).toEqual({ ...always, duplicate_time: 1 });
  expect(consume([1, 1, 1, 2], START - 1)).toEqual({ ...always, out_of_order: 2 });
  expect(consume([1, 1, 1, 2], START - 1e9)).toEqual({ too_old: 4 });
  expect(consume([1, 1, 1, 2], START + 1e9)).toEqual({ too_far_ahead: 4 });
  expect(contentOf(store)).toEqual({ 'load{}': [[START, 1]], 'load{n="1"}': [[START, 1]] });
});

test('consume begins series anew that are ahead of a clock that was set back', () => {
  const clock = { now: START };
  const { store } = storeWithoutInfo(clock);
  const layout = [seriesOf(load), seriesOf(metricOf('flat', { unit: '' }))];
  const consume = (ms: number) => Object.fromEntries(store.consume(batchOf(layout, [ms, 1], START + ms)));
  for (let ms = 0; ms < 200_000; ms += 1000) expect(consume(ms)).toEqual({});
  // By so little that it may as well be a sender's disorder.
  clock.now = START + 170_000;
  expect(consume(170_000)).toEqual({ out_of_order: 2 });
  clock.now = START - 1_800_000;
  expect(consume(-1_800_000)).toEqual({});
  expect(consume(-1_799_000)).toEqual({});
  expect(store.append(new Map([['__name__', 'load']]), START - 1_798_000, 7)).toBeUndefined();
  expect(contentOf(store)['load{}']).toEqual([
    [START - 1_800_000, -1_800_000],
    [START - 1_799_000, -1_799_000],
    [START - 1_798_000, 7],
  ]);
});

test('consume keeps the time of each row to the millisecond, at the very edge of one too', () => {
  const { store } = storeWithoutInfo({ now: START });
  const layout = [0, 1, 2].map((n) => seriesOf(load, { n }));
  const times = BigUint64Array.of(time(START) - 1n, time(START), time(START) + 999_999n);
  store.consume(batchOf(layout, [1, 2, 3], START, { times }));
  expect(contentOf(store)).toEqual({
    'load{n="0"}': [[START - 1, 1]],
    'load{n="1"}': [[START, 2]],
    'load{n="2"}': [[START, 3]],
  });
});

test('consume holds one series for the same labels, whichever layout or source they come in', () => {
  const { store } = storeWithoutInfo({ now: START });
  for (let i = 0; i < 5; i++) store.consume(batchOf([seriesOf(load, { n: 1 })], [i], START + i));
  const layout = [seriesOf(load, { n: 2 }), seriesOf(load, { n: 1 })];
  for (let i = 5; i < 8; i++) store.consume(batchOf(layout, [0, i], START + i, collection()));
  expect(contentOf(store)['load{n="1"}']).toEqual(Array.from({ length: 8 }, (_, i) => [START + i, i]));
  expect(store.figures().series).toBe(2);
});

test('consume counts what finds no room, and takes it when there is', () => {
  const clock = { now: START };
  const { store } = storeAt(clock, { max_series: 2, translation: { hasTargetInfo: false } });
  const layout = [0, 1, 2, 3].map((n) => seriesOf(load, { n }));
  const consume = (some: Series[]) => [
    ...store.consume(
      batchOf(
        some,
        some.map(() => 1),
        clock.now,
      ),
    ),
  ];
  expect(consume(layout)).toEqual([['series_limit', 2]]);
  clock.now += 1000;
  expect(consume(layout)).toEqual([['series_limit', 2]]);
  // Far later the first two are forgotten, and other series have their places.
  clock.now += 7_200_000;
  consume([]);
  store.select([], 0, 1);
  expect(consume(layout.slice(2))).toEqual([]);
  expect(consume(layout)).toEqual([['series_limit', 2]]);
  expect(Object.keys(contentOf(store)).length).toBe(2);
});
