import { describe, expect, it } from 'vitest';
import { createEngine, type QueryResult } from '../../src/promql/engine.ts';
import { labelsText } from '../../src/promql/labels.ts';
import { load } from '../support/queryable.ts';

const series = load(`
  # every 15 s from 0 to 1500 s
  requests_total{job="api",instance="0",zone="a"} 0+10x100
  requests_total{job="api",instance="1",zone="b"} 0+20x100
  requests_total{job="db",instance="0",zone="a"}  0+30x50 stale _x10 0+5x30
  capacity{job="api"} 1000x100
  capacity{job="db"} 500x100
  version{job="api",version="1.2"} 1x100
  temperature{room="x"} 21.5x100
  temperature{room="y"} NaNx100
  temperature{room="z"} Infx100
  gone 7 stale
  late _x80 5x20
  latency {{schema:0 sum:5 count:4 buckets:[1 2 1]}}x100
  mixed{kind="float"} 3x100
  mixed{kind="histogram"} {{schema:0 sum:5 count:4 buckets:[1 2 1]}}x100
  custom{kind="a"} {{schema:-53 sum:1 count:1 custom_values:[5 10] buckets:[1]}}x100
  custom{kind="b"} {{schema:0 sum:1 count:1 buckets:[1]}}x100
  big{i="0"} 1.7e308x100
  big{i="1"} 1.7e308x100
  tiny{i="0"} 1e100x100
  tiny{i="1"} 1x100
  tiny{i="2"} -1e100x100
`);
const engine = createEngine({ queryable: series });

function rowsOf(result: QueryResult): Record<string, number | string> {
  if (result.type === 'scalar' || result.type === 'string') return { [result.type]: result.value };
  if (result.type === 'matrix') {
    return Object.fromEntries(
      result.rows.map(({ labels, times, values }) => [
        labelsText(labels),
        times.map((time, row) => `${time / 1000}:${values[row]!}`).join(' '),
      ]),
    );
  }
  return Object.fromEntries(
    result.rows.map(({ labels, value, histogram }) => [
      labelsText(labels),
      histogram === undefined ? value : `${histogram.count}/${histogram.sum}`,
    ]),
  );
}

function at(query: string, seconds = 1500): Record<string, number | string> {
  return rowsOf(engine.instant(query, seconds * 1000));
}

