import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isLasting } from '../../../src/model/attributes.ts';
import { Series, type Metric, type MetricBatch } from '../../../src/model/batch.ts';
import { decodeMetrics } from '../../../src/model/otlp/decode_metrics.ts';
import { encodeMetrics } from '../../../src/model/otlp/encode_metrics.ts';
import { numberBatch, rowsOf } from './arbitraries.ts';

const resource = { attributes: {}, schemaUrl: '' };
const scope = { name: 's', version: '', attributes: {}, schemaUrl: '' };
const metric: Metric = {
  name: 'm',
  description: '',
  unit: '1',
  kind: 'sum',
  isMonotonic: true,
  temporality: 'delta',
  valueType: 'double',
};
let starts = 1n;

/** The same points of series that start anew. */
function restarted(batch: MetricBatch): MetricBatch {
  const start = ++starts;
  const series = batch.series.map((one) => new Series(one.resource, one.scope, one.metric, one.attributes, start));
  return { ...batch, series };
}

function pointsOf(...attributes: Readonly<Record<string, string>>[]): Uint8Array {
  const series = attributes.map((own) => new Series(resource, scope, metric, own, ++starts));
  const values = new Float64Array(series.length);
  return encodeMetrics({ signal: 'metrics', count: series.length, series, values, time: 1n });
}

describe('attributes that come again', { timeout: 60_000 }, () => {
  test('decodeMetrics reads them as they are, whatever came before', () => {
    fc.assert(
      fc.property(numberBatch, (batch) => {
        for (let round = 0; round < 3; round++) {
          const again = restarted(batch);
          expect(rowsOf(decodeMetrics(encodeMetrics(again)))).toEqual(rowsOf(again));
        }
      }),
    );
  });

  test('decodeMetrics hands over the very same object from the second time on, for other series too', () => {
    const read = () => decodeMetrics(pointsOf({ route: '/a', method: 'GET' }, { route: '/b' })).series;
    read();
    const [first, second] = read();
    const [third, fourth] = read();
    expect(third).not.toBe(first);
    expect(third!.attributes).toBe(first!.attributes);
    expect(fourth!.attributes).toBe(second!.attributes);
    expect([first!.attributes, second!.attributes]).toEqual([{ route: '/a', method: 'GET' }, { route: '/b' }]);
    expect(isLasting(first!.attributes)).toBe(true);
  });

  test('decodeMetrics tells sets apart that differ in their last byte, and more of them than it keeps', () => {
    for (let round = 0; round < 3; round++) {
      for (let from = 0; from < 20_000; from += 1000) {
        const sets = Array.from({ length: 1000 }, (_, index) => ({ padding: 'x'.repeat(90), id: `${from + index}` }));
        const { series } = decodeMetrics(pointsOf(...sets));
        expect(series.map(({ attributes }) => attributes['id'])).toEqual(sets.map(({ id }) => id));
      }
    }
  });

  test('decodeMetrics adds attributes that do not follow the others to a copy', () => {
    // NumberDataPoint { attributes: k=v; as_double; attributes: l=w }, where most have one run.
    const attribute = (key: number, value: number) => [0x3a, 8, 0x0a, 1, key, 0x12, 3, 0x0a, 1, value];
    const value = [0x21, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f];
    const message = (content: readonly number[]): Uint8Array => {
      const wrap = (tag: number, inner: readonly number[]) => [tag, inner.length, ...inner];
      const metricOfPoint = [...wrap(0x0a, [109]), ...wrap(0x2a, wrap(0x0a, content))];
      return Uint8Array.from(wrap(0x0a, wrap(0x12, wrap(0x12, metricOfPoint))));
    };
    const one = [...attribute(107, 118), ...value];
    for (let round = 0; round < 4; round++) {
      const [both] = decodeMetrics(message([...one, ...attribute(108, round)])).series;
      const [alone] = decodeMetrics(message([...one, 0x40, round])).series;
      expect(both!.attributes).toEqual({ k: 'v', l: String.fromCharCode(round) });
      expect(alone!.attributes).toEqual({ k: 'v' });
    }
  });
});
