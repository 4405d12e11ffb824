/** `sonde queue list`. */
import { listRecords, readQueue, type ListedRecord } from '../delivery/disk/inspect.ts';
import { messageOf } from '../errors.ts';
import { printable } from '../text/printable.ts';
import { EXIT_CODES } from './exit_codes.ts';
import type { LetterSelection } from './queue_commands.ts';
import { findLetters, onDisk, withPlaces, type FilePlace, type FoundLetter, type Surroundings } from './queue_open.ts';
import type { QueuePlace } from './queue_places.ts';
import { bytesText, numberText, timeText } from './queue_units.ts';
import { renderTable } from './table.ts';
import { painter, type Terminal } from './terminal.ts';

interface PlacedRecord extends ListedRecord {
  readonly place: FilePlace;
}

export async function list(
  options: LetterSelection & { readonly records?: true; readonly json?: true },
  surroundings: Surroundings,
): Promise<number> {
  const { terminal } = surroundings;
  return withPlaces(options, surroundings, async (places) => {
    const letters = await findLetters(places, options);
    const { records, problems } = options.records === true ? await findRecords(places) : NO_RECORDS;
    if (options.json === true) {
      const all = {
        letters: letters.map(letterForMachines),
        ...(options.records && { records: records.map(recordForMachines) }),
      };
      terminal.print(`${JSON.stringify(all, null, 2)}\n`);
    } else {
      terminal.print(renderLetters(letters, terminal));
      if (options.records === true) terminal.print(`\n${renderRecords(records, terminal)}`);
    }
    for (const problem of problems) terminal.complain(`${problem}\n`);
    return problems.length === 0 ? EXIT_CODES.ok : EXIT_CODES.found;
  });
}

interface Records {
  readonly records: readonly PlacedRecord[];
  readonly problems: readonly string[];
}

const NO_RECORDS: Records = { records: [], problems: [] };

async function findRecords(places: readonly QueuePlace[]): Promise<Records> {
  const records: PlacedRecord[] = [];
  const problems: string[] = [];
  for (const place of onDisk(places)) {
    try {
      for await (const record of listRecords(await readQueue(place.folder))) records.push({ ...record, place });
    } catch (error) {
      // A folder that the agent has not made yet holds nothing.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        problems.push(`Cannot read the queue: ${messageOf(error)}`);
    }
  }
  return { records, problems };
}

function renderLetters(letters: readonly FoundLetter[], terminal: Terminal): string {
  if (letters.length === 0) return 'There are no dead letters.\n';
  const paint = painter(terminal);
  const head = ['time', 'letter', 'exporter', 'signal', 'items', 'bytes', 'reason', 'words'];
  const rows = letters.map(({ place, name, bytes, header }) => {
    const whose = [paint('cyan', printable(name)), place.exporter, place.signal];
    if (header instanceof Error)
      return ['', ...whose, '', bytesText(bytes), paint('red', 'unreadable'), header.message];
    const { died_ms, count, reason, why } = header;
    return [
      timeText(died_ms),
      ...whose,
      numberText(count),
      bytesText(header.bytes),
      paint('yellow', reason),
      printable(why),
    ];
  });
  return renderTable([head.map((title) => paint('bold', title)), ...rows], { columns: terminal.columns });
}

function renderRecords(records: readonly PlacedRecord[], terminal: Terminal): string {
  if (records.length === 0) return 'There are no records.\n';
  const paint = painter(terminal);
  const head = ['time', 'segment', 'record', 'exporter', 'signal', 'items', 'bytes', 'state'];
  const rows = records.map(({ place, segment, seq, count, time_ms, bytes, isSettled }) => [
    timeText(time_ms),
    paint('cyan', segment),
    `${seq}`,
    place.exporter,
    place.signal,
    numberText(count),
    bytesText(bytes),
    isSettled ? paint('dim', 'settled') : 'waiting',
  ]);
  return renderTable([head.map((title) => paint('bold', title)), ...rows], { columns: terminal.columns });
}

function letterForMachines({ place, name, path, bytes, header }: FoundLetter) {
  const identity = { letter: name, file: path, exporter: place.exporter, signal: place.signal };
  if (header instanceof Error) return { ...identity, bytes, problem: header.message };
  return {
    ...identity,
    time: timeText(header.died_ms),
    queued: timeText(header.time_ms),
    items: header.count,
    bytes: header.bytes,
    reason: header.reason,
    message: header.why,
    request: header.id,
  };
}

function recordForMachines({ place, segment, seq, count, time_ms, bytes, isSettled }: PlacedRecord) {
  return {
    segment,
    record: seq,
    exporter: place.exporter,
    signal: place.signal,
    queued: timeText(time_ms),
    items: count,
    bytes,
    settled: isSettled,
  };
}
