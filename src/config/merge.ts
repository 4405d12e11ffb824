/**
 * Lays one configuration over another. Maps merge key by key, a scalar replaces a scalar, null removes the key. What
 * would silently throw away a list or a section needs to say so with a tag, because that is how pipelines get lost.
 */
import type { ConfigProblem } from '../errors.ts';
import {
  formatPath,
  isEmpty,
  isNull,
  isSame,
  type Entry,
  type MapNode,
  type Node,
  type Origin,
  type Path,
} from './tree.ts';

/** Both trees stay as they are; faults are added to `problems`. */
export function mergeTrees(
  base: Node | undefined,
  over: Node | undefined,
  problems: ConfigProblem[],
): Node | undefined {
  if (base === undefined) return over;
  if (over === undefined) return base;
  return merge(base, over, [], problems);
}

function merge(base: Node, over: Node, path: Path, problems: ConfigProblem[]): Node {
  if (over.mode === 'replace') return over;
  if (over.mode !== undefined) return join(base, over, path, problems);
  if (base.kind === 'map' && over.kind === 'map') return mergeMaps(base, over, path, problems);
  if (base.kind === 'scalar' || isEmpty(base) || isSame(base, over)) return over;
  const what = base.kind === 'list' ? 'list' : 'section';
  const by = over.kind === 'list' ? 'a list' : over.kind === 'map' ? 'a section' : 'a single value';
  const count = base.kind === 'list' ? base.items.length : base.entries.size;
  const size = `${count} ${what === 'list' ? 'item' : 'key'}${count === 1 ? '' : 's'}`;
  problems.push({
    message: `Cannot merge ${formatPath(path)}: ${by} would overwrite a ${what} of ${size}`,
    path: formatPath(path),
    place: over.origin,
    other: base.origin,
    hint:
      base.kind === 'list' && over.kind === 'list'
        ? 'say what you mean with a tag before the list: !append, !prepend or !replace'
        : 'write !replace before the value if you mean it',
  });
  return base;
}

/** `!append` and `!prepend`. */
function join(base: Node, over: Node, path: Path, problems: ConfigProblem[]): Node {
  const isJoinable = over.kind === 'list' && (base.kind === 'list' || isNull(base));
  if (!isJoinable) {
    const found = over.kind === 'list' ? `there is a ${words[base.kind]}` : `it is a ${words[over.kind]}`;
    problems.push({
      message: `Cannot ${over.mode} to ${formatPath(path)}: ${found}, not a list`,
      path: formatPath(path),
      place: over.origin,
      other: over.kind === 'list' ? base.origin : undefined,
    });
    return base;
  }
  const below = base.kind === 'list' ? base.items : [];
  const items = over.mode === 'append' ? [...below, ...over.items] : [...over.items, ...below];
  return { kind: 'list', items, origin: over.origin };
}

/** A null that is written out removes; an empty `key:` only what is not empty itself, since it may mean "defaults". */
function isRemoval(over: Node, below: Node): boolean {
  return isNull(over) && (!isNull(below) || (over.kind === 'scalar' && over.source !== ''));
}

const words = { map: 'section', list: 'list', scalar: 'single value' } as const;

function mergeMaps(base: MapNode, over: MapNode, path: Path, problems: ConfigProblem[]): MapNode {
  const entries = new Map<string, Entry>(base.entries);
  const removed = new Map<string, Origin>([...(base.removed ?? []), ...(over.removed ?? [])]);
  for (const [key, entry] of over.entries) {
    const below = entries.get(key);
    if (below === undefined) {
      entries.set(key, entry);
      removed.delete(key);
    } else if (isRemoval(entry.value, below.value)) {
      entries.delete(key);
      removed.set(key, entry.key);
    } else {
      entries.set(key, { key: entry.key, value: merge(below.value, entry.value, [...path, key], problems) });
    }
  }
  return { kind: 'map', entries, origin: over.origin, removed };
}
