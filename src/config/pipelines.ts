/** Reads `service.pipelines` and checks that every id in them is there and fits. */
import type { AnyReceiverDefinition } from '../component.ts';
import type { ConfigProblem } from '../errors.ts';
import type { Signal } from '../model/batch.ts';
import { PIPELINE, SECTIONS, SINGULAR, typeOfId, findDefinition, type Registry, type Section } from './registry.ts';
import { collectorHint, suggestion } from './suggest.ts';
import { formatPath, nodeAt, type MapNode, type Node, type Origin, type Path } from './tree.ts';
import { asMap, validate } from './validate.ts';
import { describeFound } from './words.ts';

const SIGNALS: readonly Signal[] = ['metrics', 'logs', 'traces'];

export interface LoadedPipeline {
  /** `metrics` or `metrics/name`. */
  readonly name: string;
  readonly signal: Signal;
  readonly receivers: readonly string[];
  readonly processors: readonly string[];
  readonly exporters: readonly string[];
  readonly place: ConfigProblem['place'];
}

export interface PipelineFindings {
  readonly problems: ConfigProblem[];
  readonly warnings: ConfigProblem[];
}

export function loadPipelines(
  root: MapNode,
  registry: Registry,
  { problems, warnings }: PipelineFindings,
): ReadonlyMap<string, LoadedPipeline> {
  checkExtensions(root, problems);
  const before = problems.length;
  const service = asMap(root.entries.get('service')?.value, ['service'], problems);
  for (const [key, { key: place }] of service?.entries ?? []) {
    if (key === 'pipelines' || key === 'extensions') continue;
    const hint = collectorHint(`service.${key}`) ?? suggestion(key, ['pipelines', 'extensions']);
    const message = `Cannot use key ${JSON.stringify(key)} in service: there is no such option`;
    problems.push({ message, path: formatPath(['service', key]), place, hint });
  }
  const section = asMap(service?.entries.get('pipelines')?.value, ['service', 'pipelines'], problems);
  if (section === undefined && problems.length > before) return new Map();
  if (section === undefined || section.entries.size === 0) {
    problems.push({
      message: 'Cannot run: no pipeline is defined under service.pipelines',
      path: 'service.pipelines',
      place: root.origin.line > 0 ? { ...root.origin, length: 1 } : undefined,
      hint: 'a pipeline is "metrics: { receivers: [cpu], exporters: [prometheus] }"; or lay this file over the default one',
    });
    return new Map();
  }
  const pipelines = new Map<string, LoadedPipeline>();
  for (const [name, { key: place, value }] of section.entries) {
    const pipeline = loadPipeline(name, place, value, root, registry, problems);
    if (pipeline !== undefined) pipelines.set(name, pipeline);
  }
  // A pipeline that is left out for what is wrong with it would look like one that is missing.
  if (problems.length === before) checkConnectors(pipelines, registry, problems);
  warnUnused(root, pipelines, registry, warnings);
  return pipelines;
}

function checkExtensions(root: MapNode, problems: ConfigProblem[]): void {
  for (const path of [['extensions'], ['service', 'extensions']]) {
    const node = nodeAt(root, path);
    const isEmpty = node === undefined || (node.kind === 'scalar' ? node.value === null : sizeOf(node) === 0);
    if (isEmpty) continue;
    const message = `Cannot use ${formatPath(path)}: there are no extensions yet`;
    problems.push({ message, path: formatPath(path), place: firstPlace(node), hint: 'remove it' });
  }
}

function sizeOf(node: Node): number {
  return node.kind === 'map' ? node.entries.size : node.kind === 'list' ? node.items.length : 1;
}

function firstPlace(node: Node): Origin {
  if (node.kind === 'map') return [...node.entries.values()][0]!.key;
  return node.kind === 'list' ? node.items[0]!.origin : node.origin;
}

function loadPipeline(
  name: string,
  place: Origin,
  value: Node,
  root: MapNode,
  registry: Registry,
  problems: ConfigProblem[],
): LoadedPipeline | undefined {
  const path = ['service', 'pipelines', name];
  const signal = SIGNALS.find((candidate) => candidate === typeOfId(name));
  if (signal === undefined || !/^[^/]+(\/[^\s/]{1,200})?$/.test(name)) {
    problems.push({
      message: `Cannot use pipeline ${JSON.stringify(name)}: its name is neither a signal nor signal/name`,
      path: formatPath(path),
      place,
      hint: suggestion(typeOfId(name), SIGNALS),
    });
    return undefined;
  }
  const body = asMap(value, path, problems);
  if (body === undefined && value.kind !== 'scalar') return undefined;
  const before = problems.length;
  const node: MapNode = body ?? { kind: 'map', entries: new Map(), origin: place };
  const config = validate({ schema: PIPELINE, node, path, problems }) as
    | { receivers: string[]; processors: string[]; exporters: string[] }
    | undefined;
  for (const section of ['receivers', 'exporters'] as const) {
    if (config === undefined || config[section].length > 0) continue;
    const message = `Cannot use pipeline ${name}: it has no ${section}`;
    problems.push({ message, path: formatPath([...path, section]), place });
  }
  for (const section of SECTIONS) checkIds(section, signal, name, nodeAt(node, [section]), root, registry, problems);
  if (config === undefined || problems.length > before) return undefined;
  return { name, signal, ...config, place };
}

