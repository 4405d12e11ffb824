import { expect, test } from 'vitest';
import fc from 'fast-check';
import { createScheduler, nextTick } from '../src/scheduler.ts';
import { createTestClock } from './support/clock.ts';

test('createScheduler ticks at multiples of the interval moved by one offset for the instance', () => {
  const clock = createTestClock();
  const times: number[] = [];
  createScheduler('instance', clock).every(15_000, (now) => times.push(now));
  clock.advance(60_000);
  expect(times).toHaveLength(4);
  expect(new Set(times.map((time) => time % 15_000)).size).toBe(1);
  const again: number[] = [];
  createScheduler('instance', createTestClock()).every(15_000, (now) => again.push(now));
  const other = createTestClock();
  const others: number[] = [];
  createScheduler('another', other).every(15_000, (now) => others.push(now));
  other.advance(20_000);
  expect(others[0] % 15_000).not.toBe(times[0] % 15_000);
});

test('createScheduler gives each interval its own cadence', () => {
  const clock = createTestClock();
  const scheduler = createScheduler('i', clock);
  let [fast, slow] = [0, 0];
  scheduler.every(1000, () => fast++);
  scheduler.every(5000, () => slow++);
  clock.advance(60_000);
  expect([fast, slow]).toEqual([60, 12]);
});

test('createScheduler neither bursts after a jump forward nor stalls after one backward', () => {
  const clock = createTestClock();
  let ticks = 0;
  createScheduler('i', clock).every(1000, () => ticks++);
  clock.advance(10_000);
  clock.jump(3_600_000);
  clock.advance(10_000);
  expect(ticks).toBeGreaterThanOrEqual(19);
  expect(ticks).toBeLessThanOrEqual(21);
  clock.jump(-7_200_000);
  ticks = 0;
  clock.advance(10_000);
  expect(ticks).toBeGreaterThanOrEqual(9);
  expect(ticks).toBeLessThanOrEqual(11);
});

test('createScheduler calls a stopped job no more and keeps the others', () => {
  const clock = createTestClock();
  const scheduler = createScheduler('i', clock);
  let [a, b] = [0, 0];
  const first = scheduler.every(1000, () => a++);
  scheduler.every(1000, () => b++);
  clock.advance(2000);
  first.stop();
  clock.advance(2000);
  scheduler.stop();
  clock.advance(5000);
  expect([a, b]).toEqual([2, 4]);
});

test('nextTick is after now, aligned, at most an interval away, and never the tick just done', () => {
  fc.assert(
    fc.property(
      fc.nat(1e9),
      fc.integer({ min: 10, max: 1e5 }),
      fc.nat(1e5),
      fc.nat(4),
      (now, interval, seed, early) => {
        const offset = seed % interval;
        const tick = nextTick(now, interval, offset, -Infinity);
        expect(tick).toBeGreaterThan(now);
        expect(tick - now).toBeLessThanOrEqual(interval);
        expect((tick - offset) % interval).toBe(0);
        // Woken a little too early for `tick`, by the wall clock.
        expect(nextTick(tick - early, interval, offset, tick)).toBe(tick + interval);
      },
    ),
  );
});

test('createScheduler numbers ticks one by one, alike for all jobs of an interval, whatever the clock does', () => {
  const clock = createTestClock();
  const scheduler = createScheduler('i', clock);
  const [first, second]: [number[], number[]] = [[], []];
  scheduler.every(15_000, (_, tick) => first.push(tick));
  clock.advance(40_000);
  scheduler.every(15_000, (_, tick) => second.push(tick));
  clock.advance(60_000);
  first.slice(1).forEach((tick, at) => expect(tick).toBe(first[at]! + 1));
  expect(second).toEqual(first.slice(-second.length));
  // Ticks that are leapt over keep their numbers.
  clock.jump(150_000);
  clock.advance(15_000);
  clock.advance(15_000);
  expect(first.at(-1)! - first[0]!).toBeGreaterThanOrEqual(15);
});
