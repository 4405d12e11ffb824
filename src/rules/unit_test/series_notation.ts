/**
 * Series as tests of rules write them: `up{job="a"}` and `1+2x3 _ stale {{schema:0 count:1}}x4`, read as Prometheus'
 * parser reads them (promql/parser/lex.go and generated_parser.y of 3.5).
 */
import { compareBytes, NO_LABELS } from '../../promql/labels.ts';
import { parseNumber } from '../../promql/literals.ts';
import { addHistograms, subtractHistograms } from '../../promql/native_histograms.ts';
import { parse } from '../../promql/parse.ts';
import type { Labels, NativeHistogram } from '../../store/queryable.ts';
import { parseHistogram } from './histogram_notation.ts';

/** Undefined is a gap. */
export type Point = number | 'stale' | NativeHistogram | undefined;

/** Points of one series: what a slip like `1x1000000000` asks for is no test. */
const MOST_POINTS = 1_000_000;

/** @throws {SyntaxError} */
export function parseSeries(text: string): { readonly labels: Labels; readonly points: readonly Point[] } {
  const end = metricEnd(text);
  return { labels: parseMetric(text.slice(0, end)), points: parsePoints(text.slice(end)) };
}

/** `name{label="value"}`, `{label="value"}` or `{}`; what is expected may have empty labels, though no series has. @throws {SyntaxError} */
export function parseMetric(text: string): Labels {
  if (/^\s*(?:\{\s*\}\s*)?$/.test(text)) return NO_LABELS;
  const expression = parse(text);
  if (expression.kind !== 'vector_selector' || expression.at !== undefined || expression.offset_ms !== 0) {
    throw new SyntaxError(`Cannot read series ${text.trim()}: it is no name with labels`);
  }
  const pattern = expression.matchers.find(({ op }) => op !== '=');
  if (pattern !== undefined) {
    throw new SyntaxError(`Cannot read series ${text.trim()}: label ${pattern.name} has ${pattern.op} instead of =`);
  }
  // As there: an empty label counts only where no name stands in front of the braces.
  const isNamed = !text.trimStart().startsWith('{');
  const pairs = expression.matchers.map(({ name, value }) => [name, value] as const);
  const meant = isNamed ? pairs.filter(([, value]) => value !== '') : pairs;
  return new Map(meant.toSorted(([x], [y]) => compareBytes(x, y)));
}

/** Where the values begin: behind the braces, or behind the name. */
function metricEnd(text: string): number {
  const head = /^\s*[\w:]*\s*/.exec(text)![0];
  // Two braces begin a histogram, which is a value.
  if (text[head.length] !== '{' || text[head.length + 1] === '{') return head.length;
  const braces = /^\{(?:[^"'`}]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)*\}/.exec(text.slice(head.length));
  if (braces === null) throw new SyntaxError(`Cannot read series ${text.trim()}: a brace is not closed`);
  return head.length + braces[0].length;
}

const DIGITS = String.raw`(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][-+]?\d+)?`;
const WORD = '(?:[Ii][Nn][Ff]|[Nn][Aa][Nn])';
const ITEM = new RegExp(
  String.raw`\s*(?:` +
    String.raw`(?<blank>_)(?:x(?<gaps>\d+))?` +
    String.raw`|\{\{(?<histogram>[^}]*)\}\}(?:(?<change>[-+])\{\{(?<other>[^}]*)\}\})?(?:x(?<histograms>\d+))?` +
    String.raw`|(?<stale>stale)` +
    String.raw`|(?<value>[-+]?(?:${DIGITS}(?=[-+x\s]|$)|${WORD}(?=[-+\s]|$)))(?:(?<step>[-+]${DIGITS})?x(?<times>\d+))?` +
    String.raw`)(?=\s|$)`,
  'y',
);

/** @throws {SyntaxError} */
export function parsePoints(text: string): Point[] {
  const points: Point[] = [];
  const item = new RegExp(ITEM);
  const trimmed = text.trimEnd();
  while (item.lastIndex < trimmed.length) {
    const at = item.lastIndex;
    const found = item.exec(trimmed)?.groups;
    if (found === undefined) throw new SyntaxError(`Cannot read values: unexpected ${wordAt(trimmed, at)}`);
    for (const point of pointsOf(found)) {
      if (points.length >= MOST_POINTS) throw new RangeError(`Cannot read values: they are more than ${MOST_POINTS}`);
      points.push(point);
    }
  }
  return points;
}

function wordAt(text: string, at: number): string {
  return `"${/\S+/.exec(text.slice(at))?.[0] ?? ''}"`;
}

/** `_x3` are three gaps, but `1x3` are four ones. */
function* pointsOf(found: Readonly<Record<string, string | undefined>>): Generator<Point, void, void> {
  const { blank, gaps = '1', histogram, change, other, histograms = '0', stale, value, step, times = '0' } = found;
  if (blank !== undefined) {
    for (let index = 0; index < Number(gaps); index++) yield undefined;
  } else if (stale !== undefined) {
    yield 'stale';
  } else if (histogram !== undefined) {
    yield* histogramPoints(parseHistogram(histogram), change, other, Number(histograms));
  } else {
    const rise = step === undefined ? 0 : signed(step);
    let current = signed(value!);
    // Added up, as there, and not multiplied: the sums differ in their last digits.
    for (let index = 0; index <= Number(times); index++, current += rise) yield current;
  }
}

function* histogramPoints(
  first: NativeHistogram,
  change: string | undefined,
  other: string | undefined,
  times: number,
) {
  const step = other === undefined ? undefined : parseHistogram(other);
  let current = first;
  for (let index = 0; index <= times; index++) {
    yield current;
    if (step === undefined || index === times) continue;
    const next = change === '-' ? subtractHistograms(current, step) : addHistograms(current, step);
    if (typeof next === 'string') throw new SyntaxError(`Cannot read values: histograms do not go together (${next})`);
    current = { ...next, counterReset: first.counterReset };
  }
}

/** @throws {SyntaxError} */
function signed(text: string): number {
  const number = parseNumber(text.replace(/^[-+]/, ''));
  if (number === undefined) throw new SyntaxError(`Cannot read values: ${text} is no number`);
  return text.startsWith('-') ? -number : number;
}
