/** Attributes as tags. */
import type { Attributes } from '../../src/model/attributes.ts';
import type { Resource, Scope } from '../../src/model/batch.ts';
import { valueText } from '../../src/text/value_text.ts';
import type { Dialect } from './escape.ts';

/** Keys that InfluxDB has for itself. */
const RESERVED = ['time', '_measurement', '_field'];

/** Tag texts by key. */
export type Tags = ReadonlyMap<string, string>;

/** The tags of everything in the same resource and scope; made once for each pair. */
export function createSharedTags(hasScope: boolean): (resource: Resource, scope: Scope) => Tags {
  const known = new WeakMap<Resource, WeakMap<Scope, Tags>>();
  return (resource, scope) => {
    let ofResource = known.get(resource);
    if (ofResource === undefined) known.set(resource, (ofResource = new WeakMap()));
    let tags = ofResource.get(scope);
    if (tags === undefined) {
      const made = withTags(new Map(), resource.attributes);
      if (hasScope) {
        if (scope.name !== '') made.set('otel.library.name', scope.name);
        if (scope.version !== '') made.set('otel.library.version', scope.version);
        withTags(made, scope.attributes);
      }
      ofResource.set(scope, (tags = made));
    }
    return tags;
  };
}

/** `tags`, with attributes that override tags of the same key. */
export function withTags(tags: Map<string, string>, attributes: Attributes): Map<string, string> {
  for (const key of Object.keys(attributes)) tags.set(key, valueText(attributes[key]));
  return tags;
}

/**
 * `,a=b,c=d`, sorted by key as InfluxDB wants it to be fast; '' for none. There is no empty tag, so those are left out.
 * A key that a field has, or InfluxDB for itself, gets a `_` behind it: in one table a column is either.
 */
export function tagsText(tags: Tags, fields: readonly string[], { key }: Dialect): string {
  const named = new Map<string, string>();
  for (const [name, value] of tags) {
    const text = key(value);
    if (name === '' || text === '') continue;
    let free = name;
    while (RESERVED.includes(free) || fields.includes(free) || (free !== name && tags.has(free))) free += '_';
    const escaped = key(free);
    if (escaped !== '') named.set(escaped, text);
  }
  let text = '';
  for (const name of [...named.keys()].sort()) text += `,${name}=${named.get(name)!}`;
  return text;
}
