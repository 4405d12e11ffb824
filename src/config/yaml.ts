/** Reads YAML 1.2 (and JSON, which is part of it) into a tree that knows its places. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Pair } from 'yaml';
import type { ConfigProblem } from '../errors.ts';
import type { Entry, MergeMode, Node, Origin, Scalar } from './tree.ts';
import { explainYamlError } from './yaml_errors.ts';

/** More nodes than this through aliases is an attack ("billion laughs") or a mistake. */
const MAX_ALIASED_NODES = 10_000;
const MAX_DEPTH = 64;
const MERGE_TAGS: Readonly<Record<string, MergeMode>> = {
  '!append': 'append',
  '!prepend': 'prepend',
  '!replace': 'replace',
};
/** Keys that would reach an object's prototype, should a tree ever be copied carelessly. */
export const REFUSED_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

export interface ParsedSource {
  /** `undefined` where the text holds nothing but comments. */
  readonly root: Node | undefined;
  readonly problems: readonly ConfigProblem[];
}

export interface YamlOptions {
  /** Scalars are read by their `source`, so that a number may have any digits. */
  readonly hasOnlyText?: boolean;
}

/** Never throws: what is wrong is in `problems`. */
export function parseYaml(text: string, file: string, options: YamlOptions = {}): ParsedSource {
  const lines = new LineCounter();
  if (isHopelesslyDeep(text)) return { root: undefined, problems: [tooDeep(file)] };
  let document: Document.Parsed;
  try {
    document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, logLevel: 'error' });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { root: undefined, problems: [tooDeep(file)] };
  }
  // One slip often makes several errors; only the first tells something.
  const [first] = document.errors;
  if (first !== undefined) {
    return { root: undefined, problems: [explainYamlError(first.code, first.message, first.pos, text, file)] };
  }
  return new TreeBuilder(document, lines, file, options).build();
}

function tooDeep(file: string): ConfigProblem {
  const message = `Cannot read ${file}: it is nested more than ${MAX_DEPTH} deep`;
  return { message, path: '', place: { file, line: 1, column: 1 } };
}

/** The parser takes time by the square of the depth, and finds out late; so many brackets are no configuration. */
function isHopelesslyDeep(text: string): boolean {
  if (/(?:[-?][ \t]+){1000}/.test(text)) return true;
  let depth = 0;
  for (const character of text) {
    if (character === '[' || character === '{') depth++;
    else if (character === ']' || character === '}') depth--;
    if (depth > 1000) return true;
  }
  return false;
}

class TreeBuilder {
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;
  readonly #file: string;
  readonly #problems: ConfigProblem[] = [];
  readonly #expanding = new Set<unknown>();
  readonly #hasOnlyText: boolean;
  #aliasedNodes = 0;

  constructor(document: Document.Parsed, lines: LineCounter, file: string, { hasOnlyText = false }: YamlOptions) {
    this.#document = document;
    this.#lines = lines;
    this.#file = file;
    this.#hasOnlyText = hasOnlyText;
  }