describe('createEngine instant', () => {
  it.each([
    ['1 + 2 * 3 ^ 2 % 4', { scalar: 3 }],
    ['-5 % 3', { scalar: -2 }],
    ['1 / 0', { scalar: Infinity }],
    ['1 ^ NaN', { scalar: 1 }],
    ['(-1) ^ Inf', { scalar: 1 }],
    ['1 >= bool 1', { scalar: 1 }],
    ['1 atan2 1', { scalar: Math.PI / 4 }],
    ['"text"', { string: 'text' }],
    ['5m', { scalar: 300 }],
  ])('createEngine computes %s', (query, expected) => {
    expect(at(query)).toEqual(expected);
  });

  it.each([
    ['capacity{job="api"}', { '{__name__="capacity", job="api"}': 1000 }],
    ['{job=~"a.*", __name__="capacity"}', { '{__name__="capacity", job="api"}': 1000 }],
    ['capacity{job=~"ap"}', {}],
    ['capacity{job!~"api|x"}', { '{__name__="capacity", job="db"}': 500 }],
    ['capacity{zone=""} > 600', { '{__name__="capacity", job="api"}': 1000 }],
    ['gone', {}],
    [
      'requests_total{instance="1"} offset 10m',
      { '{__name__="requests_total", instance="1", job="api", zone="b"}': 1200 },
    ],
    ['requests_total{instance="1"} @ 30', { '{__name__="requests_total", instance="1", job="api", zone="b"}': 40 }],
    [
      'requests_total{instance="1"} @ 30 offset -30s',
      { '{__name__="requests_total", instance="1", job="api", zone="b"}': 80 },
    ],
    ['timestamp(capacity{job="api"} offset 1m)', { '{job="api"}': 1440 }],
  ])('createEngine selects %s', (query, expected) => {
    expect(at(query)).toEqual(expected);
  });

  it('createEngine leaves out a sample that is exactly as old as the lookback', () => {
    expect(at('capacity{job="api"}', 1800 - 0.001)).not.toEqual({});
    expect(at('capacity{job="api"}', 1800)).toEqual({});
  });

  it('createEngine ends a series at its mark', () => {
    expect(at('requests_total{job="db"}', 764)).toEqual({
      '{__name__="requests_total", instance="0", job="db", zone="a"}': 1500,
    });
    expect(at('requests_total{job="db"}', 765)).toEqual({});
    expect(at('gone', 14.9)).toEqual({ '{__name__="gone"}': 7 });
  });

  it('createEngine takes ranges open on the left, without marks', () => {
    expect(at('count_over_time(capacity{job="api"}[1m])')).toEqual({ '{job="api"}': 4 });
    expect(at('requests_total{job="db"}[45s]', 780)).toEqual({
      '{__name__="requests_total", instance="0", job="db", zone="a"}': '750:1500',
    });
    expect(at('capacity{job="api"}[30s] offset 15s')).toEqual({
      '{__name__="capacity", job="api"}': '1470:1000 1485:1000',
    });
  });

  it.each([
    [
      'requests_total{job="api"} / 10',
      { '{instance="0", job="api", zone="a"}': 100, '{instance="1", job="api", zone="b"}': 200 },
    ],
    ['10 < capacity', { '{__name__="capacity", job="api"}': 1000, '{__name__="capacity", job="db"}': 500 }],
    ['capacity > bool 600', { '{job="api"}': 1, '{job="db"}': 0 }],
    ['-capacity', { '{job="api"}': -1000, '{job="db"}': -500 }],
    ['capacity == temperature', {}],
    ['capacity - capacity', { '{job="api"}': 0, '{job="db"}': 0 }],
    ['capacity == capacity', { '{__name__="capacity", job="api"}': 1000, '{__name__="capacity", job="db"}': 500 }],
    ['capacity == on(job) capacity', { '{job="api"}': 1000, '{job="db"}': 500 }],
    ['capacity != bool capacity', { '{job="api"}': 0, '{job="db"}': 0 }],
    [
      'requests_total / on(job) group_left capacity',
      {
        '{instance="0", job="api", zone="a"}': 1,
        '{instance="1", job="api", zone="b"}': 2,
        '{instance="0", job="db", zone="a"}': 150 / 500,
      },
    ],
    ['capacity * on(job) group_left(version) version', { '{job="api", version="1.2"}': 1000 }],
    ['version * on(job) group_right(version) capacity', { '{job="api", version="1.2"}': 1000 }],
    ['sum by (job) (requests_total) / ignoring(x) capacity', { '{job="api"}': 3, '{job="db"}': 0.3 }],
    ['capacity and on(job) version', { '{__name__="capacity", job="api"}': 1000 }],
    ['capacity unless on(job) version', { '{__name__="capacity", job="db"}': 500 }],
    [
      'version or capacity',
      {
        '{__name__="version", job="api", version="1.2"}': 1,
        '{__name__="capacity", job="api"}': 1000,
        '{__name__="capacity", job="db"}': 500,
      },
    ],
    [
      'version or on(job) capacity',
      { '{__name__="version", job="api", version="1.2"}': 1, '{__name__="capacity", job="db"}': 500 },
    ],
    ['latency * 2', { '{}': '8/10' }],
    ['latency + latency', { '{}': '8/10' }],
    ['latency == latency', { '{__name__="latency"}': '4/5' }],
  ])('createEngine applies operators: %s', (query, expected) => {
    expect(at(query)).toEqual(expected);
  });

  it.each([
    ['sum(requests_total)', { '{}': 3150 }],
    ['sum by (job) (requests_total)', { '{job="api"}': 3000, '{job="db"}': 150 }],
    ['sum without (instance, zone) (requests_total)', { '{job="api"}': 3000, '{job="db"}': 150 }],
    ['avg(capacity)', { '{}': 750 }],
    ['min(temperature)', { '{}': 21.5 }],
    ['max(temperature)', { '{}': Infinity }],
    ['sum(temperature)', { '{}': Number.NaN }],
    ['count by (nothing) (capacity)', { '{}': 2 }],
    ['group(capacity)', { '{}': 1 }],
    ['stddev(capacity)', { '{}': 250 }],
    ['stdvar(capacity)', { '{}': 62_500 }],
    ['quantile(0.25, capacity)', { '{}': 625 }],
    ['quantile(2, capacity)', { '{}': Infinity }],
    ['topk(1, capacity)', { '{__name__="capacity", job="api"}': 1000 }],
    [
      'bottomk by (zone) (1, requests_total)',
      {
        '{__name__="requests_total", instance="0", job="db", zone="a"}': 150,
        '{__name__="requests_total", instance="1", job="api", zone="b"}': 2000,
      },
    ],
    ['topk(0, capacity)', {}],
    ['count_values("value", requests_total)', { '{value="1000"}': 1, '{value="2000"}': 1, '{value="150"}': 1 }],
    ['count_values by (job) ("value", capacity > 600)', { '{job="api", value="1000"}': 1 }],
    ['sum(big)', { '{}': Infinity }],
    ['avg(big)', { '{}': 1.7e308 }],
    ['sum(tiny)', { '{}': 1 }],
    ['sum(latency)', { '{}': '4/5' }],
    ['avg(latency)', { '{}': '4/5' }],
    ['count(mixed)', { '{}': 2 }],
    ['sum(mixed)', {}],
    ['max(mixed)', { '{}': 3 }],
    ['sum(custom)', {}],
    ['count_values("value", latency)', { '{value="{count:4, sum:5, (0.5,1]:1, (1,2]:2, (2,4]:1}"}': 1 }],
    ['sum(capacity) by (job) > 600', { '{job="api"}': 1000 }],
  ])('createEngine aggregates: %s', (query, expected) => {
    expect(at(query)).toEqual(expected);
  });

  it('createEngine gives topk the best first, NaN last', () => {
    expect(Object.values(at('topk(5, temperature)'))).toEqual([Infinity, 21.5, Number.NaN]);
    expect(Object.values(at('bottomk(5, temperature)'))).toEqual([21.5, Infinity, Number.NaN]);
  });

  it.each([
    ['sum(mixed)', 'PromQL warning: encountered a mix of histograms and floats for aggregation (1:5)'],
    [
      'sum(custom)',
      'PromQL warning: vector contains a mix of histograms with exponential and custom buckets schemas for metric name "custom" (1:5)',
    ],
    ['max(mixed)', 'PromQL info: ignored histogram in max aggregation (1:5)'],
    [
      'latency + 1',
      'PromQL info: incompatible sample types encountered for binary operator "+": histogram + float (1:1)',
    ],
    [
      '1 / latency',
      'PromQL info: incompatible sample types encountered for binary operator "/": float / histogram (1:1)',
    ],
    [
      'custom + ignoring(kind) group_left() custom{kind="b"}',
      'PromQL warning: incompatible bucket layout encountered for binary operator + (1:1)',
    ],
    ['quantile(1.5, capacity)', 'PromQL warning: quantile value should be between 0 and 1, got 1.5 (1:10)'],
    [
      'rate(capacity[1m])',
      'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "capacity" (1:6)',
    ],
  ])('createEngine remarks on %s', (query, remark) => {
    const { warnings, infos } = engine.instant(query, 1_500_000);
    expect([...warnings, ...infos]).toEqual([remark]);
  });

  it.each([
    [
      'capacity + on() requests_total',
      'found duplicate series for the match group {} on the right hand-side of the operation: [{__name__="requests_total", instance="1", job="api", zone="b"}, {__name__="requests_total", instance="0", job="api", zone="a"}];many-to-many matching not allowed: matching labels must be unique on one side',
    ],
    [
      'capacity * on() group_right version',
      'found duplicate series for the match group {} on the left hand-side of the operation: [{__name__="capacity", job="db"}, {__name__="capacity", job="api"}];many-to-many matching not allowed: matching labels must be unique on one side',
    ],
    [
      'requests_total * on(job) version',
      'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)',
    ],
    [
      'requests_total * on(job) group_left(instance, zone) version',
      'multiple matches for labels: grouping labels must ensure unique matches',
    ],
    ['abs({__name__=~"big|tiny"})', 'vector cannot contain metrics with the same labelset'],
    ['rate({__name__=~"big|tiny"}[1m])', 'vector cannot contain metrics with the same labelset'],
    ['label_replace(capacity, "job", "x", "", "")', 'vector cannot contain metrics with the same labelset'],
    ['topk(NaN, capacity)', 'Scalar value NaN overflows int64'],
    ['topk(1e30, capacity)', 'Scalar value 1000000000000000000000000000000 overflows int64'],
  ])('createEngine refuses %s', (query, message) => {
    expect(() => at(query)).toThrow(expect.objectContaining({ reason: 'execution', message }));
  });
});

