/**
 * Calls back at wall-clock times that are multiples of an interval, moved by an offset that is the same for the life of
 * this instance, so that a fleet does not collect all at once.
 */
import { sha1 } from './text/sha1.ts';

export interface Clock {
  /** Milliseconds since 1970. May jump. */
  now(): number;
  /** Returns a function that cancels. */
  after(delay_ms: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: Date.now,
  after(delay_ms, callback) {
    const timer = setTimeout(callback, delay_ms);
    return () => clearTimeout(timer);
  },
};

/**
 * Called at each tick with the time that every point of the tick carries, in milliseconds since 1970, and the number of
 * the tick: consecutive, and the same for all jobs of one interval, so that those who leave ticks out leave out the same.
 */
export type Job = (now_ms: number, tick: number) => void;

export interface Scheduler {
  /** Calls `job` at every tick of the interval from the next one on. Jobs of equal intervals run at the same ticks. */
  every(interval_ms: number, job: Job): { stop(): void };
  stop(): void;
}

export function createScheduler(instanceId: string, clock: Clock = systemClock): Scheduler {
  const seed = sha1(Buffer.from(instanceId)).readUIntBE(0, 6);
  const groups = new Map<number, { readonly jobs: Set<Job>; cancel: () => void }>();

  function schedule(interval_ms: number, lastTick_ms: number): void {
    const group = groups.get(interval_ms)!;
    const now = clock.now();
    const offset = seed % interval_ms;
    const tick = nextTick(now, interval_ms, offset, lastTick_ms);
    group.cancel = clock.after(tick - now, () => {
      schedule(interval_ms, tick);
      const time = clock.now();
      const number = Math.round((tick - offset) / interval_ms);
      for (const job of group.jobs) job(time, number);
    });
  }

  return {
    every(interval_ms, job) {
      let group = groups.get(interval_ms);
      if (group === undefined) {
        groups.set(interval_ms, (group = { jobs: new Set(), cancel: () => {} }));
        schedule(interval_ms, -Infinity);
      }
      group.jobs.add(job);
      return {
        stop() {
          group.jobs.delete(job);
          if (group.jobs.size > 0) return;
          group.cancel();
          if (groups.get(interval_ms) === group) groups.delete(interval_ms);
        },
      };
    },
    stop() {
      for (const { cancel } of groups.values()) cancel();
      groups.clear();
    },
  };
}

/**
 * The first tick after `now`. Computed from the clock each time, so that a clock that jumps neither lets ticks burst
 * (those that were leapt over are gone) nor stall (the next is never further than one interval).
 */
export function nextTick(now_ms: number, interval_ms: number, offset_ms: number, lastTick_ms: number): number {
  // A timer may fire a moment before its tick by the wall clock; that tick is done all the same.
  const isEarly = now_ms < lastTick_ms && lastTick_ms - now_ms < interval_ms / 2;
  const from = isEarly ? lastTick_ms : now_ms;
  return (Math.floor((from - offset_ms) / interval_ms) + 1) * interval_ms + offset_ms;
}
