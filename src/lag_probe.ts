/**
 * Measures how late a source is: has something happen at intervals that the source must tell (a canary), and takes the
 * time until its record is made. Canaries are recognised by a name of their own and do not reach the pipelines.
 */
import type { Histogram } from '@opentelemetry/api';
import { randomBytes } from 'node:crypto';
import * as v from 'valibot';
import type { ComponentLog, MetricDefinition } from './component.ts';
import { option, positiveDuration } from './config/options.ts';
import { messageOf } from './errors.ts';

/** Options of receivers that have a probe. */
export const lagProbeEntries = {
  lag_probe: option(
    v.strictObject({
      enabled: option(v.boolean(), 'Whether canaries are sent.', true),
      interval: option(positiveDuration(), 'How often one is sent.', '1m'),
      timeout: option(positiveDuration(), 'A canary that is not seen by then counts as lost.', '30s'),
    }),
    'Has something happen now and then that the source must tell, and measures how long that takes.',
    {},
  ),
};

export type LagProbeConfig = v.InferOutput<(typeof lagProbeEntries)['lag_probe']>;

/** Metrics of receivers that tell their lag, by a probe or by the times of their records. */
export const LAG_METRIC = {
  name: 'sonde.source.lag',
  instrument: 'histogram',
  unit: 's',
  about: 'How long after its cause a record is made.',
  attributes: ['sonde.component.id'],
  boundaries: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  value: 'double',
  since: 'agent',
  source: 'sonde',
} as const satisfies MetricDefinition;

export const LAG_LOST_METRIC = {
  name: 'sonde.canary.lost',
  instrument: 'counter',
  unit: '{canary}',
  about: 'Canaries that were not seen within the time-out of the probe.',
  attributes: ['sonde.component.id'],
  since: 'agent',
  source: 'sonde',
} as const satisfies MetricDefinition;

export interface LagProbeOptions {
  readonly config: LagProbeConfig;
  readonly lag: Histogram;
  /** Id of the receiver. */
  readonly id: string;
  readonly log: ComponentLog;
  /** Has the source see `token`. What it throws is said, and the canary is not counted. */
  readonly release: (token: string) => void | Promise<void>;
}

export interface LagProbe {
  readonly lost: number;
  start(): void;
  stop(): void;
  /** Whether a record that carries `text` is of a canary, whoever's; if so, it has arrived. */
  saw(text: string): boolean;
  /** Whether `token` is of a canary of this probe; if so, it has arrived. */
  arrived(token: string): boolean;
}

const TOKEN = /sonde-canary-[0-9a-f]{16}-\d+/;

export function createLagProbe({ config, lag, id, log, release }: LagProbeOptions): LagProbe {
  const name = `sonde-canary-${randomBytes(8).toString('hex')}-`;
  const attributes = { 'sonde.component.id': id };
  /** When they were released; milliseconds of `performance.now()`. */
  const underWay = new Map<string, number>();
  let sent = 0;
  let lost = 0;
  let timer: NodeJS.Timeout | undefined;

  async function send(): Promise<void> {
    const now_ms = performance.now();
    for (const [token, sent_ms] of underWay) {
      if (now_ms - sent_ms < config.timeout) break;
      underWay.delete(token);
      lost++;
      log.once('lag', 'A canary did not arrive: this source is late, or loses what it should tell', {
        seconds: config.timeout / 1000,
      });
    }
    const token = `${name}${++sent}`;
    underWay.set(token, performance.now());
    try {
      await release(token);
      log.over('canary', 'Canaries can be released again');
    } catch (error) {
      underWay.delete(token);
      log.once('canary', `Cannot release a canary, so the lag is not measured: ${messageOf(error)}`);
    }
  }

  function arrived(token: string): boolean {
    const sent_ms = underWay.get(token);
    if (sent_ms !== undefined) {
      underWay.delete(token);
      lag.record((performance.now() - sent_ms) / 1000, attributes);
      log.over('lag', 'Canaries arrive in time again');
    }
    return token.startsWith(name);
  }

  return {
    get lost() {
      return lost;
    },
    start() {
      if (!config.enabled || timer !== undefined) return;
      timer = setInterval(() => void send(), config.interval);
      timer.unref();
      void send();
    },
    stop() {
      clearInterval(timer);
      timer = undefined;
      underWay.clear();
    },
    saw(text) {
      // Most records are told apart by one look for a word.
      if (!text.includes('sonde-canary-')) return false;
      const token = TOKEN.exec(text)?.[0];
      if (token === undefined) return false;
      arrived(token);
      // Another agent's canary is no one's event either.
      return true;
    },
    arrived,
  };
}

export interface PassiveLag {
  /** A record is made of what was written then, in Unix milliseconds. */
  record(written_ms: number): void;
}

/**
 * Lag by the times that records carry themselves, where no canary may be written. What was there before is no lag, nor is
 * what was written while that was read.
 */
export function createPassiveLag({ lag, id }: Pick<LagProbeOptions, 'lag' | 'id'>): PassiveLag {
  const attributes = { 'sonde.component.id': id };
  let live_ms = Date.now();
  let hasBacklog = false;
  let hasCaughtUp = false;
  return {
    record(written_ms) {
      if (written_ms < live_ms) {
        hasBacklog = true;
        return;
      }
      const now_ms = Date.now();
      if (hasBacklog && !hasCaughtUp) {
        hasCaughtUp = true;
        live_ms = now_ms;
        if (written_ms < now_ms) return;
      }
      // Someone may set the clock.
      lag.record(Math.max(0, now_ms - written_ms) / 1000, attributes);
    },
  };
}
