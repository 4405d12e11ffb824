/** Shows problems the way compilers do: the place, the sentence, the line with the part at fault underlined. */
import { styleText } from 'node:util';
import type { ConfigProblem, Place } from '../errors.ts';

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
