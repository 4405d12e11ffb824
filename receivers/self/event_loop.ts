/** How busy the event loop is, and how late it gets to its work. */
import type { Observable } from '@opentelemetry/api';
import { performance } from 'node:perf_hooks';
import type { BatchObservableResult, MetricDefinition } from '../../src/component.ts';
import { NO_ATTRIBUTES } from '../../src/model/attributes.ts';

/** Names: https://opentelemetry.io/docs/specs/semconv/runtime/nodejs-metrics/ */
export const eventLoopMetrics = {
  delayMin: delay('min', 'Least'),
  delayMax: delay('max', 'Greatest'),
  delayMean: delay('mean', 'Mean'),
  delayStddev: delay('stddev', 'Standard deviation of the'),
  delayP50: delay('p50', 'Median'),
  delayP90: delay('p90', '90th percentile of the'),
  delayP99: delay('p99', '99th percentile of the'),
  loopUtilization: {
    name: 'nodejs.eventloop.utilization',
    instrument: 'gauge',
    unit: '1',
    value: 'double',
    about: 'Share of the time since the collection before that the event loop was busy.',
    attributes: [],
  },
  loopTime: {
    name: 'nodejs.eventloop.time',
    instrument: 'counter',
    unit: 's',
    value: 'double',
    about: 'Time that the event loop was busy or waited.',
    attributes: ['nodejs.eventloop.state'],
    since: 'agent',
  },
} as const satisfies Record<string, MetricDefinition>;

function delay<S extends string>(statistic: S, about: string) {
  return {
    name: `nodejs.eventloop.delay.${statistic}` as const,
    instrument: 'gauge',
    unit: 's',
    value: 'double',
    about: `${about} delay of the event loop since the collection before, sampled.`,
    attributes: [],
  } as const;
}

const ACTIVE = { 'nodejs.eventloop.state': 'active' };
const IDLE = { 'nodejs.eventloop.state': 'idle' };

export interface EventLoop {
  start(): void;
  stop(): void;
  observe(observer: BatchObservableResult): void;
}

/** @param resolution_ms how often the delay is sampled; each sample wakes the process up, which costs about 50 µs */
export function createEventLoop(
  metrics: { readonly [K in keyof typeof eventLoopMetrics]: Observable },
  resolution_ms: number,
  isDelayWanted: boolean,
): EventLoop {
  const delays = createDelaySampler(resolution_ms);
  let before = performance.eventLoopUtilization();

  return {
    start() {
      if (isDelayWanted) delays.start();
    },
    stop: () => delays.stop(),
    observe(observer) {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, before);
      before = now;
      observer.observe(metrics.loopUtilization, utilization, NO_ATTRIBUTES);
      observer.observe(metrics.loopTime, now.active / 1000, ACTIVE);
      observer.observe(metrics.loopTime, now.idle / 1000, IDLE);
      const taken = delays.take();
      if (taken === undefined) return;
      observer.observe(metrics.delayMin, taken.min, NO_ATTRIBUTES);
      observer.observe(metrics.delayMax, taken.max, NO_ATTRIBUTES);
      observer.observe(metrics.delayMean, taken.mean, NO_ATTRIBUTES);
      observer.observe(metrics.delayStddev, taken.stddev, NO_ATTRIBUTES);
      observer.observe(metrics.delayP50, taken.p50, NO_ATTRIBUTES);
      observer.observe(metrics.delayP90, taken.p90, NO_ATTRIBUTES);
      observer.observe(metrics.delayP99, taken.p99, NO_ATTRIBUTES);
    },
  };
}

/** Seconds. */
interface Delays {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly stddev: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** Most samples kept from one collection to the next; what comes after them replaces the oldest. */
const MOST_SAMPLES = 4096;

/**
 * Takes how much later than asked for a timer fires. Not `monitorEventLoopDelay`: after each reset that one leaves out
 * the first interval, which is the one with the agent's own work.
 */
export function createDelaySampler(
  resolution_ms: number,
  clock_ms: () => number = () => performance.now(),
): {
  start(): void;
  stop(): void;
  /** What was sampled since it was last taken; `undefined` if nothing was. */
  take(): Delays | undefined;
} {
  const samples = new Float64Array(MOST_SAMPLES);
  let count = 0;
  let timer: NodeJS.Timeout | undefined;
  let previous_ms = 0;

  function sample(): void {
    const now_ms = clock_ms();
    samples[count++ % MOST_SAMPLES] = Math.max(0, now_ms - previous_ms - resolution_ms) / 1000;
    previous_ms = now_ms;
  }

  return {
    start() {
      previous_ms = clock_ms();
      timer = setInterval(sample, resolution_ms).unref();
    },
    stop() {
      clearInterval(timer);
    },
    take() {
      if (count === 0) return undefined;
      const sorted = samples.subarray(0, Math.min(count, MOST_SAMPLES)).toSorted();
      count = 0;
      return describe(sorted);
    },
  };
}

function describe(sorted: Float64Array): Delays {
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  const variance = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / sorted.length;
  const percentile = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1];
  return {
    min: sorted[0],
    max: sorted[sorted.length - 1],
    mean,
    stddev: Math.sqrt(variance),
    p50: percentile(0.5),
    p90: percentile(0.9),
    p99: percentile(0.99),
  };
}
