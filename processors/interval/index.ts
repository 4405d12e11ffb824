/** Hands on the latest values once an interval. */
import * as v from 'valibot';
import { defineProcessor } from '../../src/component.ts';
import { option, positiveDuration } from '../../src/config/options.ts';
import { createHeldBatches } from '../../src/held_records.ts';
import { NO_RECORDED_VALUE, type MetricBatch, type Series } from '../../src/model/batch.ts';
import { perLayout, type Layout } from '../../src/model/layout.ts';
import { selectRows } from '../../src/model/select.ts';
import { metricSelection, selectSeries } from '../../src/text/selection.ts';
import type { Entry } from './entry.ts';
import { createWindow, type Outcome, type Source } from './window.ts';

const STATISTICS = ['last', 'avg', 'min', 'max'] as const;

export default defineProcessor({
  type: 'interval',
  about:
    'Holds metrics and hands on, once an interval, one point of each series that had any: the latest of cumulative metrics, ' +
    'up-down counters and summaries, the sum of deltas, and statistics of gauges. Points that went into others are counted ' +
    'as merged. What it holds is lost if the process is killed: of deltas and gauges for good.',
  signals: ['metrics'],
  isStateful: true,
  config: v.strictObject({
    interval: option(positiveDuration(), 'How often what is held is handed on.', '60s'),
    gauges: option(
      v.pipe(
        v.array(v.picklist(STATISTICS)),
        v.minLength(1),
        v.check((list) => new Set(list).size === list.length, 'each statistic once'),
      ),
      'What is handed on of a gauge. A single statistic has the name of the gauge; of several, last has it, and the others are NAME.avg, NAME.min and NAME.max.',
      ['last'],
    ),
    pass_through: option(
      v.strictObject({
        gauge: option(v.boolean(), 'Gauges pass at once.', false),
        summary: option(v.boolean(), 'Summaries pass at once.', false),
        up_down_counter: option(v.boolean(), 'Cumulative sums that may fall pass at once.', false),
        delta: option(v.boolean(), 'Delta sums and histograms pass at once.', false),
      }),
      'Kinds of metrics that are not held.',
      {},
    ),
    max_series: option(
      v.pipe(v.number(), v.integer(), v.minValue(1)),
      'Series that are held at most, some 500 bytes each; points of others are left out, counted as series_limit.',
      100_000,
    ),
    metrics: option(v.strictObject(metricSelection), 'Which series are held; the others pass at once.', {}),
  }),
  create({ config, next, own, drop, hold, release, log }) {
    const isMeant = selectSeries(config.metrics);
    const held = createHeldBatches({ drop, release, log });
    const window = createWindow({ statistics: config.gauges, maxSeries: config.max_series, next, own });
    let timer: NodeJS.Timeout | undefined;

    function isHeld(series: Series): boolean {
      const { kind, temporality, isMonotonic } = series.metric;
      const { gauge, summary, up_down_counter, delta } = config.pass_through;
      if (kind === 'gauge' ? gauge : kind === 'summary' ? summary : temporality === 'delta' && delta) return false;
      const isUpDown = kind === 'sum' && temporality === 'cumulative' && !isMonotonic;
      return !(isUpDown && up_down_counter) && isMeant(series) === true;
    }

    const planOf = perLayout((layout): Plan => {
      const isRowHeld = layout.map(isHeld);
      const passing = [...layout.keys()].filter((row) => !isRowHeld[row]);
      return {
        held: Uint32Array.from(layout.keys().filter((row) => isRowHeld[row])),
        entries: [],
        passing,
        passingSeries: passing.map((row) => layout[row]!),
      };
    });

    function entryOf(plan: Plan, series: Series, row: number, source: Source): Entry | undefined {
      let entry = plan.entries[row];
      if (entry === undefined || entry.isGone) entry = plan.entries[row] = window.entryOf(series, source);
      return entry;
    }

    function holdRows(plan: Plan, batch: MetricBatch): number[] {
      const counts: Record<Outcome, number> = { held: 0, merged: 0, series_limit: 0, not_mergeable: 0 };
      const untold: number[] = [];
      const source = window.sourceOf(batch);
      if (batch.collection !== undefined) source.hasCollection = true;
      for (const row of plan.held) {
        const series = batch.series[row]!;
        if (batch.flags !== undefined && (batch.flags[row]! & NO_RECORDED_VALUE) !== 0) {
          const outcome = window.end(series, batch.times?.[row] ?? batch.time);
          if (outcome === false) untold.push(row);
          else counts[outcome]++;
          continue;
        }
        const entry = entryOf(plan, series, row, source);
        counts[entry === undefined ? 'series_limit' : window.take(entry, batch, row)]++;
      }
      for (const reason of ['merged', 'series_limit', 'not_mergeable'] as const) {
        if (counts[reason] > 0) drop(reason, counts[reason]);
      }
      if (counts.held > 0) hold(counts.held);
      if (counts.series_limit > 0) {
        log.once('series_limit', `Cannot hold more than ${config.max_series} series: further ones are left out`);
      }
      return untold;
    }

    function consumeMetrics(batch: MetricBatch): Promise<void> | void {
      const plan = planOf(batch.series);
      const isOnDemand = batch.collection?.onDemand === true;
      const isEmptyCollection = batch.count === 0 && batch.collection !== undefined;
      if (isOnDemand || (plan.held.length === 0 && !isEmptyCollection)) return next.consume(batch);
      // First what may be refused, now or later: nothing of the batch is held until then, for its sender repeats all of it.
      const passing = plan.passing.length === 0 ? undefined : pass(batch, plan.passing, plan.passingSeries);
      return passing === undefined ? holdBatch(plan, batch) : passing.then(() => holdBatch(plan, batch));
    }

    function holdBatch(plan: Plan, batch: MetricBatch): Promise<void> | void {
      if (timer === undefined) schedule(performance.now() + config.interval);
      const untold = holdRows(plan, batch);
      if (untold.length === 0) return undefined;
      return pass(
        batch,
        untold,
        untold.map((row) => batch.series[row]!),
      );
    }

    function pass(batch: MetricBatch, rows: readonly number[], series: Layout): Promise<void> | void {
      const { collection: _, ...rest } = selectRows(batch, rows, series);
      // What remains of a collection is none: what is held is still there.
      return next.consume(rest);
    }

    function schedule(at_ms: number): void {
      timer = setTimeout(() => close(at_ms), Math.max(0, at_ms - performance.now()));
    }

    /** While what was handed on before is not taken, the window goes on, so that no more waits than there are series. */
    function close(at_ms: number): void {
      timer = undefined;
      const batches = held.isBlocked ? undefined : window.close();
      // Regular as long as something comes.
      if (batches === undefined || batches.length > 0)
        schedule(Math.max(at_ms, performance.now() - config.interval) + config.interval);
      if (batches !== undefined) void held.handOn(batches);
    }

    return {
      consume: (batch) => (batch.signal === 'metrics' ? consumeMetrics(batch) : next.consume(batch)),
      async stop() {
        clearTimeout(timer);
        void held.handOn(window.close());
        await held.stop();
      },
    };
  },
});

/** What is known of a layout. */
interface Plan {
  readonly held: Uint32Array;
  /** By row. */
  readonly entries: (Entry | undefined)[];
  readonly passing: readonly number[];
  readonly passingSeries: Layout;
}