function checkIds(
  section: Section,
  signal: Signal,
  name: string,
  list: Node | undefined,
  root: MapNode,
  registry: Registry,
  problems: ConfigProblem[],
): void {
  if (list?.kind !== 'list') return;
  const defined = asMap(root.entries.get(section)?.value, [section], []);
  const seen = new Map<string, Origin>();
  for (const [at, item] of list.items.entries()) {
    if (item.kind !== 'scalar' || typeof item.value !== 'string') continue;
    const id = item.value;
    const path: Path = ['service', 'pipelines', name, section, at];
    const what = `${SINGULAR[section]} ${describeFound(item, false)} in pipeline ${name}`;
    const fault = (found: string, more: Partial<ConfigProblem> = {}): void => {
      problems.push({ message: `Cannot use ${what}: ${found}`, path: formatPath(path), place: item.origin, ...more });
    };
    const earlier = seen.get(id);
    seen.set(id, item.origin);
    const definition = findDefinition(registry, section, typeOfId(id));
    const connector =
      section === 'exporters' && defined?.entries.has(id) !== true ? findConnector(registry, id) : undefined;
    if (earlier !== undefined) fault('it is there twice', { other: earlier });
    else if (connector !== undefined && asMap(root.entries.get('receivers')?.value, [], [])?.entries.has(id) === true) {
      if (!connector.takes.includes(signal))
        fault(`it takes no ${signal}`, { hint: `it takes ${connector.takes.join(', ')}` });
    } else if (defined?.entries.has(id) !== true)
      fault(`it is not defined under ${section}`, notDefined(defined, section, id, registry));
    else if (definition !== undefined && !definition.signals.includes(signal)) {
      fault(`it takes no ${signal}`, { hint: `it takes ${definition.signals.join(', ')}` });
    }
  }
}

/** A receiver that may stand among the exporters. */
function findConnector(registry: Registry, id: string): AnyReceiverDefinition | undefined {
  return registry.receivers.find(({ type, takes }) => type === typeOfId(id) && takes.length > 0);
}

/** What a connector takes must go somewhere. */
function checkConnectors(
  pipelines: ReadonlyMap<string, LoadedPipeline>,
  registry: Registry,
  problems: ConfigProblem[],
): void {
  const received = new Set([...pipelines.values()].flatMap(({ receivers }) => receivers));
  for (const { name, exporters, place } of pipelines.values()) {
    for (const id of exporters) {
      if (registry.types.exporters.includes(typeOfId(id)) || received.has(id)) continue;
      // What is neither was told of where it is defined.
      if (findConnector(registry, id) === undefined) continue;
      problems.push({
        message: `Cannot use ${JSON.stringify(id)} in pipeline ${name}: no pipeline has it as receiver`,
        path: formatPath(['service', 'pipelines', name, 'exporters']),
        place,
        hint: 'name it among the receivers of the pipeline that its data is for',
      });
    }
  }
}

function notDefined(
  defined: MapNode | undefined,
  section: Section,
  id: string,
  registry: Registry,
): Pick<ConfigProblem, 'hint' | 'other'> {
  const removed = defined?.removed?.get(id);
  if (removed !== undefined) return { other: removed, hint: 'an overlay removed it by setting it to null' };
  const meant = suggestion(id, [...(defined?.entries.keys() ?? [])]);
  if (meant?.startsWith('did you mean') === true) return { hint: meant };
  if (registry.types[section].includes(typeOfId(id))) {
    return { hint: `define it: write "${id}:" under ${section}` };
  }
  return { hint: meant === undefined ? undefined : `defined under ${section} are: ${meant.replace(/^known: /, '')}` };
}

function warnUnused(
  root: MapNode,
  pipelines: ReadonlyMap<string, LoadedPipeline>,
  registry: Registry,
  warnings: ConfigProblem[],
): void {
  const used = (section: Section, id: string): boolean =>
    [...pipelines.values()].some((pipeline) => pipeline[section].includes(id));
  const receivers = root.entries.get('receivers')?.value;
  for (const [id, { key: place }] of receivers?.kind === 'map' ? receivers.entries : []) {
    if (findConnector(registry, id) === undefined || used('exporters', id) || !used('receivers', id)) continue;
    const message = `Cannot give receiver ${JSON.stringify(id)} anything: no pipeline names it among its exporters`;
    warnings.push({ message, path: formatPath(['receivers', id]), place, hint: 'add it to one, or remove it' });
  }
  for (const section of SECTIONS) {
    const node = root.entries.get(section)?.value;
    for (const [id, { key: place }] of node?.kind === 'map' ? node.entries : []) {
      if (used(section, id) || !registry.types[section].includes(typeOfId(id))) continue;
      const message = `Cannot start ${SINGULAR[section]} ${JSON.stringify(id)}: no pipeline names it`;
      warnings.push({ message, path: formatPath([section, id]), place, hint: 'add it to one, or remove it' });
    }
  }
}
