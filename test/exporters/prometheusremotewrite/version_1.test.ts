import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import prometheusremotewrite from '../../../exporters/prometheusremotewrite.ts';
import { toVersion1 } from '../../../exporters/prometheusremotewrite/version_1.ts';
import { Series, type MetricBatch } from '../../../src/model/batch.ts';
import { metricBatch as anyBatch } from '../../model/otlp/arbitraries.ts';
import { runExporter } from '../../support/exporter.ts';
import { metric, metricBatch, RESOURCE, SCOPE } from '../../support/processor.ts';
import { isCanonical, readVersion1, readVersion2 } from './oracle.ts';

function bodiesOf(batch: MetricBatch, config: Readonly<Record<string, unknown>> = {}): Uint8Array[] {
  const { exporter } = runExporter(prometheusremotewrite, config, ['metrics']);
  return exporter.encode(batch).map(({ body }) => body);
}

const one = (name: string, kind: 'gauge' | 'sum' | 'histogram' | 'summary', unit = '') =>
  new Series(RESOURCE, SCOPE, metric(name, { kind, unit, description: `About ${name}.` }), { a: 'b' }, 5_000_000n);

describe('toVersion1', () => {
  test('has each metric’s type, help and unit once, by the name of the whole', () => {
    const layout = [
      one('h_count', 'histogram', 's'),
      one('s_sum', 'summary'),
      one('c_bucket', 'sum'),
      one('g_sum', 'gauge'),
    ];
    const [body] = bodiesOf(
      metricBatch(layout, [NaN, NaN, 1, 2], {
        points: [
          { type: 'histogram', count: 1n, sum: 1, explicitBounds: [1], bucketCounts: [1n, 0n] },
          { type: 'summary', count: 1n, sum: 1, quantiles: [{ quantile: 0.5, value: 1 }] },
          undefined,
          undefined,
        ],
      }),
    );
    expect(readVersion1(toVersion1(body!, true)).metadata).toEqual({
      h_count_seconds: { type: 'HISTOGRAM', help: 'About h_count.', unit: 'seconds' },
      s_sum: { type: 'SUMMARY', help: 'About s_sum.', unit: '' },
      c_bucket_total: { type: 'COUNTER', help: 'About c_bucket.', unit: '' },
      g_sum: { type: 'GAUGE', help: 'About g_sum.', unit: '' },
    });
    expect(readVersion1(toVersion1(body!, false)).metadata).toEqual({});
  });

  test('says the same as the request of 2.0, but for start times', () => {
    fc.assert(
      fc.property(anyBatch, fc.constantFrom('exponential', 'all', 'none'), (batch, native_histograms) => {
        for (const body of bodiesOf(batch, { native_histograms, scope_labels: true })) {
          const converted = toVersion1(body, true);
          expect(isCanonical('1.0', converted)).toBe(true);
          const expected = readVersion2(body).map(({ name, labels, samples, histograms, exemplars }) => ({
            name,
            labels,
            samples: samples.map(([value, time_ms]) => [value, time_ms, 0]),
            histograms: histograms.map((histogram) => ({ ...histogram, start_ms: 0 })),
            exemplars,
          }));
          expect(readVersion1(converted).series).toEqual(expected);
        }
      }),
      { numRuns: 100 },
    );
  });

  test.each([
    ['no message', Buffer.from('garbage')],
    ['a reference to no symbol', Buffer.from('22002a040a020102', 'hex')],
  ])('refuses %s', (_, body) => {
    expect(() => toVersion1(body, true)).toThrow(SyntaxError);
  });
});
