/** Results of queries for people: tables, and small graphs. */
import { labelsText } from '../promql/labels.ts';
import { printable } from '../text/printable.ts';
import { renderTable } from './table.ts';
import { painter, type Paint, type Terminal } from './terminal.ts';

export interface Span {
  readonly end_ms: number;
  /** Undefined for one instant. */
  readonly range: { readonly start_ms: number; readonly step_ms: number } | undefined;
}

type Point = readonly [time_s: number, value: string];
type HistogramPoint = readonly [time_s: number, histogram: { readonly count: string; readonly sum: string }];
type Metric = Readonly<Record<string, string>>;

/** `data` of an answer of the API. */
export type QueryData =
  | { readonly resultType: 'scalar'; readonly result: Point }
  | { readonly resultType: 'string'; readonly result: Point }
  | { readonly resultType: 'vector'; readonly result: readonly VectorRow[] }
  | { readonly resultType: 'matrix'; readonly result: readonly MatrixRow[] };

interface VectorRow {
  readonly metric: Metric;
  readonly value?: Point;
  readonly histogram?: HistogramPoint;
}

interface MatrixRow {
  readonly metric: Metric;
  readonly values?: readonly Point[];
  readonly histograms?: readonly HistogramPoint[];
}

export function resultText(data: QueryData, span: Span, terminal: Terminal): string {
  if (data.resultType === 'string') return `${printable(data.result[1])}\n`;
  if (data.resultType === 'scalar') return `${shortNumber(data.result[1])}\n`;
  if (data.result.length === 0) return 'There is no such series.\n';
  const paint = painter(terminal);
  const table = data.resultType === 'vector' ? vectorTable(data.result, paint) : matrixTable(data.result, span, paint);
  return `${renderTable(table, { columns: terminal.columns })}\n${table.length - 1} series\n`;
}

function vectorTable(rows: readonly VectorRow[], paint: Paint): string[][] {
  const values = rows.map(({ value, histogram }) =>
    value !== undefined ? shortNumber(value[1]) : histogramText(histogram![1]),
  );
  const width = Math.max(5, ...values.map((text) => text.length));
  return [
    [paint('bold', 'VALUE'.padStart(width)), paint('bold', 'SERIES')],
    ...rows.map(({ metric }, row) => [values[row]!.padStart(width), seriesText(metric)]),
  ];
}

function matrixTable(rows: readonly MatrixRow[], span: Span, paint: Paint): string[][] {
  // Samples as they are, of `metric[5m]`, have a span of their own.
  const times = rows.flatMap((row) => timesOf(row));
  const from_ms = span.range?.start_ms ?? Math.min(...bounds(times, Math.min)) * 1000;
  const to_ms = span.range === undefined ? Math.max(...bounds(times, Math.max)) * 1000 : span.end_ms;
  const step_ms = span.range?.step_ms ?? 0;
  const heads = ['LAST', 'LEAST', 'MOST', 'GRAPH', 'SERIES'].map((head) => paint('bold', head));
  const body = rows.map(({ metric, values = [], histograms = [] }) => {
    // Of histograms the counts are drawn.
    const points = [...values, ...histograms.map(([time, { count: text }]) => [time, text] as const)];
    points.sort(([a], [b]) => a - b);
    const numbers = points.map(([, text]) => toNumber(text));
    const finite = numbers.filter((value) => Number.isFinite(value));
    const graph = sparkline(
      points.map(([time], row) => [time * 1000, numbers[row]!]),
      from_ms,
      to_ms,
      step_ms,
    );
    const extreme = (of: (...values: number[]) => number): string =>
      finite.length === 0 ? '-' : shortNumber(String(bounds(finite, of)[0]));
    return [
      shortNumber(points.at(-1)?.[1] ?? '-'),
      extreme(Math.min),
      extreme(Math.max),
      paint('cyan', graph),
      seriesText(metric),
    ];
  });
  return [heads, ...body];
}

const timesOf = ({ values = [], histograms = [] }: MatrixRow): number[] =>
  [...values, ...histograms].map(([time_s]) => time_s);

/** One number, without as many arguments as there are numbers. */
function bounds(values: readonly number[], of: (...values: number[]) => number): [number] {
  return [values.reduce((one, other) => of(one, other))];
}

const BARS = '▁▂▃▄▅▆▇█';
const MOST_BARS = 60;

/** One bar for each step, at most 60; a bar for several steps is their mean, and a blank is no value. */
export function sparkline(
  points: readonly (readonly [time_ms: number, value: number])[],
  from_ms: number,
  to_ms: number,
  step_ms: number,
): string {
  const span_ms = Math.max(1, to_ms - from_ms);
  const steps = step_ms > 0 ? Math.floor(span_ms / step_ms) + 1 : points.length;
  const bars = Math.max(1, Math.min(MOST_BARS, steps));
  const sums = new Float64Array(bars);
  const counts = new Uint32Array(bars);
  for (const [time_ms, value] of points) {
    if (!Number.isFinite(value)) continue;
    const share = Math.min(1, Math.max(0, (time_ms - from_ms) / (span_ms + step_ms)));
    const bar = Math.min(bars - 1, Math.floor(share * bars + 1e-9));
    sums[bar]! += value;
    counts[bar]!++;
  }
  const means = Array.from(sums, (sum, bar) => (counts[bar] === 0 ? undefined : sum / counts[bar]!));
  const known = means.filter((mean) => mean !== undefined);
  if (known.length === 0) return '';
  const [least] = bounds(known, Math.min);
  const [most] = bounds(known, Math.max);
  return means
    .map((mean) => {
      if (mean === undefined) return ' ';
      const share = most > least ? (mean - least) / (most - least) : 0;
      return BARS[Math.min(BARS.length - 1, Math.floor(share * BARS.length))];
    })
    .join('');
}

function seriesText(metric: Metric): string {
  const { __name__: name = '', ...labels } = metric;
  const hasLabels = Object.keys(labels).length > 0 || name === '';
  return printable(`${name}${hasLabels ? labelsText(new Map(Object.entries(labels))) : ''}`);
}

function histogramText({ count: observations, sum }: HistogramPoint[1]): string {
  return `${shortNumber(observations)} (sum ${shortNumber(sum)})`;
}

const DIGITS = 6;

/** Whole numbers as they are, others with six digits: `--json` has all of them. */
export function shortNumber(text: string): string {
  const value = toNumber(text);
  if (!Number.isFinite(value) || Number.isInteger(value)) return text;
  if (Math.abs(value) >= 10 ** DIGITS) return String(Math.round(value));
  return String(Number(value.toPrecision(DIGITS)));
}

function toNumber(text: string): number {
  if (text === '+Inf') return Infinity;
  return text === '-Inf' ? -Infinity : Number(text);
}
