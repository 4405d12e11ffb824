/** What there is to say about a component, read from its definition; `describe` and the generated pages show it. */
import * as v from 'valibot';
import {
  definePullExporter,
  definePushExporter,
  defineProcessor,
  defineReceiver,
  type MetricDefinition,
  type Permission,
} from '../component.ts';
import { describeSchema, type OptionDoc } from '../config/describe.ts';
import { SECTIONS, type Definition, type Registry } from '../config/registry.ts';
import type { Signal } from '../model/batch.ts';

export interface ComponentDoc {
  readonly kind: Definition['kind'];
  readonly type: string;
  readonly about: string;
  readonly signals: readonly Signal[];
  /** Its own options. */
  readonly options: readonly OptionDoc[];
  /** Options that every component of its kind has. */
  readonly commonOptions: readonly OptionDoc[];
  readonly metrics: readonly MetricDoc[];
  readonly permissions: readonly Permission[];
  /** Files and addresses that it reads. */
  readonly sources: readonly string[];
}

export interface MetricDoc {
  readonly name: string;
  readonly instrument: MetricDefinition['instrument'];
  readonly unit: string;
  readonly about: string;
  readonly attributes: readonly string[];
  /** Whether it is collected without being asked for. */
  readonly isOn: boolean;
  /** Who gave it its name. */
  readonly namedBy: 'OpenTelemetry' | 'Collector' | 'Sonde';
}

export function describeComponent(definition: Definition): ComponentDoc {
  const common = commonOptionsOf(definition);
  const options = describeSchema(definition.config);
  const isCommon = ({ path }: OptionDoc): boolean => common.has(path.split('.', 1)[0]!);
  return {
    kind: definition.kind,
    type: definition.type,
    about: definition.about,
    signals: definition.signals,
    options: options.filter((option) => !isCommon(option)),
    commonOptions: options.filter(isCommon),
    metrics: definition.kind === 'receiver' ? Object.values(definition.metrics).map(describeMetric) : [],
    permissions: definition.permissions,
    sources: definition.kind === 'receiver' ? definition.sources : [],
  };
}

function describeMetric(metric: MetricDefinition): MetricDoc {
  const namedBy = { collector: 'Collector', sonde: 'Sonde' } as const;
  return {
    name: metric.name,
    instrument: metric.instrument,
    unit: metric.unit,
    about: metric.about,
    attributes: metric.attributes,
    isOn: metric.optIn !== true,
    namedBy: metric.source === undefined ? 'OpenTelemetry' : namedBy[metric.source],
  };
}

/** Every component, in the order of the lists. */
export function describeAll(registry: Registry): ComponentDoc[] {
  return SECTIONS.flatMap((section) => registry[section].map(describeComponent));
}

/**
 * The components that a person may mean by `otlp`, `receiver/otlp` or `receivers/otlp`; a type can stand in more than
 * one list.
 */
export function findComponents(name: string, registry: Registry): Definition[] {
  const [, kind, type] = /^(?:(receiver|processor|exporter)s?[/ .])?(.+)$/.exec(name) ?? [];
  const all: Definition[] = SECTIONS.flatMap((section) => [...registry[section]]);
  return all.filter((definition) => definition.type === type && (kind === undefined || definition.kind === kind));
}

/** What the `define…` function adds to the options of a component without any. */
function commonOptionsOf(definition: Definition): ReadonlySet<string> {
  const nothing = { type: '', about: '', signals: [], config: v.strictObject({}), create: unused };
  const bare = {
    receiver: () => defineReceiver(nothing),
    processor: () => defineProcessor(nothing),
    exporter: () =>
      definition.kind === 'exporter' && definition.isPull ? definePullExporter(nothing) : definePushExporter(nothing),
  }[definition.kind]();
  return new Set(Object.keys(bare.config.entries));
}

function unused(): never {
  throw new TypeError('Cannot create it: it only shows which options all components have');
}
