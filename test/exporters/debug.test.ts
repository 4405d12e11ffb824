import { describe, expect, test, vi } from 'vitest';
import debug from '../../exporters/debug.ts';
import { NO_RECORDED_VALUE, Series, type Batch, type Metric, type MetricBatch } from '../../src/model/batch.ts';
import { runExporter } from '../support/exporter.ts';
import { createLogs, createSpans, createSums } from '../support/telemetry.ts';
import { asRequest } from '../support/request.ts';

function show(batch: Batch, config: Readonly<Record<string, unknown>> = {}): string {
  const { exporter } = runExporter(debug, config);
  const [payload] = exporter.encode(batch);
  expect(payload!.count).toBe(batch.count);
  return Buffer.from(payload!.body).toString();
}

describe('debug', () => {
  test('basic shows a line for each batch', () => {
    expect(show(createSums([1, 2]))).toBe('metrics: 2 points of 1 metric\n');
    expect(show(createLogs('a'))).toBe('logs: 1 record\n');
    expect(show(createSpans('a', 'b', 'c'))).toBe('traces: 3 spans\n');
  });

  test('normal shows a line for each item', () => {
    const config = { verbosity: 'normal' };
    expect(show(createSums([1.5, 2]), config)).toBe(
      'metrics: 2 points of 1 metric\n  requests{route="/0"} 1.5 {request}\n  requests{route="/1"} 2 {request}\n',
    );
    expect(show(createLogs('started'), config)).toBe(
      'logs: 1 record\n  2023-11-14T22:13:20.000000000Z INFO started {user="me"}\n',
    );
    expect(show(createSpans('GET /'), config)).toBe(
      'traces: 1 span\n  GET / 1000 ms trace 5b8efff798038103d269b633813fc60c span eee19b7ec3c1b100\n',
    );
  });

  test('detailed shows all that an item says', () => {
    const config = { verbosity: 'detailed' };
    expect(show(createSums([1]), config)).toBe(`metrics: 1 point of 1 metric
  resource {service.name="shop"}
  scope test 1
  requests{route="/0"} 1 {request}
      monotonic sum cumulative int from 2023-11-14T22:13:20.000000000Z to 2023-11-14T22:14:20.000000000Z
      Requests served.
`);
    expect(show(createLogs('a'), config)).toContain(
      'observed 2023-11-14T22:13:20.000000000Z severity 9 flags 0 dropped attributes 0\n',
    );
    expect(show(createSpans('a'), config)).toContain('"kind":2');
  });

  test('detailed shows points of every kind', () => {
    const resource = { attributes: {}, schemaUrl: '' };
    const scope = { name: 's', version: '', attributes: {}, schemaUrl: '' };
    const series = (kind: Metric['kind']): Series => {
      const metric: Metric = {
        name: kind,
        description: '',
        unit: 's',
        kind,
        isMonotonic: false,
        temporality: 'cumulative',
        valueType: 'double',
      };
      return new Series(resource, scope, metric, {}, 0n);
    };
    const batch: MetricBatch = {
      signal: 'metrics',
      count: 4,
      series: [series('histogram'), series('exponential_histogram'), series('summary'), series('gauge')],
      values: Float64Array.of(NaN, NaN, NaN, NaN),
      time: 1n,
      flags: Uint32Array.of(0, 0, 0, NO_RECORDED_VALUE),
      points: [
        { type: 'histogram', count: 3n, sum: 4, min: 1, explicitBounds: [1], bucketCounts: [1n, 2n] },
        {
          type: 'exponential_histogram',
          count: 3n,
          scale: 2,
          zeroCount: 1n,
          zeroThreshold: 0,
          positive: { offset: -1, bucketCounts: [1n, 1n] },
          negative: { offset: 0, bucketCounts: [] },
        },
        { type: 'summary', count: 2n, sum: 5, quantiles: [{ quantile: 0.5, value: 2 }] },
        undefined,
      ],
      exemplars: [
        [{ time: 1n, value: 2, filteredAttributes: {}, traceId: 'ab', spanId: '' }],
        undefined,
        undefined,
        undefined,
      ],
    };
    const lines = show(batch, { verbosity: 'detailed' })
      .split('\n')
      .map((line) => line.trim());
    for (const line of [
      'histogram count=3 sum=4 s',
      'min 1 max -',
      'up to 1: 1',
      'up to ∞: 2',
      'exemplar 2 at 1970-01-01T00:00:00.000000001Z trace ab span -',
      'exponential_histogram count=3 s',
      'scale 2, 1 up to 0',
      'positive from bucket -1: 1 1',
      'quantile 0.5: 2',
      'gauge ended s',
    ]) {
      expect(lines).toContain(line);
    }
  });

  test('shows max_items of a batch and says how many more there are', () => {
    for (const batch of [
      createSums([1, 2, 3, 4, 5]),
      createLogs('a', 'b', 'c', 'd', 'e'),
      createSpans('a', 'b', 'c', 'd', 'e'),
    ]) {
      const lines = show(batch, { verbosity: 'normal', max_items: 2 }).split('\n');
      expect(lines).toHaveLength(5);
      expect(lines[3]).toBe('  … and 3 more');
    }
  });

  test('escapes control characters wherever they come from, and cuts long values', () => {
    const evil = '\u001b[2J\n\u009b';
    for (const batch of [
      createSums([1], 60, { name: evil, unit: evil, description: evil }),
      createLogs(evil, 'x'.repeat(100_000)),
      createSpans(evil),
    ]) {
      const text = show(batch, { verbosity: 'detailed' });
      expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
      expect(text).toContain('\\u001b[2J');
      expect(text.length).toBeLessThan(10_000);
    }
  });

  test('send writes to the standard output', async () => {
    const { exporter } = runExporter(debug);
    const write = vi.spyOn(process.stdout, 'write');
    write.mockImplementation(((_: Uint8Array, done: () => void) => {
      done();
      return true;
    }) as never);
    const [payload] = exporter.encode(createLogs('a'));
    await exporter.send(asRequest(payload!), 'logs', new AbortController().signal);
    const written = write.mock.calls.map(([bytes]) => Buffer.from(bytes as Uint8Array).toString());
    write.mockRestore();
    expect(written).toEqual(['logs: 1 record\n']);
  });
});
