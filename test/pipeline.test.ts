import { expect, test } from 'vitest';
import { counted, createFigures, fanOut, Outlet } from '../src/pipeline.ts';
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

test('Outlet hands to whoever is its target now, and to nobody before it has one', async () => {
  const outlet = new Outlet();
  await outlet.consume(logs);
  const taken: Batch[] = [];
  outlet.target = collectInto(taken);
  await outlet.consume(logs);
  expect(taken).toEqual([logs]);
});
