import { expect, onTestFinished, test } from 'vitest';
import { createLane } from '../../../receivers/logs/lane.ts';
import type { Tracked } from '../../../receivers/logs/tracked.ts';

test('createLane gives room to each file in turn, though one alone would fill it every time', async () => {
  const intake = { isFull: false, flush: () => void (intake.isFull = false) };
  const reads: string[] = [];
  const done = Promise.withResolvers<void>();
  const lane = createLane({
    intake,
    poll_ms: 1,
    poll: () => Promise.resolve(),

    async read(file) {
      reads.push(file.path);
      intake.isFull = true;
      if (reads.length === 9) done.resolve();
    },
  });
  onTestFinished(() => lane.stop(100));
  const file = (path: string): Tracked =>
    ({ path, hasMore: true, retry_ms: 0, polled_ms: 0, grown_ms: 0, detached_ms: undefined }) as unknown as Tracked;
  for (const path of ['a', 'b', 'c']) lane.add(file(path));
  await done.promise;
  expect(reads.slice(0, 9)).toEqual(['a', 'b', 'c', 'a', 'b', 'c', 'a', 'b', 'c']);
});
