/** Logs; spans are in spans.test.ts. Where numbers are given they are the Collector's (logsprocessor_test.go). */
import { hash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import sampler from '../../../processors/probabilistic_sampler/index.ts';
import { hash32 } from '../../../processors/probabilistic_sampler/randomness.ts';
import { parseThreshold, probabilityOf } from '../../../processors/probabilistic_sampler/threshold.ts';
import { DoubleValue, type AnyValue, type Attributes } from '../../../src/model/attributes.ts';
import type { LogBatch, LogRecord } from '../../../src/model/batch.ts';
import { logBatch, logRecord, RESOURCE, runProcessor } from '../../support/processor.ts';

const TRACE_ID = 'fefefefefefefefefe80000000000000';

async function sample(config: Record<string, unknown>, records: readonly LogRecord[]) {
  const run = runProcessor(sampler, config);
  await run.consume(logBatch(records));
  const kept = run.out.flatMap((batch) => (batch as LogBatch).records);
  const dropped = [...run.dropped.values()].reduce((sum, count) => sum + count, 0);
  expect(kept.length + dropped).toBe(records.length);
  expect(run.out.every(({ count }) => count > 0)).toBe(true);
  return { kept, dropped: Object.fromEntries(run.dropped) };
}

/** The Collector's 100 records. */
const HUNDRED = Array.from({ length: 100 }, (_, i) => {
  const id = Buffer.from([...Array<number>(8).fill(0), ...Array<number>(8).fill(i)]);
  const attributes: Record<string, AnyValue> = { rando: hash32(id, 123) };
  if (i % 2 === 0) Object.assign(attributes, { foo: new Uint8Array(id), bar: i === 0 ? '' : id.toString('hex') });
  if (i % 4 === 0) attributes['priority'] = new DoubleValue(100);
  return logRecord('x', { traceId: id.toString('hex'), attributes });
});

describe('probabilistic_sampler of logs keeps as many as the Collector', () => {
  const record = (percentage: number, from_attribute: string, more = {}) => ({
    sampling_percentage: percentage,
    attribute_source: 'record',
    from_attribute,
    ...more,
  });
  test.each([
    ['half by the trace id, hashed', { sampling_percentage: 50, mode: 'hash_seed' }, 45],
    ['nothing', { sampling_percentage: 0 }, 0],
    ['half by an attribute of bytes', record(50, 'foo'), 23],
    ['half by an attribute of text', record(50, 'bar'), 29],
    ['all by an attribute, open', record(100, 'foo', { fail_closed: false }), 100],
    ['priority alone', record(0, 'rando', { sampling_priority: 'priority' }), 25],
    ['half and priority', record(50, 'rando', { sampling_priority: 'priority' }), 64],
    [
      'half by the trace id and priority',
      { sampling_percentage: 50, mode: 'hash_seed', sampling_priority: 'priority', fail_closed: false },
      57,
    ],
    ['all', { sampling_percentage: 100, fail_closed: false }, 100],
  ])('%s', async (_, config, count) => {
    expect((await sample(config, HUNDRED)).kept).toHaveLength(count);
  });
});

describe('probabilistic_sampler of logs', () => {
  test.each<[string, Record<string, unknown>, string, Attributes, Attributes | undefined]>([
    ['all', { sampling_percentage: 100 }, TRACE_ID, { a: 1 }, { a: 1, 'sampling.threshold': '0' }],
    ['half', { sampling_percentage: 50 }, TRACE_ID, {}, { 'sampling.threshold': '8' }],
    ['less than half', { sampling_percentage: 49 }, TRACE_ID, {}, undefined],
    [
      'a priority',
      { sampling_percentage: 0, sampling_priority: 'p', sampling_precision: 6 },
      TRACE_ID,
      { 'sampling.randomness': 'e6147c00000000', p: 10.125 },
      { 'sampling.randomness': 'e6147c00000000', p: 10.125, 'sampling.threshold': 'e6147b' },
    ],
    [
      'half of a quarter',
      { sampling_percentage: 50 },
      'fefefefefefefefefef0000000000000',
      { 'sampling.threshold': 'c' },
      { 'sampling.threshold': 'e' },
    ],
    [
      'half, which a quarter is less than',
      { sampling_percentage: 50, mode: 'equalizing' },
      'fefefefefefefefefefefefefefefefe',
      { 'sampling.threshold': 'c' },
      { 'sampling.threshold': 'c' },
    ],
    [
      'what should not have come so far',
      { sampling_percentage: 50, mode: 'equalizing' },
      'fefefefefefefefefeb0000000000000',
      { 'sampling.threshold': 'c' },
      undefined,
    ],
    [
      'the same, open',
      { sampling_percentage: 50, mode: 'equalizing', fail_closed: false },
      'fefefefefefefefefeb0000000000000',
      { 'sampling.threshold': 'c' },
      { 'sampling.threshold': '0' },
    ],
  ])('%s', async (_, config, traceId, before, after) => {
    const { kept } = await sample(config, [logRecord('x', { traceId, attributes: before })]);
    expect(kept.map(({ attributes }) => attributes)).toEqual(after === undefined ? [] : [after]);
  });

  test('tells why it leaves out what it cannot decide', async () => {
    const inconsistent = logRecord('x', { traceId: TRACE_ID, attributes: { 'sampling.threshold': 'c' } });
    const records = [logRecord('x'), inconsistent, logRecord('x', { traceId: '1'.repeat(32) })];
    const { dropped } = await sample({ sampling_percentage: 10 }, records);
    expect(dropped).toEqual({ no_randomness: 1, inconsistent_threshold: 1, not_sampled: 1 });
  });

  test('hashes an attribute of the record or its resource where there is no trace id, and writes the randomness down', async () => {
    const config = { sampling_percentage: 100, mode: 'hash_seed', from_attribute: 'service.instance.id', hash_seed: 7 };
    const resource = { ...RESOURCE, attributes: { 'service.instance.id': 'a' } };
    const own = logRecord('x', { attributes: { 'service.instance.id': 'a' } });
    const { kept } = await sample(config, [own, logRecord('x', { resource })]);
    const [first, second] = kept.map(({ attributes }) => attributes['sampling.randomness']);
    expect(first).toMatch(/^[0-9a-f]{14}$/);
    expect(second).toBe(first);
  });

  test('decides the same for a record that another sampler has hashed before', async () => {
    const first = { sampling_percentage: 60, mode: 'hash_seed', hash_seed: 3 };
    const once = await sample(first, HUNDRED);
    const again = await sample({ ...first, hash_seed: 99 }, once.kept);
    expect(again.kept).toEqual(once.kept);
  });

  // Hashes of the first numbers: as random as trace ids are, and the same in every run.
  const traceIds = Array.from({ length: 4000 }, (_, i) => hash('sha256', `${i}`).slice(0, 32));
  const randomRecords = traceIds.map((traceId) => logRecord('x', { traceId, attributes: { id: traceId } }));
  const MODES = [
    { mode: 'proportional' },
    { mode: 'equalizing' },
    { mode: 'hash_seed' },
    { attribute_source: 'record', from_attribute: 'id' },
  ];

  test.each(MODES)('keeps the share that it is told to (%j)', async (mode) => {
    for (const percentage of [1, 10, 33, 50, 90]) {
      const { kept } = await sample({ sampling_percentage: percentage, ...mode }, randomRecords);
      const n = randomRecords.length;
      const p = percentage / 100;
      // Five standard deviations of the binomial distribution.
      expect(Math.abs(kept.length - n * p)).toBeLessThan(5 * Math.sqrt(n * p * (1 - p)));
    }
  });

  test.each(MODES)('keeps at a higher share all that it keeps at a lower (%j)', async (mode) => {
    let smaller = new Set<string>();
    for (const percentage of [0.5, 1, 10, 20, 20.01, 75, 100]) {
      const { kept } = await sample({ sampling_percentage: percentage, ...mode }, randomRecords);
      const larger = new Set(kept.map(({ traceId }) => traceId));
      expect(smaller.isSubsetOf(larger)).toBe(true);
      smaller = larger;
    }
    expect(smaller.size).toBe(randomRecords.length);
  });

  test('lets the number of records be restored, after two samplers as well', async () => {
    const { kept: once } = await sample({ sampling_percentage: 50 }, randomRecords);
    const { kept: twice } = await sample({ sampling_percentage: 40 }, once);
    const restored = twice.reduce((sum, { attributes }) => {
      return sum + 1 / probabilityOf(parseThreshold(attributes['sampling.threshold'] as string)!);
    }, 0);
    expect(twice.length).toBeLessThan(once.length);
    expect(Math.abs(restored - randomRecords.length)).toBeLessThan(0.12 * randomRecords.length);
  });

  test.each([
    [{}, 'sampling_percentage'],
    [{ sampling_percentage: -1 }, '0'],
    [{ sampling_percentage: 1, sampling_precision: 15 }, '14'],
    [{ sampling_percentage: 1, mode: 'tail' }, 'tail'],
    [{ sampling_percentage: 1, hash_seed: 2 ** 32 }, '4294967295'],
  ])('refuses %j', (config, message) => {
    expect(() => runProcessor(sampler, config)).toThrow(message);
  });
});
