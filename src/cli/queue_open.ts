/** What the commands below `sonde queue` have in common: finding the queues and letters that are meant. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Catalog } from '../config/registry.ts';
import { DEAD_FOLDER, decodeLetter, listLetters, type LetterHeader } from '../delivery/dead_letters.ts';
import { ConfigError, messageOf } from '../errors.ts';
import { EXIT_CODES } from './exit_codes.ts';
import type { LetterSelection, QueueSelection } from './queue_commands.ts';
import { placesOfConfig, placesOfDirectory, type QueuePlace } from './queue_places.ts';
import { complainAbout, loadSelection } from './selection.ts';
import type { Terminal } from './terminal.ts';

export interface Surroundings {
  readonly terminal: Terminal;
  readonly catalog: Catalog;
  readonly env: NodeJS.ProcessEnv;
  readonly now_ms: number;
}

/** A queue with files. */
export type FilePlace = QueuePlace & { readonly folder: string };

export interface FoundLetter {
  readonly place: FilePlace;
  /** Of its file, without `.letter`. */
  readonly name: string;
  readonly path: string;
  /** Of the file. */
  readonly bytes: number;
  /** What its first line says, or why it cannot be read. */
  readonly header: LetterHeader | Error;
}

export const LETTER_SUFFIX = '.letter';

/** Does `work` with the queues that are meant, and says in the house's words why it cannot. */
export async function withPlaces(
  options: QueueSelection,
  { terminal, env, catalog }: Surroundings,
  work: (places: readonly QueuePlace[]) => Promise<number>,
): Promise<number> {
  let places: readonly QueuePlace[];
  try {
    places =
      options.directory === undefined
        ? placesOfConfig(await loadSelection(options, env, catalog))
        : placesOfDirectory(options.directory);
  } catch (error) {
    if (error instanceof ConfigError) {
      complainAbout(error.problems, terminal);
      return EXIT_CODES.config;
    }
    terminal.complain(`Cannot look for queues: ${messageOf(error)}\n`);
    return EXIT_CODES.found;
  }
  const { exporter } = options;
  if (exporter === undefined) return work(places);
  const unknown = exporter.find((id) => !places.some((place) => place.exporter === id));
  if (unknown !== undefined) {
    const known = [...new Set(places.map((place) => place.exporter))];
    terminal.complain(`Cannot find a queue of ${JSON.stringify(unknown)}: there is no such exporter\n`);
    terminal.complain(`  hint: ${known.length === 0 ? 'there are no queues' : `known: ${known.join(', ')}`}\n`);
    return EXIT_CODES.usage;
  }
  return work(places.filter((place) => exporter.includes(place.exporter)));
}

export function onDisk(places: readonly QueuePlace[]): FilePlace[] {
  return places.filter((place): place is FilePlace => place.folder !== undefined);
}

/** The dead letters of queues, in the order of their death, without their bodies. */
export async function findLetters(
  places: readonly QueuePlace[],
  { reason }: Pick<LetterSelection, 'reason'> = {},
): Promise<FoundLetter[]> {
  const letters: FoundLetter[] = [];
  for (const place of onDisk(places)) {
    const folder = join(place.folder, DEAD_FOLDER);
    for (const { name, bytes } of await listLetters(folder)) {
      const path = join(folder, name);
      const header = await readHeader(path);
      if (reason !== undefined && (header instanceof Error || !reason.includes(header.reason))) continue;
      letters.push({ place, name: name.slice(0, -LETTER_SUFFIX.length), path, bytes, header });
    }
  }
  return letters.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

async function readHeader(path: string): Promise<LetterHeader | Error> {
  try {
    return decodeLetter(await readFile(path)).header;
  } catch (error) {
    return error as Error;
  }
}

/**
 * The letter that a person means: by its name, or by the beginning of it where no other begins so.
 * @throws {RangeError} there is none, or more than one
 */
export function letterOf(name: string, letters: readonly FoundLetter[]): FoundLetter {
  const wanted = name.endsWith(LETTER_SUFFIX) ? name.slice(0, -LETTER_SUFFIX.length) : name;
  const whole = letters.filter((letter) => letter.name === wanted || letter.path === name);
  const found = whole.length > 0 ? whole : letters.filter((letter) => letter.name.startsWith(wanted));
  const [letter] = found;
  if (letter === undefined) {
    throw new RangeError(`Cannot find ${JSON.stringify(name)}: no dead letter has a name that begins so`);
  }
  if (found.length > 1) {
    throw new RangeError(`Cannot tell which letter ${JSON.stringify(name)} is: ${found.length} names begin so`);
  }
  return letter;
}
