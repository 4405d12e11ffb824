/** What someone knows of a tree of files who hears of nothing but the events of the receiver `files`. */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export interface FileEvent {
  readonly eventName: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface Known {
  readonly inode: string;
  readonly size: number;
  readonly mode: string;
}

/** Files and folders by path after all events, beginning with those that were there. */
export function replay(events: readonly FileEvent[], before: ReadonlyMap<string, Known>): Map<string, Known> {
  const known = new Map(before);
  for (const { eventName, attributes } of events) {
    const path = String(attributes['file.path']);
    if (eventName === 'file.delete') known.delete(path);
    else if (eventName === 'file.rename') {
      const old = String(attributes['file.previous.path']);
      move(known, old, path, attributes['file.type'] === 'directory');
      if (known.has(path)) known.set(path, learn(attributes, known.get(path)));
    } else if (/^file\.(create|modify|attribute_change)$/.test(eventName)) {
      known.set(path, learn(attributes, known.get(path)));
    }
  }
  return known;
}

function move(known: Map<string, Known>, old: string, path: string, isFolder: boolean): void {
  const moved = known.get(old);
  if (moved !== undefined) {
    known.delete(old);
    known.set(path, moved);
  }
  if (!isFolder) return;
  for (const [key, value] of [...known].filter(([one]) => one.startsWith(`${old}/`))) {
    known.delete(key);
    known.set(path + key.slice(old.length), value);
  }
}

function learn(attributes: FileEvent['attributes'], before: Known | undefined): Known {
  return {
    inode: String(attributes['file.inode'] ?? before?.inode ?? ''),
    size: attributes['file.type'] === 'directory' ? 0 : Number(attributes['file.size'] ?? before?.size ?? 0),
    mode: String(attributes['file.mode'] ?? before?.mode ?? ''),
  };
}

/** What there is below a folder; a folder's own size is 0 here. */
export function treeOf(folder: string): Map<string, Known> {
  const found = new Map<string, Known>();
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    const { ino, size, mode } = lstatSync(path);
    const isFolder = (mode & 0o17_0000) === 0o4_0000;
    found.set(path, {
      inode: String(ino),
      size: isFolder ? 0 : size,
      mode: (mode & 0o7777).toString(8).padStart(4, '0'),
    });
  }
  return found;
}

export function wrongPaths(known: ReadonlyMap<string, Known>, real: ReadonlyMap<string, Known>): string[] {
  const paths = new Set([...known.keys(), ...real.keys()]);
  return [...paths].filter((path) => JSON.stringify(known.get(path)) !== JSON.stringify(real.get(path)));
}

/** What is known and not so, with the events that led to it: easier to read than two trees of thousands. */
export function differences(
  known: ReadonlyMap<string, Known>,
  real: ReadonlyMap<string, Known>,
  events: readonly FileEvent[],
): string[] {
  return wrongPaths(known, real)
    .slice(0, 10)
    .map((path) =>
      JSON.stringify({ path, known: known.get(path), real: real.get(path), about: eventsAbout(path, events) }),
    );
}

/** In short, in order. */
export function eventsAbout(path: string, events: readonly FileEvent[]): string[] {
  return events
    .filter(({ attributes }) => [attributes['file.path'], attributes['file.previous.path']].includes(path))
    .map(({ eventName, attributes }) => `${eventName} ${JSON.stringify(attributes)}`);
}
