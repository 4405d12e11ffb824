/**
 * A configuration before it is understood: maps, lists and scalars, each knowing where it was written, so that every
 * later step can say where a fault stands and where a value came from.
 */
import type { Place } from '../errors.ts';

/** Where a node was written. `line` 0 means that it has no line: it came from a variable or an argument. */
export interface Origin extends Place {
  /** The name of what an overlay or a variable put in its place, as `${env:HOST}`. */
  readonly via?: string | undefined;
}

export type Scalar = string | number | boolean | null;

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly value: Scalar;
  readonly origin: Origin;
  /** The scalar as written: `012` for the number 12. */
  readonly source: string;
  /** Whether the whole text is one reference, so that it may stand for a number or a truth value. */
  readonly isReference?: boolean;
  /** Whether its text came from `${file:…}`: such a value is never printed. */
  readonly isFromFile?: boolean;
  /** The files that its text was read from. */
  readonly readFrom?: readonly string[];
  readonly mode?: MergeMode | undefined;
}

export interface ListNode {
  readonly kind: 'list';
  readonly items: readonly Node[];
  readonly origin: Origin;
  readonly mode?: MergeMode | undefined;
}

export interface MapNode {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, Entry>;
  readonly origin: Origin;
  readonly mode?: MergeMode | undefined;
  /** Keys that an overlay removed, and where. */
  readonly removed?: ReadonlyMap<string, Origin> | undefined;
}

export interface Entry {
  /** Where the key stands. */
  readonly key: Origin;
  readonly value: Node;
}

export type Node = ScalarNode | ListNode | MapNode;

/** What an overlay's tag asks for: `!append`, `!prepend` or `!replace`. */
export type MergeMode = 'append' | 'prepend' | 'replace';

export type Path = readonly (string | number)[];

/** `receivers.cpu/host.metrics."system.cpu.time"`: keys with dots or blanks are quoted, list positions in brackets. */
export function formatPath(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += (text === '' ? '' : '.') + (/^[^\s."[\]]+$/.test(part) ? part : JSON.stringify(part));
  }
  return text;
}

/** The node at `path`, or `undefined` where there is none. */
export function nodeAt(node: Node | undefined, path: Path): Node | undefined {
  let at = node;
  for (const part of path) {
    if (at?.kind === 'map') at = at.entries.get(String(part))?.value;
    else if (at?.kind === 'list') at = at.items[Number(part)];
    else return undefined;
  }
  return at;
}

/** Where `path` stands, or the nearest thing above it that is written. */
export function placeOf(root: Node, path: Path, what: 'key' | 'value'): Origin {
  let at: Node = root;
  let place = root.origin;
  for (const part of path) {
    let next: Node | undefined;
    if (at.kind === 'map') {
      const entry = at.entries.get(String(part));
      next = entry?.value;
      if (entry !== undefined) place = entry.key;
    } else if (at.kind === 'list') {
      next = at.items[Number(part)];
      if (next !== undefined) place = next.origin;
    }
    if (next === undefined) return place;
    at = next;
  }
  // An empty value (`key:`) stands nowhere: its key does. Nor is a whole map or list worth underlining.
  const isWritten = at.kind === 'scalar' && at.source !== '';
  return what === 'value' && isWritten ? at.origin : place;
}

/** Plain values, as JSON would hold them; keys cannot reach a prototype, since those names are refused on reading. */
export function toPlain(node: Node): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(toPlain);
  return Object.fromEntries([...node.entries].map(([key, { value }]) => [key, toPlain(value)]));
}

/** A tree of plain values, all from one place. */
export function fromPlain(value: unknown, origin: Origin): Node {
  if (Array.isArray(value)) return { kind: 'list', items: value.map((item) => fromPlain(item, origin)), origin };
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(
      ([key, child]) => [key, { key: origin, value: fromPlain(child, origin) }] as const,
    );
    return { kind: 'map', entries: new Map(entries), origin };
  }
  const scalar = value === undefined ? null : (value as Scalar);
  return { kind: 'scalar', value: scalar, origin, source: scalar === null ? '' : String(scalar) };
}

export function isNull(node: Node | undefined): boolean {
  return node === undefined || (node.kind === 'scalar' && node.value === null);
}

/** Whether nothing is in it: null, `{}`, `[]`. */
export function isEmpty(node: Node | undefined): boolean {
  if (node === undefined || isNull(node)) return true;
  if (node.kind === 'map') return node.entries.size === 0;
  return node.kind === 'list' && node.items.length === 0;
}

/** `node` with `value` put at `path`; maps are made on the way where nothing is. */
export function withValue(node: Node | undefined, path: Path, value: Node, key: Origin): Node {
  const [first, ...rest] = path;
  if (first === undefined) return value;
  if (node?.kind === 'list') {
    const items = [...node.items];
    items[Number(first)] = withValue(items[Number(first)], rest, value, key);
    return { ...node, items };
  }
  const map: MapNode = node?.kind === 'map' ? node : { kind: 'map', entries: new Map(), origin: node?.origin ?? key };
  const entry = map.entries.get(String(first));
  const entries = new Map(map.entries);
  entries.set(String(first), { key: entry?.key ?? key, value: withValue(entry?.value, rest, value, key) });
  return { ...map, entries };
}

/** Two trees that say the same, wherever it is written. */
export function isSame(a: Node, b: Node): boolean {
  if (a.kind === 'scalar') return b.kind === 'scalar' && a.value === b.value;
  if (a.kind === 'list') {
    return (
      b.kind === 'list' && a.items.length === b.items.length && a.items.every((item, at) => isSame(item, b.items[at]!))
    );
  }
  if (b.kind !== 'map' || a.entries.size !== b.entries.size) return false;
  return [...a.entries].every(([key, { value }]) => {
    const other = b.entries.get(key);
    return other !== undefined && isSame(value, other.value);
  });
}
