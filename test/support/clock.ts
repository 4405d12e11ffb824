/** Time that tests move on. */
import type { Clock } from '../../src/scheduler.ts';

/** A wall clock that tests move, and timers that follow the monotonic time behind it. */
export function createTestClock(start_ms = 1_000_000) {
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
