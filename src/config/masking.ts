/** Gives problems the lines that they are about, without the secrets that stand in them. */
import type { ConfigProblem, Place } from '../errors.ts';
import type { Source } from './loaders.ts';
import { SECTIONS, shapeOfPath, type Registry } from './registry.ts';
import { readShape, type Shape } from './shape.ts';
import { nearest } from './suggest.ts';
import type { Node, Path } from './tree.ts';
import { isSensitive, isSensitiveName, REDACTED, USERINFO } from './words.ts';

/** The problems in the order of their places, each place with its line as written, secrets masked. */
export function attachLines(
  problems: readonly ConfigProblem[],
  sources: readonly Source[],
  registry: Registry,
): ConfigProblem[] {
  const lines = new Map(sources.map((source) => [source.file, maskedLines(source, registry)]));
  const withText = (place: Place | undefined): Place | undefined => {
    const line = place === undefined ? undefined : lines.get(place.file)?.[place.line - 1];
    if (place === undefined || line === undefined) return place;
    return { ...place, frame: { text: line.text, ...line.locate(place.column, place.length ?? 1) } };
  };
  const order = new Map(sources.map((source, at) => [source.file, at]));
  const rank = ({ place }: ConfigProblem): number => (place === undefined ? -1 : (order.get(place.file) ?? Infinity));
  return problems
    .map((problem) => ({ ...problem, place: withText(problem.place), other: withText(problem.other) }))
    .sort(
      (a, b) =>
        rank(a) - rank(b) ||
        (a.place?.line ?? 0) - (b.place?.line ?? 0) ||
        (a.place?.column ?? 0) - (b.place?.column ?? 0),
    );
}

interface MaskedLine {
  readonly text: string;
  /** Where a part of the line is after masking: what is masked is shorter or longer than it was. */
  locate(column: number, length: number): { start: number; length: number };
}

interface Span {
  readonly start: number;
  readonly end: number;
}

function maskedLines(source: Source, registry: Registry): MaskedLine[] {
  const lines = source.text.split('\n').map((line) => line.replace(/\r$/, ''));
  const spans = new Map<number, Span[]>();
  const add = (line: number, span: Span): void => void spans.set(line, [...(spans.get(line) ?? []), span]);
  if (source.root === undefined) {
    maskUnparsed(lines, secretNames(registry), add);
  } else {
    markSecrets(source.root, [], registry, (node) => {
      const { line, column, length = 1 } = node.origin;
      // A text over several lines is hidden on all of them.
      let rest = length;
      for (let at = line, start = column - 1; rest > 0 && at <= lines.length; at++, start = 0) {
        const end = Math.min(lines[at - 1]!.length, start + rest);
        add(at, { start, end });
        rest -= end - start + 1;
      }
    });
  }
  return lines.map((line, at) => maskLine(line, spans.get(at + 1) ?? []));
}

/**
 * A text that could not be parsed: hidden is what follows a key that names a secret, what stands in a block below such
 * a key, and everything after a quote that such a value leaves open.
 */
function maskUnparsed(lines: readonly string[], names: ReadonlySet<string>, add: (line: number, span: Span) => void) {
  const isSecret = (name: string): boolean => {
    return isSensitiveName(name) || names.has(name) || names.has(nearest(name, names) ?? '');
  };
  /** How far in the block of a secret's key is indented. */
  let block: number | undefined;
  let isQuoteOpen = false;
  for (const [at, line] of lines.entries()) {
    const indent = /^[\s-]*/.exec(line)![0].length;
    if (line.trim() !== '' && block !== undefined && indent <= block) block = undefined;
    const keys = [...line.matchAll(/([\w.-]+)["']?\s*:(?=\s|$)/g)];
    const key = keys.find(([, name]) => isSecret(name!)) ?? (block === undefined ? undefined : keys[0]);
    if (isQuoteOpen || (block !== undefined && key === undefined)) {
      add(at + 1, { start: indent, end: line.length });
    } else if (key !== undefined) {
      const value = line.slice(key.index + key[0].length);
      const start = line.length - value.trimStart().length;
      add(at + 1, { start, end: line.length });
      block ??= indent;
      isQuoteOpen = [...value.matchAll(/["']/g)].length % 2 === 1;
    }
  }
}

/** Options of components that are secrets or hold nothing else, by the last part of their path. */
function secretNames(registry: Registry): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (shape: Shape): void => {
    if (shape.kind === 'list') visit(shape.item);
    if (shape.kind === 'map') visit(shape.value);
    if (shape.kind === 'union') shape.choices.forEach(visit);
    if (shape.kind !== 'object') return;
    for (const [name, entry] of shape.entries) {
      const value = entry.kind === 'map' ? entry.value : entry.kind === 'list' ? entry.item : entry;
      if (value.format === 'secret') names.add(name);
      visit(entry);
    }
  };
  for (const section of SECTIONS) for (const { config } of registry[section]) visit(readShape(config));
  return names;
}

function markSecrets(node: Node, path: Path, registry: Registry, mark: (node: Node) => void): void {
  if (node.kind === 'map') {
    for (const [key, { value }] of node.entries) markSecrets(value, [...path, key], registry, mark);
  } else if (node.kind === 'list') {
    for (const [at, item] of node.items.entries()) markSecrets(item, [...path, at], registry, mark);
  } else if (node.source !== '' && isSensitive(node, path, (at) => shapeOfPath(registry, at))) {
    // A reference is not the secret but its name, which helps; a default in it may be one.
    if (!/^\$\{(?:(?!:-)[^}])*\}$/.test(node.source)) mark(node);
  }
}

function maskLine(line: string, spans: readonly Span[]): MaskedLine {
  const userinfo = [...line.matchAll(USERINFO)].map(({ index, 0: part }) => ({
    start: index,
    end: index + part.length,
  }));
  const sorted = [...spans, ...userinfo].filter(({ start, end }) => end > start).sort((a, b) => a.start - b.start);
  let text = '';
  let at = 0;
  const moved: { from: Span; to: Span }[] = [];
  for (const span of sorted) {
    if (span.start < at) continue;
    text += line.slice(at, span.start);
    moved.push({ from: span, to: { start: text.length, end: text.length + REDACTED.length } });
    text += REDACTED;
    at = span.end;
  }
  text += line.slice(at);
  return {
    text,
    locate(column, length) {
      const inside = moved.find(({ from }) => column - 1 >= from.start && column - 1 < from.end);
      if (inside !== undefined) return { start: inside.to.start, length: REDACTED.length };
      const before = moved.findLast(({ from }) => from.end <= column - 1);
      const offset = before === undefined ? 0 : before.to.end - before.from.end;
      return { start: column - 1 + offset, length };
    },
  };
}
