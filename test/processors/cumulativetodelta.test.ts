import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import cumulativetodelta from '../../processors/cumulativetodelta.ts';
import { RetryableError } from '../../src/errors.ts';
import { metric, metricBatch, runProcessor, series } from '../support/processor.ts';

const KEEP = { initial_value: 'keep' };
const at = (seconds: number) => ({ time: BigInt(seconds) * 1_000_000_000n });

describe('cumulativetodelta', () => {
  test('hands on what was added since the point before, with its start', async () => {
    const run = runProcessor(cumulativetodelta, KEEP);
    const layout = [series('a', { x: 1 }, { startTime: 5n })];
    for (const [seconds, value] of [
      [10, 100],
      [20, 130],
      [30, 130],
    ] as const) {
      await run.consume(metricBatch(layout, [value], at(seconds)));
    }
    const points = run.metrics().map((batch) => [batch.values[0], batch.series[0]!.startTime, batch.time]);
    expect(points).toEqual([
      [100, 5n, 10_000_000_000n],
      [30, 10_000_000_000n, 20_000_000_000n],
      [0, 20_000_000_000n, 30_000_000_000n],
    ]);
    expect(run.metrics()[0]!.series[0]!.metric).toEqual({ ...metric('a'), temporality: 'delta' });
  });

  test.each([
    ['auto', 5n, 0],
    ['auto', BigInt(Date.now() + 3_600_000) * 1_000_000n, 1],
    ['keep', 5n, 1],
    ['drop', BigInt(Date.now() + 3_600_000) * 1_000_000n, 0],
  ])('initial_value %s with the start %s hands on %i first points', async (initial_value, startTime, count) => {
    const run = runProcessor(cumulativetodelta, { initial_value });
    await run.consume(metricBatch([series('a', {}, { startTime })], [7], { time: startTime + 1n }));
    expect(run.out).toHaveLength(count);
    expect(run.dropped.get('no_delta') ?? 0).toBe(1 - count);
  });

  test('passes on the very same batch where nothing is converted', async () => {
    const run = runProcessor(cumulativetodelta, { ...KEEP, exclude: { match: 'glob', metrics: ['b*'] } });
    const layout = [
      series(metric('gauge', { kind: 'gauge' })),
      series(metric('updown', { isMonotonic: false })),
      series(metric('delta', { temporality: 'delta' })),
      series('bytes'),
    ];
    const batch = metricBatch(layout, [1, 2, 3, 4]);
    await run.consume(batch);
    expect(run.out[0]).toBe(batch);
  });

  test('converts what is included, and keeps the rest in its place', async () => {
    const run = runProcessor(cumulativetodelta, { include: { match: 'regexp', metrics: ['^a$'] } });
    const layout = [series('b'), series('a'), series('c')];
    await run.consume(metricBatch(layout, [1, 2, 3], at(10)));
    await run.consume(metricBatch(layout, [10, 20, 30], at(20)));
    const [first, second] = run.metrics();
    expect([...first!.values]).toEqual([1, 3]);
    expect([...second!.values]).toEqual([10, 18, 30]);
    expect(second!.series.map((each) => each.metric.temporality)).toEqual(['cumulative', 'delta', 'cumulative']);
  });

  test('forwards a whole collection though nothing of it is left', async () => {
    const run = runProcessor(cumulativetodelta);
    await run.consume(metricBatch([series('a')], [1], { collection: { receiver: 'x', onDemand: false } }));
    expect(run.out).toMatchObject([{ count: 0, collection: { receiver: 'x' } }]);
  });

  test('deltas add up to what was counted, through resets too', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.bigInt({ min: 0n, max: 2n ** 61n }), { minLength: 1, maxLength: 6 }), { maxLength: 4 }),
        async (runs) => {
          const run = runProcessor(cumulativetodelta, KEEP);
          let time = 1n;
          let counted = 0n;
          for (const increments of runs) {
            const startTime = time;
            const layout = [series('a', {}, { startTime })];
            let value = 0n;
            for (const increment of increments) {
              value += increment;
              counted += increment;
              time += 10n;
              const exactValues = Number.isSafeInteger(Number(value)) ? undefined : new Map([[0, value]]);
              await run.consume(metricBatch(layout, [Number(value)], { time, ...(exactValues && { exactValues }) }));
            }
          }
          const deltas = run.metrics().map((batch) => batch.exactValues?.get(0) ?? BigInt(batch.values[0]!));
          expect(deltas.reduce((sum, delta) => sum + delta, 0n)).toBe(counted);
        },
      ),
    );
  });

  test('hands on the refusal of what follows', async () => {
    const run = runProcessor(cumulativetodelta, KEEP);
    run.answer = () => Promise.reject(new RetryableError('Cannot send: queue full'));
    await expect(run.consume(metricBatch([series('a')], [1]))).rejects.toThrow(RetryableError);
  });

  test('refuses a pattern that is none', () => {
    expect(() => runProcessor(cumulativetodelta, { include: { match: 'regexp', metrics: ['('] } })).toThrow(
      'not closed',
    );
  });
});
