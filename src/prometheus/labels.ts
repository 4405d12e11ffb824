/** The labels of a series: its attributes, and what its resource, its scope and the configuration add. */
import { attributesKey, type Attributes } from '../model/attributes.ts';
import type { Resource, Scope, Series } from '../model/batch.ts';
import { valueText } from '../text/value_text.ts';
import { escapeName, isLegacyLabelName, translateLabelName, type Escaping, type TranslationStrategy } from './names.ts';
import { jobAndInstance, TARGET_INFO } from './target_info.ts';

export interface LabelOptions {
  readonly strategy: TranslationStrategy;
  readonly hasScopeLabels: boolean;
  /** Resource attributes that become labels of every series. */
  readonly promoted: readonly string[];
  readonly constant: Readonly<Record<string, string>>;
  /** The agent's own resource: when it is scraped, its identity is the target's, so its series need no `job` and `instance`. */
  readonly ownResource: Resource;
  /** Nobody scrapes: the agent's own series have `job` and `instance` like all others. */
  readonly isPushed: boolean;
}

export interface Labels {
  /** By name, in no order. An empty value is the same as no label. */
  of(series: Series): ReadonlyMap<string, string>;
  /** The name of the label for an attribute key. */
  name(key: string): string;
}

/**
 * What tells apart resources that no `service.instance.id` tells apart: a process or a container is a resource of its
 * own in OTLP, and without these labels all of them would be one series.
 */
const IDENTIFYING = [
  'process.pid',
  'container.id',
  'container.name',
  'k8s.node.name',
  'k8s.namespace.name',
  'k8s.pod.name',
  'k8s.container.name',
];

/** Labels that lines of these kinds carry themselves. */
const RESERVED: Readonly<Record<string, string>> = {
  histogram: 'le',
  exponential_histogram: 'le',
  summary: 'quantile',
};

export function createLabels(options: LabelOptions, escaping: Escaping): Labels {
  const names = new Map<string, string>();
  const ofResource = new WeakMap<Resource, ReadonlyMap<string, string>>();

  function name(key: string): string {
    let label = names.get(key);
    if (label === undefined) {
      label = escapeName(translateLabelName(key, options.strategy), escaping, isLegacyLabelName);
      // Keys are data: whoever pushes ever new ones must not make this grow for ever.
      if (names.size >= 10_000) names.clear();
      names.set(key, label);
    }
    return label;
  }

  /** What the resource, and the configuration, add to every series. */
  function addedLabels(resource: Resource): ReadonlyMap<string, string> {
    let added = ofResource.get(resource);
    if (added === undefined) {
      const isOwn = isSameResource(resource, options.ownResource);
      const labels = new Map<string, string>();
      for (const key of isOwn ? options.promoted : [...IDENTIFYING, ...options.promoted]) {
        const value = resource.attributes[key];
        if (value !== undefined) labels.set(name(key), valueText(value));
      }
      if (!isOwn || options.isPushed)
        for (const [label, value] of jobAndInstance(resource.attributes)) labels.set(label, value);
      for (const [key, value] of Object.entries(options.constant)) labels.set(name(key), value);
      ofResource.set(resource, (added = labels));
    }
    return added;
  }

  return {
    name,
    of(series) {
      if (series.metric === TARGET_INFO) return attributeLabels(series.attributes, name);
      const labels = attributeLabels(series.attributes, name);
      const added = addedLabels(series.resource);
      for (const [label, value] of added) addLabel(labels, label, value);
      if (options.hasScopeLabels) {
        for (const [label, value] of scopeLabels(series.scope, name)) addLabel(labels, label, value);
      }
      const reserved = RESERVED[series.metric.kind];
      if (reserved !== undefined) moveAway(labels, reserved);
      moveAway(labels, '__name__');
      return labels;
    },
  };
}

export function isSameResource(one: Resource, other: Resource): boolean {
  return one === other || attributesKey(one.attributes) === attributesKey(other.attributes);
}

function attributeLabels(attributes: Attributes, name: (key: string) => string): Map<string, string> {
  const labels = new Map<string, string>();
  const keys = Object.keys(attributes);
  if (keys.length > 1) keys.sort();
  for (const key of keys) {
    const label = name(key);
    const text = valueText(attributes[key]!);
    const before = labels.get(label);
    labels.set(label, before === undefined ? text : `${before};${text}`);
  }
  return labels;
}

function scopeLabels({ name, version, schemaUrl, attributes }: Scope, label: (key: string) => string) {
  const labels = new Map<string, string>();
  for (const [key, value] of Object.entries(attributes)) labels.set(label(`otel_scope_${key}`), valueText(value));
  labels.set('otel_scope_name', name);
  labels.set('otel_scope_version', version);
  labels.set('otel_scope_schema_url', schemaUrl);
  return labels;
}

/** Adds a label of ours; an attribute of that name steps aside, as a scraped label does in Prometheus. */
function addLabel(labels: Map<string, string>, label: string, value: string): void {
  moveAway(labels, label);
  labels.set(label, value);
}

function moveAway(labels: Map<string, string>, label: string): void {
  const value = labels.get(label);
  if (value === undefined) return;
  labels.delete(label);
  let free = `exported_${label}`;
  while (labels.has(free)) free = `exported_${free}`;
  labels.set(free, value);
}