  build(): ParsedSource {
    const { contents } = this.#document;
    if (contents === null || (isScalar(contents) && contents.value === null)) {
      return { root: undefined, problems: this.#problems };
    }
    const root = this.#read(contents, this.#origin(contents.range), 0);
    return { root, problems: this.#problems };
  }

  #origin(range: readonly number[] | null | undefined): Origin {
    const [start = 0, end = start] = range ?? [];
    const { line, col } = this.#lines.linePos(start);
    return { file: this.#file, line: Math.max(line, 1), column: Math.max(col, 1), length: Math.max(end - start, 1) };
  }

  #fault(object: string, found: string, place: Origin, more: { hint?: string; other?: Origin } = {}): void {
    this.#problems.push({ message: `Cannot read ${object}: ${found}`, path: '', place, ...more });
  }

  #read(node: unknown, fallback: Origin, depth: number): Node {
    if (this.#expanding.size > 0) this.#aliasedNodes++;
    const nothing: Node = { kind: 'scalar', value: null, origin: fallback, source: '' };
    if (depth > MAX_DEPTH) {
      this.#fault(this.#file, `it is nested more than ${MAX_DEPTH} deep`, fallback);
      return nothing;
    }
    if (isAlias(node)) return this.#readAlias(node, depth);
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return nothing;
    const origin = node.range === null || node.range === undefined ? fallback : this.#origin(node.range);
    const mode = this.#mode(node.tag, origin);
    if (isSeq(node)) {
      const items = node.items.map((item) => this.#read(item, origin, depth + 1));
      return { kind: 'list', items, origin, mode };
    }
    if (isMap(node)) return { kind: 'map', entries: this.#readEntries(node.items, origin, depth), origin, mode };
    return this.#readScalar(node.value, node.source ?? '', node.type === 'PLAIN', origin, mode);
  }

  #readScalar(value: unknown, source: string, isPlain: boolean, origin: Origin, mode: MergeMode | undefined): Node {
    // A tag makes the library leave a plain scalar as text; the core schema decides what `!replace 5` is.
    const scalar = mode !== undefined && isPlain ? parseScalar(source) : (value as Scalar);
    const isInexact = typeof scalar === 'number' && Number.isInteger(scalar) && !Number.isSafeInteger(scalar);
    if (isInexact && !this.#hasOnlyText) {
      this.#fault('a number', `${source} has more digits than a number keeps`, origin, { hint: 'put it in quotes' });
    }
    return { kind: 'scalar', value: scalar, origin, source, mode };
  }

  #readAlias(alias: { source: string; range?: readonly number[] | null }, depth: number): Node {
    const place = this.#origin(alias.range);
    const target = isAlias(alias) ? alias.resolve(this.#document) : undefined;
    const nothing: Node = { kind: 'scalar', value: null, origin: place, source: '' };
    if (target === undefined || this.#expanding.has(target)) {
      const found = target === undefined ? 'there is no such anchor above it' : 'it contains itself';
      this.#fault(`alias *${alias.source}`, found, place);
      return nothing;
    }
    if (this.#aliasedNodes > MAX_ALIASED_NODES) {
      if (!this.#problems.some(({ message }) => message.includes('aliases expand'))) {
        this.#fault(this.#file, `its aliases expand to more than ${MAX_ALIASED_NODES} values`, place);
      }
      return nothing;
    }
    this.#expanding.add(target);
    const node = this.#read(target, place, depth + 1);
    this.#expanding.delete(target);
    return node;
  }

  #readEntries(pairs: readonly Pair[], origin: Origin, depth: number): Map<string, Entry> {
    const entries = new Map<string, Entry>();
    const merged: Node[] = [];
    for (const { key: keyNode, value } of pairs) {
      const range = isScalar(keyNode) || isMap(keyNode) || isSeq(keyNode) ? keyNode.range : undefined;
      const place = range ? this.#origin(range) : origin;
      const name = isScalar(keyNode) ? keyText(keyNode.value, keyNode.source) : undefined;
      if (name === undefined) {
        this.#fault('a key', 'it is neither text nor a number', place);
        continue;
      }
      if (name === '<<') {
        const source = this.#read(value, place, depth + 1);
        merged.push(...(source.kind === 'list' ? source.items : [source]));
        continue;
      }
      if (REFUSED_KEYS.has(name)) {
        this.#fault(`key "${name}"`, 'this name is not allowed', place);
        continue;
      }
      const earlier = entries.get(name);
      if (earlier !== undefined) {
        this.#fault(`key "${name}"`, 'it is there twice', place, { other: earlier.key });
        continue;
      }
      entries.set(name, { key: place, value: this.#read(value, place, depth + 1) });
    }
    this.#addMerged(entries, merged);
    return entries;
  }

  /** YAML's merge key: what `<<` brings gives way to the keys written beside it. */
  #addMerged(entries: Map<string, Entry>, merged: readonly Node[]): void {
    for (const node of merged) {
      if (node.kind !== 'map') {
        this.#fault('key "<<"', 'it takes a map or a list of maps', node.origin);
        continue;
      }
      for (const [key, entry] of node.entries) if (!entries.has(key)) entries.set(key, entry);
    }
  }

  #mode(tag: string | undefined, origin: Origin): MergeMode | undefined {
    if (tag === undefined || tag.startsWith('tag:yaml.org,2002:')) return undefined;
    if (Object.hasOwn(MERGE_TAGS, tag)) return MERGE_TAGS[tag];
    this.#fault(`tag ${tag}`, 'there is no such tag', origin, { hint: `known: ${Object.keys(MERGE_TAGS).join(', ')}` });
    return undefined;
  }
}

/** What the YAML core schema makes of a plain scalar: `10` a number, `true` a truth value, `yes` a text. */
export function parseScalar(text: string): Scalar {
  // A line break or a flow indicator would make it a structure: substituted text never becomes one.
  if (!/^[-+.\w]+$/.test(text) && text !== '~' && text !== '') return text;
  const document = parseDocument(text, { logLevel: 'silent' });
  const value: unknown = isScalar(document.contents) ? document.contents.value : null;
  if (document.errors.length > 0) return text;
  return typeof value === 'number' || typeof value === 'boolean' || value === null ? value : text;
}

function keyText(value: unknown, source: string | undefined): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? (source ?? String(value)) : undefined;
}
