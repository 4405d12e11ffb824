/** Loads a configuration: read, load its components, substitute, fill in the standard variables, validate. */
import { statSync } from 'node:fs';
import type { AnyExporterDefinition, AnyProcessorDefinition, AnyReceiverDefinition } from '../component.ts';
import { ConfigError, type ConfigProblem } from '../errors.ts';
import type { Attributes } from '../model/attributes.ts';
import { loadAgent, type AgentSettings } from './agent_settings.ts';
import { loadComponents, type LoadedComponents } from './components.ts';
import { attachLines } from './masking.ts';
import { applyOtelEnvironment } from './otel_environment.ts';
import { loadPipelines, type LoadedPipeline } from './pipelines.ts';
import { componentsIn, readConfig, type ReadConfig, type ReadOptions } from './read.ts';
import { loadRegistry, RESOURCE, shapeOfPath, TOP_LEVEL, type Catalog, type Registry } from './registry.ts';
import { substitute } from './substitute.ts';
import { collectorHint, suggestion } from './suggest.ts';
import { withValue, type MapNode, type Node, type Origin, type Path } from './tree.ts';
import { asMap, validate } from './validate.ts';
import { isSensitive } from './words.ts';

export interface LoadOptions extends ReadOptions {
  readonly registry: Registry;
  readonly env: NodeJS.ProcessEnv;
  /** Arguments of the agent's own settings, as `['--log-level', 'debug']`. */
  readonly args?: readonly string[] | undefined;
}

export interface LoadedConfig {
  readonly agent: AgentSettings;
  readonly resource: { readonly attributes: Attributes };
  readonly receivers: LoadedComponents<AnyReceiverDefinition>;
  readonly processors: LoadedComponents<AnyProcessorDefinition>;
  readonly exporters: LoadedComponents<AnyExporterDefinition>;
  readonly pipelines: ReadonlyMap<string, LoadedPipeline>;
  readonly warnings: readonly ConfigProblem[];
  /** The files that were read, in the order in which they overlay each other. */
  readonly files: readonly string[];
  /** Everything as written after merging and substitution, every leaf with its place; holds secrets. */
  readonly tree: MapNode;
  readonly registry: Registry;
}

/** @throws {ConfigError} with all that is wrong, each with its place */
export function loadConfig(options: LoadOptions): LoadedConfig {
  return checkConfig(readConfig(options), options);
}

/**
 * As {@link loadConfig}, with the components that the configuration names: no others are loaded.
 * @throws {ConfigError} with all that is wrong, each with its place
 */
export async function loadWithComponents(
  options: Omit<LoadOptions, 'registry'> & { readonly catalog: Catalog },
): Promise<LoadedConfig> {
  const read = readConfig(options);
  const registry = await loadRegistry(options.catalog, componentsIn(read, options.env));
  return checkConfig(read, { ...options, registry });
}

function checkConfig(read: ReadConfig, options: LoadOptions): LoadedConfig {
  const { registry, env } = options;
  const { sources, tree: merged, isDefault } = read;
  const problems = [...read.problems];
  const warnings = [...read.warnings];
  const giveUp = (): never => {
    throw new ConfigError(attachLines(problems, sources, registry));
  };

  if (problems.length > 0) giveUp();
  const substituted = substitute(merged, { env, problems });
  // A variable that is missing says nothing about the rest: go on, and report everything at once.
  const unresolved = [...problems];
  const tree = applyOtelEnvironment(substituted as MapNode, { env, registry, isDefault, warnings });
  checkTopLevel(tree, problems);
  const agentNode = asMap(tree.entries.get('agent')?.value, ['agent'], problems);
  const agent = loadAgent({ node: agentNode, env, args: options.args ?? [], problems });
  const resource = loadResource(tree, problems);
  const components = loadComponents(tree, registry, problems);
  const pipelines = loadPipelines(tree, registry, { problems, warnings });
  dropConsequences(problems, unresolved);
  if (problems.length > 0 || agent === undefined) return giveUp();

  warnReadableSecrets(tree, registry, warnings);
  const origin: Origin = { file: 'default', line: 0, column: 0 };
  return {
    agent: agent.settings,
    resource,
    ...components,
    pipelines,
    warnings: attachLines(warnings, sources, registry),
    files: sources.map(({ file }) => file),
    tree: withValue(tree, ['agent'], agent.node, origin) as MapNode,
    registry,
  };
}

/** A reference without a value is reported once, not again as a value of the wrong type. */
function dropConsequences(problems: ConfigProblem[], unresolved: readonly ConfigProblem[]): void {
  const kept = problems.filter(
    (problem) => unresolved.includes(problem) || !unresolved.some(({ path }) => path === problem.path),
  );
  problems.splice(0, problems.length, ...kept);
}

function checkTopLevel(tree: MapNode, problems: ConfigProblem[]): void {
  for (const [key, { key: place }] of tree.entries) {
    if (TOP_LEVEL.some((known) => known === key)) continue;
    const message = `Cannot use key ${JSON.stringify(key)}: there is no such section`;
    problems.push({ message, path: key, place, hint: collectorHint(key) ?? suggestion(key, TOP_LEVEL) });
  }
}

function loadResource(tree: MapNode, problems: ConfigProblem[]): { attributes: Attributes } {
  const node = asMap(tree.entries.get('resource')?.value, ['resource'], problems);
  if (node === undefined) return { attributes: {} };
  const output = validate({ schema: RESOURCE, node, path: ['resource'], problems });
  return (output ?? { attributes: {} }) as { attributes: Attributes };
}

/** Everyone on the machine could read a secret that lies in a file with such a mode; said once for each file. */
function warnReadableSecrets(tree: MapNode, registry: Registry, warnings: ConfigProblem[]): void {
  if (process.platform === 'win32') return;
  const files = new Map<string, Origin>();
  const visit = (node: Node, path: Path): void => {
    if (node.kind === 'map') for (const [key, { value }] of node.entries) visit(value, [...path, key]);
    else if (node.kind === 'list') node.items.forEach((item, at) => visit(item, [...path, at]));
    else if (
      shapeOfPath(registry, path)?.format === 'secret' &&
      isSensitive(node, path, (at) => shapeOfPath(registry, at))
    ) {
      const isWritten = node.origin.via === undefined && node.origin.line > 0;
      for (const file of node.readFrom ?? (isWritten ? [node.origin.file] : [])) files.set(file, node.origin);
    }
  };
  visit(tree, []);
  for (const [file, place] of files) {
    const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
    if ((mode & 0o004) === 0) continue;
    const message = `Cannot keep the secrets in ${file}: everyone on this machine may read it (mode ${(mode & 0o777).toString(8)})`;
    warnings.push({
      message,
      path: '',
      place,
      hint: `chmod 640 ${file}, or keep the secret elsewhere: \${file:…}, \${env:…}`,
    });
  }
}
