import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { NativeHistogram } from '../../src/store/queryable.ts';
import type { Refusal } from '../../src/store/series_store.ts';
import { HOUR, labelsOf, samplesOf, START, storeAt, type Sample } from './store_at.ts';

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

test('a store forgets samples older than its retention, and series that have no others, wholly', () => {
  const clock = { now: START };
  const { store } = storeAt(clock);
  for (let i = 0; i < 4 * 240; i++) {
    clock.now = START + i * 15_000;
    store.append(labelsOf({ __name__: 'lasting', job: 'a' }), clock.now, i);
    if (i < 100) store.append(labelsOf({ __name__: 'short', job: 'b' }), clock.now, i);
    const held = samplesOf(store, 'lasting');
    expect(held.at(-1)).toEqual([clock.now, i]);
    // All of the retention is there, without a gap, and no more than half as much again.
    const first = held[0]![0];
    expect(first).toBeLessThanOrEqual(Math.max(START, clock.now - HOUR));
    expect(first).toBeGreaterThanOrEqual(clock.now - 1.5 * HOUR);
    expect(held.length).toBe((clock.now - first) / 15_000 + 1);
  }
  expect(store.labelValues('job', [], -Infinity, Infinity)).toEqual(['a']);
  expect(store.figures()).toMatchObject({ series: 1, forgotten_series: 1, evicted_samples: 0 });
  const { samples, expired_samples, appended_samples } = store.figures();
  expect(samples + expired_samples).toBe(appended_samples);
  expect(appended_samples).toBe(4 * 240 + 100);
});

test('a store stays within its bytes: the oldest samples go first, and it says so once', () => {
  const clock = { now: START };
  const { store, said } = storeAt(clock, { max_bytes: 400_000 });
  let most = 0;
  for (let i = 0; i < 400; i++) {
    clock.now = START + i * 1000;
    for (let s = 0; s < 100; s++) {
      store.append(labelsOf({ __name__: `m${s}` }), clock.now, Math.sin(i * 1000 + s));
    }
    most = Math.max(most, store.figures().bytes);
  }
  expect(most).toBeLessThan(410_000);
  expect(store.figures().evicted_samples).toBeGreaterThan(0);
  expect(said.filter((line) => line.includes('the oldest goes first')).length).toBe(1);
  for (let s = 0; s < 100; s++) {
    const held = samplesOf(store, `m${s}`);
    expect(held.at(-1)).toEqual([clock.now, Math.sin(399_000 + s)]);
    expect(held[0]![0]).toBeGreaterThan(START);
    expect(held.length).toBe((clock.now - held[0]![0]) / 1000 + 1);
  }
});

test('a store refuses new series beyond its limit, and takes them when others were forgotten', () => {
  const clock = { now: START };
  const { store, said } = storeAt(clock, { max_series: 2 });
  const append = (name: string): Refusal | undefined => store.append(labelsOf({ __name__: name }), clock.now, 1);
  expect([append('a'), append('b'), append('c'), append('a')]).toEqual([
    undefined,
    undefined,
    'series_limit',
    undefined,
  ]);
  expect([append('c'), said.length]).toEqual(['series_limit', 1]);
  clock.now += 2 * HOUR;
  store.select([], 0, 0);
  expect([append('c'), append('d'), append('e')]).toEqual([undefined, undefined, 'series_limit']);
  expect(said.length).toBe(2);
});

test('a store refuses new series for which its bytes have no room', () => {
  const clock = { now: START };
  const { store, said } = storeAt(clock, { max_bytes: 100_000, max_series: 1_000_000 });
  const refusals = Array.from({ length: 1000 }, (_, i) => store.append(labelsOf({ __name__: `m${i}` }), clock.now, 1));
  expect(refusals).toContain('byte_limit');
  const large = labelsOf({ __name__: 'large', text: 'x'.repeat(1_000_000) });
  expect(store.append(large, clock.now, 1)).toBe('byte_limit');
  expect(store.figures().bytes).toBeLessThan(110_000);
  expect(said).toEqual(['Cannot keep more series in 100000 bytes: new ones are left out']);
});

test('a store takes no samples from beyond its retention, or from far ahead', () => {
  const clock = { now: START };
  const { store } = storeAt(clock);
  const at = (time: number): Refusal | undefined => store.append(labelsOf({ __name__: 'a' }), time, 1);
  expect(at(START - HOUR - 1)).toBe('too_old');
  expect(at(START + 600_001)).toBe('too_far_ahead');
  expect(at(NaN)).toBe('too_old');
  expect([at(START - HOUR), at(START + 600_000)]).toEqual([undefined, undefined]);
});

test('a store keeps only series that it was told to select', () => {
  const clock = { now: START };
  const { store } = storeAt(clock, {
    select: [[{ name: '__name__', op: '=', value: 'a' }], [{ name: 'job', op: '=~', value: 'x|y' }]],
  });
  const all: Record<string, string>[] = [
    { __name__: 'a' },
    { __name__: 'b' },
    { __name__: 'c', job: 'y' },
    { __name__: 'c', job: 'yy' },
  ];
  for (const labels of all) expect(store.append(labelsOf(labels), START, 1)).toBe(undefined);
  expect(store.labelNames([], 0, Infinity)).toEqual(['__name__', 'job']);
  expect(store.labelValues('__name__', [], 0, Infinity)).toEqual(['a', 'c']);
});

test('a series that was found and is forgotten then has no samples, even when another has its place', () => {
  const clock = { now: START };
  const { store } = storeAt(clock);
  store.append(labelsOf({ __name__: 'a' }), START, 1);
  const [found] = store.select([], 0, Infinity);
  const { labels } = found!;
  clock.now += 2 * HOUR;
  store.append(labelsOf({ __name__: 'b' }), clock.now, 2);
  store.append(labelsOf({ __name__: 'c' }), clock.now, 2);
  expect(found!.samples(0, Infinity).count).toBe(0);
  expect(found!.labels).toBe(labels);
  expect([...labels]).toEqual([['__name__', 'a']]);
});
