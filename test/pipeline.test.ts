import { expect, test } from 'vitest';
import { booked, counted, counting, createBooks, createFigures, fanOut, leave, Outlet } from '../src/pipeline.ts';
import type { Batch, LogBatch, MetricBatch } from '../src/model/batch.ts';

const metrics = (onDemand: boolean, count = 1): MetricBatch => ({
  signal: 'metrics',
  count,
  series: [],
  values: new Float64Array(count),
  time: 0n,
  collection: { receiver: 'r', onDemand },
});
const logs: LogBatch = { signal: 'logs', count: 3, records: [] };

function collectInto(into: Batch[]) {
  return { consume: (batch: Batch) => void into.push(batch) };
}

test('fanOut hands the clock’s batches to everyone, those on demand and empty ones to pull exporters alone', async () => {
  const [push, pull]: [Batch[], Batch[]] = [[], []];
  const consumer = fanOut([
    { consumer: collectInto(push), isPull: false },
    { consumer: collectInto(pull), isPull: true },
  ]);
  for (const batch of [metrics(false), metrics(true), metrics(false, 0), logs]) await consumer.consume(batch);
  expect([push.length, pull.length]).toEqual([2, 4]);
});

test('fanOut keeps a branch that refuses from no other, and throws what it threw', async () => {
  const taken: Batch[] = [];
  const consumer = fanOut([
    {
      isPull: false,
      consumer: {
        consume() {
          throw new Error('full');
        },
      },
    },
    { isPull: false, consumer: collectInto(taken) },
  ]);
  await expect(async () => consumer.consume(logs)).rejects.toThrow('full');
  expect(taken).toEqual([logs]);
});

test('counted counts what is accepted and what is refused, and waits for the consumer', async () => {
  const figures = createFigures({ id: 'x', kind: 'processor', signal: 'logs', pipeline: 'logs' });
  const gate = Promise.withResolvers<void>();
  const consumer = counted({ consume: () => gate.promise }, figures);
  const done = consumer.consume(logs);
  expect(figures.accepted).toBe(0);
  gate.resolve();
  await done;
  expect(figures.accepted).toBe(3);
  const refusing = counted({ consume: () => Promise.reject(new Error('no')) }, figures);
  await expect(refusing.consume(logs)).rejects.toThrow('no');
  expect(figures).toMatchObject({ accepted: 3, refused: 3 });
});

test('booked enters a batch once it is taken, and until then as waiting', async () => {
  const books = createBooks();
  const gate = Promise.withResolvers<void>();
  const front = booked(counting({ consume: () => gate.promise }, books), books);
  const done = front.consume(logs);
  expect(books).toMatchObject({ accepted: 0, sent: 0, waiting: 3 });
  gate.resolve();
  await done;
  expect(books).toMatchObject({ accepted: 3, sent: 3, waiting: 0, refused: 0 });
});

test('booked enters what was taken out of a batch though the rest of it is refused', async () => {
  const books = createBooks();
  const takeOne = (end: () => Promise<void> | void) =>
    booked(
      {
        consume() {
          leave(books, 'filtered:noise', 1);
          leave(books, 'filtered', 1);
          return end();
        },
      },
      books,
    );
  const fail = (): never => {
    throw new Error('no');
  };
  expect(() => takeOne(fail).consume(logs)).toThrow('no');
  expect(books).toMatchObject({ accepted: 2, refused: 1, waiting: 0, gone: 2 });
  const refusing = takeOne(() => Promise.reject(new Error('no'))).consume(logs);
  expect(books).toMatchObject({ accepted: 4, refused: 1, waiting: 1 });
  await expect(refusing).rejects.toThrow('no');
  expect(books).toMatchObject({ accepted: 4, refused: 2, waiting: 0 });
  expect([...books.filtered]).toEqual([
    ['noise', 2],
    ['', 2],
  ]);
});

test.each([
  ['filtered', 'filtered', ''],
  ['filtered:a:b', 'filtered', 'a:b'],
  ['filtered_late', 'dropped', 'filtered_late'],
  ['no_delta', 'dropped', 'no_delta'],
] as const)('leave enters %j as %s', (reason, kind, key) => {
  const books = createBooks();
  leave(books, reason, 2);
  leave(books, reason, 3);
  expect([...books[kind]]).toEqual([[key, 5]]);
  expect(books.gone).toBe(5);
});

test('Outlet hands to whoever is its target now, and to nobody before it has one', async () => {
  const outlet = new Outlet();
  await outlet.consume(logs);
  const taken: Batch[] = [];
  outlet.target = collectInto(taken);
  await outlet.consume(logs);
  expect(taken).toEqual([logs]);
});
