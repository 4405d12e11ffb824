/** The findings of `sonde check` for people. */
import { VERSION } from '../model/version.ts';
import type { Check } from './check.ts';
import { count } from './selection.ts';
import { renderTable } from './table.ts';
import { painter, type Paint, type Style, type Terminal } from './terminal.ts';

/** Which machine was looked at, and as whom. */
export interface Measured {
  /** `linux/x64`. */
  readonly platform: string;
  /** Undefined where there are none. */
  readonly uid: number | undefined;
  readonly rootPath: string;
  readonly isContainer: boolean;
}

interface TextOptions {
  readonly values?: true;
  readonly terminal: Terminal;
}

export function renderChecks(measured: Measured, checks: readonly Check[], options: TextOptions): string {
  const { terminal } = options;
  const paint = painter(terminal);
  const who = measured.uid === undefined ? '' : ` as ${measured.uid === 0 ? 'root' : `uid ${measured.uid}`}`;
  const blocks = [`sonde ${VERSION} on ${measured.platform}${who}, measuring ${measured.rootPath}\n`];
  blocks.push(
    renderTable(
      checks.flatMap((check) => rowsOf(check, paint)),
      { indent: 2, columns: terminal.columns },
    ),
  );
  if (options.values === true) blocks.push(...checks.flatMap(({ values }) => values.map((value) => `${value}\n`)));
  const collecting = checks.filter(({ series }) => series > 0);
  const series = collecting.reduce((sum, check) => sum + check.series, 0);
  blocks.push(`${collecting.length} of ${count(checks.length, 'receiver')} collect ${count(series, 'value')}.\n`);
  if (measured.isContainer && measured.rootPath === '/') {
    blocks.push(
      'This is a container, so some of it is the container’s own view. To measure the machine, mount its / at /hostfs\n' +
        '(docker run -v /:/hostfs:ro,rslave) and use --root-path /hostfs.\n',
    );
  }
  const [head, table, ...rest] = blocks;
  return `${head}\n${table}\n${rest.join('')}`;
}

const WORDS: Readonly<Record<Check['state'], readonly [word: string, style: Style]>> = {
  collects: ['collects', 'green'],
  partly: ['partly', 'yellow'],
  nothing: ['nothing', 'red'],
  receives: ['receives', 'dim'],
  failed: ['failed', 'red'],
  unconfigured: ['not tried', 'dim'],
};

function rowsOf(check: Check, paint: Paint): string[][] {
  const [word, style] = WORDS[check.state];
  const figures =
    check.series > 0 ? [`${check.series}`.padStart(5), `${check.duration_ms.toFixed(1)} ms`.padStart(9)] : ['', ''];
  const [first = '', ...others] = notesOf(check);
  return [
    [paint('cyan', check.type), paint(style, word), ...figures, first],
    ...others.map((note) => ['', '', '', '', note]),
  ];
}

function notesOf({ state, messages, missing }: Check): string[] {
  const notes = [
    ...messages,
    ...missing.map(({ needs, without, hint }) => `misses ${without}, without ${needs}: ${hint}`),
  ];
  if (notes.length > 0) return notes;
  if (state === 'receives') return ['is sent its data by others'];
  return state === 'nothing' ? ['this machine has nothing of it'] : [];
}
