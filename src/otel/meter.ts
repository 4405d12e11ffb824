/**
 * The OpenTelemetry `Meter` that receivers write to. Observations go straight into the columns of a batch.
 *
 * A receiver observes the same things in the same order nearly every time. So a meter remembers the sequence of
 * (instrument, attributes object) of the last collection: as long as each observation is the expected one, all it does
 * is store a number, and the batch carries the very layout of the batch before. The first unexpected observation ends
 * that; the rest of the collection is looked up by attributes object, then by content.
 *
 * Unlike the SDK's storage a series that is not observed in a collection has ended, and memory of it is given up
 * (opentelemetry-js #2997, #4096).
 */
import {
  ValueType,
  type BatchObservableResult,
  type Counter,
  type Gauge,
  type Histogram,
  type Meter,
  type MetricOptions,
  type Observable,
  type ObservableCounter,
  type ObservableGauge,
  type ObservableUpDownCounter,
  type UpDownCounter,
} from '@opentelemetry/api';
import { type Metric, type MetricBatch, NO_RECORDED_VALUE, type Resource, type Scope, Series } from '../model/batch.ts';
import type { MetricDefinition, TimeLimit } from '../component.ts';
import { CollectionUnderWay, Sequence, type OnOverflow } from './collection.ts';
import { DeclaredHistogram } from './declared_histogram.ts';
import { Instrument, type MetricView, type SeriesState } from './instrument.ts';
import { createSdkMetrics, type SdkMetrics } from './sdk_metrics.ts';

export interface MeterOptions {
  readonly resource: Resource;
  readonly scope: Scope;
  /** Unix nanoseconds since when counters that exist at the first collection have counted. */
  readonly bootTime: bigint;
  readonly agentStartTime: bigint;
  /** By metric name: switched on or off, attributes to keep. */
  readonly views?: ReadonlyMap<string, MetricView>;
  readonly cardinalityLimit?: number;
  readonly onOverflow?: OnOverflow;
}

export interface CollectOptions {
  /** Unix nanoseconds that all points of the collection carry. */
  readonly time: bigint;
  /** Id of the receiver. */
  readonly receiver: string;
  readonly onDemand: boolean;
  readonly limit: TimeLimit;
}

export interface CollectResult {
  /** The collection, then, if series ended, a batch that says so. */
  readonly batches: readonly MetricBatch[];
  /** What callbacks threw; what they observed before is in the batches. */
  readonly errors: readonly unknown[];
}

/** A callback that may also look at how long it has. */
type CollectCallback = (observer: BatchObservableResult, limit: TimeLimit) => void | Promise<void>;

const DEFAULT_CARDINALITY_LIMIT = 10_000;

export class ObservableMeter implements Meter {
  readonly #options: MeterOptions;
  readonly #instruments: Instrument[] = [];
  readonly #callbacks = new Set<CollectCallback>();
  #sequence = new Sequence();
  #generation = 0;
  /** Time of the collection before; undefined before the first. */
  #previousTime: bigint | undefined;
  #hasDiverged = false;
  #sdk: SdkMetrics | undefined;

  constructor(options: MeterOptions) {
    this.#options = options;
  }

  /** Creates the instruments of declared metrics. Those of histograms are no observables: `ReceiverContext` tells them apart. */
  declareAll(definitions: Readonly<Record<string, MetricDefinition>>): Record<string, Instrument> {
    const declared = Object.entries(definitions).map(([key, definition]) => [
      key,
      definition.instrument === 'histogram'
        ? new DeclaredHistogram(this, definition, this.#options.views?.get(definition.name))
        : this.declare(definition),
    ]);
    return Object.fromEntries(declared) as Record<string, Instrument>;
  }

  /** Creates the observable instrument of a declared metric that is no histogram. */
  declare(definition: MetricDefinition): Instrument {
    const { instrument, optIn = false, entity } = definition;
    return this.#create(
      {
        name: definition.name,
        description: definition.about,
        unit: definition.unit,
        kind: instrument === 'gauge' ? 'gauge' : 'sum',
        isMonotonic: instrument === 'counter',
        temporality: instrument === 'gauge' ? 'unspecified' : 'cumulative',
        valueType: definition.value ?? 'int',
        ...(entity === undefined ? {} : { entity }),
      },
      !optIn,
      definition.since === 'agent' ? this.#options.agentStartTime : this.#options.bootTime,
    );
  }

  createObservableGauge(name: string, options?: MetricOptions): ObservableGauge {
    return this.#observable(name, 'gauge', false, options);
  }
  createObservableCounter(name: string, options?: MetricOptions): ObservableCounter {
    return this.#observable(name, 'sum', true, options);
  }
  createObservableUpDownCounter(name: string, options?: MetricOptions): ObservableUpDownCounter {
    return this.#observable(name, 'sum', false, options);
  }
  createCounter(name: string, options?: MetricOptions): Counter {
    return this.#synchronous().createCounter(name, options);
  }
  createUpDownCounter(name: string, options?: MetricOptions): UpDownCounter {
    return this.#synchronous().createUpDownCounter(name, options);
  }
  createGauge(name: string, options?: MetricOptions): Gauge {
    return this.#synchronous().createGauge(name, options);
  }
  createHistogram(name: string, options?: MetricOptions): Histogram {
    return this.#synchronous().createHistogram(name, options);
  }

  addBatchObservableCallback(callback: CollectCallback, _observables?: Observable[]): void {
    this.#callbacks.add(callback);
  }
  removeBatchObservableCallback(callback: CollectCallback, _observables?: Observable[]): void {
    this.#callbacks.delete(callback);
  }

