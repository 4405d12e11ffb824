/** Documents in OpenTelemetry's own fields, for Elasticsearch's `*-otel@mappings`, as the Collector's exporter writes them. */
import type { Attributes } from '../../src/model/attributes.ts';
import type { Resource, Scope } from '../../src/model/batch.ts';
import { textJson, valueJson } from '../../src/text/value_json.ts';
import { countMember, isJsonNumber, isMap, isRouting, objectOf, textMember, withNames } from './fields.ts';
import type { Target } from './targets.ts';

/**
 * `"attributes":{…},`, or nothing where there are none. In metrics, maps become texts, because dimensions of a time
 * series cannot be objects.
 */
export function attributesMember(attributes: Attributes, areMapsText: boolean): string {
  const named = withNames(attributes);
  let members = '';
  for (const key of Object.keys(named)) {
    const value = named[key];
    if (isRouting(key) || !isJsonNumber(value)) continue;
    const json = valueJson(value, 'null');
    members += `${textJson(key)}:${areMapsText && isMap(value) ? textJson(json) : json},`;
  }
  return members === '' ? '' : `"attributes":${objectOf(members)},`;
}

type Kept = { readonly withMaps?: string; readonly withTexts?: string };
const resources = new WeakMap<Resource, Kept>();
const scopes = new WeakMap<Scope, Kept>();

/** `"resource":{…},` */
export function resourceMember(resource: Resource, areMapsText: boolean): string {
  return keep(resources, resource, areMapsText, () => {
    const { schemaUrl, attributes, droppedAttributesCount } = resource;
    const members =
      textMember('schema_url', schemaUrl) +
      attributesMember(attributes, areMapsText) +
      countMember('dropped_attributes_count', droppedAttributesCount);
    return `"resource":${objectOf(members)},`;
  });
}

/** `"scope":{…},` */
export function scopeMember(scope: Scope, areMapsText: boolean): string {
  return keep(scopes, scope, areMapsText, () => {
    const { schemaUrl, name, version, attributes, droppedAttributesCount } = scope;
    const members =
      textMember('schema_url', schemaUrl) +
      textMember('name', name) +
      textMember('version', version) +
      attributesMember(attributes, areMapsText) +
      countMember('dropped_attributes_count', droppedAttributesCount);
    return `"scope":${objectOf(members)},`;
  });
}

function keep<K extends object>(known: WeakMap<K, Kept>, key: K, areMapsText: boolean, make: () => string): string {
  const before = known.get(key);
  const kept = areMapsText ? before?.withTexts : before?.withMaps;
  if (kept !== undefined) return kept;
  const text = make();
  known.set(key, areMapsText ? { ...before, withTexts: text } : { ...before, withMaps: text });
  return text;
}

/** `"data_stream":{…},`, which Elasticsearch checks against the stream's own. */
export function dataStreamMember({ dataStream }: Target): string {
  if (dataStream === undefined) return '';
  const { type, dataset, namespace } = dataStream;
  return `"data_stream":{"type":"${type}","dataset":${textJson(dataset)},"namespace":${textJson(namespace)}},`;
}
