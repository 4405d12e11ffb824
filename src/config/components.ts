/** Reads the sections `receivers`, `processors` and `exporters`. */
import * as v from 'valibot';
import type {
  AnyExporterDefinition,
  MetricDefinition,
  AnyProcessorDefinition,
  AnyReceiverDefinition,
} from '../component.ts';
import type { ConfigProblem } from '../errors.ts';
import { hostPort, isLoopback } from './options.ts';
import {
  findDefinition,
  SECTIONS,
  SINGULAR,
  typeOfId,
  type Definition,
  type Registry,
  type Section,
} from './registry.ts';
import { readShape, type Shape } from './shape.ts';
import { collectorHint, suggestion } from './suggest.ts';
import { fromPlain, formatPath, isNull, nodeAt, placeOf, toPlain, type MapNode, type Node, type Path } from './tree.ts';
import { asMap, validate } from './validate.ts';
import { describeFound } from './words.ts';

/** One configured component. */
export interface LoadedComponent<D extends Definition = Definition> {
  /** `type` or `type/name`. */
  readonly id: string;
  readonly type: string;
  readonly definition: D;
  /** What `create` is given: checked, with defaults, durations in milliseconds, secrets wrapped. */
  readonly config: unknown;
  /** As written, after substitution: equal text means that nothing changed. Holds secrets; never print it. */
  readonly raw: unknown;
  /** Where its id stands. */
  readonly place: ConfigProblem['place'];
}

export type LoadedComponents<D extends Definition> = ReadonlyMap<string, LoadedComponent<D>>;

export interface ComponentSections {
  readonly receivers: LoadedComponents<AnyReceiverDefinition>;
  readonly processors: LoadedComponents<AnyProcessorDefinition>;
  readonly exporters: LoadedComponents<AnyExporterDefinition>;
}

export function loadComponents(root: MapNode, registry: Registry, problems: ConfigProblem[]): ComponentSections {
  return {
    receivers: loadSection(root, registry, 'receivers', problems) as LoadedComponents<AnyReceiverDefinition>,
    processors: loadSection(root, registry, 'processors', problems) as LoadedComponents<AnyProcessorDefinition>,
    exporters: loadSection(root, registry, 'exporters', problems) as LoadedComponents<AnyExporterDefinition>,
  };
}

function loadSection(
  root: MapNode,
  registry: Registry,
  section: Section,
  problems: ConfigProblem[],
): LoadedComponents<Definition> {
  const components = new Map<string, LoadedComponent>();
  const node = asMap(root.entries.get(section)?.value, [section], problems);
  for (const [id, { key: place, value }] of node?.entries ?? []) {
    const type = typeOfId(id);
    const definition = findDefinition(registry, section, type);
    const path = [section, id];
    if (definition === undefined) {
      problems.push({ ...unknownType(registry, section, id), path: formatPath(path), place });
      continue;
    }
    // No blanks or slashes beyond the first: the id appears in logs, metrics and addresses.
    if (id.includes('/') && !/^[^/]+\/[^\s/]{1,200}$/.test(id)) {
      const message = `Cannot use ${SINGULAR[section]} id ${JSON.stringify(id)}: after the / comes a name without blanks`;
      problems.push({ message, path: formatPath(path), place });
    }
    const body = isNull(value) ? fromPlain({}, place) : value;
    const config = validate({ schema: definition.config, node: body, path, problems });
    if (definition.kind === 'receiver') checkMetrics(definition, body, path, problems);
    checkExposure(definition, body, path, problems);
    if (config === undefined) continue;
    if (definition.kind === 'processor') problems.push(...(definition.check?.(config) ?? []));
    const loaded = { id, type, definition, config, raw: toPlain(body), place };
    components.set(id, loaded);
  }
  return components;
}

function unknownType(registry: Registry, section: Section, id: string): Pick<ConfigProblem, 'message' | 'hint'> {
  const type = typeOfId(id);
  const known = registry.types[section];
  const kind = SINGULAR[section];
  const message = `Cannot use ${kind} ${JSON.stringify(id)}: there is no ${kind} type ${JSON.stringify(type)}`;
  const elsewhere = SECTIONS.find((other) => other !== section && registry.types[other].includes(type));
  if (elsewhere !== undefined) return { message, hint: `"${type}" is one of the ${elsewhere}` };
  const listed = `known: ${known.join(', ')}`;
  const meant = suggestion(type, known);
  const hint = collectorHint(type) ?? (meant === undefined || meant === listed ? undefined : meant);
  return { message, hint: hint === undefined ? listed : `${hint}; ${listed}` };
}

