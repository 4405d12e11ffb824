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
  type Attributes as ApiAttributes,
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
import { NO_ATTRIBUTES, type Attributes } from '../model/attributes.ts';
import { type Metric, type MetricBatch, NO_RECORDED_VALUE, type Resource, type Scope, Series } from '../model/batch.ts';
import type { MetricDefinition } from '../component.ts';
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
  /** Called when a metric has more series than the limit, once per collection. */
  readonly onOverflow?: (metric: string, observations: number) => void;
}

export interface CollectOptions {
  /** Unix nanoseconds that all points of the collection carry. */
  readonly time: bigint;
  /** Id of the receiver. */
  readonly receiver: string;
  readonly onDemand: boolean;
  readonly abort: AbortSignal;
}

export interface CollectResult {
  /** The collection, then, if series ended, a batch that says so. */
  readonly batches: readonly MetricBatch[];
  /** What callbacks threw; what they observed before is in the batches. */
  readonly errors: readonly unknown[];
}

/** A callback that may also look at the collection's abort signal. */
type CollectCallback = (observer: BatchObservableResult, abort: AbortSignal) => void | Promise<void>;

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

  /** Creates the instrument of a declared metric. */
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
   * Runs all callbacks and returns what they observed. Observations that come after `abort` are lost: the caller
   * counts the collection as timed out and keeps nothing of it.
   */
  async collect(options: CollectOptions): Promise<CollectResult> {
    const collection = new CollectionUnderWay(this.#sequence, this.#options.onOverflow);
    const errors: unknown[] = [];
    for (const callback of this.#callbacks) {
      try {
        const pending = callback(collection, options.abort);
        if (pending !== undefined) await pending;
      } catch (error) {
        errors.push(error);
      }
    }
    for (const instrument of this.#instruments) {
      for (const callback of instrument.callbacks) {
        try {
          await callback({ observe: (value, attributes) => collection.observe(instrument, value, attributes) });
        } catch (error) {
          errors.push(error);
        }
      }
    }
    if (options.abort.aborted) {
      collection.close();
      return { batches: [], errors };
    }
    const batches = this.#finish(collection, options, errors.length > 0);
    if (this.#sdk !== undefined) batches.push(...(await this.#sdk.collect(options)));
    return { batches, errors };
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

/** What one observation does to its row: the first of a row sets it, further ones combine or overwrite. */
const SET = 0;
const ADD = 1;
const MIN = 2;
const MAX = 3;
const IGNORE = 4;

/** The observations of the last collection, in order, and the rows they went to. */
class Sequence {
  instruments: Observable[] = [];
  attributes: (Attributes | ApiAttributes)[] = [];
  rows: number[] = [];
  operations: number[] = [];
  /** By row. */
  states: SeriesState[] = [];
  values: Float64Array = new Float64Array(0);
  layout: Series[] | undefined = [];
}

/** Takes the observations of one collection. */
class CollectionUnderWay implements BatchObservableResult {
  /** The sequence that is expected, and from the first surprise on the one that is recorded. */
  #sequence: Sequence;
  #values: Float64Array;
  #position = 0;
  #expected: number;
  #isOpen = true;
  #rowOf: Map<SeriesState, number> | undefined;
  /** Observations by row, where a mean is wanted. */
  #counts: number[] | undefined;
  readonly #onOverflow: MeterOptions['onOverflow'];
  #overflows: Map<Instrument, number> | undefined;

  constructor(sequence: Sequence, onOverflow: MeterOptions['onOverflow']) {
    this.#sequence = sequence;
    this.#values = new Float64Array(sequence.states.length);
    this.#expected = sequence.instruments.length;
    this.#onOverflow = onOverflow;
  }

  get hasDiverged(): boolean {
    return this.#rowOf !== undefined;
  }

  observe(metric: Observable, value: number, attributes: Attributes | ApiAttributes = NO_ATTRIBUTES): void {
    const position = this.#position;
    const sequence = this.#sequence;
    if (
      position < this.#expected &&
      sequence.instruments[position] === metric &&
      sequence.attributes[position] === attributes &&
      Number.isFinite(value)
    ) {
      this.#position = position + 1;
      this.#apply(sequence.rows[position], sequence.operations[position], value);
    } else if (this.#isOpen) {
      this.#observeAnew(metric as Instrument, value, attributes);
    }
  }

  /** Ends the collection; what is observed from now on is lost. */
  close(): Sequence {
    // Fewer observations than expected are a surprise too.
    if (this.#rowOf === undefined && this.#position < this.#expected) this.#diverge();
    this.#isOpen = false;
    this.#expected = 0;
    const sequence = this.#sequence;
    if (this.#counts !== undefined) {
      this.#counts.forEach((count, row) => (this.#values[row] /= count));
    }
    sequence.values =
      this.#values.length === sequence.states.length ? this.#values : this.#values.slice(0, sequence.states.length);
    if (this.#overflows !== undefined) {
      for (const [instrument, count] of this.#overflows) this.#onOverflow?.(instrument.metric.name, count);
    }
    return sequence;
  }

  #apply(row: number, operation: number, value: number): void {
    const values = this.#values;
    if (operation === SET) values[row] = value;
    else if (operation === ADD) {
      values[row] += value;
      if (this.#sequence.states[row].instrument.combination === 'avg') this.#countForMean(row);
    } else if (operation === MIN) values[row] = Math.min(values[row], value);
    else if (operation === MAX) values[row] = Math.max(values[row], value);
  }

  #observeAnew(instrument: Instrument, value: number, attributes: Attributes | ApiAttributes): void {
    // Not a number, or infinite where only integers travel: nothing was observed.
    if (Number.isNaN(value) || (instrument.metric.valueType === 'int' && !Number.isFinite(value))) return;
    if (this.#rowOf === undefined) this.#diverge();
    const sequence = this.#sequence;
    let row = 0;
    let operation = IGNORE;
    if (instrument.isEnabled) {
      const state = instrument.resolve(attributes as Attributes);
      if (state.isOverflow) this.#countOverflow(instrument);
      const known = this.#rowOf!.get(state);
      row = known ?? sequence.states.length;
      operation = known === undefined ? SET : operationOf(instrument, state);
      if (known === undefined) {
        this.#rowOf!.set(state, row);
        sequence.states.push(state);
        this.#reserve(row);
      }
      this.#apply(row, operation, value);
    }
    // An infinite gauge is rare enough to go the long way each time.
    if (!Number.isFinite(value)) return;
    sequence.instruments.push(instrument);
    sequence.attributes.push(attributes);
    sequence.rows.push(row);
    sequence.operations.push(operation);
    this.#position++;
  }

  /** From here on the observations differ from the last collection's: keep what they have in common, as a new one. */
  #diverge(): void {
    const before = this.#sequence;
    const kept = new Sequence();
    const at = this.#position;
    kept.instruments = before.instruments.slice(0, at);
    kept.attributes = before.attributes.slice(0, at);
    kept.rows = before.rows.slice(0, at);
    kept.operations = before.operations.slice(0, at);
    // Rows are given in the order of their first observation, so those kept are the first ones.
    let rows = 0;
    for (let i = 0; i < at; i++) if (kept.operations[i] !== IGNORE && kept.rows[i] >= rows) rows = kept.rows[i] + 1;
    kept.states = before.states.slice(0, rows);
    kept.layout = undefined;
    this.#rowOf = new Map(kept.states.map((state, row) => [state, row]));
    this.#sequence = kept;
    this.#expected = 0;
  }

  #reserve(row: number): void {
    if (row < this.#values.length) return;
    const larger = new Float64Array(Math.max(16, this.#values.length * 2));
    larger.set(this.#values);
    this.#values = larger;
  }

  #countForMean(row: number): void {
    this.#counts ??= [];
    this.#counts[row] = (this.#counts[row] ?? 1) + 1;
  }

  #countOverflow(instrument: Instrument): void {
    this.#overflows ??= new Map();
    this.#overflows.set(instrument, (this.#overflows.get(instrument) ?? 0) + 1);
  }
}

/** What a further observation of the same row does. */
function operationOf(instrument: Instrument, state: SeriesState): number {
  // The same series observed twice: the later value holds, as in the SDK.
  if (!state.isOverflow && !instrument.isAggregated) return SET;
  if (instrument.combination === 'min') return MIN;
  return instrument.combination === 'max' ? MAX : ADD;
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
