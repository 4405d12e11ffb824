/** `sonde queue replay` and `sonde queue purge`: the commands that change what lies in the folders of queues. */
import * as fs from 'node:fs/promises';
import { basename, join } from 'node:path';
import { REPLAY_FOLDER } from '../delivery/dead_letters.ts';
import { readQueue } from '../delivery/disk/inspect.ts';
import { createFolderLock, readHolder } from '../folder_lock.ts';
import { messageOf } from '../errors.ts';
import { EXIT_CODES } from './exit_codes.ts';
import type { LetterSelection } from './queue_commands.ts';
import {
  findLetters,
  letterOf,
  onDisk,
  withPlaces,
  type FilePlace,
  type FoundLetter,
  type Surroundings,
} from './queue_open.ts';
import type { QueuePlace } from './queue_places.ts';
import { bytesText, countText } from './queue_units.ts';
import { painter } from './terminal.ts';

export async function replay(
  names: readonly string[],
  options: LetterSelection & { readonly all?: true; readonly json?: true },
  surroundings: Surroundings,
): Promise<number> {
  const { terminal } = surroundings;
  if (names.length > 0 === (options.all === true)) {
    terminal.complain('Cannot replay: name letters, or say --all\n  hint: see "sonde queue list"\n');
    return EXIT_CODES.usage;
  }
  return withPlaces(options, surroundings, async (places) => {
    const letters = await chosenLetters(names, places, options, surroundings);
    if (letters === undefined) return EXIT_CODES.usage;
    const replayed: FoundLetter[] = [];
    const problems: string[] = [];
    for (const letter of letters) {
      try {
        await replayOne(letter);
        replayed.push(letter);
      } catch (error) {
        problems.push(`Cannot replay ${letter.name}: ${messageOf(error)}`);
      }
    }
    if (options.json === true) terminal.print(toJson({ replayed: replayed.map(({ name }) => name), problems }));
    else terminal.print(await saidOfReplay(replayed));
    for (const problem of problems) terminal.complain(`${problem}\n`);
    return problems.length === 0 ? EXIT_CODES.ok : EXIT_CODES.found;
  });
}

