/** Which components there are, and what a configuration may hold at each path because of them. */
import * as v from 'valibot';
import type { AnyExporterDefinition, AnyProcessorDefinition, AnyReceiverDefinition, Loaders } from '../component.ts';
import { messageOf } from '../errors.ts';
import { AGENT_SHAPE } from './agent_settings.ts';
import { option, optional } from './options.ts';
import { readShape, shapeAt, type ObjectShape, type Shape } from './shape.ts';
import type { Path } from './tree.ts';

/** Every component there is: the three lists of `receivers/`, `processors/` and `exporters/`. */
export interface Catalog {
  readonly receivers: Loaders<AnyReceiverDefinition>;
  readonly processors: Loaders<AnyProcessorDefinition>;
  readonly exporters: Loaders<AnyExporterDefinition>;
}

/** The components that are loaded. */
export interface Registry {
  readonly receivers: readonly AnyReceiverDefinition[];
  readonly processors: readonly AnyProcessorDefinition[];
  readonly exporters: readonly AnyExporterDefinition[];
  /** The types of all there are, loaded or not. */
  readonly types: Readonly<Record<Section, readonly string[]>>;
}
export type Definition = AnyReceiverDefinition | AnyProcessorDefinition | AnyExporterDefinition;

export const SECTIONS = ['receivers', 'processors', 'exporters'] as const;
export type Section = (typeof SECTIONS)[number];
export const SINGULAR = { receivers: 'receiver', processors: 'processor', exporters: 'exporter' } as const;

const attributeValue = v.pipe(
  v.union(
    [v.string(), v.number(), v.boolean(), v.array(v.union([v.string(), v.number(), v.boolean()]))],
    'a text, a number, true or false, or a list of these',
  ),
  v.metadata({ format: 'attribute value' }),
);

export const RESOURCE = v.strictObject({
  attributes: option(
    v.record(v.string(), attributeValue),
    'Attributes of everything that this agent measures, as service.namespace; they win over what it detects.',
    {},
  ),
});

const ids = (about: string) => option(v.array(v.string('the id of a component')), about, []);

export const PIPELINE = v.strictObject({
  receivers: ids('Where the data comes from: ids under "receivers".'),
  processors: ids('What happens to it, in this order: ids under "processors".'),
  exporters: ids('Where it goes, all of them: ids under "exporters".'),
});

export const SERVICE = v.strictObject({
  pipelines: option(
    v.record(v.string(), PIPELINE),
    'Pipelines by name: metrics, logs or traces, or one of these with /name.',
    {},
  ),
  extensions: optional(v.array(v.string()), 'Must be empty: there are no extensions yet.'),
});

const RESOURCE_SHAPE = readShape(RESOURCE) as ObjectShape;
const SERVICE_SHAPE = readShape(SERVICE) as ObjectShape;

/** Every key that may stand at the top of a file, in the order of `reference.yaml`. */
export const TOP_LEVEL = [
  'agent',
  'resource',
  'receivers',
  'processors',
  'exporters',
  'extensions',
  'service',
] as const;

/** `otlp/backend` is of type `otlp`. */
export function typeOfId(id: string): string {
  const slash = id.indexOf('/');
  return slash === -1 ? id : id.slice(0, slash);
}

export function findDefinition(registry: Registry, section: Section, type: string): Definition | undefined {
  const definitions: readonly Definition[] = registry[section];
  return definitions.find((definition) => definition.type === type);
}

/**
 * Loads what `isNeeded`: everything, if it is left out.
 * @throws {Error} a file of a component cannot be loaded, as after an upgrade below a running agent
 */
export async function loadRegistry(
  catalog: Catalog,
  isNeeded: (section: Section, type: string) => boolean = () => true,
): Promise<Registry> {
  const load = <D>(section: Section, loaders: Loaders<D>): Promise<D[]> => {
    const needed = Object.entries(loaders).filter(([type]) => isNeeded(section, type));
    return Promise.all(needed.map(([type, loader]) => loadComponent(`${SINGULAR[section]} ${type}`, loader)));
  };
  const [receivers, processors, exporters] = await Promise.all([
    load('receivers', catalog.receivers),
    load('processors', catalog.processors),
    load('exporters', catalog.exporters),
  ]);
  const typesIn = (section: Section): string[] => Object.keys(catalog[section]);
  const types = { receivers: typesIn('receivers'), processors: typesIn('processors'), exporters: typesIn('exporters') };
  return { receivers, processors, exporters, types };
}

async function loadComponent<D>(name: string, loader: Loaders<D>[string]): Promise<D> {
  try {
    return (await loader()).default;
  } catch (error) {
    throw new Error(`Cannot load ${name}: ${messageOf(error)}`, { cause: error });
  }
}

export function isSection(name: unknown): name is Section {
  return SECTIONS.some((section) => section === name);
}

/** What may stand at a path; `undefined` where nothing known may. */
export function shapeOfPath(registry: Registry, path: Path): Shape | undefined {
  const [section, id, ...rest] = path;
  if (isSection(section)) {
    const definition = id === undefined ? undefined : findDefinition(registry, section, typeOfId(String(id)));
    return definition === undefined ? undefined : shapeAt(readShape(definition.config), rest);
  }
  const below = path.slice(1);
  if (section === 'agent') return shapeAt(AGENT_SHAPE, below);
  if (section === 'resource') return shapeAt(RESOURCE_SHAPE, below);
  return section === 'service' ? shapeAt(SERVICE_SHAPE, below) : undefined;
}
