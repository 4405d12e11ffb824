import { expect, test } from 'vitest';
import fc from 'fast-check';
import { createScheduler, nextTick, type Clock } from '../src/scheduler.ts';

/** A wall clock that tests move, and timers that follow the monotonic time behind it. */
function createTestClock(start_ms = 1_000_000) {
  let monotonic = 0;
  let wall = start_ms;
  let timers: { at: number; callback: () => void }[] = [];
  const clock: Clock & { advance(ms: number): void; jump(ms: number): void } = {
    now: () => wall,
    after(delay_ms, callback) {
      const timer = { at: monotonic + delay_ms, callback };
      timers.push(timer);
      return () => (timers = timers.filter((one) => one !== timer));
    },
    advance(ms) {
      const end = monotonic + ms;
      for (;;) {
        const due = timers.filter((one) => one.at <= end).sort((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        timers = timers.filter((one) => one !== due);
        wall += due.at - monotonic;
        monotonic = due.at;
        due.callback();
      }
      wall += end - monotonic;
      monotonic = end;
    },
    jump: (ms) => (wall += ms),
  };
  return clock;
}

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
