/** Runs the collections of one receiver: on the clock and on demand, within a time limit, one at a time. */
import type { ComponentFigures, ComponentLog, Consumer } from './component.ts';
import { messageOf } from './errors.ts';
import type { MetricBatch } from './model/batch.ts';
import type { CollectResult, ObservableMeter } from './otel/meter.ts';
import type { Clock } from './scheduler.ts';
import { createTimeLimit } from './time_limit.ts';

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
  collectFor(maxAge_ms: number): Promise<void> | undefined;
  /** Has the next one who asks collect, however young the values are: whoever it is may not have had them. */
  outdate(): void;
  /** Collects no more; resolves when what was under way is handed over. */
  stop(): Promise<void>;
}

export function createCollector(options: CollectorOptions): Collector {
  const { receiver, figures, log, clock, timeout_ms } = options;
  /** A tick whose collection, or its handing over, is not done yet. */
  let isTicking = false;
  /** A reading that waits for something; sources that answer at once never get here. */
  let reading: Promise<unknown> | undefined;
  let demanded: Promise<void> | undefined;
  let isStopped = false;
  const underWay = new Set<Promise<void>>();
  /** By the monotonic clock, so that a jump of the wall clock makes nothing look fresh or stale. */
  let collectedAt_ms = -Infinity;

  const isFresh = (maxAge_ms: number): boolean => performance.now() - collectedAt_ms < maxAge_ms;

  /** Reads every meter once; nothing if that took too long. One reading runs at a time. */
  function read(now_ms: number, onDemand: boolean): Readings | Promise<Readings> {
    if (reading !== undefined) return reading.then(() => read(now_ms, onDemand));
    const started_ms = performance.now();
    const limit = createTimeLimit();
    const time = BigInt(Math.round(now_ms)) * 1_000_000n;
    // Each is a whole of its own: what one measures does not say that the series of another have ended.
    const results = options.meters().map((meter, index) => {
      const name = index === 0 ? receiver : `${receiver}#${index}`;
      return meter.collect({ time, receiver: name, onDemand, limit });
    });
    const done = (readings: Readings): Readings => {
      figures.operations++;
      figures.duration_s += (performance.now() - started_ms) / 1000;
      if (!limit.isOver) collectedAt_ms = performance.now();
      return readings;
    };
    if (!results.some((result) => result instanceof Promise)) return done(results as CollectResult[]);
    const all = Promise.all(results);
    // Until a slow source has answered, a further reading would only wait behind it.
    reading = all.finally(() => (reading = undefined));
    return within(timeout_ms, all).then((readings) => {
      if (readings !== undefined) {
        log.over('timeout', 'Collects in time again');
        return done(readings);
      }
      limit.expire();
      figures.timed_out++;
      log.once('timeout', `Cannot collect within ${timeout_ms} ms: gave up, will try again`);
      return done([]);
    });
  }

  /** What was read, to `target`. */
  function handOver(readings: Readings, target: Consumer<MetricBatch>): void | Promise<void> {
    const waiting: Promise<void>[] = [];
    for (const { batches, errors } of readings) {
      for (const error of errors) reportFailure(log, error);
      if (errors.length === 0) log.over('failure', 'Collects again');
      for (const batch of batches) {
        try {
          const pending = target.consume(batch);
          if (pending === undefined) accept(batch);
          else
            waiting.push(
              pending.then(
                () => accept(batch),
                (error: unknown) => refuse(batch, error),
              ),
            );
        } catch (error) {
          refuse(batch, error);
        }
      }
    }
    return waiting.length === 0 ? undefined : Promise.all(waiting).then(() => undefined);
  }

  function accept(batch: MetricBatch): void {
    figures.accepted += batch.count;
    log.over('refused', 'Collections are taken again');
  }

  /** The next collection brings newer values of the same series: there is nothing to keep for later. */
  function refuse(batch: MetricBatch, error: unknown): void {
    figures.refused += batch.count;
    log.once('refused', `Cannot hand over a collection: ${messageOf(error)}`);
  }

  function collect(now_ms: number, onDemand: boolean): void | Promise<void> {
    const target = onDemand ? options.onDemand : options.next;
    const readings = read(now_ms, onDemand);
    const done =
      readings instanceof Promise ? readings.then((all) => handOver(all, target)) : handOver(readings, target);
    if (done === undefined) return undefined;
    underWay.add(done);
    return done.finally(() => underWay.delete(done));
  }

  /** `work`, or undefined when the time is over first. */
  function within<T>(limit_ms: number, work: Promise<T>): Promise<T | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<T | undefined>();
    const cancel = clock.after(limit_ms, () => resolve(undefined));
    work.then(resolve, reject).finally(cancel);
    return promise;
  }

  return {
    async tick(now_ms) {
      if (isStopped) return;
      if (isTicking || reading !== undefined) {
        figures.skipped++;
        return;
      }
      isTicking = true;
      try {
        await collect(now_ms, false);
      } finally {
        isTicking = false;
      }
    },
    collectFor(maxAge_ms) {
      if (isStopped || isFresh(maxAge_ms)) return undefined;
      if (demanded === undefined) {
        const collecting = collect(clock.now(), true);
        if (collecting === undefined) return undefined;
        demanded = collecting.finally(() => (demanded = undefined));
      }
      // A scrape is not kept waiting by one slow source: it gets what that source gave before.
      return within(timeout_ms, demanded);
    },
    outdate() {
      collectedAt_ms = -Infinity;
    },
    async stop() {
      isStopped = true;
      await Promise.allSettled(underWay);
    },
  };
}

type Readings = readonly CollectResult[];

function reportFailure(log: ComponentLog, error: unknown): void {
  const fields = error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
  log.once('failure', `Cannot collect: ${messageOf(error)}`, fields);
}
