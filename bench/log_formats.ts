/**
 * Parsing of log lines, format by format, beside what JavaScript itself offers for the same lines: JSON.parse, and regular
 * expressions as one would write them. Usage: node bench/log_formats.ts [format …]
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { createLineParser, formatEntries, type Format } from '../src/logs/format.ts';
import { measure, table } from './measure.ts';

const SAMPLES = join(import.meta.dirname, '../test/data/logs');
const LINES = 2000;
/** Without the numbers of `json_documented`, which are there to be hard. */
const JSON_LINES = /^json_(?!documented)/;

/** Lines as a receiver has them: parts of one long text, none the same as another. */
function linesOf(prefix: RegExp): string[] {
  const samples = readdirSync(SAMPLES)
    .filter((name) => prefix.test(name))
    .flatMap((name) => readFileSync(join(SAMPLES, name), 'utf8').split('\n'))
    .filter((line) => line !== '');
  return Array.from({ length: LINES }, (_, index) => samples[index % samples.length])
    .join('\n')
    .split('\n');
}

const CLF =
  /^(\S+) (\S+) (\S+) \[([^\]]+)\] "((?:[^"\\]|\\.)*)" (\d+|-) (\d+|-)(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?/;
const CRI = /^(\S+) (stdout|stderr) ([FP])\S* (.*)$/;
const SYSLOG = /^(?:<(\d+)>)?(?:1 )?([A-Z][a-z]{2} [ \d]\d [\d:]{8}|\S+) (\S+) (\S+?)(?:\[(\d+)\])?:? (.*)$/;
const TEXT = /^\[?([\d/-]{10}[ T][\d:.,]+Z?).*?\b(TRACE|DEBUG|INFO|WARN|ERROR|FATAL)/i;
const PAIR = /([^\s=]+)(?:=("(?:[^"\\]|\\.)*"|\S*))?/g;
const PATTERN = String.raw`^(?P<time>\S+ \S+) (?P<level>[A-Z]+) (?P<logger>[^:]+): (?P<message>.*)$`;

interface Case {
  readonly name: string;
  readonly lines: readonly string[];
  readonly config: { readonly format: Format; readonly pattern?: string };
  readonly floor: (line: string) => unknown;
  readonly floorName: string;
}

function formatCase(format: Format, prefix: RegExp, floorName: string, floor: (line: string) => unknown): Case {
  return { name: format, lines: linesOf(prefix), config: { format }, floor, floorName };
}

const json = (line: string): unknown => JSON.parse(line);
const regexLines = Array.from(
  { length: LINES },
  (_, index) => `2026-11-22 05:28:22,327 WARNING shop.orders: slow query number ${index} of many took 1250 ms`,
);
const regex: Case = {
  name: 'regex',
  lines: regexLines,
  config: { format: 'regex', pattern: PATTERN },
  floorName: 'RegExp',
  floor: (line) => new RegExp(PATTERN.replaceAll('?P<', '?<')).exec(line)?.groups,
};
const cases: Case[] = [
  formatCase('none', /^text_postgresql/, 'nothing', (line) => line),
  formatCase('json', JSON_LINES, 'JSON.parse', json),
  formatCase('docker', /^docker_/, 'JSON.parse', json),
  formatCase('logfmt', /^logfmt_/, 'RegExp', (line) => Array.from(line.matchAll(PAIR))),
  formatCase('syslog', /^syslog_/, 'RegExp', (line) => SYSLOG.exec(line)),
  formatCase('clf', /^clf_/, 'RegExp', (line) => CLF.exec(line)),
  formatCase('cri', /^cri_/, 'RegExp', (line) => CRI.exec(line)),
  regex,
  ...[/^text_postgresql/, /^text_nginx/, /^text_java/, JSON_LINES, /^logfmt_/, /^syslog_/, /^clf_/].map(
    (files): Case => ({
      ...formatCase('auto', files, 'RegExp', (line) => TEXT.exec(line)),
      name: `auto: ${/[a-z]+(?:_[a-z]+)?/.exec(files.source)![0]}`,
    }),
  ),
];

const chosen = process.argv.slice(2);
const rows: (string | number)[][] = [['lines', 'bytes a line', 'ns a line', 'MB/s', 'floor', 'ns a line', 'ratio']];
for (const { name, lines, config, floor, floorName } of cases) {
  if (chosen.length > 0 && !chosen.some((one) => name.startsWith(one))) continue;
  const parser = createLineParser(v.parse(v.strictObject(formatEntries), config));
  let parsed = 0;
  const [ours, theirs] = await measure(
    [
      { name, run: () => lines.forEach((line) => (parsed += parser.parse(line) === undefined ? 0 : 1)) },
      { name: floorName, run: () => lines.forEach((line) => (parsed += floor(line) === null ? 0 : 1)) },
    ],
    { turns: 9, runsPerTurn: 8, warmUpTurns: 4 },
  );
  const bytes = Buffer.byteLength(lines.join('')) / lines.length;
  const nanoseconds = (ours.cpu_us * 1000) / lines.length;
  const cost = ((theirs.cpu_us * 1000) / lines.length).toFixed(0);
  rows.push([
    name,
    bytes.toFixed(0),
    nanoseconds.toFixed(0),
    ((bytes / nanoseconds) * 1000).toFixed(0),
    floorName,
    cost,
    ours.ratio.toFixed(2),
  ]);
}
console.log(table(rows));
