import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DoubleValue } from '../../../src/model/attributes.ts';
import { NO_RECORDED_VALUE, Series, type Entity, type Metric, type MetricBatch } from '../../../src/model/batch.ts';
import { decodeMetrics } from '../../../src/model/otlp/decode_metrics.ts';
import { encodeMetrics } from '../../../src/model/otlp/encode_metrics.ts';
import { decodeMetricsJson, encodeMetricsJson } from '../../../src/model/otlp/json.ts';
import { metricBatch, numberBatch, rowsOf } from './arbitraries.ts';
import { MetricsRequest, otlpJsonOf, parseJson, reencode } from './oracle.ts';

const resource = { attributes: { 'service.name': 'sonde' }, schemaUrl: 'https://opentelemetry.io/schemas/1.44.0' };
const scope = { name: 'memory', version: '1', attributes: {}, schemaUrl: '' };
const usage: Metric = {
  name: 'system.memory.usage',
  description: 'Bytes in use',
  unit: 'By',
  kind: 'sum',
  isMonotonic: false,
  temporality: 'cumulative',
  valueType: 'int',
};

function batchOf(series: readonly Series[], values: readonly number[], more: Partial<MetricBatch> = {}): MetricBatch {
  return { signal: 'metrics', count: series.length, series, values: Float64Array.from(values), time: 9n, ...more };
}

describe('decodeMetrics', { timeout: 60_000 }, () => {
  test('decodeMetrics gives back what encodeMetrics was given', () => {
    fc.assert(
      fc.property(metricBatch, (batch) => {
        expect(rowsOf(decodeMetrics(encodeMetrics(batch)))).toEqual(rowsOf(batch));
      }),
    );
  });

  test('decodeMetrics reads what protobufjs wrote', () => {
    fc.assert(
      fc.property(metricBatch, (batch) => {
        expect(rowsOf(decodeMetrics(reencode(MetricsRequest, encodeMetrics(batch))))).toEqual(rowsOf(batch));
      }),
    );
  });

  test('decodeMetrics puts every field of every kind of point where it belongs', () => {
    const head = { startTimeUnixNano: '1', timeUnixNano: '2', attributes: [{ key: 'k', value: { stringValue: 'v' } }] };
    const exemplar = {
      timeUnixNano: '3',
      asInt: '-4',
      traceId: '0102030405060708090a0b0c0d0e0f10',
      spanId: 'a1a2a3a4a5a6a7a8',
      filteredAttributes: [{ key: 'f', value: { boolValue: true } }],
    };
    const histogram = { count: '6', sum: 7.5, bucketCounts: ['1', '5'], explicitBounds: [0.5], min: 0.25, max: 8.5 };
    const exponential = {
      count: '9',
      sum: 1.5,
      min: -2.5,
      max: 3.5,
      scale: -1,
      zeroCount: '2',
      zeroThreshold: 0.125,
      positive: { offset: -3, bucketCounts: ['4'] },
      negative: { offset: 5, bucketCounts: ['1', '2'] },
    };
    const summary = { count: '3', sum: 4.5, quantileValues: [{ quantile: 0.5, value: 1.25 }] };
    const data = [
      { gauge: { dataPoints: [{ ...head, asDouble: 0.5, exemplars: [exemplar] }] } },
      { sum: { dataPoints: [{ ...head, asInt: '-5' }], aggregationTemporality: 1, isMonotonic: true } },
      { histogram: { dataPoints: [{ ...head, ...histogram, exemplars: [exemplar] }], aggregationTemporality: 2 } },
      { exponentialHistogram: { dataPoints: [{ ...head, ...exponential, flags: 1 }], aggregationTemporality: 1 } },
      { summary: { dataPoints: [{ ...head, ...summary }] } },
    ];
    const metrics = data.map((one, index) => ({
      name: `m${index}`,
      description: 'd',
      unit: 's',
      metadata: [],
      ...one,
    }));
    const json = Buffer.from(JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics }] }] }));
    const decoded = decodeMetricsJson(json);
    const expectedExemplar = {
      time: 3n,
      value: -4n,
      filteredAttributes: { f: true },
      traceId: exemplar.traceId,
      spanId: exemplar.spanId,
    };
    expect(decoded.series.map((one) => [one.metric.kind, one.metric.temporality, one.metric.isMonotonic])).toEqual([
      ['gauge', 'unspecified', false],
      ['sum', 'delta', true],
      ['histogram', 'cumulative', false],
      ['exponential_histogram', 'delta', false],
      ['summary', 'unspecified', false],
    ]);
    for (const one of decoded.series) {
      expect(one).toMatchObject({ attributes: { k: 'v' }, startTime: 1n, metric: { description: 'd', unit: 's' } });
    }
    expect(decoded.series[1]?.metric.name).toBe('m1');
    expect(decoded.time).toBe(2n);
    expect([...decoded.values]).toEqual([0.5, -5, Number.NaN, Number.NaN, Number.NaN]);
    expect(decoded.series.map((one) => one.metric.valueType).slice(0, 2)).toEqual(['double', 'int']);
    expect(decoded.flags).toEqual(Uint32Array.of(0, 0, 0, 1, 0));
    expect(decoded.exemplars).toEqual([[expectedExemplar], undefined, [expectedExemplar], undefined, undefined]);
    expect(decoded.points).toEqual([
      undefined,
      undefined,
      { type: 'histogram', ...histogram, count: 6n, bucketCounts: [1n, 5n] },
      {
        type: 'exponential_histogram',
        ...exponential,
        count: 9n,
        zeroCount: 2n,
        positive: { offset: -3, bucketCounts: [4n] },
        negative: { offset: 5, bucketCounts: [1n, 2n] },
      },
      { type: 'summary', count: 3n, sum: 4.5, quantiles: [{ quantile: 0.5, value: 1.25 }] },
    ]);
  });

  test('decodeMetrics makes one object of equal resources, scopes and metrics', () => {
    const series = [1, 2].map((cpu) => new Series({ ...resource }, { ...scope }, { ...usage }, { cpu }, 0n));
    const message = Buffer.concat(series.map((one) => encodeMetrics(batchOf([one], [1]))));
    const [first, second] = decodeMetrics(message).series;
    expect(second?.resource).toBe(first?.resource);
    expect(second?.scope).toBe(first?.scope);
    expect(second?.metric).toBe(first?.metric);
  });

  test('decodeMetrics reads integers and doubles of one metric as two metrics', () => {
    const double: Metric = { ...usage, valueType: 'double' };
    const series = [usage, double].map((metric) => new Series(resource, scope, metric, {}, 0n));
    const decoded = decodeMetrics(encodeMetrics(batchOf(series, [1, 1])));
    expect(decoded.series.map(({ metric }) => metric.valueType)).toEqual(['int', 'double']);
  });

  test('decodeMetrics marks a number point without a value as one without a value', () => {
    const bytes = MetricsRequest.encode(
      MetricsRequest.fromObject({
        resourceMetrics: [
          { scopeMetrics: [{ metrics: [{ name: 'x', gauge: { dataPoints: [{ timeUnixNano: 5 }] } }] }] },
        ],
      }),
    ).finish();
    const decoded = decodeMetrics(bytes);
    expect(decoded.flags?.[0]).toBe(NO_RECORDED_VALUE);
    expect(decoded.values[0]).toBeNaN();
  });

  test('decodeMetrics of nothing is an empty batch', () => {
    expect(decodeMetrics(new Uint8Array(0))).toMatchObject({ count: 0, series: [], time: 0n });
  });
});

