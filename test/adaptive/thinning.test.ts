import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createThinnings, type Thinned } from '../../src/adaptive/thinning.ts';
import { createWatchers } from '../../src/adaptive/watchers.ts';
import type { Batch, MetricBatch } from '../../src/model/batch.ts';
import { booked, counting, createBooks } from '../../src/pipeline.ts';
import { collectionOf, seriesOf } from './batches.ts';

const OPTIONS = { max: 120_000, gauge_error: 0.05, counter_error: 0.1, floors: {} };
const layout = [seriesOf('gauge', 'a', '{x}'), seriesOf('gauge', 'b', '{x}')];

/** A pipeline that pushes, with its books. */
function createPipeline({ hasPull = false } = {}) {
  const out: MetricBatch[] = [];
  const books = createBooks();
  const thinned: Thinned = { options: OPTIONS, figures: { left_out: 0 } };
  const state = { isWatched: false, refuses: false };
  const thinnings = createThinnings(() => state.isWatched);
  const end = {
    consume(batch: Batch) {
      if (state.refuses) throw new Error('full');
      out.push(batch as MetricBatch);
    },
  };
  const receivers = new Map([['r', thinned]]);
  const counted = counting(end, books);
  const front = booked(thinnings.at('metrics', receivers, hasPull ? undefined : books, counted), books);
  let tick = 0;
  return {
    books,
    out,
    state,
    thinned,
    thinnings,
    async collect(values: readonly number[], onDemand = false) {
      const batch = collectionOf(layout, values, 1_700_000_000_000 + tick++ * 15_000, onDemand);
      let error: unknown;
      try {
        await front.consume(batch);
      } catch (refusal) {
        error = refusal;
      }
      await Promise.resolve();
      return { batch, error };
    },
  };
}

const namesIn = (batch: MetricBatch | undefined): string[] => batch?.series.map(({ metric }) => metric.name) ?? [];

describe('createThinnings', () => {
  test('hands on the points that are needed, marked, with a layout that stays the same', async () => {
    const { out, collect, thinned } = createPipeline();
    const { batch } = await collect([1, 1]);
    expect(out).toEqual([batch]);
    await collect([5, 1]);
    await collect([1, 1]);
    expect(out.slice(1).map((each) => [namesIn(each), ...each.values])).toEqual([
      [['a'], 5],
      [['a'], 1],
    ]);
    expect(out[1]!.collection).toEqual({ receiver: 'r', onDemand: false, isThinned: true });
    expect(out[1]!.series).toBe(out[2]!.series);
    // The last may still be sent.
    expect(thinned.figures.left_out).toBe(1);
  });

  test('hands on nothing of a collection that could be expected', async () => {
    const { out, collect } = createPipeline();
    await collect([1, 1]);
    await collect([1, 1]);
    expect(out).toHaveLength(1);
  });

  test('hands on the point before a jump first, with its own time', async () => {
    const { out, collect, books, thinned } = createPipeline();
    for (const value of [1, 1, 1, 9]) await collect([value, 1]);
    expect(out.slice(1).map(({ time, values }) => [Number(time / 1_000_000n) - 1_700_000_000_000, ...values])).toEqual([
      [30_000, 1],
      [45_000, 9],
    ]);
    expect(books).toMatchObject({ accepted: 7, sent: 4, waiting: 1 });
    expect([...books.filtered]).toEqual([['adaptive_interval', 3]]);
    expect(thinned.figures.left_out).toBe(3);
  });

  test('leaves nothing out while someone watches, nor of what was asked for, nor of other receivers', async () => {
    const { out, collect, state } = createPipeline();
    await collect([1, 1]);
    await collect([1, 1], true);
    expect(out).toHaveLength(2);
    state.isWatched = true;
    const { batch } = await collect([1, 1]);
    expect(out.at(-1)).toBe(batch);
    state.isWatched = false;
    await collect([1, 1]);
    expect(out).toHaveLength(3);
  });

  test('hands on everything after what follows refused', async () => {
    const { out, collect, state } = createPipeline();
    await collect([1, 1]);
    state.refuses = true;
    expect((await collect([5, 1])).error).toEqual(new Error('full'));
    state.refuses = false;
    await collect([5, 1]);
    expect(namesIn(out.at(-1))).toEqual(['a', 'b']);
  });

  test('enters nothing in the books where pull exporters have the points', async () => {
    const { collect, books, thinned } = createPipeline({ hasPull: true });
    for (let tick = 0; tick < 4; tick++) await collect([1, 1]);
    expect([books.waiting, books.gone, thinned.figures.left_out]).toEqual([0, 0, 4]);
  });

  test('balances the books whatever comes, and holds nothing when it is settled', async () => {
    const ticks = fc.array(
      fc.record({ a: fc.integer({ min: 0, max: 3 }), b: fc.nat(1), refuses: fc.nat(5).map((n) => n === 0) }),
    );
    await fc.assert(
      fc.asyncProperty(ticks, async (all) => {
        const { collect, books, state, thinnings, out } = createPipeline();
        for (const { a, b, refuses } of all) {
          state.refuses = refuses;
          await collect([a, b]);
          const filtered = books.filtered.get('adaptive_interval') ?? 0;
          expect(books.accepted).toBe(books.sent + filtered);
          expect(books.waiting).toBeGreaterThanOrEqual(0);
        }
        thinnings.settle();
        await Promise.resolve();
        expect(books.waiting).toBe(0);
        expect(books.sent).toBe(out.reduce((sum, { count }) => sum + count, 0));
        expect(books.accepted + books.refused).toBe(all.length * 2);
      }),
    );
  });
});

test('createWatchers says so while someone watches, and for a minute after someone looked', () => {
  let [now_ms, isWatching] = [0, false];
  const watchers = createWatchers(
    () => isWatching,
    () => now_ms,
  );
  expect(watchers.isWatched).toBe(false);
  isWatching = true;
  expect(watchers.isWatched).toBe(true);
  isWatching = false;
  watchers.look();
  now_ms = 59_000;
  expect(watchers.isWatched).toBe(true);
  now_ms = 60_000;
  expect(watchers.isWatched).toBe(false);
});
