/** Which metrics and attributes exceed their limit, and by how much: in the log once, and as metrics of the agent itself. */
import { ValueType, type BatchObservableResult, type Meter } from '@opentelemetry/api';
import type { ComponentLog } from '../../src/component.ts';
import { DistinctEstimate } from './estimate.ts';

/** So many are told of by name, a kilobyte and a half each; the rest is limited all the same. */
const MAX_OFFENDERS = 200;

export interface Seen {
  seen_ms: number;
}

interface Offender extends Seen {
  readonly metric: string;
  /** Undefined where it is the metric that has too many series. */
  readonly attribute: string | undefined;
  readonly limit: number;
  readonly estimate: DistinctEstimate;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface Offenders {
  /**
   * Notes a series or value (as text) for which there was no room; returns what says when it was seen last, if it is told of.
   * @param example of it, for people
   */
  note(
    metric: string,
    attribute: string | undefined,
    limit: number,
    text: string,
    now_ms: number,
    example: () => string,
  ): Seen | undefined;
  /** Counts points that went into an overflow series, or were left out. */
  count(points: number): void;
  /** Forgets those of which nothing was noted since. */
  sweep(since_ms: number): void;
  publish(meter: Meter): () => void;
}

export function createOffenders(log: ComponentLog, of: Readonly<Record<string, string>>): Offenders {
  const offenders = new Map<string, Offender>();
  let points = 0;

  return {
    note(metric, attribute, limit, text, now_ms, example) {
      const key = JSON.stringify([metric, attribute]);
      let offender = offenders.get(key);
      if (offender === undefined) {
        if (offenders.size >= MAX_OFFENDERS) return undefined;
        const attributes = {
          ...of,
          'sonde.cardinality.metric': metric,
          ...(attribute !== undefined && { 'sonde.cardinality.attribute': attribute }),
        };
        offender = { metric, attribute, limit, estimate: new DistinctEstimate(), attributes, seen_ms: now_ms };
        offenders.set(key, offender);
        const found =
          attribute === undefined
            ? `${metric} has more than ${limit} series`
            : `attribute ${attribute} of ${metric} has more than ${limit} values`;
        log.once(key, `Limits cardinality: ${found}`, { example: example() });
      }
      offender.estimate.add(text);
      offender.seen_ms = now_ms;
      return offender;
    },
    count(more) {
      points += more;
    },
    sweep(since_ms) {
      for (const [key, { seen_ms, metric }] of offenders) {
        if (seen_ms >= since_ms) continue;
        offenders.delete(key);
        log.over(key, `Cardinality of ${metric} is within its limit again`);
      }
    },
    publish(meter) {
      const options = (unit: string, description: string) => ({ unit, description, valueType: ValueType.INT });
      const exceeding = meter.createObservableGauge(
        'sonde.cardinality.exceeding',
        options('1', 'Series or values beyond the limit, estimated to some 3 %, by metric and attribute.'),
      );
      const limits = meter.createObservableGauge(
        'sonde.cardinality.limit',
        options('1', 'The limit that is exceeded, by metric and attribute.'),
      );
      const overflowed = meter.createObservableCounter(
        'sonde.cardinality.overflowed',
        options('{data_point}', 'Points of series beyond a limit.'),
      );
      const observe = (observer: BatchObservableResult): void => {
        for (const { attributes, estimate, limit } of offenders.values()) {
          observer.observe(exceeding, estimate.count, attributes);
          observer.observe(limits, limit, attributes);
        }
        observer.observe(overflowed, points, of);
      };
      const instruments = [exceeding, limits, overflowed];
      meter.addBatchObservableCallback(observe, instruments);
      return () => meter.removeBatchObservableCallback(observe, instruments);
    },
  };
}