async function replayOne({ place, path, header }: FoundLetter): Promise<void> {
  if (header instanceof Error) throw header;
  if (place.isLeft) throw new Error(`no exporter of the configuration uses ${place.folder}`);
  if (place.limits?.dead_letters_bytes === 0) {
    throw new Error(`with dead_letters.max_bytes: 0 the exporter "${place.exporter}" does not look for letters`);
  }
  const folder = join(place.folder, REPLAY_FOLDER);
  if ((await fs.mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined) await giveToOwner(folder, place.folder);
  await fs.rename(path, join(folder, basename(path)));
}

/** Of a folder that root made in the folder of an agent with a user of its own. */
async function giveToOwner(folder: string, like: string): Promise<void> {
  const { uid, gid } = await fs.stat(like);
  if (process.getuid?.() === 0) await fs.chown(folder, uid, gid);
}

async function saidOfReplay(letters: readonly FoundLetter[]): Promise<string> {
  if (letters.length === 0) return 'Replays nothing: there is no such dead letter.\n';
  const items = letters.reduce((sum, { header }) => sum + (header instanceof Error ? 0 : header.count), 0);
  const folders = [...new Set(letters.map(({ place }) => place.folder))];
  const holders = folders.map(readHolder);
  const when = holders.includes(undefined) ? 'an agent takes them when it starts' : 'the running agent takes them now';
  return `Replays ${countText(letters.length, 'letter')} with ${countText(items, 'item')}: ${when}.\n`;
}

/** Something that is to be removed. */
interface Victim {
  readonly path: string;
  readonly bytes: number;
}

interface Purge {
  readonly letters: readonly Victim[];
  readonly bad: readonly Victim[];
  /** Of queues that are emptied. */
  readonly waiting: readonly {
    readonly place: FilePlace;
    readonly items: number;
    readonly segments: readonly Victim[];
  }[];
}

export async function purge(
  names: readonly string[],
  options: LetterSelection & { readonly waiting?: true; readonly yes?: true; readonly json?: true },
  surroundings: Surroundings,
): Promise<number> {
  const { terminal } = surroundings;
  if (names.length > 0 && options.waiting === true) {
    terminal.complain('Cannot purge: --waiting is about whole queues, and letters are named\n');
    return EXIT_CODES.usage;
  }
  return withPlaces(options, surroundings, async (places) => {
    const letters = await chosenLetters(names, places, options, surroundings);
    if (letters === undefined) return EXIT_CODES.usage;
    // Whoever says which letters means only letters.
    const isNarrow = names.length > 0 || options.reason !== undefined;
    const problems: string[] = [];
    const plan = await planPurge(isNarrow ? [] : onDisk(places), letters, options.waiting === true, problems);
    const { letters: dead, bad, waiting } = plan;
    if (dead.length + bad.length + waiting.length > 0 && !(await isConfirmed(plan, options, surroundings))) {
      return EXIT_CODES.found;
    }
    await removeAll([...dead, ...bad], problems);
    for (const { place, segments } of waiting) await empty(place, segments, problems);
    const removed = {
      letters: await goneOf(dead),
      set_aside: await goneOf(bad),
      segments: await goneOf(waiting.flatMap(({ segments }) => segments)),
    };
    if (options.json === true) terminal.print(toJson({ removed, problems }));
    else terminal.print(`Removed ${said(removed.letters, removed.set_aside, removed.segments)}.\n`);
    for (const problem of problems) terminal.complain(`${problem}\n`);
    return problems.length === 0 ? EXIT_CODES.ok : EXIT_CODES.found;
  });
}

async function planPurge(
  places: readonly FilePlace[],
  letters: readonly FoundLetter[],
  isWaitingMeant: boolean,
  problems: string[],
): Promise<Purge> {
  const bad: Victim[] = [];
  const waiting: Purge['waiting'][number][] = [];
  for (const place of places) {
    const at = (name: string): string => join(place.folder, name);
    try {
      const contents = await readQueue(place.folder);
      bad.push(...contents.bad.map(({ name, bytes }) => ({ path: at(name), bytes })));
      if (!isWaitingMeant || contents.segments.length + contents.unusable.length === 0) continue;
      const segments = [
        ...contents.segments.map(({ name, bytes }) => ({ path: at(name), bytes })),
        ...contents.unusable.map(({ name }) => ({ path: at(name), bytes: 0 })),
      ];
      waiting.push({ place, items: contents.waiting, segments });
    } catch (error) {
      // A folder that the agent has not made yet holds nothing.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        problems.push(`Cannot read the queue: ${messageOf(error)}`);
    }
  }
  return { letters, bad, waiting };
}

async function isConfirmed(
  { letters, bad, waiting }: Purge,
  { yes }: { readonly yes?: true },
  { terminal }: Surroundings,
): Promise<boolean> {
  if (yes === true) return true;
  if (terminal.ask === undefined) {
    terminal.complain('Cannot purge: there is nobody to ask\n  hint: say --yes\n');
    return false;
  }
  const segments = waiting.flatMap((queue) => queue.segments);
  const lost = waiting.reduce((sum, { items }) => sum + items, 0);
  const warning =
    lost === 0
      ? ''
      : ` ${painter({ hasColor: terminal.hasErrorColor })('red', `${countText(lost, 'item')} would never be sent.`)}`;
  const answer = await terminal.ask(`Remove ${said(letters, bad, segments)}?${warning} [y/N] `);
  return /^y(es)?$/i.test(answer.trim());
}

function said(letters: readonly Victim[], bad: readonly Victim[], segments: readonly Victim[]): string {
  const part = (victims: readonly Victim[], noun: string): string[] =>
    victims.length === 0
      ? []
      : [`${countText(victims.length, noun)} (${bytesText(victims.reduce((sum, { bytes }) => sum + bytes, 0))})`];
  const parts = [...part(letters, 'dead letter'), ...part(bad, 'damaged file'), ...part(segments, 'segment')];
  return parts.length === 0 ? 'nothing' : parts.join(', ');
}

/** Removes what waits in a queue that no agent uses. Its cursor stays, so that numbers are not used again. */
async function empty({ folder }: FilePlace, segments: readonly Victim[], problems: string[]): Promise<void> {
  const lock = createFolderLock(folder);
  try {
    await lock.acquire();
  } catch (error) {
    problems.push(messageOf(error));
    return;
  }
  try {
    await removeAll(segments, problems);
  } finally {
    lock.release();
  }
}

async function removeAll(victims: readonly Victim[], problems: string[]): Promise<void> {
  for (const { path } of victims) {
    try {
      await fs.rm(path, { force: true });
    } catch (error) {
      problems.push(`Cannot remove ${path}: ${messageOf(error)}`);
    }
  }
}

/** Those of `victims` that are there no longer. */
async function goneOf(victims: readonly Victim[]): Promise<Victim[]> {
  const gone: Victim[] = [];
  for (const { path, bytes } of victims) {
    const isThere = await fs.access(path).then(
      () => true,
      () => false,
    );
    if (!isThere) gone.push({ path, bytes });
  }
  return gone;
}

/** The letters that are named, or all that the options leave; undefined, with a complaint, where a name is none. */
async function chosenLetters(
  names: readonly string[],
  places: readonly QueuePlace[],
  options: LetterSelection,
  { terminal }: Surroundings,
): Promise<readonly FoundLetter[] | undefined> {
  const letters = await findLetters(places, options);
  if (names.length === 0) return letters;
  try {
    return [...new Set(names.map((name) => letterOf(name, letters)))];
  } catch (error) {
    terminal.complain(`${messageOf(error)}\n  hint: see "sonde queue list"\n`);
    return undefined;
  }
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
