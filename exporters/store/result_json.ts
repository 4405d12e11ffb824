/** Results of queries as Prometheus writes them in JSON. */
import type { MatrixRow, QueryResult, VectorRow } from '../../src/promql/engine.ts';
import { numberText } from '../../src/promql/literals.ts';
import { allBuckets } from '../../src/promql/native_histograms.ts';
import type { Labels, NativeHistogram } from '../../src/store/queryable.ts';

/** Takes pieces of JSON, and has an end. */
export interface JsonText {
  add(piece: string): void;
  text(): string;
}

/** @param onFull throws */
export function createJsonText(most_bytes: number, onFull: () => never): JsonText {
  const pieces: string[] = [];
  let length = 0;
  return {
    add(piece) {
      length += piece.length;
      if (length > most_bytes) onFull();
      pieces.push(piece);
    },
    text: () => pieces.join(''),
  };
}

/** @returns how many samples there are */
export function writeResult(into: JsonText, result: QueryResult): number {
  into.add(`{"resultType":"${result.type}","result":`);
  let samples = 1;
  if (result.type === 'scalar') into.add(`[${seconds(result.time_ms)},"${numberText(result.value)}"]`);
  else if (result.type === 'string') into.add(`[${seconds(result.time_ms)},${JSON.stringify(result.value)}]`);
  else if (result.type === 'vector') samples = writeVector(into, result.rows);
  else samples = writeMatrix(into, result.rows);
  return samples;
}

function writeVector(into: JsonText, rows: readonly VectorRow[]): number {
  into.add('[');
  rows.forEach(({ labels, value, histogram, time_ms }, index) => {
    const point =
      histogram === undefined
        ? `"value":${floatPoint(time_ms, value)}`
        : `"histogram":${histogramPoint(time_ms, histogram)}`;
    into.add(`${index === 0 ? '' : ','}{"metric":${labelsJson(labels)},${point}}`);
  });
  into.add(']');
  return rows.length;
}

function writeMatrix(into: JsonText, rows: readonly MatrixRow[]): number {
  let samples = 0;
  into.add('[');
  rows.forEach((row, index) => {
    samples += row.times.length;
    into.add(`${index === 0 ? '' : ','}{"metric":${labelsJson(row.labels)}`);
    writePoints(into, row, 'values');
    if (row.histograms !== undefined) writePoints(into, row, 'histograms');
    into.add('}');
  });
  into.add(']');
  return samples;
}

/** Floats and histograms of a series are two lists. */
function writePoints(into: JsonText, { times, values, histograms }: MatrixRow, kind: 'values' | 'histograms'): void {
  let isFirst = true;
  times.forEach((time_ms, row) => {
    const histogram = histograms?.[row];
    if ((histogram !== undefined) !== (kind === 'histograms')) return;
    const point = histogram === undefined ? floatPoint(time_ms, values[row]!) : histogramPoint(time_ms, histogram);
    into.add(isFirst ? `,"${kind}":[${point}` : `,${point}`);
    isFirst = false;
  });
  if (!isFirst) into.add(']');
}

export function labelsJson(labels: Labels): string {
  let text = '{';
  for (const [name, value] of labels) {
    text += `${text.length === 1 ? '' : ','}${JSON.stringify(name)}:${JSON.stringify(value)}`;
  }
  return `${text}}`;
}

function floatPoint(time_ms: number, value: number): string {
  return `[${timestampText(time_ms)},"${floatText(value)}"]`;
}

function histogramPoint(time_ms: number, histogram: NativeHistogram): string {
  const buckets = allBuckets(histogram)
    .filter(({ count }) => count !== 0)
    .map(({ lower, upper, lowerInclusive, upperInclusive, count }) => {
      // 0: (], 1: [), 2: (), 3: []
      const bounds = lowerInclusive ? (upperInclusive ? 3 : 1) : upperInclusive ? 0 : 2;
      return `[${bounds},"${floatText(lower)}","${floatText(upper)}","${floatText(count)}"]`;
    });
  const list = buckets.length === 0 ? '' : `,"buckets":[${buckets.join(',')}]`;
  const { count, sum } = histogram;
  return `[${timestampText(time_ms)},{"count":"${floatText(count)}","sum":"${floatText(sum)}"${list}}]`;
}

/** Seconds with three decimals, or none where there is no rest. */
export function timestampText(time_ms: number): string {
  const whole = Math.floor(Math.abs(time_ms) / 1000);
  const rest = Math.round(Math.abs(time_ms)) % 1000;
  return `${time_ms < 0 ? '-' : ''}${whole}${rest === 0 ? '' : `.${String(rest).padStart(3, '0')}`}`;
}

/** The shortest decimals, with an exponent of at least two digits below 1e-6 and from 1e21 on: where JavaScript has one. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  return String(value).replace(/e([+-])(\d)$/, 'e$10$2');
}

/** Of scalars and strings, whose times are plain numbers. */
function seconds(time_ms: number): string {
  return String(time_ms / 1000);
}
