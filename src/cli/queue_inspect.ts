/** `sonde queue inspect`. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { decodeLetter, type LetterHeader } from '../delivery/dead_letters.ts';
import type { StoredRecord } from '../delivery/disk/backlog.ts';
import { seqOfSegment } from '../delivery/disk/format.ts';
import { openSegment } from '../delivery/disk/inspect.ts';
import { messageOf } from '../errors.ts';
import type { Signal } from '../model/batch.ts';
import { printable } from '../text/printable.ts';
import { EXIT_CODES } from './exit_codes.ts';
import { decodeBody } from './queue_body.ts';
import type { QueueSelection } from './queue_commands.ts';
import { findLetters, letterOf, LETTER_SUFFIX, onDisk, withPlaces, type Surroundings } from './queue_open.ts';
import { ageText, bytesText, countText, numberText, timeText } from './queue_units.ts';
import { renderTable } from './table.ts';
import { painter } from './terminal.ts';

interface InspectOptions extends QueueSelection {
  readonly record?: string;
  readonly raw?: true;
  readonly json?: true;
}

/** What is shown of one body. */
interface Shown {
  readonly body: Uint8Array;
  readonly signal: Signal;
  readonly count: number;
  /** What is known of it: for people, and for machines. */
  readonly rows: readonly (readonly [title: string, text: string])[];
  readonly facts: Readonly<Record<string, unknown>>;
}

export async function inspect(name: string, options: InspectOptions, surroundings: Surroundings): Promise<number> {
  // A file says all about itself: that needs no configuration.
  if (isPath(name)) return inspectFile(resolve(name), options, surroundings);
  return withPlaces(options, surroundings, async (places) => {
    const segmentName = name.endsWith('.queue') ? name : `${name}.queue`;
    const isSegment = seqOfSegment(segmentName) !== undefined;
    const found = isSegment
      ? onDisk(places)
          .map(({ folder }) => resolve(folder, segmentName))
          .filter((path) => existsSync(path))
      : [];
    if (found.length > 1) {
      return complain(
        `Cannot tell which segment ${JSON.stringify(name)} is: name one of ${found.join(', ')}`,
        surroundings,
      );
    }
    if (found.length === 1) return inspectFile(found[0]!, options, surroundings);
    try {
      return await inspectFile(letterOf(name, await findLetters(places)).path, options, surroundings);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return complain(error.message, surroundings);
    }
  });
}

function isPath(name: string): boolean {
  return /[/\\]/.test(name) || ((name.endsWith('.queue') || name.endsWith(LETTER_SUFFIX)) && existsSync(name));
}

function complain(message: string, { terminal }: Surroundings): number {
  terminal.complain(`${message}\n  hint: see "sonde queue list"\n`);
  return EXIT_CODES.usage;
}

async function inspectFile(path: string, options: InspectOptions, surroundings: Surroundings): Promise<number> {
  const { terminal, now_ms } = surroundings;
  try {
    if (!path.endsWith('.queue') && !path.endsWith('.queue.bad')) {
      const { header, body } = decodeLetter(await readFile(path));
      return show(shownLetter(path, header, body, now_ms), options, surroundings);
    }
    if (options.record !== undefined) return await inspectRecord(path, options, surroundings);
    if (options.raw === true) {
      terminal.complain('Cannot write the body of a whole segment: say of which record, with --record\n');
      return EXIT_CODES.usage;
    }
    return await inspectSegment(path, options, surroundings);
  } catch (error) {
    terminal.complain(`Cannot inspect ${path}: ${messageOf(error)}\n`);
    return EXIT_CODES.found;
  }
}

function shownLetter(path: string, header: LetterHeader, body: Uint8Array, now_ms: number): Shown {
  const { id, count, signal, time_ms, died_ms, reason, why } = header;
  return {
    body,
    signal,
    count,
    rows: [
      ['letter', basename(path, LETTER_SUFFIX)],
      ['file', path],
      ['signal', signal],
      ['queued', timeText(time_ms)],
      ['given up', `${timeText(died_ms)}, ${ageText(now_ms - died_ms)} ago`],
      ['reason', printable(reason)],
      ['words', printable(why)],
      ['request', printable(id)],
      ['items', numberText(count)],
    ],
    facts: {
      file: path,
      signal,
      queued: timeText(time_ms),
      time: timeText(died_ms),
      reason,
      message: why,
      request: id,
      items: count,
      bytes: body.byteLength,
    },
  };
}