describe('createEngine range', () => {
  const over = (query: string, from: number, to: number, step: number): Record<string, number | string> =>
    rowsOf(engine.range(query, from * 1000, to * 1000, step * 1000));

  it.each([
    ['time()', { '{}': '0:0 600:600 1200:1200' }],
    ['late', { '{__name__="late"}': '1200:5' }],
    [
      'requests_total{job="db"}',
      { '{__name__="requests_total", instance="0", job="db", zone="a"}': '0:0 600:1200 1200:90' },
    ],
    ['capacity{job="db"} @ start()', { '{__name__="capacity", job="db"}': '0:500 600:500 1200:500' }],
    [
      'requests_total{instance="1"} @ end()',
      { '{__name__="requests_total", instance="1", job="api", zone="b"}': '0:1600 600:1600 1200:1600' },
    ],
    [
      'requests_total{instance="1"} offset -300s',
      { '{__name__="requests_total", instance="1", job="api", zone="b"}': '0:400 600:1200 1200:2000' },
    ],
    [
      'max_over_time(requests_total{instance="1"}[5m:70s])',
      { '{instance="1", job="api", zone="b"}': '0:0 600:740 1200:1580' },
    ],
    [
      'max_over_time(requests_total{instance="1"}[5m:70s] @ 600)',
      { '{instance="1", job="api", zone="b"}': '0:740 600:740 1200:740' },
    ],
    ['count_values("v", late)', { '{v="5"}': '1200:1' }],
    ['absent(late)', { '{}': '0:1 600:1' }],
    ['late or vector(0)', { '{__name__="late"}': '1200:5', '{}': '0:0 600:0' }],
  ])('createEngine steps through %s', (query, expected) => {
    expect(over(query, 0, 1200, 600)).toEqual(expected);
  });

  it('createEngine orders series by their labels', () => {
    expect(Object.keys(over('requests_total or capacity', 0, 60, 60))).toEqual([
      '{__name__="capacity", job="api"}',
      '{__name__="capacity", job="db"}',
      '{__name__="requests_total", instance="0", job="api", zone="a"}',
      '{__name__="requests_total", instance="0", job="db", zone="a"}',
      '{__name__="requests_total", instance="1", job="api", zone="b"}',
    ]);
  });

  it('createEngine refuses series that become one, be it at different steps', () => {
    expect(() => over('last_over_time({__name__=~"gone|late"}[1m])', 0, 1500, 60)).not.toThrow();
    expect(() => over('sum_over_time({__name__=~"gone|late"}[1m])', 0, 1500, 60)).toThrow(
      'vector cannot contain metrics with the same labelset',
    );
    expect(() => over('-{__name__=~"gone|late"}', 0, 1500, 60)).toThrow(
      'vector cannot contain metrics with the same labelset',
    );
  });

  it('createEngine evaluates subqueries at multiples of their step', () => {
    expect(at('capacity{job="api"}[2m:50s]', 1234)).toEqual({
      '{__name__="capacity", job="api"}': '1150:1000 1200:1000',
    });
    expect(at('capacity{job="api"}[100s:50s]', 1200)).toEqual({
      '{__name__="capacity", job="api"}': '1150:1000 1200:1000',
    });
    expect(at('time()[1m:20s]'.replace('time()', 'vector(time())'), 100)).toEqual({ '{}': '60:60 80:80 100:100' });
  });

  it('createEngine takes the default step where a subquery has none', () => {
    const coarse = createEngine({ queryable: series, subqueryStep_ms: 100_000 });
    expect(rowsOf(coarse.instant('capacity{job="db"}[5m:]', 1_000_000))).toEqual({
      '{__name__="capacity", job="db"}': '800:500 900:500 1000:500',
    });
    expect(at('count_over_time(capacity{job="db"}[5m:])')).toEqual({ '{job="db"}': 5 });
  });
});
