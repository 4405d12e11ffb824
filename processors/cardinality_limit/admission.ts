/** Who is within the limits: the first series of a metric and the first values of an attribute, until they expire. */
import { attributesKey, type AnyValue, type Attributes } from '../../src/model/attributes.ts';
import { streamKey, type Series } from '../../src/model/batch.ts';
import type { Place } from '../../src/model/fold.ts';
import { Remainder } from '../../src/model/remainder.ts';
import type { Offenders, Seen } from './offenders.ts';

export interface Limits {
  /** Series of the metric; 0 is no limit. */
  readonly max_series: number;
  /** Values of each of its attributes; 0 is no limit. */
  readonly max_values: number;
  /** Values of single attributes. */
  readonly attributes: Readonly<Record<string, number>>;
}

export interface AdmissionOptions {
  limitsOf(metric: string): Limits;
  readonly drops: boolean;
  /** Series, values and overflow series that are remembered at most, in all. */
  readonly maxTracked: number;
  readonly offenders: Pick<Offenders, 'note'>;
}

interface Overflow extends Seen {
  readonly remainder: Remainder;
}

interface MetricState {
  readonly limits: Limits;
  readonly isLimited: boolean;
  readonly series: Map<string, Seen>;
  readonly values: Map<string, Map<string, Seen>>;
}

export interface Decision {
  readonly place: Place;
  /** What it keeps from expiring. */
  readonly uses: readonly Seen[];
}

export interface Admission {
  decide(series: Series, now_ms: number): Decision;
  /** Forgets what has not been seen since; returns whether there was something. */
  sweep(since_ms: number): boolean;
}

const OVERFLOW_KEY = 'otel.metric.overflow';
const OVERFLOW = { [OVERFLOW_KEY]: true };

export function createAdmission({ limitsOf, drops, maxTracked, offenders }: AdmissionOptions): Admission {
  const metrics = new Map<string, MetricState>();
  const overflows = new Map<string, Overflow>();
  let tracked = 0;
  let hasForgottenOverflow = false;

  function stateOf(metric: string): MetricState {
    let state = metrics.get(metric);
    if (state === undefined) {
      const limits = limitsOf(metric);
      const { max_series, max_values, attributes } = limits;
      const isLimited = [max_series, max_values, ...Object.values(attributes)].some((limit) => limit > 0);
      metrics.set(metric, (state = { limits, isLimited, series: new Map(), values: new Map() }));
    }
    return state;
  }

  /** Undefined where there is no room. */
  function admit(known: Map<string, Seen>, key: string, limit: number, now_ms: number): Seen | undefined {
    let admitted = known.get(key);
    if (admitted === undefined) {
      if ((limit > 0 && known.size >= limit) || tracked >= maxTracked) return undefined;
      known.set(key, (admitted = { seen_ms: now_ms }));
      tracked++;
    }
    admitted.seen_ms = now_ms;
    return admitted;
  }

  function overflow(series: Series, attributes: Attributes, uses: readonly Seen[], now_ms: number): Decision {
    if (drops) return { place: 'drop', uses };
    const key = `${streamKey(series)}${attributesKey(attributes)}`;
    let known = overflows.get(key);
    if (known === undefined) {
      if (tracked >= maxTracked) return { place: 'drop', uses };
      // One that was forgotten counts anew, so it must not begin when the one before did.
      const began = hasForgottenOverflow ? BigInt(Date.now()) * 1_000_000n : undefined;
      known = { remainder: new Remainder(series, attributes, began), seen_ms: now_ms };
      overflows.set(key, known);
      tracked++;
    }
    known.seen_ms = now_ms;
    return { place: known.remainder, uses: [...uses, known] };
  }

  /** Keys whose value there is no room for, and the values that are known or may become so. */
  function checkValues(state: MetricState, { metric, attributes }: Series, now_ms: number): CheckedValues {
    const { limits, values } = state;
    const offending: string[] = [];
    const uses: Seen[] = [];
    const fitting: CheckedValues['fitting'][number][] = [];
    for (const key of Object.keys(attributes)) {
      const limit = Object.hasOwn(limits.attributes, key) ? limits.attributes[key]! : limits.max_values;
      if (limit === 0) continue;
      let known = values.get(key);
      if (known === undefined) values.set(key, (known = new Map()));
      const text = attributesKey({ '': attributes[key]! });
      if (known.has(text) || known.size < limit) fitting.push({ known, text, limit });
      else {
        offending.push(key);
        const text = String(attributes[key]);
        const offender = offenders.note(metric.name, key, limit, text, now_ms, () => text);
        if (offender !== undefined) uses.push(offender);
      }
    }
    return { offending, fitting, uses };
  }

  return {
    decide(series, now_ms) {
      const { metric, attributes } = series;
      const state = stateOf(metric.name);
      // What is such a series already, made by who measures or by another processor, would have the name of one made here.
      if (state.isLimited && !drops && attributes[OVERFLOW_KEY] === true)
        return overflow(series, attributes, [], now_ms);
      const { offending, fitting, uses } = checkValues(state, series, now_ms);
      if (offending.length > 0 && drops) return { place: 'drop', uses };
      const left = offending.length === 0 ? attributes : without(attributes, offending);
      // An overflow series of an attribute is one of the metric's, too.
      const key = offending.length === 0 ? series.key : `${streamKey(series)} ${attributesKey(left)}`;
      const own = admit(state.series, key, state.limits.max_series, now_ms);
      if (own === undefined) {
        const limit = state.limits.max_series || maxTracked;
        const example = (): string => JSON.stringify(attributes);
        const offender = offenders.note(metric.name, undefined, limit, series.key, now_ms, example);
        return overflow(series, OVERFLOW, offender === undefined ? uses : [...uses, offender], now_ms);
      }
      uses.push(own);
      for (const { known, text, limit } of fitting) {
        const value = admit(known, text, limit, now_ms);
        if (value !== undefined) uses.push(value);
      }
      return offending.length === 0 ? { place: 'keep', uses } : overflow(series, left, uses, now_ms);
    },
    sweep(since_ms) {
      const before = tracked;
      for (const [name, { series, values }] of metrics) {
        tracked -= expire(series, since_ms);
        for (const [key, known] of values) {
          tracked -= expire(known, since_ms);
          if (known.size === 0) values.delete(key);
        }
        if (series.size === 0 && values.size === 0) metrics.delete(name);
      }
      const gone = expire(overflows, since_ms);
      if (gone > 0) hasForgottenOverflow = true;
      tracked -= gone;
      return tracked < before;
    },
  };
}

interface CheckedValues {
  readonly offending: readonly string[];
  readonly uses: Seen[];
  readonly fitting: readonly { readonly known: Map<string, Seen>; readonly text: string; readonly limit: number }[];
}

function without(attributes: Attributes, keys: readonly string[]): Attributes {
  const left: Record<string, AnyValue> = {};
  for (const [key, value] of Object.entries(attributes)) if (!keys.includes(key)) left[key] = value;
  return { ...left, ...OVERFLOW };
}

function expire(known: Map<string, Seen>, since_ms: number): number {
  let gone = 0;
  for (const [key, { seen_ms }] of known) {
    if (seen_ms >= since_ms) continue;
    known.delete(key);
    gone++;
  }
  return gone;
}
