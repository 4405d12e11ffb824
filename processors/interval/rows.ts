/** Gathers rows for a batch; for the same series in the same order it has the same layout as the one before. */
import type { Collection, DistributionPoint, Exemplar, MetricBatch, Series } from '../../src/model/batch.ts';
import type { Layout } from '../../src/model/layout.ts';

export interface RowValue {
  readonly value: number;
  readonly exact?: bigint | undefined;
  readonly point?: DistributionPoint | undefined;
  readonly exemplars?: readonly Exemplar[] | undefined;
  readonly flags?: number;
}

export interface Rows {
  add(series: Series, time: bigint, row: RowValue): void;
  readonly count: number;
  /** The batch of what was added; after it there is nothing. */
  take(collection: Collection | undefined): MetricBatch;
}

export function createRows(): Rows {
  let before: Layout = [];
  let series: Series[] = [];
  let times: bigint[] = [];
  let rows: RowValue[] = [];

  function layout(): Layout {
    const isSame = series.length === before.length && series.every((each, row) => each === before[row]);
    if (!isSame) before = series;
    return before;
  }

  return {
    add(one, time, row) {
      series.push(one);
      times.push(time);
      rows.push(row);
    },
    get count() {
      return rows.length;
    },
    take(collection) {
      const exactValues = new Map<number, bigint>();
      rows.forEach(({ exact }, row) => {
        if (exact !== undefined) exactValues.set(row, exact);
      });
      const time = times.reduce((latest, each) => (each > latest ? each : latest), 0n);
      const batch: MetricBatch = {
        signal: 'metrics',
        count: rows.length,
        series: layout(),
        values: Float64Array.from(rows, ({ value }) => value),
        time,
        ...(times.some((each) => each !== time) && { times: BigUint64Array.from(times) }),
        ...(rows.some(({ flags }) => flags) && { flags: Uint32Array.from(rows, ({ flags }) => flags ?? 0) }),
        ...(exactValues.size > 0 && { exactValues }),
        ...(rows.some(({ point }) => point !== undefined) && { points: rows.map(({ point }) => point) }),
        ...(rows.some(({ exemplars }) => exemplars) && { exemplars: rows.map(({ exemplars }) => exemplars) }),
        ...(collection !== undefined && { collection }),
      };
      series = [];
      times = [];
      rows = [];
      return batch;
    },
  };
}
