/** A clock that stands still until a test moves it. */
import type { Clock } from '../../src/delivery/clock.ts';

export interface SimulatedClock extends Clock {
  /** Lets `ms` pass: rings every timer due, in order, and lets what it started run in between. */
  advance(ms: number): Promise<void>;
}

const WALL_START_MS = 1_800_000_000_000;

export function createSimulatedClock(): SimulatedClock {
  let now = 0;
  const timers = new Set<{ readonly due: number; readonly ring: () => void }>();
  return {
    now: () => now,
    wall: () => WALL_START_MS + now,
    after(delay_ms, ring) {
      const timer = { due: now + Math.max(0, delay_ms), ring };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(ms) {
      const end = now + ms;
      await settled();
      for (;;) {
        const next = [...timers].filter(({ due }) => due <= end).toSorted((a, b) => a.due - b.due)[0];
        if (next === undefined) break;
        now = Math.max(now, next.due);
        timers.delete(next);
        next.ring();
        await settled();
      }
      now = end;
    },
  };
}

/** Resolves when everything that could run without time passing has run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
