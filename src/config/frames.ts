/** Shows problems the way compilers do: the place, the sentence, the line with the part at fault underlined. */
import { styleText } from 'node:util';
import type { ConfigProblem, Place } from '../errors.ts';
import type { Source } from './loaders.ts';
import { shapeOfPath, type Registry } from './registry.ts';
import type { Node, Path } from './tree.ts';
import { isSensitive, isSensitiveName, REDACTED, USERINFO } from './words.ts';

const MAX_WIDTH = 120;

export interface FormatOptions {
  /** Whether to use the colours of a terminal. */
  readonly color?: boolean;
  /** `warning` says so in front of each. */
  readonly severity?: 'error' | 'warning';
}

/** All problems as text that ends with a line break; '' where there are none. */
export function formatProblems(problems: readonly ConfigProblem[], options: FormatOptions = {}): string {
  return problems.map((problem) => formatProblem(problem, options)).join('\n');
}

type Paint = (format: 'bold' | 'red' | 'yellow' | 'dim' | 'cyan', text: string) => string;

function formatProblem(problem: ConfigProblem, { color = false, severity = 'error' }: FormatOptions): string {
  const paint: Paint = (format, text) => (color ? styleText(format, text, { validateStream: false }) : text);
  const where = problem.place === undefined ? '' : `${paint('bold', formatPlace(problem.place))}: `;
  const kind = severity === 'warning' ? `${paint('yellow', 'warning')}: ` : '';
  const lines = [`${where}${kind}${onePrintableLine(problem.message)}`];
  if (problem.place !== undefined)
    lines.push(...drawFrame(problem.place, paint, severity === 'error' ? 'red' : 'yellow'));
  if (problem.other !== undefined) {
    lines.push(
      `  ${paint('dim', 'see also')} ${formatPlace(problem.other)}`,
      ...drawFrame(problem.other, paint, 'cyan'),
    );
  }
  if (problem.hint !== undefined) lines.push(`  ${paint('cyan', 'hint:')} ${onePrintableLine(problem.hint)}`);
  return `${lines.join('\n')}\n`;
}

/** `sonde.yaml:3:5`; the name alone for what has no lines. */
export function formatPlace({ file, line, column }: Place): string {
  return line === 0 ? file : `${file}:${line}:${column}`;
}

function drawFrame({ line, frame }: Place, paint: Paint, color: 'red' | 'yellow' | 'cyan'): string[] {
  if (frame === undefined) return [];
  // A long line is cut so that the fault stays in sight.
  const from = frame.start > MAX_WIDTH - 40 ? frame.start - 40 : 0;
  const shown = frame.text.slice(from, from + MAX_WIDTH);
  const start = frame.start - from;
  const width = Math.max(1, Math.min(frame.length, shown.length - start));
  const gutter = String(line).length;
  return [
    `  ${paint('dim', `${line} |`)} ${printable(shown)}`,
    `  ${paint('dim', `${' '.repeat(gutter)} |`)} ${' '.repeat(start)}${paint(color, '^'.repeat(width))}`,
  ];
}

/** A file may hold escape sequences; a terminal must not obey them. */
function printable(text: string): string {
  return text.replaceAll('\t', '→').replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, '·');
}

function onePrintableLine(text: string): string {
  return printable(text.replace(/\s*\n\s*/g, ' '));
}

// ------------------------------------------------------------------------------- the lines, without their secrets

