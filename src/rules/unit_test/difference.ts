/** What a test expected and what it got, where that is not the same. */
import { compareBytes, compareLabels, labelsText } from '../../promql/labels.ts';
import type { VectorRow } from '../../promql/engine.ts';
import type { Labels } from '../../store/queryable.ts';
import { histogramNotation, parseHistogram } from './histogram_notation.ts';
import { parseMetric } from './series_notation.ts';
import type { ExpectedAlert, ExpectedSample } from './test_file.ts';

/** Lines of both sides; those that are in both are equal. */
export interface Difference {
  readonly expected: readonly string[];
  readonly got: readonly string[];
}

/** Labels and annotations have to be the same, the order of the alerts not. */
export function alertDifference(
  expected: readonly ExpectedAlert[],
  got: readonly ExpectedAlert[],
): Difference | undefined {
  const sides = [expected, got].map((alerts) => alerts.map(alertText).toSorted(compareBytes)) as [string[], string[]];
  return sides[0].join('\n') === sides[1].join('\n') ? undefined : { expected: sides[0], got: sides[1] };
}

function alertText({ labels, annotations }: ExpectedAlert): string {
  const lines = [labelsText(sorted(labels))];
  for (const [name, text] of sorted(annotations)) lines.push(`    ${name}: ${JSON.stringify(text)}`);
  return lines.join('\n');
}

function sorted(map: ReadonlyMap<string, string>): Labels {
  return new Map([...map].sort(([a], [b]) => compareBytes(a, b)));
}

interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** '' for a number. */
  readonly histogram: string;
}

/** @throws {SyntaxError} where what is expected cannot be read */
export function sampleDifference(
  expected: readonly ExpectedSample[],
  rows: readonly VectorRow[],
  isFuzzy: boolean,
): Difference | undefined {
  const wanted = expected.map(({ labels, value, histogram }): Sample => {
    return { labels: parseMetric(labels), value, histogram: histogram === '' ? '' : canonical(histogram) };
  });
  const got = rows.map(({ labels, value, histogram }): Sample => {
    if (histogram === undefined) return { labels, value, histogram: '' };
    return { labels, value: 0, histogram: histogramNotation(histogram) };
  });
  const sides = [wanted, got].map((samples) => samples.toSorted((a, b) => compareLabels(a.labels, b.labels)));
  const [left, right] = sides as [Sample[], Sample[]];
  if (left.length === right.length && left.every((one, index) => isSame(one, right[index]!, isFuzzy))) return undefined;
  return { expected: left.map(sampleText), got: right.map(sampleText) };
}

function canonical(text: string): string {
  const inner = /^\s*\{\{([^}]*)\}\}\s*$/.exec(text)?.[1];
  if (inner === undefined) throw new SyntaxError(`Cannot read a histogram: ${text} is not {{…}}`);
  return histogramNotation(parseHistogram(inner));
}

/** NaN is not even itself, as in promtool: `expr unless …` or a comparison says in a test that something is NaN. */
function isSame(one: Sample, other: Sample, isFuzzy: boolean): boolean {
  if (one.histogram !== other.histogram || compareLabels(one.labels, other.labels) !== 0) return false;
  if (one.value === other.value) return true;
  return (
    isFuzzy &&
    !Number.isNaN(one.value) &&
    !Number.isNaN(other.value) &&
    abs(steps(one.value) - steps(other.value)) === 1n
  );
}

const float = new Float64Array(1);
const bits = new BigInt64Array(float.buffer);

/** Numbers in order of size; neighbours differ by one. */
function steps(value: number): bigint {
  float[0] = value;
  const found = bits[0]!;
  return found < 0n ? -(found & 0x7fff_ffff_ffff_ffffn) : found;
}

function abs(value: bigint): bigint {
  return value < 0n ? -value : value;
}

function sampleText({ labels, value, histogram }: Sample): string {
  return `${labelsText(labels)} ${histogram === '' ? String(value) : histogram}`;
}
