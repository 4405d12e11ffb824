import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createProgress, type Progress } from '../../../receivers/kafka/progress.ts';

const at = (offset: number, partition = 0) => ({ topic: 't', partition, offset: BigInt(offset), leaderEpoch: 0 });
const due = (progress: Progress, isAssigned = () => true): string[] =>
  progress.due(isAssigned).map(({ partition, offset }) => `${partition}:${offset}`);

describe('createProgress', () => {
  test('has nothing due before something is done, and then the offset behind it', () => {
    const progress = createProgress();
    expect(progress.begin(at(5))).toBe(true);
    expect(due(progress)).toEqual([]);
    progress.done(at(5));
    expect(due(progress)).toEqual(['0:6']);
    progress.committed(progress.due(() => true));
    expect(due(progress)).toEqual([]);
  });

  test('waits for the first that is under way, whatever is done behind it', () => {
    const progress = createProgress();
    for (const offset of [1, 2, 3]) progress.begin(at(offset));
    progress.done(at(3));
    progress.done(at(2));
    expect(due(progress)).toEqual([]);
    progress.done(at(1));
    expect(due(progress)).toEqual(['0:4']);
  });

  test('knows what comes again, under way or taken', () => {
    const progress = createProgress();
    progress.begin(at(1));
    progress.begin(at(2));
    progress.done(at(2));
    expect([progress.begin(at(1)), progress.begin(at(2)), progress.begin(at(3))]).toEqual([false, false, true]);
  });

  test('takes again what is before the committed offset: the group was wound back, or the topic made anew', () => {
    const progress = createProgress();
    progress.begin(at(7));
    progress.done(at(7));
    progress.committed(progress.due(() => true));
    expect(progress.begin(at(0))).toBe(true);
    progress.done(at(0));
    expect(due(progress)).toEqual(['0:1']);
  });

  test('keeps partitions apart, and says nothing of those that are not assigned', () => {
    const progress = createProgress();
    progress.begin(at(1, 0));
    progress.begin(at(9, 1));
    progress.done(at(1, 0));
    progress.done(at(9, 1));
    expect(due(progress)).toEqual(['0:2', '1:10']);
    expect(progress.due((_, partition) => partition === 1).map(({ offset }) => offset)).toEqual([10n]);
  });

  test('never has more due than what is done without a gap', () => {
    const orders = fc.array(fc.nat(20), { maxLength: 40 });
    fc.assert(
      fc.property(orders, fc.integer({ min: 1, max: 21 }), (order, count) => {
        const progress = createProgress();
        for (let offset = 0; offset < count; offset++) progress.begin(at(offset));
        const isDone = new Set<number>();
        for (const offset of order) {
          if (offset < count) isDone.add(offset);
          progress.done(at(offset));
          let end = 0;
          while (isDone.has(end)) end += 1;
          expect(due(progress)).toEqual(end === 0 ? [] : [`0:${end}`]);
        }
      }),
    );
  });
});
