import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import logDedup from '../../../processors/log_dedup/index.ts';
import { PermanentError, RetryableError } from '../../../src/errors.ts';
import type { AnyValue } from '../../../src/model/attributes.ts';
import type { LogBatch, LogRecord } from '../../../src/model/batch.ts';
import { logBatch, logRecord, RESOURCE, runProcessor, type ProcessorRun } from '../../support/processor.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const SECOND = 1_000_000_000n;
const at = (time_s: number, body: AnyValue = 'x', more: Partial<LogRecord> = {}) =>
  logRecord(body, { time: BigInt(time_s) * SECOND, ...more });
const recordsOf = (run: ProcessorRun) => run.out.flatMap((batch) => (batch as LogBatch).records);
const counts = (run: ProcessorRun) => recordsOf(run).map(({ body, attributes }) => [body, attributes['log_count']]);

describe('log_dedup', () => {
  test('makes one record of those that are the same, with number, first and last time, at the end of the interval', async () => {
    const run = runProcessor(logDedup);
    const first = at(5, 'x', { attributes: { a: 1 }, traceId: 'first' });
    await run.consume(logBatch([first, at(3, 'x', { attributes: { a: 1 }, traceId: 'other' }), at(4, 'y')]));
    await vi.advanceTimersByTimeAsync(9_999);
    await run.consume(logBatch([at(9, 'x', { attributes: { a: 1 } })]));
    expect(run.out).toEqual([]);
    expect(run.held).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(run.out).toHaveLength(1);
    expect(recordsOf(run)[0]).toEqual({
      ...first,
      attributes: {
        a: 1,
        log_count: 3,
        first_observed_timestamp: '1970-01-01T00:00:03.000000000Z',
        last_observed_timestamp: '1970-01-01T00:00:09.000000000Z',
      },
    });
    expect(counts(run)).toEqual([
      ['x', 3],
      ['y', 1],
    ]);
    expect(run.dropped).toEqual(new Map([['merged', 2]]));
    expect(run.held).toBe(0);
  });

  test('begins anew in the next interval, and does nothing while no record comes', async () => {
    const run = runProcessor(logDedup, { interval: '1s' });
    await run.consume(logBatch([at(1)]));
    await vi.advanceTimersByTimeAsync(1000);
    expect(vi.getTimerCount()).toBe(0);
    await run.consume(logBatch([at(2), at(2)]));
    await vi.advanceTimersByTimeAsync(1000);
    expect(counts(run)).toEqual([
      ['x', 1],
      ['x', 2],
    ]);
  });

  test.each<[string, Partial<LogRecord>]>([
    ['severity', { severityNumber: 17 }],
    ['severity text', { severityText: 'E' }],
    ['event name', { eventName: 'e' }],
    ['attributes', { attributes: { a: 1 } }],
    ['body', { body: 'y' }],
    ['resource', { resource: { ...RESOURCE, attributes: { a: 1 } } }],
    ['scope', { scope: { name: 'other', version: '', attributes: {}, schemaUrl: '' } }],
  ])('keeps records of another %s apart', async (_, more) => {
    const run = runProcessor(logDedup);
    await run.consume(logBatch([at(1), at(1, 'x', more)]));
    await run.processor.stop?.();
    expect(recordsOf(run)).toHaveLength(2);
  });

  test('compares equal resources of different batches, whatever the order of attributes', async () => {
    const run = runProcessor(logDedup);
    const resource = () => ({ ...RESOURCE, attributes: { 'host.name': 'test' } });
    await run.consume(logBatch([at(1, { a: 1, b: 2 }, { resource: resource() })]));
    await run.consume(logBatch([at(1, { b: 2, a: 1 }, { resource: resource() })]));
    await run.processor.stop?.();
    expect(recordsOf(run)).toHaveLength(1);
  });

  test('leaves excluded fields out of what is compared and of what is kept', async () => {
    const run = runProcessor(logDedup, { exclude_fields: ['attributes.request.id', 'body.took'] });
    await run.consume(
      logBatch([
        at(1, { m: 1, took: 5 }, { attributes: { 'request.id': 'a', k: 'v' } }),
        at(1, { m: 1, took: 6 }, { attributes: { 'request.id': 'b', k: 'v' } }),
      ]),
    );
    await run.processor.stop?.();
    expect(recordsOf(run)).toMatchObject([{ body: { m: 1 }, attributes: { k: 'v', log_count: 2 } }]);
    expect(recordsOf(run)[0]!.attributes).not.toHaveProperty('request.id');
  });

  test('compares only the included fields, and keeps of the rest what the first has', async () => {
    const run = runProcessor(logDedup, { include_fields: ['attributes.code', 'severity_number'] });
    await run.consume(
      logBatch([
        at(1, 'a', { attributes: { code: 1 } }),
        at(1, 'b', { attributes: { code: 1 } }),
        at(1, 'c', { attributes: {} }),
      ]),
    );
    await run.processor.stop?.();
    expect(counts(run)).toEqual([
      ['a', 2],
      ['c', 1],
    ]);
  });

  test('lets pass at once what is not meant', async () => {
    const run = runProcessor(logDedup, { logs: { include: [{ bodies: ['x'] }] } });
    const other = logBatch([at(1, 'y')], { otlp: Uint8Array.of(1) });
    await run.consume(other);
    expect(run.out[0]).toBe(other);
    await run.consume(logBatch([at(1), at(1, 'z'), at(1)]));
    expect(recordsOf(run).map(({ body }) => body)).toEqual(['y', 'z']);
    await run.processor.stop?.();
    expect(recordsOf(run).slice(2)).toMatchObject([{ body: 'x', attributes: { log_count: 2 } }]);
  });

  test.each([{ max_groups: 3 }, { max_size: 500 }])('ends the interval early with %j', async (config) => {
    const run = runProcessor(logDedup, config);
    for (let i = 0; i < 30; i++) await run.consume(logBatch([at(1, `${i}`), at(1, `${i}`)]));
    await vi.advanceTimersByTimeAsync(0);
    expect(run.out.length).toBeGreaterThan(3);
    expect(run.held).toBeLessThanOrEqual(10);
    await run.processor.stop?.();
    expect(recordsOf(run)).toHaveLength(30);
  });

  test('sums up to the number of records that came in, whatever they are', async () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1, maxLength: 8 }) },
      fc.integer({ min: 1, max: 1500 }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 30 }),
        fc.boolean(),
        fc.nat({ max: 3 }),
        async (steps, wait, limit) => {
          const run = runProcessor(logDedup, { interval: '1s', wait, max_groups: limit + 1 });
          const given: string[] = [];
          const taken: Promise<void>[] = [];
          for (const each of steps) {
            if (typeof each === 'number') await vi.advanceTimersByTimeAsync(each);
            else {
              given.push(...each);
              taken.push(run.consume(logBatch(each.map((body) => at(1, body)))));
            }
          }
          await run.processor.stop?.();
          await Promise.all(taken);
          const sums = new Map<unknown, number>();
          for (const [body, count] of counts(run)) sums.set(body, (sums.get(body) ?? 0) + (count as number));
          const expected = new Map<unknown, number>();
          for (const body of given) expected.set(body, (expected.get(body) ?? 0) + 1);
          expect(sums).toEqual(expected);
          expect(recordsOf(run).length + (run.dropped.get('merged') ?? 0)).toBe(given.length);
          expect(run.held).toBe(0);
        },
      ),
    );
  });
});