/** The problems in the order of their places, each place with its line as written, secrets masked. */
export function attachLines(
  problems: readonly ConfigProblem[],
  sources: readonly Source[],
  registry: Registry,
): ConfigProblem[] {
  const lines = new Map(sources.map((source) => [source.file, maskedLines(source, registry)]));
  const withText = (place: Place | undefined): Place | undefined => {
    const line = place === undefined ? undefined : lines.get(place.file)?.[place.line - 1];
    if (place === undefined || line === undefined) return place;
    return { ...place, frame: { text: line.text, ...line.locate(place.column, place.length ?? 1) } };
  };
  const order = new Map(sources.map((source, at) => [source.file, at]));
  const rank = ({ place }: ConfigProblem): number => (place === undefined ? -1 : (order.get(place.file) ?? Infinity));
  return problems
    .map((problem) => ({ ...problem, place: withText(problem.place), other: withText(problem.other) }))
    .sort(
      (a, b) =>
        rank(a) - rank(b) ||
        (a.place?.line ?? 0) - (b.place?.line ?? 0) ||
        (a.place?.column ?? 0) - (b.place?.column ?? 0),
    );
}

interface MaskedLine {
  readonly text: string;
  /** Where a part of the line is after masking: what is masked is shorter or longer than it was. */
  locate(column: number, length: number): { start: number; length: number };
}

interface Span {
  readonly start: number;
  readonly end: number;
}

function maskedLines(source: Source, registry: Registry): MaskedLine[] {
  const lines = source.text.split('\n').map((line) => line.replace(/\r$/, ''));
  const spans = new Map<number, Span[]>();
  const add = (line: number, span: Span): void => void spans.set(line, [...(spans.get(line) ?? []), span]);
  if (source.root === undefined) {
    // The text could not be parsed: what follows a key that sounds like a secret is hidden.
    lines.forEach((line, at) => {
      const match = /([\w.-]+)["']?\s*[:=]\s*(?=\S)/.exec(line);
      if (match !== null && isSensitiveName(match[1]!)) {
        add(at + 1, { start: match.index + match[0].length, end: line.length });
      }
    });
  } else {
    markSecrets(source.root, [], registry, (node) => {
      const { line, column, length = 1 } = node.origin;
      // A text over several lines is hidden on all of them.
      let rest = length;
      for (let at = line, start = column - 1; rest > 0 && at <= lines.length; at++, start = 0) {
        const end = Math.min(lines[at - 1]!.length, start + rest);
        add(at, { start, end });
        rest -= end - start + 1;
      }
    });
  }
  return lines.map((line, at) => maskLine(line, spans.get(at + 1) ?? []));
}

function markSecrets(node: Node, path: Path, registry: Registry, mark: (node: Node) => void): void {
  if (node.kind === 'map') {
    for (const [key, { value }] of node.entries) markSecrets(value, [...path, key], registry, mark);
  } else if (node.kind === 'list') {
    for (const [at, item] of node.items.entries()) markSecrets(item, [...path, at], registry, mark);
  } else if (node.source !== '' && isSensitive(node, path, (at) => shapeOfPath(registry, at))) {
    // A reference is not the secret but its name, which helps; a default in it may be one.
    if (!/^\$\{(?:(?!:-)[^}])*\}$/.test(node.source)) mark(node);
  }
}

function maskLine(line: string, spans: readonly Span[]): MaskedLine {
  const userinfo = [...line.matchAll(USERINFO)].map(({ index, 0: part }) => ({
    start: index,
    end: index + part.length,
  }));
  const sorted = [...spans, ...userinfo].filter(({ start, end }) => end > start).sort((a, b) => a.start - b.start);
  let text = '';
  let at = 0;
  const moved: { from: Span; to: Span }[] = [];
  for (const span of sorted) {
    if (span.start < at) continue;
    text += line.slice(at, span.start);
    moved.push({ from: span, to: { start: text.length, end: text.length + REDACTED.length } });
    text += REDACTED;
    at = span.end;
  }
  text += line.slice(at);
  return {
    text,
    locate(column, length) {
      const inside = moved.find(({ from }) => column - 1 >= from.start && column - 1 < from.end);
      if (inside !== undefined) return { start: inside.to.start, length: REDACTED.length };
      const before = moved.findLast(({ from }) => from.end <= column - 1);
      const offset = before === undefined ? 0 : before.to.end - before.from.end;
      return { start: column - 1 + offset, length };
    },
  };
}
