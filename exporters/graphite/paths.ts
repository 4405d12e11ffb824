/** The paths of a series and of what is measured by several numbers. */
import type { Metric, Series } from '../../src/model/batch.ts';
import { valueText } from '../../src/text/value_text.ts';
import { nodesOf, tagName, tagValue } from './characters.ts';
import type { Template } from './template.ts';

/** Of one series. */
export interface Paths {
  /** The path of its number. */
  readonly own: string;
  /** With a node behind its name, as `count`; and with what tells several of these apart, as `le` 0.5. */
  below(node: string, label?: { readonly key: string; readonly value: string }): string;
}

export type PathsOf = (series: Series) => Paths | undefined;

/** `prefix.name;tag=value;…`, sorted by tag as carbon has them. */
export function createTaggedPaths(prefix: string, resourceAttributes: readonly string[]): PathsOf {
  const names = new WeakMap<Metric, string>();
  return ({ metric, attributes, resource }) => {
    let name = names.get(metric);
    if (name === undefined) names.set(metric, (name = nodesOf(metric.name)));
    if (name === '') return undefined;
    const tags = new Map<string, string>();
    const add = (key: string, text: string): void => {
      const value = tagValue(text);
      if (key !== '' && value !== '') tags.set(tagName(key), value);
    };
    for (const key of resourceAttributes) {
      if (Object.hasOwn(resource.attributes, key)) add(key, valueText(resource.attributes[key]));
    }
    for (const key of Object.keys(attributes)) add(key, valueText(attributes[key]));
    const head = prefix === '' ? name : `${prefix}.${name}`;
    const tail = tagsText(tags);
    return {
      own: head + tail,
      below(node, label) {
        if (label === undefined) return `${head}.${node}${tail}`;
        // A tag of ours; an attribute of that name steps aside.
        const before = tags.get(label.key);
        const others = before === undefined ? tags : new Map([...tags, [`exported_${label.key}`, before]]);
        return `${head}.${node}${tagsText(new Map([...others, [label.key, label.value]]))}`;
      },
    };
  };
}

function tagsText(tags: ReadonlyMap<string, string>): string {
  let text = '';
  for (const name of [...tags.keys()].sort()) text += `;${name}=${tags.get(name)!}`;
  return text;
}

/** `prefix.` and what the template makes of the series; further nodes come at the end. */
export function createTemplatePaths(prefix: string, template: Template): PathsOf {
  return (series) => {
    if (nodesOf(series.metric.name) === '') return undefined;
    const path = template.pathOf(series);
    const own = prefix === '' ? path : `${prefix}.${path}`;
    return {
      own,
      below: (node, label) =>
        label === undefined ? `${own}.${node}` : `${own}.${node}.${label.key}_${label.value.replaceAll('.', '_')}`,
    };
  };
}
