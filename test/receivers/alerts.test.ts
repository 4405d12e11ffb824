import { expect, test } from 'vitest';
import * as v from 'valibot';
import definition from '../../receivers/alerts/index.ts';
import type { LogBatch, LogRecord } from '../../src/model/batch.ts';
import { createBoard, type Finding } from '../../src/rules/board.ts';

const finding = (fields: Partial<Finding> = {}): Finding => ({
  eventName: 'alert.firing',
  time_ms: 1_700_000_000_123,
  severityNumber: 21,
  body: 'Alert High fires',
  attributes: { 'alert.name': 'High' },
  ...fields,
});

function receive(config: object = {}, answer: (batch: LogBatch) => Promise<void> | void = () => undefined) {
  const board = createBoard();
  const records: LogRecord[] = [];
  const dropped = new Map<string, number>();
  const said: string[] = [];
  const quiet = () => undefined;
  const receiver = definition.create({
    id: 'alerts',
    config: v.parse(definition.config, config),
    board,
    resource: { attributes: { 'host.name': 'h' }, schemaUrl: 's' },
    log: { info: quiet, warn: quiet, error: quiet, over: quiet, once: (key: string) => void said.push(key) },
    drop: (reason: string, count: number) => void dropped.set(reason, (dropped.get(reason) ?? 0) + count),
    next: {
      metrics: undefined,
      traces: undefined,
      logs: {
        consume: async (batch: LogBatch) => {
          await answer(batch);
          records.push(...batch.records);
        },
      },
    },
  } as unknown as Parameters<typeof definition.create>[0]);
  return { board, records, dropped, said, receiver };
}

test('alerts makes a log record of each finding', async () => {
  const { board, records, receiver } = receive();
  await receiver.start!();
  board.announce(finding());
  board.announce(finding({ eventName: 'anomaly.begin', severityNumber: 13, body: 'odd' }));
  await receiver.stop!();
  expect(records).toMatchObject([
    {
      eventName: 'alert.firing',
      time: 1_700_000_000_123_000_000n,
      severityNumber: 21,
      severityText: 'FATAL',
      body: 'Alert High fires',
      attributes: { 'alert.name': 'High' },
      resource: { attributes: { 'host.name': 'h' } },
      scope: { name: 'sonde.receiver.alerts' },
    },
    { eventName: 'anomaly.begin', severityText: 'WARN' },
  ]);
  board.announce(finding());
  expect(records).toHaveLength(2);
});

test('alerts tells only of the events and severities it is asked for', async () => {
  const { board, records, receiver } = receive({ events: ['alert.*'], min_severity_number: 13 });
  await receiver.start!();
  board.announce(finding({ eventName: 'anomaly.begin' }));
  board.announce(finding({ severityNumber: 9 }));
  board.announce(finding({ body: 'this one' }));
  await receiver.stop!();
  expect(records.map(({ body }) => body)).toEqual(['this one']);
});

test('alerts drops and counts what comes while the pipelines stand still, and is never in the way', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { board, records, dropped, said, receiver } = receive({}, () => promise);
  await receiver.start!();
  for (let count = 0; count < 10_000; count++) board.announce(finding());
  const lost = dropped.get('queue_full')!;
  expect(lost).toBeGreaterThan(0);
  expect(said).toContain('full');
  resolve();
  await receiver.stop!();
  expect(records.length + lost).toBe(10_000);
});
