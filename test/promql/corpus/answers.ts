/** Answers to queries in one form, whoever gave them, and what differs between two. */

export type Answer = Refusal | Result;

interface Refusal {
  readonly refused: string;
}

export interface Result {
  readonly type: 'scalar' | 'vector' | 'matrix' | 'string';
  readonly series: readonly AnswerSeries[];
  /** Of the type `string`. */
  readonly text?: string;
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

export interface AnswerSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly AnswerPoint[];
}

export interface AnswerPoint {
  readonly time_ms: number;
  readonly value: number | AnswerHistogram;
}

/** As the Prometheus API shows it: filled buckets with their bounds. */
export interface AnswerHistogram {
  readonly count: number;
  readonly sum: number;
  readonly buckets: readonly (readonly [boundaries: number, lower: number, upper: number, count: number])[];
}

/** Relative; issue 5 asks for it. */
const TOLERANCE = 1e-12;

export interface Comparison {
  /** sort() and its like make the order of an instant vector part of the answer. */
  readonly isOrdered: boolean;
}

/** What differs, in a sentence; undefined where nothing does. */
export function differenceOf(expected: Answer, actual: Answer, options: Comparison): string | undefined {
  if ('refused' in expected || 'refused' in actual) {
    if ('refused' in expected && 'refused' in actual) return undefined;
    return 'refused' in expected
      ? `expected a refusal: ${expected.refused}`
      : `was refused: ${(actual as Refusal).refused}`;
  }
  if (expected.type !== actual.type) return `type ${actual.type} instead of ${expected.type}`;
  if (expected.text !== actual.text) return `text ${actual.text} instead of ${expected.text}`;
  const order = options.isOrdered ? differentOrder(expected, actual) : undefined;
  return order ?? differentSeries(expected, actual) ?? differentAnnotations(expected, actual);
}

function differentSeries(expected: Result, actual: Result): string | undefined {
  const found = new Map(actual.series.map((one) => [keyOf(one), one]));
  if (found.size !== actual.series.length) return 'the same labels twice';
  for (const series of expected.series) {
    const key = keyOf(series);
    const other = found.get(key);
    if (other === undefined) return `no series ${key}`;
    found.delete(key);
    const difference = differentPoints(series.points, other.points);
    if (difference !== undefined) return `${key}: ${difference}`;
  }
  for (const key of found.keys()) return `a series too many: ${key}`;
  return undefined;
}

function keyOf({ labels }: AnswerSeries): string {
  return JSON.stringify(Object.entries(labels).toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

function differentPoints(expected: readonly AnswerPoint[], actual: readonly AnswerPoint[]): string | undefined {
  const times = (points: readonly AnswerPoint[]): string => points.map(({ time_ms }) => time_ms).join(' ');
  if (times(expected) !== times(actual)) return `times ${times(actual)} instead of ${times(expected)}`;
  for (const [row, { time_ms, value }] of expected.entries()) {
    const other = actual[row]!.value;
    if (!isSame(value, other))
      return `at ${time_ms}: ${JSON.stringify(show(other))} instead of ${JSON.stringify(show(value))}`;
  }
  return undefined;
}

/** JSON has neither NaN nor infinities. */
function show(value: AnswerPoint['value']): unknown {
  if (typeof value === 'number') return String(value);
  return { ...value, sum: String(value.sum), buckets: value.buckets.map(String) };
}

function isSame(expected: AnswerPoint['value'], actual: AnswerPoint['value']): boolean {
  if (typeof expected === 'number' || typeof actual === 'number') {
    return typeof expected === 'number' && typeof actual === 'number' && isNear(expected, actual);
  }
  return (
    isNear(expected.count, actual.count) &&
    isNear(expected.sum, actual.sum) &&
    expected.buckets.length === actual.buckets.length &&
    expected.buckets.every((bucket, row) => bucket.every((one, i) => isNear(one, actual.buckets[row]![i]!)))
  );
}

function isNear(expected: number, actual: number): boolean {
  // Includes infinities; NaN is any NaN.
  if (expected === actual || (Number.isNaN(expected) && Number.isNaN(actual))) return true;
  const size = Math.max(Math.abs(expected), Math.abs(actual));
  return Number.isFinite(size) && Math.abs(expected - actual) <= TOLERANCE * size;
}

/** Equal values may stand in any order, so values are compared, not labels. */
function differentOrder(expected: Result, actual: Result): string | undefined {
  for (const [place, { points }] of expected.series.entries()) {
    const value = points[0]!.value;
    const other = actual.series[place]?.points[0]!.value;
    if (other === undefined) return undefined;
    if (!isSame(value, other)) return `order: ${String(other)} instead of ${String(value)} at place ${place}`;
  }
  return undefined;
}

/** Prometheus says no more than ten of each, in no order. */
const MAX_ANNOTATIONS = 10;

function differentAnnotations(expected: Result, actual: Result): string | undefined {
  for (const kind of ['warnings', 'infos'] as const) {
    const own = new Set(actual[kind].map(withoutPlace));
    const others = expected[kind].filter((text) => !text.endsWith('annotations omitted')).map(withoutPlace);
    const missing = others.find((text) => !own.has(text));
    if (missing !== undefined) return `${kind}: missing ${missing}`;
    const superfluous = [...own].find((text) => !others.includes(text));
    if (superfluous !== undefined && expected[kind].length < MAX_ANNOTATIONS)
      return `${kind}: superfluous ${superfluous}`;
  }
  return undefined;
}

/**
 * Without the place, which Prometheus gives as 1:1 wherever a subquery is the argument; and without the name in what
 * histogram_quantile says of classic histograms, which it has at the first step only.
 */
function withoutPlace(text: string): string {
  const plain = text.replace(/ \(\d+:\d+\)$/, '');
  return plain.includes('needed to be fixed for monotonicity') ? plain.replace(/ "[^ ]*"$/, '') : plain;
}
