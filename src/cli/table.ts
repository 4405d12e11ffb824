/** Lays out text in columns, with spaces alone, so that it reads the same on a terminal and in a pipe. */
import { stripVTControlCharacters } from 'node:util';

export interface TableOptions {
  /** Blanks in front of each line. */
  readonly indent?: number;
  /** The last column is broken at blanks to stay within; never narrower than 30 characters. */
  readonly columns?: number | undefined;
}

const GAP = 2;
const NARROWEST = 30;

/** Lines that end with a line break. Each column is as wide as its widest cell; cells may hold styles. */
export function renderTable(rows: readonly (readonly string[])[], { indent = 0, columns }: TableOptions = {}): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? 0, widthOf(cell));
    });
  }
  return rows.map((row) => renderRow(row, widths, indent, columns)).join('');
}

function renderRow(
  row: readonly string[],
  widths: readonly number[],
  indent: number,
  columns: number | undefined,
): string {
  const front = row.slice(0, -1).map((cell, at) => cell + ' '.repeat(widths[at]! - widthOf(cell) + GAP));
  const start = indent + widths.slice(0, row.length - 1).reduce((sum, width) => sum + width + GAP, 0);
  const lines = columns === undefined ? [row.at(-1)!] : wrap(row.at(-1)!, Math.max(columns - start, NARROWEST));
  const text = ' '.repeat(indent) + front.join('') + lines.join(`\n${' '.repeat(start)}`);
  return `${text.trimEnd()}\n`;
}

/** Breaks at blanks; a word that is longer stays whole, so that addresses and paths can be copied. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

function widthOf(text: string): number {
  return stripVTControlCharacters(text).length;
}
