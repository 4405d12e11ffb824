/** `sonde queue status`. */
import { join } from 'node:path';
import { DEAD_FOLDER, listLetters, REPLAY_FOLDER } from '../delivery/dead_letters.ts';
import { findDamage, readQueue, type Damage, type QueueContents } from '../delivery/disk/inspect.ts';
import { readHolder } from '../folder_lock.ts';
import { messageOf } from '../errors.ts';
import { EXIT_CODES } from './exit_codes.ts';
import type { QueueSelection } from './queue_commands.ts';
import { withPlaces, type Surroundings } from './queue_open.ts';
import type { QueuePlace } from './queue_places.ts';
import { ageText, bytesText, countText, numberText } from './queue_units.ts';
import { renderTable } from './table.ts';
import { painter, type Paint, type Terminal } from './terminal.ts';

interface QueueStatus {
  readonly place: QueuePlace;
  /** Undefined where there is no folder, or it cannot be read. */
  readonly contents: QueueContents | undefined;
  readonly letters: Files;
  /** Letters that the next agent queues again. */
  readonly replaying: Files;
  /** Undefined unless it was looked for. */
  readonly damage: readonly Damage[] | undefined;
  readonly process: number | undefined;
  /** Why it cannot be read. */
  readonly problem: string | undefined;
}

interface Files {
  readonly count: number;
  readonly bytes: number;
}

const NO_FILES: Files = { count: 0, bytes: 0 };

export async function status(
  options: QueueSelection & { readonly check?: true; readonly json?: true },
  surroundings: Surroundings,
): Promise<number> {
  const { terminal, now_ms } = surroundings;
  return withPlaces(options, surroundings, async (places) => {
    const all: QueueStatus[] = [];
    for (const place of places) all.push(await readStatus(place, options.check === true));
    if (options.json === true)
      terminal.print(
        `${JSON.stringify(
          all.map((one) => forMachines(one, now_ms)),
          null,
          2,
        )}\n`,
      );
    else terminal.print(render(all, terminal, now_ms));
    const isBad = all.some(({ problem, damage = [] }) => problem !== undefined || damage.length > 0);
    return isBad ? EXIT_CODES.found : EXIT_CODES.ok;
  });
}

async function readStatus(place: QueuePlace, isChecked: boolean): Promise<QueueStatus> {
  const { folder } = place;
  const nothing = { place, letters: NO_FILES, replaying: NO_FILES, damage: undefined, process: undefined };
  if (folder === undefined) return { ...nothing, contents: undefined, problem: undefined };
  try {
    const contents = await readQueue(folder);
    return {
      place,
      contents,
      letters: sum(await listLetters(join(folder, DEAD_FOLDER))),
      replaying: sum(await listLetters(join(folder, REPLAY_FOLDER))),
      damage: isChecked ? await findDamage(contents) : undefined,
      process: readHolder(folder),
      problem: contents.problems[0],
    };
  } catch (error) {
    // The agent has not made it yet.
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return {
      ...nothing,
      contents: undefined,
      problem: isMissing ? undefined : `Cannot read the queue: ${messageOf(error)}`,
    };
  }
}

function sum(files: readonly { readonly bytes: number }[]): Files {
  return { count: files.length, bytes: files.reduce((total, { bytes }) => total + bytes, 0) };
}

function render(all: readonly QueueStatus[], terminal: Terminal, now_ms: number): string {
  if (all.length === 0) return 'There are no queues here: no exporter that sends stands in a pipeline.\n';
  const paint = painter(terminal);
  return all.map((one) => renderQueue(one, paint, terminal, now_ms)).join('\n');
}

function renderQueue(one: QueueStatus, paint: Paint, { columns }: Terminal, now_ms: number): string {
  const { place, contents, problem } = one;
  const head = `${paint('bold', place.exporter)} ${place.signal}  ${paint('dim', place.folder ?? 'in memory')}\n`;
  const rows: string[][] = [];
  if (place.folder === undefined) rows.push(['what waits', 'is lost with the agent, and known to it alone']);
  else if (contents === undefined && problem === undefined) rows.push(['waiting', 'nothing: there is no folder yet']);
  if (place.isLeft)
    rows.push([paint('yellow', 'unused'), 'no exporter of the configuration uses it: nobody sends what is here']);
  if (problem !== undefined) rows.push([paint('red', 'problem'), problem]);
  if (contents !== undefined) rows.push(...rowsOf(one, contents, paint, now_ms));
  return head + renderTable(rows, { indent: 2, columns });
}