describe('log_dedup that is refused', () => {
  test('tries again, takes nothing new meanwhile, and says it once', async () => {
    const run = runProcessor(logDedup, { interval: '1s' });
    run.answer = () => Promise.reject(new RetryableError('Cannot take: full'));
    await run.consume(logBatch([at(1), at(1)]));
    await vi.advanceTimersByTimeAsync(1000);
    await expect(run.consume(logBatch([at(2)]))).rejects.toThrow(RetryableError);
    expect(run.held).toBe(1);
    run.answer = () => undefined;
    await vi.advanceTimersByTimeAsync(1000);
    expect(run.held).toBe(0);
    await run.consume(logBatch([at(2)]));
    await run.processor.stop?.();
    expect(run.said).toEqual([expect.stringMatching(/^once refused: .*full/), expect.stringMatching(/^over refused/)]);
    expect(recordsOf(run).map(({ attributes }) => attributes['log_count'])).toEqual([2, 2, 1]);
  });

  test.each([
    [new PermanentError('Cannot take: never'), { merged: 1, refused: 1 }],
    [new TypeError('bug'), { merged: 1, undelivered: 1 }],
  ])('drops what can never be taken, counted (%s)', async (error, dropped) => {
    const run = runProcessor(logDedup, { interval: '1s' });
    run.answer = () => Promise.reject(error);
    await run.consume(logBatch([at(1), at(1)]));
    await vi.advanceTimersByTimeAsync(1000);
    expect(Object.fromEntries(run.dropped)).toEqual(dropped);
    expect(run.held).toBe(0);
  });

  test('at the stop tries a last time, then drops, counted', async () => {
    const run = runProcessor(logDedup);
    run.answer = () => Promise.reject(new RetryableError('Cannot take: full'));
    await run.consume(logBatch([at(1), at(1, 'y')]));
    await run.processor.stop?.();
    expect(Object.fromEntries(run.dropped)).toEqual({ undelivered: 2 });
    expect(run.held).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('log_dedup with wait', () => {
  test('answers senders when what was made of their records is taken', async () => {
    const run = runProcessor(logDedup, { wait: true, interval: '1s' });
    let answered = 0;
    const consumed = [1, 2].map(() => run.consume(logBatch([at(1)])).then(() => answered++));
    await vi.advanceTimersByTimeAsync(999);
    expect([answered, run.held]).toEqual([0, 0]);
    await vi.advanceTimersByTimeAsync(1);
    await Promise.all(consumed);
    expect(counts(run)).toEqual([['x', 2]]);
    expect(Object.fromEntries(run.dropped)).toEqual({ merged: 1 });
  });

  test('tells them of a refusal, and counts nothing of it', async () => {
    const run = runProcessor(logDedup, { wait: true, interval: '1s' });
    run.answer = () => Promise.reject(new RetryableError('Cannot take: full'));
    const consumed = [1, 2].map(() => run.consume(logBatch([at(1)])));
    const outcomes = Promise.allSettled(consumed);
    await vi.advanceTimersByTimeAsync(1000);
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(run.dropped.size).toBe(0);
  });
});

describe('log_dedup options', () => {
  test.each([
    [{ include_fields: ['body'], exclude_fields: ['attributes.a'] }, 'exclude each other'],
    [{ include_fields: ['bodies'] }, 'attributes.NAME'],
    [{ interval: '0' }, 'longer than 0'],
    [{ max_groups: 0 }, '1'],
  ])('refuse %j', (config, message) => {
    expect(() => runProcessor(logDedup, config)).toThrow(message);
  });
});