/** `metrics:` of a receiver names metrics and attributes that it has. */
function checkMetrics(definition: AnyReceiverDefinition, body: Node, path: Path, problems: ConfigProblem[]): void {
  const metrics = nodeAt(body, ['metrics']);
  if (metrics?.kind !== 'map') return;
  const declared = new Map<string, MetricDefinition>();
  for (const metric of Object.values(definition.metrics)) declared.set(metric.name, metric);
  for (const [name, { key: place, value }] of metrics.entries) {
    const full = [...path, 'metrics', name];
    const metric = declared.get(name);
    if (metric === undefined) {
      const names = [...declared.keys()];
      const message = `Cannot use metric ${JSON.stringify(name)} in ${formatPath(path)}: it has no such metric`;
      const hint = names.length === 0 ? 'this receiver passes on what it is sent' : suggestion(name, names);
      problems.push({ message, path: formatPath(full), place, hint });
      continue;
    }
    const attributes = nodeAt(value, ['attributes']);
    for (const [at, item] of (attributes?.kind === 'list' ? attributes.items : []).entries()) {
      if (item.kind !== 'scalar' || typeof item.value !== 'string' || metric.attributes.includes(item.value)) continue;
      const found = metric.attributes.length === 0 ? 'it has no attributes' : 'it has no such attribute';
      problems.push({
        message: `Cannot keep attribute ${describeFound(item, false)} of ${name}: ${found}`,
        path: formatPath([...full, 'attributes', at]),
        place: item.origin,
        hint: suggestion(item.value, metric.attributes),
      });
    }
  }
}

/**
 * A listener beyond loopback without TLS needs `insecure: true` written beside it. A listener is a `host:port` that has
 * the options `tls` and `insecure` for company, in a receiver or a pull exporter.
 */
function checkExposure(definition: Definition, body: Node, path: Path, problems: ConfigProblem[]): void {
  const listens = definition.kind === 'receiver' || (definition.kind === 'exporter' && definition.isPull);
  if (!listens) return;
  for (const [below, node] of findListeners(readShape(definition.config), body, [])) {
    const endpoint = nodeAt(node, ['endpoint']);
    if (endpoint?.kind !== 'scalar' || typeof endpoint.value !== 'string' || isLoopback(endpoint.value)) continue;
    // What is no address at all has been reported.
    if (!v.is(hostPort(), endpoint.value)) continue;
    const insecure = nodeAt(node, ['insecure']);
    const isAllowed = insecure?.kind === 'scalar' && (insecure.value === true || insecure.value === 'true');
    const tls = nodeAt(node, ['tls']);
    if (isAllowed || (tls !== undefined && !isNull(tls))) continue;
    const full = [...path, ...below, 'endpoint'];
    problems.push({
      message: `Cannot use ${formatPath(full)}: ${describeFound(endpoint, false)} answers beyond this machine, without TLS`,
      path: formatPath(full),
      place: placeOf(body, [...below, 'endpoint'], 'value'),
      hint: `listen on 127.0.0.1, set ${formatPath([...path, ...below, 'tls'])}, or write insecure: true beside it`,
    });
  }
}

function* findListeners(shape: Shape, node: Node, path: Path): Generator<[Path, MapNode]> {
  if (node.kind !== 'map') return;
  if (shape.kind === 'object') {
    const isListener =
      shape.entries.get('endpoint')?.format === 'host:port' &&
      shape.entries.has('tls') &&
      shape.entries.has('insecure');
    if (isListener) yield [path, node];
  }
  for (const [key, { value }] of node.entries) {
    const child = shape.kind === 'object' ? shape.entries.get(key) : shape.kind === 'map' ? shape.value : undefined;
    if (child !== undefined) yield* findListeners(child, value, [...path, key]);
  }
}
