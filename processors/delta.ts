/** Turns gauges and up-down counters into their change. */
import * as v from 'valibot';
import { defineProcessor } from '../src/component.ts';
import { duration, option, required } from '../src/config/options.ts';
import { NO_RECORDED_VALUE, Series, type Metric, type MetricBatch } from '../src/model/batch.ts';
import { perLayout, type Layout } from '../src/model/layout.ts';
import { selectRows } from '../src/model/select.ts';
import { createNameFilter, globs } from '../src/text/name_filter.ts';

/** Series that are remembered; further ones have no change. */
const MAX_SERIES = 100_000;

export default defineProcessor({
  type: 'delta',
  about:
    'Turns gauges and up-down counters into gauges of how much they changed since the point before, or changed a second. A ' +
    'first point only sets a baseline and is counted as no_delta, as are late ones. Counters pass: cumulativetodelta is for them.',
  signals: ['metrics'],
  isStateful: true,
  config: v.strictObject({
    metrics: required(v.pipe(globs(), v.minLength(1)), 'Names of the gauges and up-down counters, as globs.'),
    per_second: option(
      v.boolean(),
      'Whether the change is divided by the seconds that it took; the unit becomes By/s of By.',
      false,
    ),
    suffix: option(v.string(), 'What is added to the name of the metric, as .change.', ''),
    initial_value: option(
      v.picklist(['drop', 'zero']),
      'What becomes of a first point: it is left out, or its change is 0.',
      'drop',
    ),
    max_staleness: option(duration(), 'After so long without points a series begins anew; 0 is never.', '1h'),
  }),
  create({ config, next, drop, log }) {
    const isMeant = createNameFilter(config.metrics, []);
    const staleness_ms = config.max_staleness === 0 ? Infinity : config.max_staleness;
    const states = new Map<string, State>();
    const changes = new WeakMap<Metric, Metric>();
    let swept_ms = performance.now();
    /** Another number whenever states were forgotten. */
    let epoch = 0;

    function isConverted({ metric }: Series): boolean {
      if (!isMeant(metric.name)) return false;
      if (metric.kind === 'gauge') return true;
      if (metric.kind === 'sum' && !metric.isMonotonic && metric.temporality === 'cumulative') return true;
      log.once(metric.name, `Cannot make changes of ${metric.name}: it is no gauge or up-down counter`);
      return false;
    }

    function changeOf(metric: Metric): Metric {
      let change = changes.get(metric);
      if (change === undefined) {
        const { per_second, suffix } = config;
        const unit = per_second ? `${metric.unit === '' ? '1' : metric.unit}/s` : metric.unit;
        const valueType = per_second ? 'double' : metric.valueType;
        change = {
          ...metric,
          name: `${metric.name}${suffix}`,
          unit,
          valueType,
          kind: 'gauge',
          temporality: 'unspecified',
        };
        changes.set(metric, change);
      }
      return change;
    }

    function stateOf(from: Series): State | undefined {
      let state = states.get(from.key);
      if (state === undefined && states.size < MAX_SERIES) {
        const series = new Series(from.resource, from.scope, changeOf(from.metric), from.attributes, 0n);
        state = { series, key: from.key, time: undefined, value: NaN, exact: undefined, seen_ms: 0 };
        states.set(from.key, state);
      }
      return state;
    }

    function planOf(layout: Layout): Plan {
      const converted = layout.map(isConverted);
      const rowStates = layout.map((series, row) => (converted[row] ? stateOf(series) : undefined));
      const series = layout.map((from, row) => rowStates[row]?.series ?? from);
      return { converted: converted.includes(true) ? converted : undefined, states: rowStates, series, epoch };
    }
    const slotOf = perLayout((layout) => ({ plan: planOf(layout) }));

    function forgetStale(now_ms: number): void {
      if (now_ms - swept_ms < staleness_ms / 4) return;
      swept_ms = now_ms;
      for (const [key, { seen_ms }] of states) {
        if (now_ms - seen_ms <= staleness_ms) continue;
        states.delete(key);
        epoch++;
      }
    }

    /** The change of a row; undefined where there is none. */
    function advance(state: State, batch: MetricBatch, row: number): number | bigint | undefined {
      const time = batch.times?.[row] ?? batch.time;
      const value = batch.values[row]!;
      const exact = batch.exactValues?.get(row);
      const before = state.time;
      if (Number.isNaN(value) || (before !== undefined && time <= before)) return undefined;
      const change = difference(value, exact, state);
      state.time = time;
      state.value = value;
      state.exact = exact;
      if (before === undefined) return config.initial_value === 'zero' ? 0 : undefined;
      return config.per_second ? Number(change) / (Number(time - before) / 1e9) : change;
    }

    function convert(batch: MetricBatch): MetricBatch {
      forgetStale(performance.now());
      const slot = slotOf(batch.series);
      if (slot.plan.epoch !== epoch) slot.plan = planOf(batch.series);
      const { converted, states: rowStates, series } = slot.plan;
      if (converted === undefined) return batch;
      const now_ms = performance.now();
      const rows: number[] = [];
      const results: (number | bigint | undefined)[] = [];
      for (let row = 0; row < batch.count; row++) {
        if (!converted[row]) {
          results[rows.push(row) - 1] = undefined;
          continue;
        }
        const state = rowStates[row];
        if (state === undefined) continue;
        state.seen_ms = now_ms;
        const isEnd = ((batch.flags?.[row] ?? 0) & NO_RECORDED_VALUE) !== 0;
        const change = isEnd ? end(state) : advance(state, batch, row);
        if (change !== undefined) results[rows.push(row) - 1] = change;
      }
      const isWhole = rows.length === batch.count;
      return withChanges(selectRows(batch, rows, isWhole ? series : rows.map((row) => series[row]!)), results);
    }

    /** Its end goes on, if it had a change. */
    function end(state: State): number | undefined {
      if (states.get(state.key) === state) states.delete(state.key);
      epoch++;
      return state.time === undefined ? undefined : NaN;
    }

    return {
      consume(batch) {
        if (batch.signal !== 'metrics') return next.consume(batch);
        const changed = convert(batch);
        if (changed.count < batch.count) drop('no_delta', batch.count - changed.count);
        if (changed.count === 0 && batch.count > 0 && batch.collection === undefined) return undefined;
        return next.consume(changed);
      },
    };
  },
});

