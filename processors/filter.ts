/** Drops metrics and log records that are not wanted. */
import { strictObject } from 'valibot';
import { option } from '../src/config/options.ts';
import { defineProcessor } from '../src/component.ts';
import type { LogBatch, MetricBatch } from '../src/model/batch.ts';
import { perLayout, type Layout } from '../src/model/layout.ts';
import { selectRows } from '../src/model/select.ts';
import { logSelection, metricSelection, selectRecords, selectSeries } from '../src/text/selection.ts';

export default defineProcessor({
  type: 'filter',
  about:
    'Drops metrics and log records that are not wanted. A thing is kept if any rule of include fits it, or there is none, ' +
    'and no rule of exclude does; what is dropped is counted as filtered, or filtered:NAME after the rule that excluded it.',
  signals: ['metrics', 'logs'],
  config: strictObject({
    metrics: option(strictObject(metricSelection), 'Which series are kept.', {}),
    logs: option(strictObject(logSelection), 'Which log records are kept.', {}),
  }),
  create({ config, next, drop }) {
    const isSeriesKept = selectSeries(config.metrics);
    const isRecordKept = selectRecords(config.logs);

    const selectionOf = perLayout((layout) => {
      const dropped = new Tally();
      const rows: number[] = [];
      layout.forEach((series, row) => {
        const kept = isSeriesKept(series);
        if (kept === true) rows.push(row);
        else dropped.add(kept);
      });
      const series: Layout = rows.map((row) => layout[row]!);
      return { rows: Uint32Array.from(rows), series, dropped };
    });

    function consumeMetrics(batch: MetricBatch): Promise<void> | void {
      const { rows, series, dropped } = selectionOf(batch.series);
      if (rows.length === batch.count) return next.consume(batch);
      dropped.report(drop);
      // A whole collection is passed on though it be empty: it says that what was there before has ended.
      if (rows.length === 0 && batch.collection === undefined) return undefined;
      return next.consume(selectRows(batch, rows, series));
    }

    function consumeLogs(batch: LogBatch): Promise<void> | void {
      const dropped = new Tally();
      const records = batch.records.filter((record) => {
        const kept = isRecordKept(record);
        if (kept !== true) dropped.add(kept);
        return kept === true;
      });
      if (records.length === batch.count) return next.consume(batch);
      dropped.report(drop);
      if (records.length === 0) return undefined;
      return next.consume({ signal: 'logs', count: records.length, records });
    }

    return {
      consume(batch) {
        // Without rules for it, a batch that came encoded is not even decoded.
        if (batch.signal === 'metrics' && hasRules(config.metrics)) return consumeMetrics(batch);
        if (batch.signal === 'logs' && hasRules(config.logs)) return consumeLogs(batch);
        return next.consume(batch);
      },
    };
  },
});

function hasRules({ include, exclude }: { include: readonly unknown[]; exclude: readonly unknown[] }): boolean {
  return include.length > 0 || exclude.length > 0;
}

/** How many items each rule dropped. */
class Tally {
  readonly #counts = new Map<string, number>();

  /** `rule` is '' for a rule without a name, and for what no rule includes. */
  add(rule: string): void {
    const reason = rule === '' ? 'filtered' : `filtered:${rule}`;
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  report(drop: (reason: string, count: number) => void): void {
    for (const [reason, count] of this.#counts) drop(reason, count);
  }
}
