/** What a group of rules makes, as collections of gauges that keep their layout as long as the series stay the same. */
import { NO_ATTRIBUTES } from '../../src/model/attributes.ts';
import {
  NO_RECORDED_VALUE,
  Series,
  type Metric,
  type MetricBatch,
  type Resource,
  type Scope,
} from '../../src/model/batch.ts';
import { VERSION } from '../../src/model/version.ts';
import { labelsKey } from '../../src/promql/labels.ts';
import type { RuleSample } from '../../src/rules/evaluation.ts';
import type { Labels } from '../../src/store/queryable.ts';

const SCOPE: Scope = {
  name: 'sonde.processor.alert_rules',
  version: VERSION,
  attributes: NO_ATTRIBUTES,
  schemaUrl: '',
};

const DESCRIPTIONS: Readonly<Record<string, string>> = {
  ALERTS: 'Alerts that are pending or firing, by alertstate.',
  ALERTS_FOR_STATE: 'Since when an alert is pending or firing, in Unix seconds.',
};

export interface Emitter {
  /**
   * The batches of an evaluation: what ended, if anything did, and the whole collection. Native histograms stay behind.
   */
  batches(samples: readonly RuleSample[], time_ms: number): MetricBatch[];
  /** The collection of nothing: what was shown is shown no more. */
  nothing(time_ms: number): MetricBatch;
  /** What it has shown, by the key of its labels. */
  readonly shown: ReadonlyMap<string, Series>;
  /** Takes for shown what another showed. */
  takeOver(shown: ReadonlyMap<string, Series>): void;
}

/** @param receiver says whose collection it is: unique among all that collect */
export function createEmitter(receiver: string, resource: Resource): Emitter {
  const metrics = new Map<string, Metric>();
  let shown = new Map<string, Series>();
  let layout: readonly Series[] = [];

  function metricOf(name: string): Metric {
    let metric = metrics.get(name);
    if (metric === undefined) {
      metric = {
        name,
        description: DESCRIPTIONS[name] ?? 'Recorded by a rule.',
        unit: '',
        kind: 'gauge',
        isMonotonic: false,
        temporality: 'unspecified',
        valueType: 'double',
      };
      metrics.set(name, metric);
    }
    return metric;
  }

  function create(labels: Labels): Series {
    const attributes = Object.fromEntries([...labels].filter(([name]) => name !== '__name__'));
    return new Series(resource, SCOPE, metricOf(labels.get('__name__') ?? ''), attributes, 0n);
  }

  return {
    get shown() {
      return shown;
    },
    takeOver(before) {
      shown = new Map([...before, ...shown]);
    },
    batches(samples, time_ms) {
      const next = new Map<string, Series>();
      const values: number[] = [];
      for (const { labels, value } of samples) {
        if (typeof value !== 'number') continue;
        const key = labelsKey(labels);
        next.set(key, shown.get(key) ?? create(labels));
        values.push(value);
      }
      const ended = [...shown].filter(([key]) => !next.has(key)).map(([, series]) => series);
      const now = [...next.values()];
      const isSame = now.length === layout.length && now.every((series, row) => series === layout[row]);
      if (!isSame) layout = now;
      shown = next;
      const whole = collection(receiver, layout, Float64Array.from(values), time_ms);
      return ended.length === 0 ? [whole] : [endOf(ended, time_ms), whole];
    },
    nothing: (time_ms) => collection(receiver, [], new Float64Array(0), time_ms),
  };
}

function collection(receiver: string, series: readonly Series[], values: Float64Array, time_ms: number): MetricBatch {
  const time = BigInt(Math.round(time_ms)) * 1_000_000n;
  return { signal: 'metrics', count: series.length, series, values, time, collection: { receiver, onDemand: false } };
}

function endOf(series: readonly Series[], time_ms: number): MetricBatch {
  return {
    signal: 'metrics',
    count: series.length,
    series,
    values: new Float64Array(series.length).fill(NaN),
    time: BigInt(Math.round(time_ms)) * 1_000_000n,
    flags: new Uint32Array(series.length).fill(NO_RECORDED_VALUE),
  };
}
