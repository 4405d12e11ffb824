import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Labels, NativeHistogram } from '../../src/store/queryable.ts';
import { createStore, type Refusal, type SeriesStore, type StoreOptions } from '../../src/store/series_store.ts';

const HOUR = 3_600_000;
const START = 1_760_000_000_000;

interface Clock {
  now: number;
}

function storeAt(clock: Clock, options: Partial<StoreOptions> = {}): { store: SeriesStore; said: string[] } {
  const said: string[] = [];
  const keys = new Set<string>();
  const say = (message: string): void => void said.push(message);
  const store = createStore({
    retention_ms: HOUR,
    max_bytes: 16 * 2 ** 20,
    max_series: 1000,
    now_ms: () => clock.now,
    log: {
      info: say,
      warn: say,
      error: say,
      once: (key, message) => {
        if (!keys.has(key)) say(message);
        keys.add(key);
      },
      over: (key) => void keys.delete(key),
    },
    ...options,
  });
  return { store, said };
}

const labelsOf = (labels: Record<string, string>): Labels => new Map(Object.entries(labels));

type Sample = readonly [time: number, value: number | NativeHistogram | 'stale'];

function samplesOf(store: SeriesStore, name: string, from = -Infinity, to = Infinity): Sample[] {
  const all = store.select([{ name: '__name__', op: '=', value: name }], from, to);
  expect(all.length).toBeLessThanOrEqual(1);
  if (all.length === 0) return [];
  const { count, times, values, stale, histograms } = all[0]!.samples(from, to);
  return Array.from({ length: count }, (_, i): Sample => {
    if (stale?.[i] === 1) return [times[i]!, 'stale'];
    return [times[i]!, histograms?.[i] ?? values[i]!];
  });
}

const histogram = fc
  .record({
    schema: fc.integer({ min: -4, max: 8 }),
    sum: fc.double(),
    zeroCount: fc.nat(),
    buckets: fc.uniqueArray(fc.integer({ min: -500, max: 500 }), { maxLength: 6 }),
    counts: fc.array(fc.oneof(fc.nat(), fc.double({ min: 0 })), { minLength: 6, maxLength: 6 }),
    counterReset: fc.constantFrom('unknown', 'reset', 'none', 'gauge'),
    customBounds: fc.option(fc.array(fc.double(), { maxLength: 3 }), { nil: undefined }),
  })
  .map(({ buckets, counts, customBounds, ...rest }): NativeHistogram => {
    const indexes = Int32Array.from(buckets).sort();
    const positive = { indexes, counts: Float64Array.from(counts.slice(0, indexes.length)) };
    const negative = { indexes: new Int32Array(0), counts: new Float64Array(0) };
    const made: NativeHistogram = { ...rest, zeroThreshold: 1e-128, count: 42, positive, negative };
    return customBounds === undefined ? made : { ...made, schema: -53, customBounds };
  });

const value = fc.oneof(
  { weight: 5, arbitrary: fc.integer() },
  { weight: 3, arbitrary: fc.double() },
  { weight: 1, arbitrary: fc.constantFrom(NaN, -0, Infinity, -Infinity, 5e-324) },
  { weight: 1, arbitrary: fc.constant('stale' as const) },
  { weight: 1, arbitrary: histogram },
);

test('a store gives back what was appended, in any span, whatever the values', () => {
  const step = fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    step_ms: fc.oneof(fc.constant(15_000), fc.integer({ min: -20_000, max: 60_000 })),
    value,
  });
  const span = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }));
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 300 }), span, (steps, [one, other]) => {
      const clock = { now: START };
      // Nothing expires: the model has no end.
      const { store } = storeAt(clock, { retention_ms: 100 * HOUR });
      const model = new Map<string, Sample[]>();
      let time = START;
      for (const { name, step_ms, value: given } of steps) {
        time = Math.max(START, time + step_ms);
        clock.now = Math.max(clock.now, time);
        const held = model.get(name) ?? [];
        model.set(name, held);
        const refusal = store.append(labelsOf({ __name__: name }), time, given);
        expect(refusal).toBe(expectedRefusal(held, time, given));
        const last = held.at(-1);
        if (last !== undefined && last[0] >= time) continue;
        if (given === 'stale' && (last === undefined || last[1] === 'stale')) continue;
        held.push([time, given]);
      }
      const from = START + Math.floor((clock.now - START) * Math.min(one, other));
      const to = START + Math.ceil((clock.now - START) * Math.max(one, other));
      for (const [name, held] of model) {
        expect(samplesOf(store, name)).toEqual(held);
        expect(samplesOf(store, name, from, to)).toEqual(held.filter(([at]) => at >= from && at <= to));
      }
      expect(store.figures().samples).toBe([...model.values()].reduce((sum, { length }) => sum + length, 0));
    }),
    { numRuns: 300 },
  );
});

function expectedRefusal(held: readonly Sample[], time: number, given: Sample[1]): Refusal | undefined {
  const last = held.at(-1);
  if (last === undefined || time > last[0]) return undefined;
  if (time < last[0]) return 'out_of_order';
  return isSame(last[1], given) ? undefined : 'duplicate_time';
}

function isSame(one: Sample[1], other: Sample[1]): boolean {
  if (typeof one !== 'object' || typeof other !== 'object') return Object.is(one, other);
  try {
    expect(one).toEqual(other);
    return true;
  } catch {
    // Whatever is not equal.
    return false;
  }
}
