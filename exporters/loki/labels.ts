/** Which attributes become labels of a stream, and which structured metadata of its lines. */
import type { LogRecord, Resource, Scope } from '../../src/model/batch.ts';
import { addPairs, attributePairs, freeName, type Pair } from './names.ts';
import { GOMON, type LabelOptions, type Limits } from './options.ts';

/** What all records of one resource and scope share. */
export interface Origin {
  readonly labels: readonly Pair[];
  /** Structured metadata of the resource and the scope, which every line repeats. */
  readonly shared: readonly Pair[];
  readonly sharedValues: ReadonlyMap<string, string>;
  /** Bytes of names and values in `shared`. */
  readonly shared_bytes: number;
}

/** Names that structured metadata gives to fields of a record: attributes of resources never take them. */
const OWN_NAMES: ReadonlySet<string> = new Set([
  'level',
  'severity_number',
  'severity_text',
  'event_name',
  'trace_id',
  'span_id',
  'flags',
  'observed_timestamp',
  'dropped_attributes_count',
  'truncated_bytes',
]);

/** Finds the {@link Origin} of a resource and scope: made once for each pair of objects. */
export function createOrigins(options: LabelOptions, limits: Limits): (resource: Resource, scope: Scope) => Origin {
  const known = new WeakMap<Resource, WeakMap<Scope, Origin>>();
  return (resource, scope) => {
    let scopes = known.get(resource);
    if (scopes === undefined) known.set(resource, (scopes = new WeakMap()));
    let origin = scopes.get(scope);
    if (origin === undefined) scopes.set(scope, (origin = createOrigin(resource, scope, options, limits)));
    return origin;
  };
}

function createOrigin(resource: Resource, scope: Scope, options: LabelOptions, limits: Limits): Origin {
  if (options === GOMON) return gomonOrigin(resource, limits);
  const labels = new Map<string, string>(Object.entries(options.fixed));
  const shared = new Map<string, string>();
  const isLabel = new Set(options.resource);
  const addShared = ([name, value]: Pair): void => {
    // The same name with the same value says it twice.
    if (labels.get(name) === value || shared.get(name) === value) return;
    const isTaken = (wanted: string) => OWN_NAMES.has(wanted) || labels.has(wanted) || shared.has(wanted);
    shared.set(freeName(name, isTaken), value);
  };
  // A label for the level and those of the records find room behind these.
  for (const key of options.resource) {
    if (!Object.hasOwn(resource.attributes, key)) continue;
    const pairs: Pair[] = [];
    addPairs(pairs, key, resource.attributes[key], 0);
    for (const pair of pairs) if (!addLabel(labels, pair, limits)) addShared(pair);
  }
  for (const key of Object.keys(resource.attributes)) {
    if (isLabel.has(key)) continue;
    const pairs: Pair[] = [];
    addPairs(pairs, key, resource.attributes[key], 0);
    pairs.forEach(addShared);
  }
  if (scope.name !== '') addShared(['scope_name', scope.name]);
  if (scope.version !== '') addShared(['scope_version', scope.version]);
  attributePairs(scope.attributes).forEach(addShared);
  return {
    labels: [...labels],
    shared: [...shared],
    sharedValues: shared,
    shared_bytes: [...shared].reduce((sum, pair) => sum + pairBytes(pair), 0),
  };
}

/** `host` and `platform`, as `linux_amd64`. */
function gomonOrigin({ attributes }: Resource, limits: Limits): Origin {
  const labels = new Map<string, string>();
  const text = (key: string): string => (typeof attributes[key] === 'string' ? attributes[key] : '');
  addLabel(labels, ['host', text('host.name')], limits);
  addLabel(labels, ['platform', [text('os.type'), text('host.arch')].filter((part) => part !== '').join('_')], limits);
  return { labels: [...labels], shared: [], sharedValues: new Map(), shared_bytes: 0 };
}

/** `source` and `event`: the two parts of an event's name, as `file` and `create`; of other records `logs` and the level. */
function placeGomon({ eventName }: LogRecord, origin: Origin, level: string, limits: Limits): Placed {
  const dot = eventName.indexOf('.');
  const [source, event] =
    eventName === ''
      ? ['logs', level || 'unknown']
      : dot === -1
        ? [eventName, eventName]
        : [eventName.slice(0, dot), eventName.slice(dot + 1)];
  const labels = new Map(origin.labels);
  addLabel(labels, ['source', source], limits);
  addLabel(labels, ['event', event], limits);
  return createPlaced([...labels], undefined);
}

/** As Loki counts structured metadata against its limit. */
export function pairBytes([name, value]: Pair): number {
  return name.length + Buffer.byteLength(value);
}

/**
 * Whether the label found its place; an empty one is none, as everywhere in the world of Prometheus. One that has no
 * place, because of the limit or because its name is taken, is left for the structured metadata.
 */
function addLabel(labels: Map<string, string>, [name, value]: Pair, limits: Limits): boolean {
  if (value === '') return false;
  if (labels.has(name)) return labels.get(name) === value;
  // Cut names and values would find only half of what they stand for.
  if (labels.size >= limits.labels || name.length > MAX_NAME_BYTES) return false;
  if (Buffer.byteLength(value) > limits.label_value_bytes) return false;
  labels.set(name, value);
  return true;
}

/** Loki's `max_label_name_length`. */
const MAX_NAME_BYTES = 1024;

/** Loki takes no stream without a label; its OTLP endpoint writes this one. */
const UNKNOWN: Pair = ['service_name', 'unknown_service'];

/** A record's stream. */
export interface Placed {
  /** In order of their names. */
  readonly labels: readonly Pair[];
  /** Text that only this stream has. */
  readonly key: string;
  readonly names: ReadonlySet<string>;
  /** Attributes of the record that became labels. */
  readonly taken: ReadonlySet<string> | undefined;
}

/** The stream that a record belongs to: its origin's, unless attributes of records or the level are labels. */
export function placeRecord(
  record: LogRecord,
  origin: Origin,
  level: string,
  options: LabelOptions,
  limits: Limits,
): Placed {
  if (options === GOMON) return placeGomon(record, origin, level, limits);
  const hasLevel = options.level && level !== '';
  if (!hasLevel && options.record.length === 0) return placeOrigin(origin);
  const labels = new Map(origin.labels);
  if (hasLevel) addLabel(labels, ['level', level], limits);
  const taken = new Set<string>();
  for (const key of options.record) {
    if (!Object.hasOwn(record.attributes, key)) continue;
    const pairs: Pair[] = [];
    addPairs(pairs, key, record.attributes[key], 0);
    if (pairs.every((pair) => addLabel(labels, pair, limits))) taken.add(key);
  }
  return createPlaced([...labels], taken);
}

const placed = new WeakMap<Origin, Placed>();

function placeOrigin(origin: Origin): Placed {
  let place = placed.get(origin);
  if (place === undefined) placed.set(origin, (place = createPlaced(origin.labels, undefined)));
  return place;
}

function createPlaced(unsorted: readonly Pair[], taken: ReadonlySet<string> | undefined): Placed {
  const labels = unsorted.length === 0 ? [UNKNOWN] : unsorted.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { labels, key: JSON.stringify(labels), names: new Set(labels.map(([name]) => name)), taken };
}