describe('encodeMetrics', { timeout: 60_000 }, () => {
  test('encodeMetrics writes the same bytes whether it renders a layout or patches its template', () => {
    fc.assert(
      fc.property(numberBatch, numberBatch, (batch, other) => {
        const rendered = encodeMetrics(batch);
        const templated = encodeMetrics(batch);
        // Other values in between must leave no trace in the template.
        const values = batch.values.map((_, row) => other.values[row] ?? 0.5);
        const times = BigUint64Array.from(batch.values, (_, row) => BigInt(row));
        encodeMetrics({ ...batch, values, times, exactValues: new Map() });
        expect(Buffer.compare(templated, rendered)).toBe(0);
        expect(Buffer.compare(encodeMetrics(batch), rendered)).toBe(0);
      }),
    );
  });

  test('encodeMetrics patches values, times and exact values of rows in any order', () => {
    const names = ['a', 'b', 'a', 'b', 'a'];
    const metrics: Record<string, Metric> = {
      a: { ...usage, name: 'a' },
      b: { ...usage, name: 'b', valueType: 'double' },
    };
    // The first metric has more than 127 bytes of points, the second fewer, so that lengths differ in width.
    const series = names.map((name, row) => {
      return new Series(
        resource,
        scope,
        metrics[name] as Metric,
        { row, ...(name === 'a' && { filler: 'x'.repeat(90) }) },
        3n,
      );
    });
    const layout = batchOf(series, [0, 0, 0, 0, 0]);
    encodeMetrics(layout);
    encodeMetrics(layout);
    const changed = {
      ...layout,
      values: Float64Array.from([-1, 2.5, Number(2n ** 62n), -0, Number.MIN_SAFE_INTEGER]),
      times: BigUint64Array.from([1n, 2n, 2n ** 64n - 1n, 4n, 5n]),
      exactValues: new Map([[2, 2n ** 62n + 1n]]),
    };
    expect(rowsOf(decodeMetrics(encodeMetrics(changed)))).toEqual(rowsOf(changed));
  });

  test('encodeMetrics hands out bytes that later calls do not change', () => {
    const layout = batchOf([new Series(resource, scope, usage, {}, 0n)], [1]);
    const kept = [encodeMetrics(layout), encodeMetrics(layout), encodeMetrics(layout)];
    encodeMetrics({ ...layout, values: Float64Array.of(7), time: 8n });
    for (const bytes of kept) expect(rowsOf(decodeMetrics(bytes))).toEqual(rowsOf(layout));
  });

  test('encodeMetrics writes a fraction of an integer metric as the double that it is', () => {
    const layout = batchOf([new Series(resource, scope, usage, {}, 0n)], [2.5]);
    for (const _ of [1, 2, 3]) {
      const decoded = decodeMetrics(encodeMetrics(layout));
      expect(decoded.values[0]).toBe(2.5);
      expect(decoded.series[0]?.metric.valueType).toBe('double');
    }
  });

  test('encodeMetrics writes start times only where they are known', () => {
    const layout = batchOf(
      [new Series(resource, scope, usage, {}, 0n), new Series(resource, scope, usage, { a: 1 }, 7n)],
      [1, 2],
    );
    const text = JSON.stringify(otlpJsonOf(MetricsRequest, encodeMetrics(layout)));
    expect(text.match(/startTimeUnixNano/g)).toHaveLength(1);
  });

  test('encodeMetrics writes an ended histogram as a point without counts', () => {
    const metric: Metric = { ...usage, kind: 'histogram', valueType: 'double' };
    const ended = batchOf([new Series(resource, scope, metric, { a: 'b' }, 7n)], [Number.NaN], {
      flags: Uint32Array.of(NO_RECORDED_VALUE),
    });
    expect(otlpJsonOf(MetricsRequest, encodeMetrics(ended))).toMatchObject({
      resourceMetrics: [
        { scopeMetrics: [{ metrics: [{ histogram: { dataPoints: [{ flags: 1, timeUnixNano: '9' }] } }] }] },
      ],
    });
  });

  test('encodeMetrics gives each entity a resource of its own', () => {
    const entity: Entity = {
      type: 'process',
      identifying: ['process.pid'],
      descriptive: ['process.command', 'process.owner'],
    };
    const metrics = ['process.cpu.time', 'process.memory.usage'].map((name): Metric => ({ ...usage, name, entity }));
    const series = [1, 2].flatMap((pid) =>
      metrics.map((metric) => {
        const attributes = { 'process.pid': pid, 'process.command': `c${pid}`, state: 'x' };
        return new Series(resource, scope, metric, attributes, 0n);
      }),
    );
    // Aggregated away its pid, a series belongs to no process.
    series.push(new Series(resource, scope, metrics[0] as Metric, { 'process.command': 'all' }, 0n));
    for (const _ of ['rendered', 'template', 'patched']) {
      const decoded = decodeMetrics(encodeMetrics(batchOf(series, [1, 2, 3, 4, 5])));
      expect(
        decoded.series.map((one) => [one.resource.attributes['process.pid'], one.metric.name, one.attributes]),
      ).toEqual([
        [1, 'process.cpu.time', { state: 'x' }],
        [1, 'process.memory.usage', { state: 'x' }],
        [2, 'process.cpu.time', { state: 'x' }],
        [2, 'process.memory.usage', { state: 'x' }],
        [undefined, 'process.cpu.time', { 'process.command': 'all' }],
      ]);
      expect(decoded.series[0]?.resource).toEqual({
        attributes: { 'service.name': 'sonde', 'process.pid': 1, 'process.command': 'c1' },
        schemaUrl: resource.schemaUrl,
        entityRefs: [
          {
            schemaUrl: resource.schemaUrl,
            type: 'process',
            idKeys: ['process.pid'],
            descriptionKeys: ['process.command'],
          },
        ],
      });
      expect(new Set(decoded.series.map((one) => one.resource)).size).toBe(3);
    }
  });

  test('encodeMetrics groups series by the content of resource, scope and metric', () => {
    const series = [1, 2, 3].map((cpu) => new Series({ ...resource }, { ...scope }, { ...usage }, { cpu }, 0n));
    const request = otlpJsonOf(MetricsRequest, encodeMetrics(batchOf(series, [1, 2, 3])));
    expect(request).toMatchObject({ resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: usage.name }] }] }] });
    expect(JSON.stringify(request).match(/"name"/g)).toHaveLength(2);
  });

  test('encodeMetrics puts several batches into one request', () => {
    fc.assert(
      fc.property(fc.array(metricBatch, { maxLength: 3 }), (batches) => {
        const rows = batches.flatMap(rowsOf).sort();
        expect(rowsOf(decodeMetrics(encodeMetrics(batches)))).toEqual(rows);
      }),
      { numRuns: 30 },
    );
  });

  test('encodeMetrics hands on the bytes that a batch came in', () => {
    const otlp = encodeMetrics(batchOf([new Series(resource, scope, usage, {}, 0n)], [1]));
    expect(encodeMetrics({ ...batchOf([], []), otlp })).toBe(otlp);
    expect(encodeMetrics([{ ...batchOf([], []), otlp }])).toBe(otlp);
  });

  test('encodeMetrics replaces lone surrogates as Buffer does', () => {
    for (const text of ['\ud800', `${'x'.repeat(100)}\udfff!`]) {
      const layout = batchOf([new Series(resource, scope, usage, { text }, 0n)], [1]);
      expect(decodeMetrics(encodeMetrics(layout)).series[0]?.attributes).toEqual({
        text: Buffer.from(text).toString(),
      });
    }
  });

  test('encodeMetrics writes integral numbers as integers and DoubleValue as doubles', () => {
    const attributes = { a: 1, b: new DoubleValue(1), c: -0, d: 2 ** 60, e: 1e300, f: 2n ** 64n };
    const bytes = encodeMetrics(batchOf([new Series(resource, scope, usage, attributes, 0n)], [1]));
    expect(decodeMetrics(bytes).series[0]?.attributes).toEqual({
      ...attributes,
      c: 0,
      d: 2n ** 60n,
      f: `${2n ** 64n}`,
    });
  });

  test('encodeMetrics leaves values empty that nest deeper than receivers must accept', () => {
    let nested: { readonly [key: string]: unknown } = {};
    for (let depth = 0; depth < 200; depth++) nested = { nested };
    const attributes = nested as Series['attributes'];
    const bytes = encodeMetrics(batchOf([new Series(resource, scope, usage, attributes, 0n)], [1]));
    const text = JSON.stringify(decodeMetrics(bytes).series[0]?.attributes);
    expect(text.match(/nested/g)).toHaveLength(64);
    expect(text).toContain('null');
  });
});

