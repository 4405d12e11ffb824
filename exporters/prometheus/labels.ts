/** The labels of a series, as the text between the braces of its line. */
import { attributesKey, type Attributes } from '../../src/model/attributes.ts';
import type { Resource, Scope, Series } from '../../src/model/batch.ts';
import { valueText } from '../../src/text/value_text.ts';
import {
  escapeName,
  isLegacyLabelName,
  isLegacyMetricName,
  translateLabelName,
  type Escaping,
  type TranslationStrategy,
} from './names.ts';

export interface LabelOptions {
  readonly strategy: TranslationStrategy;
  readonly hasScopeLabels: boolean;
  /** Resource attributes that become labels of every series. */
  readonly promoted: readonly string[];
  readonly constant: Readonly<Record<string, string>>;
  /** The agent's own resource: its identity is the scrape target's, so its series need no `job` and `instance`. */
  readonly ownResource: Resource;
}

export interface Labels {
  /** `a="b",c="d"`, sorted by name, so equal sets of labels are equal texts; '' for none. */
  of(series: Series): string;
  /** `{trace_id="…"}`-style content for attributes alone, as of an exemplar. */
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
      if (!isOwn) for (const [label, value] of jobAndInstance(resource.attributes)) labels.set(label, value);
      for (const [key, value] of Object.entries(options.constant)) labels.set(name(key), value);
      ofResource.set(resource, (added = labels));
    }
    return added;
  }

  return {
    name,
    of(series) {
      if (series.metric === TARGET_INFO) return labelsText(attributeLabels(series.attributes, name));
      const labels = attributeLabels(series.attributes, name);
      const added = addedLabels(series.resource);
      for (const [label, value] of added) addLabel(labels, label, value);
      if (options.hasScopeLabels) {
        for (const [label, value] of scopeLabels(series.scope, name)) addLabel(labels, label, value);
      }
      const reserved = RESERVED[series.metric.kind];
      if (reserved !== undefined) moveAway(labels, reserved);
      moveAway(labels, '__name__');
      return labelsText(labels);
    },
  };
}

/** A line's name and labels: `name{a="b"}`, or `{"na.me","a.b"="c"}` where the name needs quotes. */
export function sampleText(name: string, labels: string): string {
  if (isLegacyMetricName(name)) return labels === '' ? name : `${name}{${labels}}`;
  const quoted = `"${escapeText(name)}"`;
  return labels === '' ? `{${quoted}}` : `{${quoted},${labels}}`;
}

/** One label, its name quoted if it must be. */
export function labelText(label: string, value: string): string {
  const name = isLegacyLabelName(label) ? label : `"${escapeText(label)}"`;
  return `${name}="${escapeText(value.toWellFormed())}"`;
}

/** Escapes what must not stand between double quotes. */
export function escapeText(text: string): string {
  if (!/[\\"\n]/.test(text)) return text;
  return text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}

/** `job` and `instance` of a resource that is not the scrape target, as far as it says who it is. */
export function jobAndInstance(attributes: Attributes): ReadonlyMap<string, string> {
  const text = (key: string): string => {
    const value = attributes[key];
    return value === undefined ? '' : valueText(value);
  };
  const labels = new Map<string, string>();
  const service = text('service.name');
  const namespace = text('service.namespace');
  if (service !== '') labels.set('job', namespace === '' ? service : `${namespace}/${service}`);
  // Machines that send through a gateway often name only their host; without it they would all be one series.
  const instance = text('service.instance.id') || text('host.name');
  if (instance !== '') labels.set('instance', instance);
  return labels;
}

export function isSameResource(one: Resource, other: Resource): boolean {
  return one === other || attributesKey(one.attributes) === attributesKey(other.attributes);
}

/** The metric that carries what else a resource says of itself. */
export const TARGET_INFO: Series['metric'] = {
  name: 'target_info',
  description: 'Target metadata',
  unit: '',
  kind: 'gauge',
  isMonotonic: false,
  temporality: 'unspecified',
  valueType: 'int',
  metadata: { 'prometheus.type': 'info' },
};

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

/** An empty label is the same as none, so it is none: two texts of one set of labels would be a duplicate. */
function labelsText(labels: ReadonlyMap<string, string>): string {
  const texts: string[] = [];
  for (const label of [...labels.keys()].sort()) {
    const value = labels.get(label)!;
    if (value !== '') texts.push(labelText(label, value));
  }
  return texts.join();
}
