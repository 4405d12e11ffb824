/**
 * Decides at which ticks a receiver collects: at each of its interval, at one of several while the agent is over its
 * budget, or in bursts while an alert waits or fires. The budget goes before bursts.
 */
import type { Collector } from '../collector.ts';
import type { ComponentFigures } from '../component.ts';
import type { Board } from '../rules/board.ts';
import { systemClock, type Clock, type Scheduler } from '../scheduler.ts';
import type { Brake } from './brake.ts';
import { createBurst, type BurstOptions } from './burst.ts';

export interface PaceOptions {
  readonly receiver: string;
  readonly collector: Pick<Collector, 'tick'>;
  readonly interval_ms: number;
  readonly burst: BurstOptions | undefined;
  readonly board: Pick<Board, 'judges' | 'listen'>;
  readonly brake: Brake;
  readonly figures: Pick<ComponentFigures, 'interval_s' | 'stretched' | 'bursts'>;
  readonly clock?: Clock;
}

export interface Pace {
  /** Has the collector collect from now on. */
  run(scheduler: Scheduler): { stop(): void };
  /** However fresh values someone asks for, collections are no closer together than this. */
  readonly shortest_ms: number;
}

export function createPace(options: PaceOptions): Pace {
  const { receiver, collector, interval_ms, board, brake, figures, clock = systemClock } = options;
  const burst = options.burst === undefined ? undefined : createBurst(options.burst, board);
  /** One that would be slower than the clock is none. */
  const burstInterval_ms = options.burst?.interval ?? interval_ms;
  figures.interval_s = interval_ms / 1000;

  function run(scheduler: Scheduler): { stop(): void } {
    let fast: { stop(): void } | undefined;
    let isStopped = false;

    function look(now_ms: number): void {
      if (isStopped) return;
      const factor = brake.factorOf(receiver);
      if (factor > 1) burst?.end(now_ms);
      const isFast = factor === 1 && burstInterval_ms < interval_ms && burst?.look(now_ms) === true;
      if (isFast && fast === undefined) {
        figures.bursts++;
        fast = scheduler.every(burstInterval_ms, (time_ms) => {
          look(time_ms);
          if (fast !== undefined) void collector.tick(time_ms);
        });
      } else if (!isFast) {
        fast?.stop();
        fast = undefined;
      }
      figures.interval_s = (isFast ? burstInterval_ms : interval_ms) / 1000;
    }

    const base = scheduler.every(interval_ms, (now_ms, tick) => {
      look(now_ms);
      if (fast !== undefined) return;
      if (tick % brake.factorOf(receiver) === 0) void collector.tick(now_ms);
      else figures.stretched++;
    });
    let isToLook = false;
    // Behind what is being judged now: an alert is announced before it can be seen everywhere, and seldom alone.
    function lookSoon(): void {
      if (isToLook) return;
      isToLook = true;
      queueMicrotask(() => {
        isToLook = false;
        look(clock.now());
      });
    }
    const unlisten = burst === undefined ? undefined : board.listen(lookSoon);
    return {
      stop() {
        isStopped = true;
        unlisten?.();
        base.stop();
        fast?.stop();
      },
    };
  }

  return {
    run,
    get shortest_ms() {
      const factor = brake.factorOf(receiver);
      return factor === 1 ? 0 : factor * interval_ms;
    },
  };
}