  /**
   * Runs all callbacks and returns what they observed; at once, if none of them waits for anything. When the limit is
   * over before they are done, nothing of the collection is kept.
   */
  collect(options: CollectOptions): CollectResult | Promise<CollectResult> {
    const collection = new CollectionUnderWay(this.#sequence, this.#options.onOverflow);
    const errors: unknown[] = [];
    const waiting: Promise<void>[] = [];
    const call = (callback: () => void | Promise<void>): void => {
      try {
        const pending = callback();
        if (pending !== undefined) waiting.push(pending.catch((error: unknown) => void errors.push(error)));
      } catch (error) {
        errors.push(error);
      }
    };
    for (const callback of this.#callbacks) call(() => callback(collection, options.limit));
    for (let i = 0; i < this.#instruments.length; i++) {
      const instrument = this.#instruments[i];
      // Those of receivers have none: an iterator for each would be a tenth of what a scrape allocates.
      if (instrument.callbacks.size === 0) continue;
      for (const callback of instrument.callbacks) {
        call(() => callback({ observe: (value, attributes) => collection.observe(instrument, value, attributes) }));
      }
    }
    if (waiting.length === 0 && this.#sdk === undefined) return this.#complete(collection, options, errors);
    return Promise.all(waiting).then(async () => {
      const result = this.#complete(collection, options, errors);
      if (this.#sdk === undefined || options.limit.isOver) return result;
      return { batches: [...result.batches, ...(await this.#sdk.collect(options))], errors };
    });
  }

  #complete(collection: CollectionUnderWay, options: CollectOptions, errors: readonly unknown[]): CollectResult {
    if (!options.limit.isOver) return { batches: this.#finish(collection, options, errors.length > 0), errors };
    collection.close();
    return { batches: [], errors };
  }

  #finish(collection: CollectionUnderWay, options: CollectOptions, isPartial: boolean): MetricBatch[] {
    const sequence = collection.close();
    this.#sequence = sequence;
    this.#hasDiverged ||= collection.hasDiverged;
    const generation = ++this.#generation;
    const { states, values } = sequence;
    let isNewLayout = sequence.layout === undefined;
    for (let row = 0; row < states.length; row++) {
      const state = states[row];
      const value = values[row];
      if (state.series === undefined || (state.instrument.metric.isMonotonic && value < state.lastValue)) {
        state.series = this.#series(state, this.#startOf(state, value));
        isNewLayout = true;
      }
      state.lastValue = value;
      state.generation = generation;
      if (!options.onDemand) state.isReported = true;
    }
    if (isNewLayout) sequence.layout = states.map((state) => state.series!);

    const batches: MetricBatch[] = [
      {
        signal: 'metrics',
        count: states.length,
        series: sequence.layout!,
        values,
        time: options.time,
        collection: { receiver: options.receiver, onDemand: options.onDemand },
      },
    ];
    // Only the clock ends series: its batches reach everyone. A source that failed has not said that they ended.
    if (this.#hasDiverged && !options.onDemand && !isPartial) {
      const ended = this.#forgetEnded(generation);
      if (ended.length > 0) batches.push(endedBatch(ended, options.time));
      this.#hasDiverged = false;
    }
    this.#previousTime = options.time;
    return batches;
  }

  /** Start of a run that begins: a series that is new, or a counter that went down since the collection before. */
  #startOf(state: SeriesState, value: number): bigint {
    const { instrument } = state;
    // The first collection takes the true start of what it meets. What appears later began since the one before.
    const start = this.#previousTime ?? instrument.startTime;
    if (state.series !== undefined) return start;
    if (state.startTime !== undefined) return state.startTime;
    // A file that could not be read for a moment ended its series; their counters have gone on all the while.
    const before = instrument.recall(state.key);
    return before !== undefined && value >= before.lastValue ? before.startTime : start;
  }

  #forgetEnded(generation: number): Series[] {
    const ended: Series[] = [];
    for (const instrument of this.#instruments) {
      for (const state of instrument.states.values()) {
        if (state.generation === generation) continue;
        instrument.forget(state);
        if (state.isReported) ended.push(state.series!);
      }
    }
    return ended;
  }

  #series({ instrument, attributes }: SeriesState, startTime: bigint): Series {
    const { resource, scope } = this.#options;
    return new Series(
      resource,
      scope,
      instrument.metric,
      attributes,
      instrument.metric.kind === 'gauge' ? 0n : startTime,
    );
  }

  #observable(name: string, kind: 'gauge' | 'sum', isMonotonic: boolean, options: MetricOptions = {}): Instrument {
    const metric: Metric = {
      name,
      description: options.description ?? '',
      unit: options.unit ?? '',
      kind,
      isMonotonic,
      temporality: kind === 'gauge' ? 'unspecified' : 'cumulative',
      valueType: options.valueType === ValueType.INT ? 'int' : 'double',
    };
    return this.#create(metric, true, this.#options.agentStartTime);
  }

  #create(metric: Metric, isEnabledByDefault: boolean, startTime: bigint): Instrument {
    const instrument = new Instrument(
      metric,
      this.#options.views?.get(metric.name),
      isEnabledByDefault,
      this.#options.cardinalityLimit ?? DEFAULT_CARDINALITY_LIMIT,
      startTime,
    );
    this.#instruments.push(instrument);
    return instrument;
  }

  #synchronous(): Meter {
    this.#sdk ??= createSdkMetrics(this.#options.resource, this.#options.scope);
    return this.#sdk.meter;
  }
}

function endedBatch(ended: readonly Series[], time: bigint): MetricBatch {
  return {
    signal: 'metrics',
    count: ended.length,
    series: ended,
    values: new Float64Array(ended.length).fill(NaN),
    time,
    flags: new Uint32Array(ended.length).fill(NO_RECORDED_VALUE),
  };
}
