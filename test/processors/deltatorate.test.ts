import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import cumulativetodelta from '../../processors/cumulativetodelta.ts';
import deltatorate from '../../processors/deltatorate.ts';
import { RetryableError } from '../../src/errors.ts';
import { metric, metricBatch, runProcessor, series } from '../support/processor.ts';

const SECOND = 1_000_000_000n;
const BYTES = metric('io', { temporality: 'delta', unit: 'By' });
const delta = (startTime: bigint, attributes = {}) => series(BYTES, attributes, { startTime });

describe('deltatorate', () => {
  test('divides by the time that the delta took', async () => {
    const run = runProcessor(deltatorate);
    await run.consume(metricBatch([delta(10n * SECOND)], [30], { time: 20n * SECOND }));
    const [batch] = run.metrics();
    expect(batch!.values[0]).toBe(3);
    expect(batch!.series[0]!.startTime).toBe(0n);
    expect(batch!.series[0]!.metric).toEqual({
      ...BYTES,
      kind: 'gauge',
      unit: 'By/s',
      isMonotonic: false,
      temporality: 'unspecified',
      valueType: 'double',
    });
  });

  test('without a start divides by the time since the point before', async () => {
    const run = runProcessor(deltatorate);
    for (const [seconds, value] of [
      [10n, 30],
      [20n, 40],
      [20n, 1],
      [22n, 5],
    ] as const) {
      await run.consume(metricBatch([delta(0n)], [value], { time: seconds * SECOND }));
    }
    expect(run.metrics().map((batch) => batch.values[0])).toEqual([4, 2.5]);
    expect(run.dropped.get('no_rate')).toBe(2);
  });

  test('hands over the same layout as long as the same series come', async () => {
    const run = runProcessor(deltatorate);
    for (const seconds of [1n, 2n, 3n]) {
      const layout = [delta(seconds * SECOND, { d: 1 }), delta(seconds * SECOND, { d: 2 })];
      await run.consume(metricBatch(layout, [1, 2], { time: (seconds + 1n) * SECOND }));
    }
    const [first, second, third] = run.metrics().map((batch) => batch.series);
    expect(second).toBe(first);
    expect(third).toBe(first);
  });

  test('converts exact integers, times of rows and ends', async () => {
    const run = runProcessor(deltatorate);
    const layout = [delta(SECOND, { d: 1 }), series('other'), delta(SECOND, { d: 2 })];
    const large = 2n ** 60n;
    await run.consume(
      metricBatch(layout, [Number(large), Number(large), NaN], {
        times: BigUint64Array.of(3n * SECOND, 3n * SECOND, 3n * SECOND),
        flags: Uint32Array.of(0, 0, 1),
        exactValues: new Map([
          [0, large],
          [1, large + 1n],
        ]),
      }),
    );
    const [batch] = run.metrics();
    expect([...batch!.values]).toEqual([2 ** 59, 2 ** 60, NaN]);
    expect([...batch!.flags!]).toEqual([0, 0, 1]);
    expect(batch!.exactValues).toEqual(new Map([[1, large + 1n]]));
  });

  test('passes on the very same batch where nothing is converted', async () => {
    const run = runProcessor(deltatorate, { metrics: ['disk.*'] });
    const batch = metricBatch([delta(SECOND), series('cumulative')], [1, 2]);
    await run.consume(batch);
    expect(run.out[0]).toBe(batch);
  });

  test('rates times seconds add up to what was counted', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 100 }), fc.nat(1000)), { minLength: 1, maxLength: 20 }),
        async (steps) => {
          const first = runProcessor(cumulativetodelta, { initial_value: 'keep' });
          const second = runProcessor(deltatorate);
          first.answer = (batch) => second.consume(batch);
          const layout = [series('a', {}, { startTime: SECOND })];
          let time = SECOND;
          let value = 0;
          for (const [seconds, increment] of steps) {
            time += BigInt(seconds) * SECOND;
            value += increment;
            await first.consume(metricBatch(layout, [value], { time }));
          }
          const total = second.metrics().reduce((sum, batch, index) => sum + batch.values[0]! * steps[index]![0], 0);
          expect(total).toBeCloseTo(value, 6);
        },
      ),
    );
  });

  test('hands on the refusal of what follows', async () => {
    const run = runProcessor(deltatorate);
    run.answer = () => Promise.reject(new RetryableError('Cannot send: queue full'));
    await expect(run.consume(metricBatch([delta(1n)], [1], { time: SECOND }))).rejects.toThrow(RetryableError);
  });
});
