/** Attributes as tags. */
import type { AnyValue, Attributes } from '../../src/model/attributes.ts';
import type { Resource, Scope } from '../../src/model/batch.ts';
import { valueText } from '../../src/text/value_text.ts';
import type { Dialect } from './escape.ts';

/** Keys that InfluxDB has for itself. */
const RESERVED: ReadonlySet<string> = new Set(['time', '_measurement', '_field']);
/** Keys are data: whoever pushes ever new ones must not make what is remembered of them grow for ever. */
const MAX_KEYS = 10_000;

/** Of one attribute; the value as it is written, '' where there is no such tag. */
interface Tag {
  readonly key: string;
  readonly value: string;
}

/** Tags in the order of their keys. */
export type Tags = readonly Tag[];

export interface TagWriter {
  /** The tags of everything in the same resource and scope; made once for each pair. */
  shared(resource: Resource, scope: Scope): Tags;
  /**
   * `,a=b,c=d`, in the order of the attributes' keys, which saves InfluxDB from sorting; '' for none. Attributes override shared tags of the same
   * key; there is no empty tag, so those are left out. A key that a field has, or InfluxDB for itself, gets a `_` behind
   * it: in one table a column is either.
   */
  text(shared: Tags, attributes: Attributes, isField: (key: string) => boolean): string;
}

/** @param hasScope whether name, version and attributes of the scope are tags */
export function createTagWriter(dialect: Dialect, hasScope: boolean): TagWriter {
  const known = new WeakMap<Resource, WeakMap<Scope, Tags>>();
  const keys = new Map<string, string>();

  function keyText(key: string): string {
    let text = keys.get(key);
    if (text === undefined) {
      if (keys.size >= MAX_KEYS) keys.clear();
      keys.set(key, (text = dialect.key(key)));
    }
    return text;
  }

  function tagsOf(attributes: Attributes): Tag[] {
    const tags: Tag[] = [];
    for (const key of Object.keys(attributes)) tags.push({ key, value: dialect.key(valueText(attributes[key])) });
    return tags.length > 1 ? tags.sort(byKey) : tags;
  }

  function tagText(tag: Tag, isField: (key: string) => boolean, isOther: (key: string) => boolean): string {
    if (tag.value === '') return '';
    let { key } = tag;
    if (RESERVED.has(key) || isField(key)) {
      do key += '_';
      while (RESERVED.has(key) || isField(key) || isOther(key));
    }
    const name = keyText(key);
    return name === '' ? '' : `,${name}=${tag.value}`;
  }

  return {
    shared(resource, scope) {
      let ofResource = known.get(resource);
      if (ofResource === undefined) known.set(resource, (ofResource = new WeakMap()));
      let tags = ofResource.get(scope);
      if (tags === undefined) {
        const all = new Map<string, AnyValue>(Object.entries(resource.attributes));
        if (hasScope) {
          if (scope.name !== '') all.set('otel.library.name', scope.name);
          if (scope.version !== '') all.set('otel.library.version', scope.version);
          for (const [key, value] of Object.entries(scope.attributes)) all.set(key, value);
        }
        ofResource.set(scope, (tags = tagsOf(Object.fromEntries(all))));
      }
      return tags;
    },
    text(shared, attributes, isField) {
      const own = tagsOf(attributes);
      const isOther = (key: string): boolean =>
        own.some((tag) => tag.key === key) || shared.some((tag) => tag.key === key);
      let text = '';
      let at = 0;
      for (const tag of own) {
        while (at < shared.length && shared[at]!.key < tag.key) text += tagText(shared[at++]!, isField, isOther);
        if (at < shared.length && shared[at]!.key === tag.key) at++;
        text += tagText(tag, isField, isOther);
      }
      while (at < shared.length) text += tagText(shared[at++]!, isField, isOther);
      return text;
    },
  };
}

export const NO_TAGS: Tags = [];

function byKey(a: Tag, b: Tag): number {
  return a.key < b.key ? -1 : 1;
}
