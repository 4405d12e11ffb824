/** Reads the texts of a configuration and lays them over each other, and finds which components they name. */
import { resolve } from 'node:path';
import type { ConfigProblem } from '../errors.ts';
import { readSource, type Source } from './loaders.ts';
import { mergeTrees } from './merge.ts';
import { configuresOtlp } from './otel_exporter.ts';
import { defaultConfigPath, findEnvironment, parseSet } from './overlays.ts';
import { SECTIONS, typeOfId, type Section } from './registry.ts';
import { fromPlain, nodeAt, type MapNode, type Node } from './tree.ts';
import { missingBlank } from './yaml_errors.ts';

export interface ReadOptions {
  /** In the order in which they overlay each other; none takes the default configuration. */
  readonly files: readonly string[];
  /** `--env NAME`: the overlay `NAME.yaml` beside the files. */
  readonly environment?: string | undefined;
  /** `--set key.key=value`, the last overlays. */
  readonly sets?: readonly string[] | undefined;
  /** Instead of the file that {@link defaultConfigPath} finds. */
  readonly defaultFile?: string | undefined;
}

export interface ReadConfig {
  /** Everything merged, as written. */
  readonly tree: MapNode;
  /** Whether the default configuration is the one below all others. */
  readonly isDefault: boolean;
  readonly sources: readonly Source[];
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
}

/** Files, environment and `--set`, merged; the default configuration where the files are empty. */
export function readConfig(options: ReadOptions): ReadConfig {
  const sources: Source[] = [];
  const problems: ConfigProblem[] = [];
  const warnings: ConfigProblem[] = [];
  const defaultFile = options.defaultFile ?? defaultConfigPath();
  const files = options.files.length === 0 ? [defaultFile] : options.files;
  const read = (file: string): Node | undefined => {
    const source = readSource(file);
    sources.push(source);
    problems.push(...source.problems);
    checkIsMap(source, problems);
    return source.root;
  };
  const overlay = (below: Node | undefined, over: Node | undefined): Node | undefined =>
    mergeTrees(below, over, problems);

  let tree = files.map(read).reduce(overlay, undefined);
  let isDefault = resolve(files[0]!) === resolve(defaultFile);
  if (tree === undefined && options.files.length > 0 && !isDefault && problems.length === 0) {
    isDefault = true;
    warnings.push({
      message: `Cannot find any setting in ${files.join(', ')}: the default configuration is used`,
      path: '',
      hint: defaultFile,
    });
    tree = read(defaultFile);
  }
  if (options.environment !== undefined) {
    const searched = isDefault ? [defaultFile, ...options.files] : files;
    const file = findEnvironment(options.environment, searched, problems);
    if (file !== undefined) tree = overlay(tree, read(file));
  }
  for (const set of options.sets ?? []) tree = overlay(tree, parseSet(set, problems));
  const root = tree?.kind === 'map' ? tree : fromPlain({}, { file: files[0]!, line: 1, column: 1 });
  return { tree: root as MapNode, isDefault, sources, problems, warnings };
}

/**
 * Whether a component is needed to check the configuration, and to hide its secrets when it is shown. In a text that
 * cannot be parsed any may be meant.
 */
export function componentsIn(
  { tree, sources }: ReadConfig,
  env: NodeJS.ProcessEnv,
): (section: Section, type: string) => boolean {
  if (sources.some(({ root, problems }) => root === undefined && problems.length > 0)) return () => true;
  const named = new Set<string>();
  for (const root of [tree, ...sources.map((source) => source.root)]) {
    for (const section of SECTIONS) {
      const node = root === undefined ? undefined : nodeAt(root, [section]);
      for (const id of node?.kind === 'map' ? node.entries.keys() : []) named.add(`${section} ${typeOfId(id)}`);
    }
  }
  if (configuresOtlp(env)) named.add('exporters otlp');
  return (section, type) => named.has(`${section} ${type}`);
}

function checkIsMap({ file, root }: Source, problems: ConfigProblem[]): void {
  if (root === undefined || root.kind === 'map') return;
  const key = root.kind === 'scalar' ? missingBlank(root.source) : undefined;
  problems.push({
    message: `Cannot read ${file}: it is ${root.kind === 'list' ? 'a list' : 'one text'}, not keys and values`,
    path: '',
    place: { ...root.origin, length: 1 },
    hint: key === undefined ? undefined : `put a space after the colon of "${key}:"`,
  });
}
