/** `sonde config show` and `sonde config diff`. */
import { Document, Pair, Scalar as YamlScalar, YAMLMap, YAMLSeq } from 'yaml';
import type { Place } from '../errors.ts';
import { effectiveConfig, redact } from './effective.ts';
import { formatPlace } from './frames.ts';
import type { LoadedConfig } from './load.ts';
import { formatPath, isSame, nodeAt, toPlain, type Node, type Origin, type Path } from './tree.ts';

export interface ShowOptions {
  /** Say of each value where it came from. */
  readonly origin?: boolean;
  /** Hide also what variables and files brought. Secrets are hidden always. */
  readonly redacted?: boolean;
  readonly format?: 'yaml' | 'json';
}

/** The configuration in effect, defaults included, as YAML or JSON that ends with a line break. */
export function showConfig(loaded: LoadedConfig, options: ShowOptions = {}): string {
  const tree = redact(effectiveConfig(loaded), loaded.registry, options.redacted ?? false);
  if (options.format === 'json') {
    const config = toPlain(tree);
    const shown = options.origin === true ? { config, origins: Object.fromEntries(origins(tree, [])) } : config;
    return `${JSON.stringify(shown, null, 2)}\n`;
  }
  const document = new Document();
  document.contents = toYaml(tree, options.origin ?? false) as never;
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

function describeOrigin(origin: Origin): string {
  const place = formatPlace(origin);
  return origin.via === undefined ? place : `${place} ${origin.via}`;
}

function* origins(node: Node, path: Path): Generator<[string, string]> {
  if (node.kind === 'scalar') yield [formatPath(path), describeOrigin(node.origin)];
  else if (node.kind === 'list') for (const [at, item] of node.items.entries()) yield* origins(item, [...path, at]);
  else for (const [key, { value }] of node.entries) yield* origins(value, [...path, key]);
}

function toYaml(node: Node, withOrigin: boolean): YamlScalar | YAMLMap | YAMLSeq {
  if (node.kind === 'scalar') {
    const scalar = new YamlScalar(node.value);
    if (withOrigin) scalar.comment = ` ${describeOrigin(node.origin)}`;
    return scalar;
  }
  if (node.kind === 'map') {
    const map = new YAMLMap();
    for (const [key, { value }] of node.entries) {
      map.items.push(new Pair(new YamlScalar(key), toYaml(value, withOrigin)));
    }
    map.flow = node.entries.size === 0;
    if (withOrigin && map.flow) map.comment = ` ${describeOrigin(node.origin)}`;
    return map;
  }
  const list = new YAMLSeq();
  for (const item of node.items) list.items.push(toYaml(item, withOrigin));
  // A list of names reads best on one line, but then there is no room for where each came from.
  list.flow = node.items.length === 0 || (!withOrigin && node.items.every(({ kind }) => kind === 'scalar'));
  if (withOrigin && node.items.length === 0) list.comment = ` ${describeOrigin(node.origin)}`;
  return list;
}

/** One value in which two configurations differ; secrets are shown as such. */
export interface ConfigDifference {
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** As JSON; '' where it is not there. */
  readonly before: string;
  readonly after: string;
  readonly beforePlace: Place | undefined;
  readonly afterPlace: Place | undefined;
}

/** Compares what takes effect, so a default written out is no difference. In the order of the paths. */
export function diffConfig(a: LoadedConfig, b: LoadedConfig): ConfigDifference[] {
  const before = leavesOf(a);
  const after = leavesOf(b);
  const differences: ConfigDifference[] = [];
  for (const [path, leaf] of before) {
    const other = after.get(path);
    if (other !== undefined && isSame(leaf.node, other.node)) continue;
    differences.push({
      path,
      kind: other === undefined ? 'removed' : 'changed',
      before: leaf.shown,
      after: other?.shown ?? '',
      beforePlace: leaf.node.origin,
      afterPlace: other?.node.origin,
    });
  }
  for (const [path, { node, shown }] of after) {
    if (before.has(path)) continue;
    differences.push({
      path,
      kind: 'added',
      before: '',
      after: shown,
      beforePlace: undefined,
      afterPlace: node.origin,
    });
  }
  return differences.sort((x, y) => (x.path < y.path ? -1 : 1));
}

/** One line a difference; '' where there is none. */
export function formatDiff(differences: readonly ConfigDifference[], { origin = false } = {}): string {
  const sign = { added: '+', removed: '-', changed: '~' } as const;
  return differences
    .map(({ path, kind, before, after, beforePlace, afterPlace }) => {
      const values = kind === 'changed' ? `${before} → ${after}` : kind === 'added' ? after : before;
      const places = [beforePlace, afterPlace].filter((place) => place !== undefined).map(formatPlace);
      return `${sign[kind]} ${path}: ${values}${origin ? `  (${places.join(' → ')})` : ''}\n`;
    })
    .join('');
}

interface Leaf {
  readonly node: Node;
  readonly shown: string;
}

function leavesOf(loaded: LoadedConfig): Map<string, Leaf> {
  const tree = effectiveConfig(loaded);
  const shown = redact(tree, loaded.registry, false);
  const leaves = new Map<string, Leaf>();
  const visit = (node: Node, path: Path): void => {
    const isPlainList = node.kind === 'list' && node.items.every(({ kind }) => kind === 'scalar');
    if (node.kind === 'scalar' || isPlainList) {
      leaves.set(formatPath(path), { node, shown: JSON.stringify(toPlain(nodeAt(shown, path)!)) });
    } else if (node.kind === 'map') {
      for (const [key, { value }] of node.entries) visit(value, [...path, key]);
    } else {
      node.items.forEach((item, at) => visit(item, [...path, at]));
    }
  };
  visit(tree, []);
  return leaves;
}
