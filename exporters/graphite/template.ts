/** Paths by a template: `{host.name}.{metric}.{cpu|all}`. */
import type { AnyValue } from '../../src/model/attributes.ts';
import type { Series } from '../../src/model/batch.ts';
import { valueText } from '../../src/text/value_text.ts';
import { nodeOf, nodesOf } from './characters.ts';

export interface Template {
  /** The path of a series; '' where nothing is left of it. */
  pathOf(series: Series): string;
}

/** Text that stands as it is, or the key of what is put in its place. */
type Part = string | { readonly key: string; readonly ifMissing: string | undefined };

/**
 * What stands between two dots is a node. `{metric}` is the metric's name, whose dots make nodes of their own,
 * `{attributes}` the values of all attributes of the series that the template does not name, in the order of their
 * keys; any other key is an attribute of the series or, if it has none, of its scope or resource. A node with a key that
 * is missing is left out, unless the key has a text for that case, as in `{cpu|all}`.
 * @throws {SyntaxError} it is no template
 */
export function parseTemplate(text: string): Template {
  const nodes = nodesIn(text);
  const named = new Set(nodes.flat().flatMap((part) => (typeof part === 'string' ? [] : [part.key])));
  if (!named.has('metric')) throw new SyntaxError('it has no {metric}');
  return {
    pathOf(series) {
      const path: string[] = [];
      for (const node of nodes) {
        const text = nodeText(node, series, named);
        if (text !== undefined && text !== '') path.push(text);
      }
      return path.join('.');
    },
  };
}

const LITERAL = /^[^\s{}./\\;!^=~*?[\](),"'|<>&`$]+/u;
const PLACEHOLDER = /^\{([^{}|]+)(?:\|([^{}|]+))?\}/u;

function nodesIn(text: string): readonly (readonly Part[])[] {
  const nodes: Part[][] = [[]];
  for (let rest = text; rest !== '';) {
    if (rest.startsWith('.')) {
      if (nodes.at(-1)!.length === 0) throw new SyntaxError('a node of it is empty');
      nodes.push([]);
      rest = rest.slice(1);
      continue;
    }
    const placeholder = PLACEHOLDER.exec(rest);
    const found = placeholder ?? LITERAL.exec(rest);
    if (found === null) throw new SyntaxError(`nothing can be made of ${JSON.stringify(rest)}`);
    const [whole, key, ifMissing] = found;
    nodes.at(-1)!.push(placeholder === null ? whole : { key: key!, ifMissing });
    rest = rest.slice(whole.length);
  }
  if (nodes.at(-1)!.length === 0) throw new SyntaxError('a node of it is empty');
  return nodes;
}

function nodeText(node: readonly Part[], series: Series, named: ReadonlySet<string>): string | undefined {
  let text = '';
  for (const part of node) {
    if (typeof part === 'string') {
      text += part;
      continue;
    }
    const value = placeholderText(part.key, series, named) || (part.ifMissing && nodeOf(part.ifMissing));
    if (value === undefined || value === '') return undefined;
    text += value;
  }
  return text;
}

function placeholderText(key: string, series: Series, named: ReadonlySet<string>): string {
  if (key === 'metric') return nodesOf(series.metric.name);
  if (key === 'attributes') {
    const { attributes } = series;
    const others = Object.keys(attributes).filter((one) => !named.has(one));
    return others
      .sort()
      .map((one) => nodeOf(valueText(attributes[one])))
      .filter((node) => node !== '')
      .join('.');
  }
  return nodeOf(valueText(attributeOf(series, key)));
}

function attributeOf({ attributes, scope, resource }: Series, key: string): AnyValue | undefined {
  for (const from of [attributes, scope.attributes, resource.attributes]) {
    if (Object.hasOwn(from, key)) return from[key];
  }
  return undefined;
}
