/** Which queues there are: those of a configuration, and what lies beside them. */
import { existsSync, readdirSync, type Dirent } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { CommonPushConfig } from '../component.ts';
import type { LoadedConfig } from '../config/load.ts';
import { DEAD_FOLDER } from '../delivery/dead_letters.ts';
import { seqOfSegment } from '../delivery/disk/format.ts';
import { DISK_BYTES, queueFolder } from '../delivery/queues.ts';
import type { Signal } from '../model/batch.ts';

/** One queue, of one exporter and signal. */
export interface QueuePlace {
  readonly exporter: string;
  readonly signal: Signal;
  /** Undefined for a queue in memory. */
  readonly folder: string | undefined;
  /** Undefined for a queue in memory, where no configuration was read, or where it does not have this queue. */
  readonly limits: { readonly max_bytes: number; readonly dead_letters_bytes: number } | undefined;
  /** No exporter of the configuration uses it: nobody will send what is in it. */
  readonly isLeft: boolean;
}

const SIGNALS: readonly Signal[] = ['metrics', 'logs', 'traces'];

/** The queues of all exporters that a pipeline uses, and then those in the same directories that nobody owns. */
export function placesOfConfig({ exporters, pipelines }: LoadedConfig): readonly QueuePlace[] {
  const places: QueuePlace[] = [];
  const roots = new Set<string>();
  for (const { id, definition, config } of exporters.values()) {
    if (definition.isPull) continue;
    const { queue } = config as CommonPushConfig;
    for (const signal of SIGNALS) {
      const isUsed = [...pipelines.values()].some((one) => one.signal === signal && one.exporters.includes(id));
      if (!isUsed) continue;
      const folder = queueFolder(id, signal, queue);
      if (queue.storage === 'memory') {
        places.push({ exporter: id, signal, folder: undefined, limits: undefined, isLeft: false });
        // Of the time before the configuration said so.
        if (holdsQueue(folder)) places.push({ exporter: id, signal, folder, limits: undefined, isLeft: true });
        continue;
      }
      roots.add(dirname(dirname(folder)));
      const limits = { max_bytes: queue.max_bytes ?? DISK_BYTES, dead_letters_bytes: queue.dead_letters.max_bytes };
      places.push({ exporter: id, signal, folder, limits, isLeft: false });
    }
  }
  const owned = new Set(places.map(({ folder }) => folder));
  const left = [...roots].flatMap(placesIn).filter(({ folder }) => !owned.has(folder));
  return [...places, ...left.map((place) => ({ ...place, isLeft: true }))];
}

/**
 * The queues below a directory, or the one that it is itself.
 * @throws {Error} it cannot be read
 */
export function placesOfDirectory(directory: string): readonly QueuePlace[] {
  const path = resolve(directory);
  const entries = readdirSync(path, { withFileTypes: true });
  const signal = SIGNALS.find((one) => one === basename(path));
  if (signal !== undefined && entries.some(isOfQueue)) return [placeAt(basename(dirname(path)), signal, path)];
  const own = placesOf(path, basename(path));
  return own.length > 0 ? own : placesIn(path);
}

/** `ROOT/EXPORTER/SIGNAL`. */
function placesIn(root: string): QueuePlace[] {
  if (!existsSync(root)) return [];
  const folders = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders
    .map(({ name }) => name)
    .toSorted()
    .flatMap((name) => placesOf(join(root, name), name));
}

function placesOf(folder: string, name: string): QueuePlace[] {
  return SIGNALS.filter((signal) => holdsQueue(join(folder, signal))).map((signal) =>
    placeAt(name, signal, join(folder, signal)),
  );
}

function holdsQueue(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder, { withFileTypes: true }).some(isOfQueue);
}

function isOfQueue({ name }: Dirent): boolean {
  return (
    name === 'cursor' ||
    name === DEAD_FOLDER ||
    name === 'lock' ||
    seqOfSegment(name.replace(/\.bad$/, '')) !== undefined
  );
}

function placeAt(name: string, signal: Signal, folder: string): QueuePlace {
  return { exporter: decoded(name), signal, folder, limits: undefined, isLeft: false };
}

/** A folder that is not of an exporter may have any name. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    // It was never encoded.
    return name;
  }
}
