import { metrics } from '@opentelemetry/api';
import { afterAll, expect, test } from 'vitest';
import { createMeterProvider } from '../../src/otel/meter_provider.ts';
import { createTimeLimit } from '../../src/time_limit.ts';

afterAll(() => metrics.disable());

test('instrumentation that asks the API for a meter has its metrics collected', async () => {
  const provider = createMeterProvider({ attributes: {}, schemaUrl: '' }, 1n, 2n);
  provider.register();
  const meter = metrics.getMeter('library', '1.0');
  meter.createObservableGauge('pool.size', { unit: '{thread}' }).addCallback((result) => result.observe(4));
  meter.createCounter('requests').add(3, { route: '/' });
  const [own] = provider.meters();
  const { batches } = await own.collect({ time: 5n, receiver: 'self', onDemand: false, limit: createTimeLimit() });
  const rows = batches.flatMap(({ series, values }) =>
    series.map(({ metric, scope, attributes }, row) => [scope.name, metric.name, attributes, values[row]]),
  );
  expect(rows).toEqual([
    ['library', 'pool.size', {}, 4],
    ['library', 'requests', { route: '/' }, 3],
  ]);
});

test('getMeter gives the same meter for the same scope', () => {
  const provider = createMeterProvider({ attributes: {}, schemaUrl: '' }, 1n, 2n);
  expect(provider.getMeter('a', '1')).toBe(provider.getMeter('a', '1'));
  expect(provider.getMeter('a', '1')).not.toBe(provider.getMeter('a', '2'));
});
