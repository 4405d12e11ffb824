/** Lays out text in columns, with spaces alone, so that it reads the same on a terminal and in a pipe. */
import { stripVTControlCharacters } from 'node:util';

export interface TableOptions {
  /** Blanks in front of each line. */
  readonly indent?: number;
  /** The last column is broken at blanks to stay within. */
  readonly columns?: number | undefined;
}

const GAP = 2;
/** With less room than this beside the other columns, the last one goes on lines of its own. */
const NARROWEST = 40;

/** Lines that end with a line break. Each column is as wide as its widest cell; cells may hold styles. */
export function renderTable(rows: readonly (readonly string[])[], { indent = 0, columns }: TableOptions = {}): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, at) => {
      widths[at] = Math.max(widths[at] ?? 0, widthOf(cell));
    });
  }
  const start = indent + widths.reduce((sum, width) => sum + width + GAP, 0);
  return rows
    .map((row) => {
      const cells = row.slice(0, -1).map((cell, at) => cell + ' '.repeat(widths[at]! - widthOf(cell) + GAP));
      const front = `${' '.repeat(indent)}${cells.join('')}`;
      const last = row.at(-1)!;
      if (columns === undefined) return `${front}${last}`.trimEnd();
      if (columns - start >= NARROWEST)
        return `${front}${wrap(last, columns - start).join(`\n${' '.repeat(start)}`)}`.trimEnd();
      const below = ' '.repeat(indent + 4);
      const lines = last === '' ? [] : wrap(last, Math.max(columns - below.length, NARROWEST));
      return [front.trimEnd(), ...lines.map((line) => below + line)].filter((line) => line !== '').join('\n');
    })
    .map((line) => `${line}\n`)
    .join('');
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
