import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import rateLimit from '../../../processors/rate_limit/index.ts';
import { SUMMARY_EVENT } from '../../../processors/rate_limit/summaries.ts';
import { RetryableError } from '../../../src/errors.ts';
import type { LogBatch, LogRecord } from '../../../src/model/batch.ts';
import { logBatch, logRecord, RESOURCE, runProcessor, type ProcessorRun } from '../../support/processor.ts';

const START_MS = 1_763_776_800_000;

beforeEach(() => {
  vi.useFakeTimers({ now: START_MS });
});
afterEach(() => {
  vi.useRealTimers();
});

const recordsOf = (run: ProcessorRun) => run.out.flatMap((batch) => (batch as LogBatch).records);
const passed = (run: ProcessorRun) => recordsOf(run).filter(({ eventName }) => eventName === '');
const summaries = (run: ProcessorRun) => recordsOf(run).filter(({ eventName }) => eventName === SUMMARY_EVENT);
const many = (count: number, more: Partial<LogRecord> = {}) =>
  logBatch(Array.from({ length: count }, (_, i) => logRecord(`${i}`, { time: BigInt(i) * 1_000_000_000n, ...more })));

describe('rate_limit', () => {
  test('passes a burst, then as many as the rate allows', async () => {
    const run = runProcessor(rateLimit, { records_per_second: 2, burst: 3 });
    await run.consume(many(5));
    expect(passed(run).map(({ body }) => body)).toEqual(['0', '1', '2']);
    await vi.advanceTimersByTimeAsync(500);
    await run.consume(many(5));
    expect(passed(run)).toHaveLength(4);
    await vi.advanceTimersByTimeAsync(10_000);
    await run.consume(many(5));
    expect(passed(run)).toHaveLength(7);
  });

  test('passes on the very same batch where nothing is left out', async () => {
    const run = runProcessor(rateLimit, { records_per_second: 1 });
    const batch = logBatch([logRecord('x')], { otlp: Uint8Array.of(1) });
    await run.consume(batch);
    expect(run.out[0]).toBe(batch);
  });

  test('keeps what passes and what is left out together as many as came in, and within the rate', async () => {
    const step = fc.tuple(fc.nat({ max: 2000 }), fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 12 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 20 }),
        fc.double({ min: 0.1, max: 5, noNaN: true }),
        fc.integer({ min: 1, max: 4 }),
        async (steps, rate, burst) => {
          const config = { records_per_second: rate, burst, key: ['body'], summary_interval: '3s' };
          const run = runProcessor(rateLimit, config);
          const begin_ms = performance.now();
          let given = 0;
          for (const [wait_ms, bodies] of steps) {
            await vi.advanceTimersByTimeAsync(wait_ms);
            given += bodies.length;
            await run.consume(logBatch(bodies.map((body) => logRecord(body))));
          }
          const passing = passed(run);
          const most = burst + ((performance.now() - begin_ms) * rate) / 1000;
          for (const key of ['a', 'b', 'c']) {
            expect(passing.filter(({ body }) => body === key).length).toBeLessThanOrEqual(most + 1e-6);
          }
          await run.processor.stop?.();
          const told = summaries(run).reduce(
            (sum, { attributes }) => sum + Number(attributes['sonde.rate_limit.dropped']),
            0,
          );
          expect(passing.length + told).toBe(given);
          expect(recordsOf(run).length + (run.dropped.get('rate_limited') ?? 0)).toBe(given);
          expect(run.held).toBe(0);
        },
      ),
    );
  });

  test('limits each key for itself, and tells of each once an interval', async () => {
    const key = ['attributes.route', 'resource.host.name', 'event_name', 'body.user'];
    const run = runProcessor(rateLimit, { records_per_second: 1, burst: 1, key });
    const other = { ...RESOURCE, attributes: { 'host.name': 'other' } };
    await run.consume(many(3, { attributes: { route: '/a' } }));
    await run.consume(many(4, { attributes: { route: '/b' }, body: { user: 7 } }));
    await run.consume(many(1, { attributes: { route: '/a' }, resource: other }));
    expect(passed(run)).toHaveLength(3);
    expect([run.held, run.dropped.get('rate_limited')]).toEqual([2, 3]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(summaries(run)).toEqual([
      {
        resource: RESOURCE,
        scope: { name: 'sonde.processor.rate_limit', version: expect.any(String), attributes: {}, schemaUrl: '' },
        time: BigInt(START_MS + 60_000) * 1_000_000n,
        observedTime: BigInt(START_MS + 60_000) * 1_000_000n,
        severityNumber: 13,
        severityText: 'WARN',
        body: '2 log records above the rate limit left out',
        attributes: {
          route: '/a',
          'host.name': 'test',
          event_name: '',
          'sonde.rate_limit.dropped': 2,
          'sonde.rate_limit.first': '1970-01-01T00:00:01.000000000Z',
          'sonde.rate_limit.last': '1970-01-01T00:00:02.000000000Z',
        },
        droppedAttributesCount: 0,
        flags: 0,
        traceId: '',
        spanId: '',
        eventName: SUMMARY_EVENT,
      },
      expect.objectContaining({
        body: '3 log records above the rate limit left out',
        attributes: expect.objectContaining({ route: '/b', 'body.user': 7 }),
      }),
    ]);
    expect(run.held).toBe(0);
  });

  test('says nothing without summary, and nothing twice', async () => {
    const quiet = runProcessor(rateLimit, { records_per_second: 1, burst: 1, summary: false });
    await quiet.consume(many(3));
    expect(quiet.dropped.get('rate_limited')).toBe(2);
    await quiet.processor.stop?.();
    expect(summaries(quiet)).toEqual([]);

    const run = runProcessor(rateLimit, { records_per_second: 1, burst: 1 });
    await run.consume(many(2));
    await vi.advanceTimersByTimeAsync(240_000);
    expect(summaries(run)).toMatchObject([{ body: '1 log record above the rate limit left out' }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('lets keys beyond the most share one limit and one summary, until others are idle', async () => {
    const run = runProcessor(rateLimit, { records_per_second: 1, burst: 1, key: ['body'], max_keys: 2 });
    await run.consume(many(6));
    expect(passed(run).map(({ body }) => body)).toEqual(['0', '1', '2']);
    await vi.advanceTimersByTimeAsync(2000);
    await run.consume(logBatch([logRecord('4'), logRecord('5')]));
    expect(passed(run)).toHaveLength(5);
    await run.processor.stop?.();
    expect(summaries(run)).toMatchObject([{ attributes: { 'sonde.rate_limit.dropped': 3 } }]);
    expect(summaries(run)[0]!.attributes).not.toHaveProperty('body');
  });

  test('limits only what is meant', async () => {
    const run = runProcessor(rateLimit, {
      records_per_second: 1,
      burst: 1,
      logs: { exclude: [{ severity_number: { min: 'error' } }] },
    });
    await run.consume(many(3, { severityNumber: 17 }));
    await run.consume(many(3));
    expect(passed(run)).toHaveLength(4);
  });

  test('while a summary is refused counts on in the next one, and gives up at the stop', async () => {
    const run = runProcessor(rateLimit, { records_per_second: 0.001, burst: 1, summary_interval: '10s' });
    await run.consume(many(3));
    run.answer = () => Promise.reject(new RetryableError('Cannot take: full', { retryAfter_ms: 30_000 }));
    await vi.advanceTimersByTimeAsync(10_000);
    await run.consume(many(2));
    await vi.advanceTimersByTimeAsync(20_000);
    await run.consume(many(2));
    expect(run.held).toBe(2);
    await run.processor.stop?.();
    expect(Object.fromEntries(run.dropped)).toEqual({ rate_limited: 4, undelivered: 2 });
    expect([run.held, vi.getTimerCount()]).toEqual([0, 0]);
  });

  test.each([
    [{}, 'records_per_second'],
    [{ records_per_second: 0 }, '0'],
    [{ records_per_second: 1, burst: 0 }, '1'],
    [{ records_per_second: 1, key: ['host.name'] }, 'resource.NAME'],
  ])('refuses %j', (config, message) => {
    expect(() => runProcessor(rateLimit, config)).toThrow(message);
  });
});
