/** One observable instrument and the series that it has now. */
import type { Observable, ObservableCallback } from '@opentelemetry/api';
import { attributesKey, type Attributes } from '../model/attributes.ts';
import type { Metric, Series } from '../model/batch.ts';
import { startTimeOf } from '../model/start_time.ts';

/** What a configuration says of one metric. */
export interface MetricView {
  readonly enabled?: boolean | undefined;
  /** Attributes to keep; series that differ only in others become one. */
  readonly attributes?: readonly string[] | undefined;
  readonly aggregation?: Combination | undefined;
}

/** How the values of series that become one are combined. */
export type Combination = 'sum' | 'avg' | 'min' | 'max';

/** A series as its meter knows it, from the first collection that observes it to the last. */
export interface SeriesState {
  readonly instrument: Instrument;
  readonly attributes: Attributes;
  readonly key: string;
  readonly isOverflow: boolean;
  /** Unix nanoseconds since when it counts, where its source knows. */
  readonly startTime: bigint | undefined;
  /** Made when the collection is done; a new one for every run. */
  series: Series | undefined;
  lastValue: number;
  /** Number of the last collection that observed it. */
  generation: number;
  /** Whether a batch of the clock carried it, so that its end must be told. */
  isReported: boolean;
  hasEnded: boolean;
}

interface EndedRun {
  readonly startTime: bigint;
  readonly lastValue: number;
}

/** Enough for every device of a large machine; ended processes do not come back. */
const MOST_ENDED_RUNS = 1000;

const OVERFLOW: Attributes = Object.freeze({ 'otel.metric.overflow': true });

export class Instrument implements Observable {
  readonly metric: Metric;
  readonly isEnabled: boolean;
  /** Whether attributes are left out, so that several observations may meet in one series. */
  readonly isAggregated: boolean;
  readonly combination: Combination;
  /** Unix nanoseconds since when it counts, for series met in the first collection. */
  readonly startTime: bigint;
  readonly callbacks = new Set<ObservableCallback>();
  /** By {@link attributesKey} of what is kept of the attributes. */
  readonly states = new Map<string, SeriesState>();
  readonly #byIdentity = new WeakMap<Attributes, SeriesState>();
  /** The last runs of counters that ended, oldest first. */
  readonly #ended = new Map<string, EndedRun>();
  readonly #keep: readonly string[] | undefined;
  readonly #cardinalityLimit: number;

  constructor(
    metric: Metric,
    view: MetricView | undefined,
    isEnabledByDefault: boolean,
    cardinalityLimit: number,
    startTime: bigint,
  ) {
    this.metric = metric;
    this.isEnabled = view?.enabled ?? isEnabledByDefault;
    this.#keep = view?.attributes;
    this.isAggregated = this.#keep !== undefined;
    this.combination = view?.aggregation ?? (metric.kind === 'gauge' ? 'avg' : 'sum');
    this.#cardinalityLimit = cardinalityLimit;
    this.startTime = startTime;
  }

  addCallback(callback: ObservableCallback): void {
    this.callbacks.add(callback);
  }
  removeCallback(callback: ObservableCallback): void {
    this.callbacks.delete(callback);
  }

  /** The series of these attributes: by the object itself, else by content, else a new one or the overflow. */
  resolve(attributes: Attributes): SeriesState {
    const known = this.#byIdentity.get(attributes);
    if (known !== undefined && !known.hasEnded) return known;
    const kept = keep(attributes, this.#keep);
    const key = attributesKey(kept);
    let state = this.states.get(key);
    if (state === undefined) {
      if (this.states.size >= this.#cardinalityLimit) return this.#overflow();
      // What several things become began with none of them.
      const startTime = this.isAggregated ? undefined : startTimeOf(attributes);
      this.states.set(key, (state = createState(this, kept, key, startTime)));
    }
    this.#byIdentity.set(attributes, state);
    return state;
  }

  /** Gives up a series that ended, but for what it takes to go on if it comes back. */
  forget(state: SeriesState): void {
    this.states.delete(state.key);
    state.hasEnded = true;
    if (!this.metric.isMonotonic || state.series === undefined) return;
    this.#ended.set(state.key, { startTime: state.series.startTime, lastValue: state.lastValue });
    if (this.#ended.size > MOST_ENDED_RUNS) this.#ended.delete(this.#ended.keys().next().value!);
  }

  /** The run with which this series ended before, if that is remembered; forgets it. */
  recall(key: string): EndedRun | undefined {
    const run = this.#ended.get(key);
    this.#ended.delete(key);
    return run;
  }

  #overflow(): SeriesState {
    const key = attributesKey(OVERFLOW);
    let state = this.states.get(key);
    if (state === undefined) this.states.set(key, (state = createState(this, OVERFLOW, key, undefined, true)));
    return state;
  }
}

function createState(
  instrument: Instrument,
  attributes: Attributes,
  key: string,
  startTime: bigint | undefined,
  isOverflow = false,
): SeriesState {
  return {
    instrument,
    attributes,
    key,
    isOverflow,
    startTime,
    series: undefined,
    lastValue: NaN,
    generation: 0,
    isReported: false,
    hasEnded: false,
  };
}

/** The attributes that are kept; without those of value `undefined`, which the API allows. */
function keep(attributes: Attributes, kept: readonly string[] | undefined): Attributes {
  const entries = Object.entries(attributes).filter(
    ([key, value]) => value !== undefined && (kept === undefined || kept.includes(key)),
  );
  return Object.fromEntries(entries);
}