interface State {
  readonly series: Series;
  readonly key: string;
  /** Unix nanoseconds of the last point. */
  time: bigint | undefined;
  value: number;
  exact: bigint | undefined;
  seen_ms: number;
}

interface Plan {
  /** By row; undefined where nothing is. */
  readonly converted: readonly boolean[] | undefined;
  readonly states: readonly (State | undefined)[];
  readonly series: Layout;
  readonly epoch: number;
}

/** Of integers exactly, also beyond 2^53. */
function difference(value: number, exact: bigint | undefined, before: State): number | bigint {
  const change = value - before.value;
  const isPlain = exact === undefined && before.exact === undefined && Math.abs(change) <= Number.MAX_SAFE_INTEGER;
  if (isPlain || !Number.isInteger(value) || !Number.isInteger(before.value)) return change;
  if (before.series.metric.valueType === 'double') return change;
  return (exact ?? BigInt(value)) - (before.exact ?? BigInt(before.value));
}

/** @param changes by row; undefined for a row that stays */
function withChanges(batch: MetricBatch, changes: readonly (number | bigint | undefined)[]): MetricBatch {
  const { values } = batch;
  const exactValues = new Map(batch.exactValues);
  for (const [row, change] of changes.entries()) {
    if (change === undefined) continue;
    values[row] = Number(change);
    if (typeof change === 'bigint' && !Number.isSafeInteger(values[row])) exactValues.set(row, change);
    else exactValues.delete(row);
  }
  const { exactValues: _, exemplars, ...rest } = batch;
  return {
    ...rest,
    ...(exactValues.size > 0 && { exactValues }),
    ...(exemplars && { exemplars: exemplars.map((each, row) => (changes[row] === undefined ? each : undefined)) }),
  };
}
