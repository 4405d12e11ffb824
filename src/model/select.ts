/** Makes new metric batches of the rows of another: the optional columns follow, the encoded form does not. */
import type { MetricBatch } from './batch.ts';
import type { Layout } from './layout.ts';

/** The same rows measuring `series` instead: for what changes names or attributes and leaves values alone. */
export function relabel(batch: MetricBatch, series: Layout): MetricBatch {
  return {
    signal: 'metrics',
    count: batch.count,
    series,
    values: batch.values,
    time: batch.time,
    ...(batch.times === undefined ? undefined : { times: batch.times }),
    ...(batch.flags === undefined ? undefined : { flags: batch.flags }),
    ...(batch.exactValues === undefined ? undefined : { exactValues: batch.exactValues }),
    ...(batch.points === undefined ? undefined : { points: batch.points }),
    ...(batch.exemplars === undefined ? undefined : { exemplars: batch.exemplars }),
    ...(batch.collection === undefined ? undefined : { collection: batch.collection }),
  };
}

/**
 * Rows of a batch, in the order given.
 * @param rows positions in `batch`
 * @param series what each of them measures: as long as `rows`; hand over the same array for the same layout and rows
 */
export function selectRows(batch: MetricBatch, rows: ArrayLike<number>, series: Layout): MetricBatch {
  const count = rows.length;
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = batch.values[rows[i]!]!;
  const { times, flags, exactValues, points, exemplars, collection } = batch;
  const exact = exactValues === undefined ? undefined : selectExact(exactValues, rows);
  return {
    signal: 'metrics',
    count,
    series,
    values,
    time: batch.time,
    ...(times === undefined ? undefined : { times: BigUint64Array.from(rows, (row) => times[row]!) }),
    ...(flags === undefined ? undefined : { flags: Uint32Array.from(rows, (row) => flags[row]!) }),
    ...(exact === undefined || exact.size === 0 ? undefined : { exactValues: exact }),
    ...(points === undefined ? undefined : { points: Array.from(rows, (row) => points[row]) }),
    ...(exemplars === undefined ? undefined : { exemplars: Array.from(rows, (row) => exemplars[row]) }),
    ...(collection === undefined ? undefined : { collection }),
  };
}

function selectExact(exactValues: ReadonlyMap<number, bigint>, rows: ArrayLike<number>): Map<number, bigint> {
  const selected = new Map<number, bigint>();
  for (let i = 0; i < rows.length; i++) {
    const value = exactValues.get(rows[i]!);
    if (value !== undefined) selected.set(i, value);
  }
  return selected;
}

/**
 * All rows of several batches, one batch behind the other. What says that a batch is a whole collection is lost,
 * because together they are none.
 * @param series the layouts of the batches, one behind the other
 */
export function concatenate(batches: readonly MetricBatch[], series: Layout): MetricBatch {
  const count = series.length;
  const last = batches.at(-1)!;
  const hasOneTime = batches.every((batch) => batch.times === undefined && batch.time === last.time);
  const values = new Float64Array(count);
  const times = hasOneTime ? undefined : new BigUint64Array(count);
  const flags = batches.some((batch) => batch.flags !== undefined) ? new Uint32Array(count) : undefined;
  const exactValues = new Map<number, bigint>();
  const points = concatenateColumn(batches, (batch) => batch.points);
  const exemplars = concatenateColumn(batches, (batch) => batch.exemplars);
  let offset = 0;
  for (const batch of batches) {
    values.set(batch.values, offset);
    if (batch.times !== undefined) times?.set(batch.times, offset);
    else times?.fill(batch.time, offset, offset + batch.count);
    if (batch.flags !== undefined) flags?.set(batch.flags, offset);
    if (batch.exactValues !== undefined) {
      for (const [row, value] of batch.exactValues) exactValues.set(offset + row, value);
    }
    offset += batch.count;
  }
  return {
    signal: 'metrics',
    count,
    series,
    values,
    time: last.time,
    ...(times === undefined ? undefined : { times }),
    ...(flags === undefined ? undefined : { flags }),
    ...(exactValues.size === 0 ? undefined : { exactValues }),
    ...(points === undefined ? undefined : { points }),
    ...(exemplars === undefined ? undefined : { exemplars }),
  };
}

function concatenateColumn<T>(
  batches: readonly MetricBatch[],
  columnOf: (batch: MetricBatch) => readonly (T | undefined)[] | undefined,
): (T | undefined)[] | undefined {
  if (batches.every((batch) => columnOf(batch) === undefined)) return undefined;
  return batches.flatMap((batch) => columnOf(batch) ?? Array.from<T | undefined>({ length: batch.count }));
}
