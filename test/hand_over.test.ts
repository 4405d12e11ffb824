import { expect, test } from 'vitest';
import { PermanentError, RetryableError } from '../src/errors.ts';
import { createHandOver } from '../src/hand_over.ts';
import type { LogBatch } from '../src/model/batch.ts';
import { createRecordedLog } from './support/recorded_log.ts';

const BATCH: LogBatch = { signal: 'logs', count: 3, records: [] };

function create(answers: readonly (Error | undefined)[]) {
  const log = createRecordedLog();
  const dropped: [string, number][] = [];
  const ending = new AbortController();
  let asked = 0;
  const handOver = createHandOver({
    next: {
      async consume() {
        const answer = answers[asked++];
        if (answer !== undefined) throw answer;
      },
    },
    log,
    drop: (reason, count) => void dropped.push([reason, count]),
    what: 'events',
    signal: ending.signal,
  });
  return { handOver, log, dropped, ending, asked: () => asked, said: () => log.lines.map(({ message }) => message) };
}

const busy = (): Error => new RetryableError('Cannot queue: full', { retryAfter_ms: 1 });

test('createHandOver tries until the pipelines take it, and says so once each', async () => {
  const { handOver, said, asked, dropped } = create([busy(), busy(), undefined, undefined]);
  expect(await handOver(BATCH)).toBe(true);
  expect(await handOver(BATCH)).toBe(true);
  expect(asked()).toBe(4);
  expect(dropped).toEqual([]);
  expect(said()).toEqual([
    'Cannot hand over events: Cannot queue: full; tries again',
    'The pipelines take events again',
  ]);
});

test('createHandOver drops and counts what will never be taken', async () => {
  const { handOver, said, dropped } = create([new PermanentError('Cannot take logs: none are wanted')]);
  expect(await handOver(BATCH)).toBe(true);
  expect(dropped).toEqual([['rejected', 3]]);
  expect(said()).toEqual(['Drops events that the pipelines will never take: Cannot take logs: none are wanted']);
});

test('createHandOver stops trying at the signal, and drops nothing', async () => {
  const { handOver, ending, dropped } = create([new Error('busy')]);
  const handed = handOver(BATCH);
  ending.abort();
  expect(await handed).toBe(false);
  expect(dropped).toEqual([]);
});