function rowsOf(one: QueueStatus, contents: QueueContents, paint: Paint, now_ms: number): string[][] {
  const { place, letters, replaying, damage, process } = one;
  const { segments, unusable, bytes, progress, end, waiting, oldest_ms, tail_bytes, bad } = contents;
  const limit = place.limits === undefined ? '' : ` of ${bytesText(place.limits.max_bytes)}`;
  const age = oldest_ms === undefined ? '' : `, the oldest for ${ageText(now_ms - oldest_ms)}`;
  const rows = [
    ['waiting', waiting === 0 ? 'nothing' : `${countText(waiting, 'item')}${age}`],
    ['size', `${bytesText(bytes)}${limit}, ${countText(segments.length, 'segment')}`],
    [
      'position',
      `record ${numberText(progress.low.seq)} of ${numberText(end.seq)}; ` +
        `of ${countText(end.item, 'item')} that ever came in, ${numberText(end.item - waiting)} are settled`,
    ],
  ];
  if (damage !== undefined) {
    const lost = damage.reduce((total, { items }) => total + items, 0);
    const records = damage.reduce((total, { records }) => total + records, 0);
    rows.push(
      records === 0
        ? ['damaged', paint('green', 'nothing')]
        : [
            'damaged',
            paint(
              'red',
              `${countText(records, 'record')} with ${countText(lost, 'item')} in ${damage.map(({ segment }) => segment).join(', ')}`,
            ),
          ],
    );
  }
  for (const { name, why } of unusable) rows.push(['unusable', paint('red', `${name}: it ${why}`)]);
  if (tail_bytes > 0 && process === undefined) {
    rows.push([
      'unfinished',
      `${bytesText(tail_bytes)} at the end, which the next start cuts off or counts as damaged`,
    ]);
  }
  const room = place.limits === undefined ? '' : ` of ${bytesText(place.limits.dead_letters_bytes)}`;
  rows.push([
    'dead letters',
    letters.count === 0 ? 'none' : paint('yellow', `${numberText(letters.count)}, ${bytesText(letters.bytes)}${room}`),
  ]);
  if (replaying.count > 0)
    rows.push(['to replay', `${countText(replaying.count, 'letter')}, ${bytesText(replaying.bytes)}`]);
  if (bad.length > 0)
    rows.push(['set aside', paint('yellow', `${countText(bad.length, 'damaged file')}, ${bytesText(sum(bad).bytes)}`)]);
  rows.push(['used by', process === undefined ? 'no process' : `process ${process}`]);
  return rows;
}

function forMachines({ place, contents, letters, replaying, damage, process, problem }: QueueStatus, now_ms: number) {
  const { exporter, signal, folder, limits, isLeft } = place;
  const identity = { exporter, signal, storage: folder === undefined ? 'memory' : 'disk', folder, configured: !isLeft };
  if (contents === undefined) return { ...identity, max_bytes: limits?.max_bytes, problem };
  const { segments, unusable, bytes, progress, end, waiting, oldest_ms, bad } = contents;
  return {
    ...identity,
    max_bytes: limits?.max_bytes,
    bytes,
    segments: segments.length,
    waiting_items: waiting,
    oldest_age_seconds: oldest_ms === undefined ? 0 : Math.max(0, (now_ms - oldest_ms) / 1000),
    position: { record: progress.low.seq, records: end.seq, settled_items: end.item - waiting, items: end.item },
    ...(damage !== undefined && { damaged: damage }),
    unusable,
    set_aside: { count: bad.length, bytes: sum(bad).bytes },
    dead_letters: { ...letters, max_bytes: limits?.dead_letters_bytes },
    replaying,
    process,
    problem,
  };
}
