import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import batchProcessor from '../../processors/batch.ts';
import { RetryableError } from '../../src/errors.ts';
import type { Batch, LogBatch, MetricBatch, TraceBatch } from '../../src/model/batch.ts';
import { decodeMetrics } from '../../src/model/otlp/decode_metrics.ts';
import { encodeLogs } from '../../src/model/otlp/encode_logs.ts';
import { encodeMetrics } from '../../src/model/otlp/encode_metrics.ts';
import { lazyLogBatch, lazyMetricBatch } from '../../src/model/otlp/lazy_batch.ts';
import { encodeTracesJson, decodeTracesJson } from '../../src/model/otlp/json.ts';
import { logBatch, logRecord, metric, metricBatch, runProcessor, series, table } from '../support/processor.ts';

afterEach(() => {
  vi.useRealTimers();
});

const SLOW = { timeout: '1h' };
const [a, b, c] = ['a', 'b', 'c'].map((name) => series(name));

function encodedMetrics(values: readonly number[]): MetricBatch {
  const columns = metricBatch(
    values.map((value) => series(`m${value}`)),
    values,
  );
  return lazyMetricBatch(encodeMetrics(columns), values.length);
}

function traces(names: readonly string[]): TraceBatch {
  const spans = names.map((name) => ({ traceId: '01'.repeat(16), spanId: '02'.repeat(8), name }));
  return decodeTracesJson(Buffer.from(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] })));
}

function spanNames(batch: Batch): string[] {
  const text = Buffer.from(encodeTracesJson(batch as TraceBatch)).toString();
  return Array.from(text.matchAll(/"name":"(\w+)"/g), ([, name]) => name!);
}