async function inspectRecord(path: string, options: InspectOptions, surroundings: Surroundings): Promise<number> {
  const { terminal } = surroundings;
  const { records } = await openSegment(dirname(path), basename(path));
  for await (const record of records()) {
    if (`${record.seq}` !== options.record) continue;
    const { seq, signal, time_ms, count, body } = record;
    const shown: Shown = {
      body,
      signal,
      count,
      rows: [
        ['record', `${seq}`],
        ['file', path],
        ['signal', signal],
        ['queued', timeText(time_ms)],
        ['items', numberText(count)],
      ],
      facts: {
        file: path,
        record: seq,
        signal,
        queued: timeText(time_ms),
        items: count,
        bytes: body.byteLength,
      },
    };
    return show(shown, options, surroundings);
  }
  terminal.complain(`Cannot find record ${JSON.stringify(options.record)}: ${path} has no such record that is whole\n`);
  return EXIT_CODES.usage;
}

function show(
  { body, signal, count, rows, facts }: Shown,
  options: InspectOptions,
  { terminal }: Surroundings,
): number {
  if (options.raw === true) {
    if (terminal.isInteractive) {
      terminal.complain('Cannot write raw bytes to a terminal: send them to a file or into a pipe\n');
      return EXIT_CODES.usage;
    }
    terminal.print(body);
    return EXIT_CODES.ok;
  }
  const { is, text } = decodeBody(body, signal, count);
  if (options.json === true) {
    const content =
      is === 'OTLP' ? { body: JSON.parse(text) as unknown } : is === 'text' ? { text } : { base64: base64(body) };
    terminal.print(`${JSON.stringify({ ...facts, format: is, ...content }, null, 2)}\n`);
    return EXIT_CODES.ok;
  }
  const paint = painter(terminal);
  const all = [...rows, ['body', `${bytesText(body.byteLength)} of ${is === 'binary' ? 'bytes' : is}`] as const];
  terminal.print(
    `${renderTable(
      all.map(([title, value]) => [paint('bold', title), value]),
      { columns: terminal.columns },
    )}\n${text}`,
  );
  return EXIT_CODES.ok;
}

function base64(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64');
}

async function inspectSegment(path: string, options: InspectOptions, { terminal }: Surroundings): Promise<number> {
  const { segment, records } = await openSegment(dirname(path), basename(path));
  const { queue, first, bytes } = segment;
  const all: StoredRecord[] = [];
  let items = 0;
  for await (const record of records()) {
    items += record.count;
    // The body would keep the piece of the file in memory that it was read from.
    all.push({ ...record, body: NO_BODY });
  }
  if (options.json === true) {
    const listed = all.map(({ seq, item, signal, time_ms, count, length }) => ({
      record: seq,
      first_item: item,
      signal,
      queued: timeText(time_ms),
      items: count,
      bytes: length,
    }));
    terminal.print(
      `${JSON.stringify({ file: path, queue, first_record: first.seq, bytes, records: listed }, null, 2)}\n`,
    );
    return EXIT_CODES.ok;
  }
  const paint = painter(terminal);
  const facts = [
    ['segment', basename(path)],
    ['file', path],
    ['queue', queue],
    ['size', bytesText(bytes)],
    ['holds', `${countText(all.length, 'record')} with ${countText(items, 'item')}, from record ${first.seq} on`],
  ];
  const rows = all.map(({ seq, signal, time_ms, count, length }) => [
    `${seq}`,
    signal,
    timeText(time_ms),
    numberText(count),
    bytesText(length),
  ]);
  const head = ['record', 'signal', 'queued', 'items', 'bytes'].map((title) => paint('bold', title));
  terminal.print(renderTable(facts.map(([title, value]) => [paint('bold', title!), value!])));
  if (rows.length > 0) terminal.print(`\n${renderTable([head, ...rows])}`);
  return EXIT_CODES.ok;
}

const NO_BODY = Buffer.alloc(0);
