/** JSON objects of dotted names: `host.name` is a member of `host`. */
import type { AnyValue } from '../../src/model/attributes.ts';
import { textJson, valueJson } from '../../src/text/value_json.ts';
import { isJsonNumber, isMap, withNames } from './fields.ts';

/** JSON text, or the number of a row whose value comes later. */
type Leaf = string | number;
export type Tree = Map<string, Tree | Leaf>;

/** Elasticsearch takes objects that nest 20 deep (`index.mapping.depth.limit`). */
const MAX_DEPTH = 16;

/**
 * Sets a leaf; what was there before is replaced. Where a name is a value and also the beginning of others, the value
 * moves to `value` in the object, for a field cannot be both.
 */
export function setLeaf(tree: Tree, name: string, leaf: Leaf): void {
  const parts = name.split('.');
  if (parts.length > MAX_DEPTH) parts.push(parts.splice(MAX_DEPTH - 1).join('_'));
  let node = tree;
  for (const [depth, written] of parts.entries()) {
    // Elasticsearch refuses a document with a name that has nothing to be seen.
    const part = written.trim() === '' ? '_' : written;
    const there = node.get(part);
    if (depth < parts.length - 1) {
      const next: Tree = there instanceof Map ? there : new Map(there === undefined ? [] : [['value', there]]);
      node.set(part, next);
      node = next;
    } else if (there instanceof Map) there.set('value', leaf);
    else node.set(part, leaf);
  }
}

/** Sets an attribute: a map becomes an object, what JSON cannot say is left out. */
export function setValue(tree: Tree, name: string, value: AnyValue | undefined): void {
  if (isMap(value)) for (const key of Object.keys(value)) setValue(tree, `${name}.${key}`, value[key]);
  else if (value !== null && value !== undefined && isJsonNumber(value)) {
    setLeaf(tree, name, valueJson(withNames(value), 'null'));
  }
}

/** A copy that may be changed. */
export function copyTree(tree: Tree): Tree {
  return new Map(Array.from(tree, ([key, node]) => [key, node instanceof Map ? copyTree(node) : node]));
}

/** The object in pieces: between each two of them belongs the value of a row, in the order of `rows`. */
export function renderTree(tree: Tree): { readonly pieces: readonly string[]; readonly rows: readonly number[] } {
  const pieces = [''];
  const rows: number[] = [];
  const add = (text: string): void => void (pieces[pieces.length - 1] += text);
  const render = (node: Tree): void => {
    let separator = '{';
    for (const [key, child] of node) {
      add(`${separator}${textJson(key)}:`);
      separator = ',';
      if (child instanceof Map) render(child);
      else if (typeof child === 'string') add(child);
      else {
        rows.push(child);
        pieces.push('');
      }
    }
    add(separator === '{' ? '{}' : '}');
  };
  render(tree);
  return { pieces, rows };
}
