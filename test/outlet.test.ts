import { expect, test } from 'vitest';
import { PermanentError, RetryableError } from '../src/errors.ts';
import type { LogBatch } from '../src/model/batch.ts';
import { createOutlet, type OutletOptions } from '../src/outlet.ts';
import { logRecord } from './support/processor.ts';
import { createRecordedLog } from './support/recorded_log.ts';

function create(options: Partial<OutletOptions> = {}) {
  const batches: LogBatch[] = [];
  const dropped = new Map<string, number>();
  const taken: unknown[] = [];
  const outlet = createOutlet({
    next: { consume: (batch) => void batches.push(batch) },
    log: createRecordedLog(),
    drop: (reason, count) => void dropped.set(reason, (dropped.get(reason) ?? 0) + count),
    onTaken: (records) => void taken.push(...records.map(({ body }) => body)),
    ...options,
  });
  return { outlet, batches, dropped, taken };
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

test('createOutlet tells of records once they are taken, in order, and not before', async () => {
  const open = Promise.withResolvers<void>();
  const { outlet, taken } = create({ next: { consume: () => open.promise } });
  for (const body of ['a', 'b', 'c']) outlet.push(logRecord(body));
  await turn();
  expect(taken).toEqual([]);
  open.resolve();
  await outlet.stop(1000);
  expect(taken).toEqual(['a', 'b', 'c']);
});

test('createOutlet tells of records that will never be taken, too, and counts them', async () => {
  const { outlet, taken, dropped } = create({ next: { consume: () => Promise.reject(new PermanentError('no')) } });
  outlet.push(logRecord('a'));
  await outlet.stop(1000);
  expect([taken, [...dropped]]).toEqual([['a'], [['rejected', 1]]]);
});

test('createOutlet counts at a stop only what nobody gives again', async () => {
  const next = { consume: () => Promise.reject(new RetryableError('full')) };
  const kept = create({ next });
  kept.outlet.push(logRecord('a'));
  await turn();
  kept.outlet.push(logRecord('b'));
  await kept.outlet.stop(10);
  expect([kept.taken, [...kept.dropped]]).toEqual([[], []]);

  const dropped = new Map<string, number>();
  const drop = (reason: string, count: number): void => void dropped.set(reason, (dropped.get(reason) ?? 0) + count);
  const lost = createOutlet({ next, log: createRecordedLog(), drop });
  lost.push(logRecord('a'));
  await turn();
  lost.push(logRecord('b'));
  await lost.stop(10);
  await turn();
  expect([...dropped]).toEqual([['shutdown', 2]]);
});

test('createOutlet has room for so many bytes, and hands over so many at once', async () => {
  const open = Promise.withResolvers<void>();
  const sizes: number[] = [];
  const { outlet, taken } = create({
    limits: { waiting_bytes: 1000, batch_bytes: 250 },
    next: {
      async consume({ count }) {
        sizes.push(count);
        await open.promise;
      },
    },
  });
  for (let i = 0; i < 9; i++) outlet.push(logRecord(String(i)), undefined, 100);
  expect(outlet.isFull).toBe(false);
  outlet.push(logRecord('large'), undefined, 900);
  expect(outlet.isFull).toBe(true);
  let hasRoom = false;
  void outlet.room().then(() => (hasRoom = true));
  await turn();
  expect(hasRoom).toBe(false);
  open.resolve();
  await expect.poll(() => taken.length).toBe(10);
  await expect.poll(() => hasRoom).toBe(true);
  expect(sizes).toEqual([2, 2, 2, 2, 1, 1]);
  await outlet.stop(0);
});

test('createOutlet pauses between batches, but not before the first, nor when one is full, nor at a stop', async () => {
  const { outlet, batches } = create({ pause_ms: 1e6 });
  const bodies = (): unknown[][] => batches.map(({ records }) => records.map(({ body }) => body));
  outlet.push(logRecord('a'));
  await expect.poll(bodies).toEqual([['a']]);
  outlet.push(logRecord('b'));
  await turn();
  outlet.push(logRecord('c'));
  await turn();
  expect(bodies()).toEqual([['a']]);
  for (let i = 0; i < 999; i++) outlet.push(logRecord('d'));
  await expect.poll(() => batches.map(({ count }) => count)).toEqual([1, 1000]);
  await outlet.stop(1000);
  expect(batches.map(({ count }) => count)).toEqual([1, 1000, 1]);
});
