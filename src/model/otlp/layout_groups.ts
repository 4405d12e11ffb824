/**
 * Groups the series of a layout the way OTLP nests them: resource, scope, metric. Series with an entity get a resource
 * of their own: the attributes that identify and describe the entity move there from the point.
 */
import { attributesKey, type AnyValue, type Attributes } from '../attributes.ts';
import type { Entity, Metric, Resource, Scope, Series } from '../batch.ts';
import { perLayout } from '../layout.ts';

export interface ResourceGroup {
  readonly resource: Resource;
  readonly scopes: readonly ScopeGroup[];
}

export interface ScopeGroup {
  readonly scope: Scope;
  readonly metrics: readonly MetricGroup[];
}

export interface MetricGroup {
  readonly metric: Metric;
  readonly rows: readonly number[];
}

/** The groups of a layout, in the order in which they first appear. */
export const groupsOf = perLayout((layout): readonly ResourceGroup[] => {
  const resources = new Groups<Resource, Groups<Scope, Groups<Metric, number[]>>>(resourceKey);
  const made: MadeResources = new Map();
  for (let row = 0; row < layout.length; row++) {
    const series = layout[row] as Series;
    resources
      .get(wireResource(series, made), newScopes)
      .get(series.scope, newMetrics)
      .get(series.metric, newRows)
      .push(row);
  }
  return resources.list.map(([resource, scopes]) => ({
    resource,
    scopes: scopes.list.map(([scope, metrics]) => ({
      scope,
      metrics: metrics.list.map(([metric, rows]) => ({ metric, rows })),
    })),
  }));
});

const newScopes = () => new Groups<Scope, Groups<Metric, number[]>>(scopeKey);
const newMetrics = () => new Groups<Metric, number[]>(metricKey);
const newRows = (): number[] => [];

/** A map whose keys are the same if their text is: the text is only made for objects that are not known yet. */
export class Groups<K extends object, V> {
  readonly list: [K, V][] = [];
  readonly #byIdentity = new Map<K, V>();
  readonly #byText = new Map<string, V>();
  readonly #textOf: (key: K) => string;
  #last: K | undefined;
  #lastValue: V | undefined;

  constructor(textOf: (key: K) => string) {
    this.#textOf = textOf;
  }

  get(key: K, create: () => V): V {
    if (key === this.#last) return this.#lastValue as V;
    let value = this.#byIdentity.get(key);
    if (value === undefined) {
      const text = this.#textOf(key);
      value = this.#byText.get(text);
      if (value === undefined) {
        value = create();
        this.#byText.set(text, value);
        this.list.push([key, value]);
      }
      this.#byIdentity.set(key, value);
    }
    this.#last = key;
    this.#lastValue = value;
    return value;
  }
}

/** Text that is equal for resources that may share an envelope. */
export function resourceKey(resource: Resource): string {
  const { schemaUrl, droppedAttributesCount = 0, entityRefs = [] } = resource;
  return `${attributesKey(resource.attributes)}\n${JSON.stringify([schemaUrl, droppedAttributesCount, entityRefs])}`;
}

/** Text that is equal for scopes that may share an envelope. */
export function scopeKey(scope: Scope): string {
  const { name, version, schemaUrl, droppedAttributesCount = 0 } = scope;
  return `${attributesKey(scope.attributes)}\n${JSON.stringify([name, version, schemaUrl, droppedAttributesCount])}`;
}

/** Text that is equal for metrics that may share a message. */
export function metricKey(metric: Metric): string {
  const { name, description, unit, kind, isMonotonic, temporality, valueType, metadata = {} } = metric;
  const own = JSON.stringify([name, description, unit, kind, isMonotonic, temporality, valueType]);
  return `${attributesKey(metadata)}\n${own}`;
}

/** Resources of entities that came up in this layout, by the agent's resource and the text of their own attributes. */
type MadeResources = Map<Resource, Map<string, Resource>>;

const entityResources = new WeakMap<Series, Resource>();

/** The resource under which a series travels: one object for the series of an entity that first appear together. */
function wireResource(series: Series, made: MadeResources): Resource {
  const { entity } = series.metric;
  if (entity === undefined || !hasIdentity(series, entity)) return series.resource;
  let resource = entityResources.get(series);
  if (resource === undefined) {
    const keys = [...entity.identifying, ...entity.descriptive.filter((key) => Object.hasOwn(series.attributes, key))];
    const own = Object.fromEntries(keys.map((key) => [key, series.attributes[key] as AnyValue]));
    let siblings = made.get(series.resource);
    if (siblings === undefined) made.set(series.resource, (siblings = new Map()));
    const text = JSON.stringify([entity.type, attributesKey(own)]);
    resource = siblings.get(text);
    if (resource === undefined) siblings.set(text, (resource = entityResource(series.resource, entity, own)));
    entityResources.set(series, resource);
  }
  return resource;
}

function entityResource(resource: Resource, entity: Entity, own: Attributes): Resource {
  const entityRef = {
    schemaUrl: resource.schemaUrl,
    type: entity.type,
    idKeys: entity.identifying,
    descriptionKeys: entity.descriptive.filter((key) => Object.hasOwn(own, key)),
  };
  return {
    ...resource,
    attributes: { ...resource.attributes, ...own },
    entityRefs: [...(resource.entityRefs ?? []), entityRef],
  };
}

/** The attributes that stay on the points of a series. */
export function wireAttributes(series: Series): Attributes {
  const { entity } = series.metric;
  if (entity === undefined || !hasIdentity(series, entity)) return series.attributes;
  const moved = new Set([...entity.identifying, ...entity.descriptive]);
  return Object.fromEntries(Object.entries(series.attributes).filter(([key]) => !moved.has(key)));
}

/** An entity without all of its identifying attributes would be another one, so its attributes stay on the points. */
function hasIdentity({ attributes }: Series, { identifying }: Entity): boolean {
  return identifying.every((key) => Object.hasOwn(attributes, key));
}