describe('OTLP/JSON of metrics', { timeout: 60_000 }, () => {
  test('encodeMetricsJson agrees with protobufjs', () => {
    fc.assert(
      fc.property(metricBatch, (batch) => {
        expect(parseJson(encodeMetricsJson(batch))).toEqual(otlpJsonOf(MetricsRequest, encodeMetrics(batch)));
      }),
    );
  });

  test('decodeMetricsJson gives back what encodeMetricsJson was given', () => {
    fc.assert(
      fc.property(metricBatch, (batch) => {
        expect(rowsOf(decodeMetricsJson(encodeMetricsJson(batch)))).toEqual(rowsOf(batch));
      }),
    );
  });

  test('encodeMetricsJson keeps every digit of 64-bit integers and says zero', () => {
    const series = [1, 2].map((cpu) => new Series(resource, scope, usage, { cpu, big: 2n ** 62n + 1n }, 0n));
    const values = [0, Number(2n ** 62n)];
    const exactValues = new Map([[1, 2n ** 62n + 1n]]);
    const text = Buffer.from(
      encodeMetricsJson(batchOf(series, values, { exactValues, time: 1_732_220_000_123_456_789n })),
    ).toString();
    expect(text).toContain('"asInt":"0"');
    expect(text).toContain('"asInt":"4611686018427387905"');
    expect(text).toContain('{"key":"big","value":{"intValue":"4611686018427387905"}}');
    expect(text).toContain('"timeUnixNano":"1732220000123456789"');
    expect(text).toContain('"aggregationTemporality":2');
  });
});
