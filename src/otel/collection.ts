/** The observations of one collection, and the sequence of the last one, which they are expected to repeat. */
import type { Attributes as ApiAttributes, BatchObservableResult, Observable } from '@opentelemetry/api';
import { NO_ATTRIBUTES, type Attributes } from '../model/attributes.ts';
import type { Series } from '../model/batch.ts';
import type { Instrument, SeriesState } from './instrument.ts';

/** Called when a metric has more series than the limit, once per collection. */
export type OnOverflow = (metric: string, observations: number) => void;

/** What one observation does to its row: the first of a row sets it, further ones combine or overwrite. */
const SET = 0;
const ADD = 1;
const MIN = 2;
const MAX = 3;
const IGNORE = 4;

/** The observations of the last collection, in order, and the rows they went to. */
export class Sequence {
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
export class CollectionUnderWay implements BatchObservableResult {
  /** The sequence that is expected, and from the first surprise on the one that is recorded. */
  #sequence: Sequence;
  #values: Float64Array;
  #position = 0;
  #expected: number;
  #isOpen = true;
  #rowOf: Map<SeriesState, number> | undefined;
  /** Observations by row, where a mean is wanted. */
  #counts: number[] | undefined;
  readonly #onOverflow: OnOverflow | undefined;
  #overflows: Map<Instrument, number> | undefined;

  constructor(sequence: Sequence, onOverflow: OnOverflow | undefined) {
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
