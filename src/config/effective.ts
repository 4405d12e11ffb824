/** The configuration as it takes effect: what was written and, in the same words, every default. */
import type { LoadedConfig } from './load.ts';
import { DEFAULT_ORIGIN } from './agent_settings.ts';
import { findDefinition, RESOURCE, SECTIONS, SERVICE, shapeOfPath, typeOfId, type Registry } from './registry.ts';
import { readShape, type Shape } from './shape.ts';
import { fromPlain, isNull, nodeAt, type Entry, type MapNode, type Node, type Path } from './tree.ts';
import { isSensitive, REDACTED, withoutUserinfo } from './words.ts';

/** Holds secrets: pass it through {@link redact} before it is shown. */
export function effectiveConfig({ tree, registry }: LoadedConfig): MapNode {
  const entries = new Map<string, Entry>();
  const add = (key: string, node: Node | undefined): void => {
    const place = tree.entries.get(key)?.key ?? DEFAULT_ORIGIN;
    if (node !== undefined) entries.set(key, { key: place, value: node });
  };
  add('agent', nodeAt(tree, ['agent']));
  add('resource', complete(nodeAt(tree, ['resource']) ?? emptyMap(), readShape(RESOURCE)));
  for (const section of SECTIONS) {
    const written = nodeAt(tree, [section]);
    const components = new Map<string, Entry>();
    for (const [id, { key, value }] of written?.kind === 'map' ? written.entries : []) {
      const definition = findDefinition(registry, section, typeOfId(id));
      const shape = definition === undefined ? undefined : readShape(definition.config);
      components.set(id, { key, value: complete(isNull(value) ? emptyMap() : value, shape) });
    }
    if (components.size > 0) add(section, { kind: 'map', entries: components, origin: written!.origin });
  }
  add('service', complete(nodeAt(tree, ['service']) ?? emptyMap(), readShape(SERVICE)));
  return { kind: 'map', entries, origin: tree.origin };
}

function emptyMap(): MapNode {
  return { kind: 'map', entries: new Map(), origin: DEFAULT_ORIGIN };
}

function complete(node: Node, shape: Shape | undefined): Node {
  if (node.kind === 'list') {
    const item = shape?.kind === 'list' ? shape.item : undefined;
    return { ...node, items: node.items.map((child) => complete(child, item)) };
  }
  if (node.kind === 'scalar') return node;
  const entries = new Map<string, Entry>();
  if (shape?.kind !== 'object') {
    const value = shape?.kind === 'map' ? shape.value : undefined;
    for (const [key, entry] of node.entries) entries.set(key, { ...entry, value: complete(entry.value, value) });
    return { ...node, entries };
  }
  for (const [key, child] of shape.entries) {
    const written = node.entries.get(key);
    if (written !== undefined && !isNull(written.value)) {
      entries.set(key, { ...written, value: complete(written.value, child) });
    } else if (written !== undefined && child.kind === 'object') {
      entries.set(key, { ...written, value: complete(emptyMap(), child) });
    } else if (child.byDefault !== undefined) {
      entries.set(key, { key: DEFAULT_ORIGIN, value: complete(fromPlain(child.byDefault, DEFAULT_ORIGIN), child) });
    }
  }
  for (const [key, entry] of node.entries) if (!shape.entries.has(key)) entries.set(key, entry);
  return { ...node, entries };
}

/**
 * The tree without its secrets.
 * @param alsoReferences hides everything that a variable or a file brought, as for a support bundle
 */
export function redact(node: Node, registry: Registry, alsoReferences: boolean, path: Path = []): Node {
  if (node.kind === 'list') {
    return { ...node, items: node.items.map((item, at) => redact(item, registry, alsoReferences, [...path, at])) };
  }
  if (node.kind === 'map') {
    const entries = [...node.entries].map(([key, entry]): [string, Entry] => {
      return [key, { ...entry, value: redact(entry.value, registry, alsoReferences, [...path, key]) }];
    });
    return { ...node, entries: new Map(entries) };
  }
  const isHidden =
    (alsoReferences && node.origin.via !== undefined) || isSensitive(node, path, (at) => shapeOfPath(registry, at));
  if (node.value === null || typeof node.value === 'boolean') return node;
  if (isHidden) return { ...node, value: REDACTED };
  return typeof node.value === 'string' ? { ...node, value: withoutUserinfo(node.value) } : node;
}
