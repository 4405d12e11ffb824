/** Runs the collections of one receiver: on the clock and on demand, within a time limit, one at a time. */
import type { ComponentFigures, ComponentLog, Consumer } from './component.ts';
import type { MetricBatch } from './model/batch.ts';
import type { ObservableMeter } from './otel/meter.ts';
import type { Clock } from './scheduler.ts';

export interface CollectorOptions {
  readonly receiver: string;
  /** What is collected: the receiver's own meter; for `self` those of other instrumentation too. */
  readonly meters: () => readonly ObservableMeter[];
  readonly next: Consumer<MetricBatch>;
  /** Where collections on demand go: the pipelines with pull exporters. */
  readonly onDemand: Consumer<MetricBatch>;
  readonly timeout_ms: number;
  readonly figures: ComponentFigures;
  readonly log: ComponentLog;
  readonly clock: Clock;
}

export interface Collector {
  /** One tick of the clock. A tick that finds the one before still under way is skipped and counted. */
  tick(now_ms: number): Promise<void>;
  /** Collects for pull exporters, unless values are younger than `maxAge_ms`. Calls at the same time share one. */
  collectFor(maxAge_ms: number): Promise<void>;
}

export function createCollector(options: CollectorOptions): Collector {
  const { receiver, figures, log, clock, timeout_ms } = options;
  let isTicking = false;
  let current: Promise<void> | undefined;
  /** By the monotonic clock, so that a jump of the wall clock makes nothing look fresh or stale. */
  let collectedAt_ms = -Infinity;

  /** Reads every meter once and hands over what was observed. */
  async function collect(now_ms: number, isOnDemand: boolean): Promise<void> {
    const started_ms = performance.now();
    const controller = new AbortController();
    const cancel = clock.after(timeout_ms, () => controller.abort());
    const time = BigInt(Math.round(now_ms)) * 1_000_000n;
    const collectAll = options
      .meters()
      .map((meter) => meter.collect({ time, receiver, onDemand: isOnDemand, abort: controller.signal }));
    const givenUp = new Promise<'timeout'>((resolve) => {
      controller.signal.addEventListener('abort', () => resolve('timeout'), { once: true });
    });
    const results = await Promise.race([Promise.all(collectAll), givenUp]);
    cancel();
    figures.operations++;
    figures.duration_s += (performance.now() - started_ms) / 1000;
    if (results === 'timeout') {
      figures.timed_out++;
      log.once('timeout', `Cannot collect within ${timeout_ms} ms: gave up, will try again at the next tick`);
      // Until the slow source has answered, a further collection would only wait behind it.
      await Promise.allSettled(collectAll);
      return;
    }
    log.over('timeout', 'Collects in time again');
    collectedAt_ms = performance.now();
    for (const { batches, errors } of results) {
      for (const error of errors) reportFailure(log, error);
      if (errors.length === 0) log.over('failure', 'Collects again');
      for (const batch of batches) await handOver(batch, isOnDemand);
    }
  }

  async function handOver(batch: MetricBatch, isOnDemand: boolean): Promise<void> {
    try {
      await (isOnDemand ? options.onDemand : options.next).consume(batch);
      figures.accepted += batch.count;
    } catch (error) {
      // The next collection brings newer values of the same series: there is nothing to keep for later.
      figures.refused += batch.count;
      log.once('refused', `Cannot hand over a collection: ${messageOf(error)}`);
      return;
    }
    log.over('refused', 'Collections are taken again');
  }

  /** Lets one collection run at a time. */
  function exclusively(run: () => Promise<void>): Promise<void> {
    const after = current ?? Promise.resolve();
    const mine = after.then(run).finally(() => {
      if (current === mine) current = undefined;
    });
    return (current = mine);
  }

  let demanded: Promise<void> | undefined;
  /** A scrape is not kept waiting by one slow source: it gets what that source gave before. */
  function within(limit_ms: number, work: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.after(limit_ms, resolve);
      void work.finally(() => {
        cancel();
        resolve();
      });
    });
  }

  return {
    async tick(now_ms) {
      if (isTicking) {
        figures.skipped++;
        return;
      }
      isTicking = true;
      try {
        await exclusively(() => collect(now_ms, false));
      } finally {
        isTicking = false;
      }
    },
    async collectFor(maxAge_ms) {
      if (performance.now() - collectedAt_ms < maxAge_ms) return;
      demanded ??= exclusively(async () => {
        if (performance.now() - collectedAt_ms >= maxAge_ms) await collect(clock.now(), true);
      }).finally(() => {
        demanded = undefined;
      });
      await within(timeout_ms, demanded);
    },
  };
}

function reportFailure(log: ComponentLog, error: unknown): void {
  log.once('failure', `Cannot collect: ${messageOf(error)}`, {
    ...(error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {}),
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