describe('batch', () => {
  test('hands on what is there when there are enough items', async () => {
    const run = runProcessor(batchProcessor, { ...SLOW, send_batch_size: 3 });
    const first = run.consume(metricBatch([a!], [1]));
    expect(run.out).toEqual([]);
    await Promise.all([first, run.consume(metricBatch([b!, c!], [2, 3]))]);
    expect(run.metrics().map(table)).toEqual([
      [
        ['a', {}, 1],
        ['b', {}, 2],
        ['c', {}, 3],
      ],
    ]);
  });

  test('hands on what is there when the time is over', async () => {
    vi.useFakeTimers();
    const run = runProcessor(batchProcessor, { timeout: '200ms' });
    const consumed = run.consume(logBatch([logRecord('x')]));
    await vi.advanceTimersByTimeAsync(199);
    expect(run.out).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    await consumed;
    expect(run.out).toHaveLength(1);
  });

  test('with a time of 0 hands on at once', async () => {
    const run = runProcessor(batchProcessor, { timeout: '0' });
    const only = metricBatch([a!], [1]);
    await run.consume(only);
    expect(run.out[0]).toBe(only);
  });

  test('hands over the same layout for the same layouts, with all columns', async () => {
    const run = runProcessor(batchProcessor, { ...SLOW, send_batch_size: 3 });
    const collection = { receiver: 'x', onDemand: false };
    const one = metricBatch([a!], [1], { time: 5n, exactValues: new Map([[0, 2n ** 60n]]), collection });
    const two = metricBatch([b!, c!], [2, NaN], {
      times: BigUint64Array.of(6n, 7n),
      flags: Uint32Array.of(0, 1),
      collection,
    });
    for (let i = 0; i < 2; i++) await Promise.all([run.consume(one), run.consume(two)]);
    const [first, second] = run.metrics();
    expect(first).toEqual({
      signal: 'metrics',
      count: 3,
      series: [a, b, c],
      values: Float64Array.of(1, 2, NaN),
      time: 1_000_000_000n,
      times: BigUint64Array.of(5n, 6n, 7n),
      flags: Uint32Array.of(0, 0, 1),
      exactValues: new Map([[0, 2n ** 60n]]),
    });
    expect(second!.series).toBe(first!.series);
  });

  test('holds the bytes of what applications sent, until someone behind looks into it', async () => {
    const run = runProcessor(batchProcessor, { ...SLOW, send_batch_size: 2 });
    const first = { resource: { attributes: { 'service.name': 'x' }, schemaUrl: '' } };
    const send = (values: readonly number[]): Promise<unknown> =>
      Promise.all(values.map((value) => run.consume(metricBatch([series('m', { value }, first)], [value]))));
    const read = (batch: MetricBatch) =>
      batch.series.map(({ attributes }, row) => [attributes['value'], batch.values[row]]);
    await send([1, 2]);
    await send([3, 4]);
    expect(run.metrics().map(({ otlp }) => otlp !== undefined)).toEqual([true, true]);
    // One waits, encoded, when the one before is looked into: it leaves before those that come in columns.
    const waiting = send([5]);
    expect(run.metrics().map(read)).toEqual([
      [
        [1, 1],
        [2, 2],
      ],
      [
        [3, 3],
        [4, 4],
      ],
    ]);
    await Promise.all([waiting, send([6, 7])]);
    expect(run.metrics().slice(2).map(read)).toEqual([
      [[5, 5]],
      [
        [6, 6],
        [7, 7],
      ],
    ]);
    expect(run.metrics().map(({ otlp }) => otlp !== undefined)).toEqual([true, true, true, false]);
  });

  test('encodes neither whole collections nor entities', async () => {
    const run = runProcessor(batchProcessor, { ...SLOW, send_batch_size: 2 });
    const entity = { type: 'process', identifying: ['process.pid'], descriptive: [] };
    const ofProcess = metricBatch([series(metric('m', { entity }), { 'process.pid': 1 })], [1]);
    const collected = metricBatch([a!], [2], { collection: { receiver: 'x', onDemand: false } });
    await Promise.all([run.consume(ofProcess), run.consume(collected)]);
    const [merged] = run.metrics();
    expect([merged!.otlp, [...merged!.values]]).toEqual([undefined, [1, 2]]);
  });

  test('merges encoded batches without decoding them', async () => {
    const run = runProcessor(batchProcessor, { ...SLOW, send_batch_size: 3 });
    const [one, two] = [encodedMetrics([1, 2]), encodedMetrics([3])];
    await Promise.all([run.processor.consume(one), run.processor.consume(two)]);
    const [merged] = run.metrics();
    expect(merged!.otlp).toEqual(Buffer.concat([one.otlp!, two.otlp!]));
    expect(merged!.count).toBe(3);
    expect([...decodeMetrics(merged!.otlp!).values]).toEqual([1, 2, 3]);
    expect([...merged!.values]).toEqual([1, 2, 3]);
  });

  test('hands on parts of at most the largest size, encoded or not, in order', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const values = [1, 2, 3, 4, 5, 6, 7];
    const records = names.map((name) => logRecord(name));
    const run = runProcessor(batchProcessor, { timeout: '0', send_batch_size: 2, send_batch_max_size: 3 });
    const bodies = (batch: Batch) => (batch as LogBatch).records.map(({ body }) => body);
    for (const [batch, contents, expected] of [
      [
        metricBatch(
          values.map((value) => series(`m${value}`)),
          values,
        ),
        (each: Batch) => [...(each as MetricBatch).values],
        values,
      ],
      [encodedMetrics(values), (each: Batch) => [...(each as MetricBatch).values], values],
      [logBatch(records), bodies, names],
      [lazyLogBatch(encodeLogs(logBatch(records)), 7), bodies, names],
      [traces(names), spanNames, names],
    ] as const) {
      run.out.length = 0;
      await run.processor.consume(batch);
      expect(run.out.every(({ count }) => count > 0 && count <= 3)).toBe(true);
      expect(run.out.flatMap<unknown>(contents)).toEqual(expected);
      expect(run.out.every(({ otlp }) => (otlp === undefined) === (batch.otlp === undefined))).toBe(true);
    }
  });

  test('merges large batches in columns, that it encodes meanwhile, without losing a row or a record', async () => {
    const run = runProcessor(batchProcessor, { ...SLOW, send_batch_size: 3000 });
    const rows = Array.from({ length: 1000 }, (_, index) => series(`m${index}`));
    const values = [0, 1, 2].map((batch) => rows.map((_, row) => batch + row / 1000));
    await Promise.all(values.map((each) => run.consume(metricBatch(rows, each))));
    expect((run.out[0] as MetricBatch).series.map(({ metric }) => metric.name)).toEqual(
      [rows, rows, rows].flat().map(({ metric }) => metric.name),
    );
    expect([...(run.out[0] as MetricBatch).values]).toEqual(values.flat());
    const bodies = [0, 1, 2].map((batch) => rows.map((_, row) => `record ${batch}.${row}`));
    await Promise.all(bodies.map((each) => run.consume(logBatch(each.map((body) => logRecord(body))))));
    expect((run.out[1] as LogBatch).records.map(({ body }) => body)).toEqual(bodies.flat());
  });

  test('tells every sender of a merged batch that it was refused, and the next ones nothing of it', async () => {
    const run = runProcessor(batchProcessor, { ...SLOW, send_batch_size: 2 });
    const refusal = new RetryableError('Cannot send: queue full');
    run.answer = () => Promise.reject(refusal);
    const refused = [run.consume(metricBatch([a!], [1])), run.consume(metricBatch([b!], [2]))];
    run.answer = (batch) => (batch.count === 2 && run.out.length === 1 ? Promise.reject(refusal) : undefined);
    const taken = [run.consume(metricBatch([a!], [3])), run.consume(metricBatch([b!], [4]))];
    const outcomes = await Promise.allSettled([...refused, ...taken]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled', 'fulfilled']);
    expect(outcomes[0]).toMatchObject({ reason: refusal });
  });

  test('does not resolve before what follows has taken the batch', async () => {
    const run = runProcessor(batchProcessor, { timeout: '0' });
    const taken = Promise.withResolvers<void>();
    run.answer = () => taken.promise;
    let isResolved = false;
    const consumed = run.consume(metricBatch([a!], [1])).then(() => (isResolved = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect([run.out.length, isResolved]).toEqual([1, false]);
    taken.resolve();
    await consumed;
  });

  test('neither loses nor doubles nor reorders', async () => {
    const signal = fc.constantFrom('metrics', 'logs', 'encoded');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(signal, fc.integer({ min: 1, max: 5 })), { maxLength: 20 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 0, max: 3 }),
        async (inputs, size, more) => {
          const config = { ...SLOW, send_batch_size: size, send_batch_max_size: more === 0 ? 0 : size + more - 1 };
          const run = runProcessor(batchProcessor, config);
          const sent: Record<string, number[]> = { metrics: [], logs: [], encoded: [] };
          let last = 0;
          const consumed = inputs.map(([kind, count]) => {
            const values = Array.from({ length: count }, () => ++last);
            sent[kind]!.push(...values);
            const layout = values.map((value) => series('metrics', { value }));
            if (kind === 'logs') return run.consume(logBatch(values.map((value) => logRecord(value))));
            return run.consume(kind === 'encoded' ? encodedMetrics(values) : metricBatch(layout, values));
          });
          await run.processor.stop?.();
          await Promise.all(consumed);
          const got: Record<string, unknown[]> = { metrics: [], logs: [], encoded: [] };
          for (const each of run.out) {
            if (each.signal === 'logs') got['logs']!.push(...each.records.map(({ body }) => body));
            else if (each.signal === 'metrics') {
              for (const [row, { metric }] of each.series.entries()) {
                got[metric.name === 'metrics' ? 'metrics' : 'encoded']!.push(each.values[row]);
              }
            }
          }
          expect(got).toEqual(sent);
          const largest = more === 0 ? Infinity : size + more - 1;
          expect(run.out.every(({ count }) => count <= largest)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('refuses a largest size below the size', () => {
    expect(() => runProcessor(batchProcessor, { send_batch_max_size: 10 })).toThrow(
      'send_batch_max_size 10 is less than send_batch_size 8192',
    );
  });
});
