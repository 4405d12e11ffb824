/**
 * Samples in the text format of Prometheus or in OpenMetrics, of one scrape or of many times: for looking at rules, not for
 * scraping, so that types and units are passed over.
 */
import { compareBytes } from '../promql/labels.ts';
import { parseNumber, unquote } from '../promql/literals.ts';
import type { Labels } from '../store/queryable.ts';

export interface TextSample {
  readonly labels: Labels;
  readonly value: number;
  /** Undefined where the line has none. */
  readonly time_ms: number | undefined;
}

const LABEL = String.raw`\s*(?:([a-zA-Z_][\w.]*|"(?:[^"\\]|\\.)*")\s*=\s*)?("(?:[^"\\]|\\.)*")\s*(?:,|(?=\})|$)`;
const LINE = new RegExp(
  String.raw`^\s*([a-zA-Z_:][\w:]*)?\s*(?:\{((?:${LABEL})*)\s*\})?\s+([-+]?\S+?)(?:\s+(-?[\d.]+(?:e[-+]?\d+)?))?\s*(?:#.*)?$`,
  'i',
);

/** By rising time, those without a time last. @throws {SyntaxError} with the number of the line */
export function parseSampleText(text: string): TextSample[] {
  // In OpenMetrics times are seconds, before that they were milliseconds.
  const unit_ms = /^# EOF\s*$/m.test(text) ? 1000 : 1;
  const samples: TextSample[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(?:#.*)?$/.test(line)) continue;
    const match = LINE.exec(line);
    const value = match === null ? undefined : numberOf(match[5]!);
    if (match === null || value === undefined) throw new SyntaxError(`line ${index + 1} is no sample: ${line.trim()}`);
    const time = match[6] === undefined ? undefined : Math.round(Number(match[6]) * unit_ms);
    samples.push({ labels: labelsOf(match[1], match[2] ?? ''), value, time_ms: time });
  }
  return samples.sort((a, b) => (a.time_ms ?? Infinity) - (b.time_ms ?? Infinity) || 0);
}

function numberOf(text: string): number | undefined {
  const number = parseNumber(text.replace(/^[-+]/, ''));
  return number !== undefined && text.startsWith('-') ? -number : number;
}

function labelsOf(name: string | undefined, braces: string): Labels {
  const labels = new Map<string, string>(name === undefined ? [] : [['__name__', name]]);
  for (const [, label, quoted] of braces.matchAll(new RegExp(LABEL, 'g'))) {
    const value = unquote(quoted!);
    // A quoted text alone is the name, of any characters.
    const key = label === undefined ? '__name__' : label.startsWith('"') ? unquote(label) : label;
    if (value !== '') labels.set(key, value);
  }
  return new Map([...labels].sort(([a], [b]) => compareBytes(a, b)));
}
