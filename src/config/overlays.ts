/** Finds the files of a configuration: the default one, the overlay of an environment, and `--set`. */
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { ConfigProblem } from '../errors.ts';
import { CONFIG_EXTENSIONS } from './loaders.ts';
import { suggestion } from './suggest.ts';
import { withValue, type MapNode, type Node, type Origin } from './tree.ts';
import { parseYaml, REFUSED_KEYS } from './yaml.ts';

/** Where packages and administrators put the configuration of the machine. */
const SYSTEM_CONFIG = '/etc/sonde/sonde.yaml';

/** The configuration that is used when none is named: the machine's if there is one, else the one that comes along. */
export function defaultConfigPath(systemConfig = SYSTEM_CONFIG): string {
  return existsSync(systemConfig) ? systemConfig : join(packageRoot(), 'configs', 'sonde.yaml');
}

/** The folder that holds `configs/`: above `src/config/` in a checkout, above `dist/` for the bundle. */
function packageRoot(): string {
  // The bundle is CommonJS, where import.meta is empty; sources are ES modules, where __dirname is not there.
  const start = typeof __dirname === 'string' ? __dirname : import.meta.dirname;
  let folder = start;
  while (!existsSync(join(folder, 'configs', 'sonde.yaml'))) {
    const parent = dirname(folder);
    if (parent === folder) return dirname(start);
    folder = parent;
  }
  return folder;
}

/**
 * The file of `--env NAME`: `NAME.yaml` beside the configuration files, the last named first.
 * @returns `undefined` when a problem was added
 */
export function findEnvironment(name: string, files: readonly string[], problems: ConfigProblem[]): string | undefined {
  const folders = [...new Set([...files].reverse().map((file) => dirname(file)))];
  if (/^[\w.-]+$/.test(name)) {
    for (const folder of folders) {
      for (const extension of CONFIG_EXTENSIONS) {
        const file = join(folder, name + extension);
        if (existsSync(file)) return file;
      }
    }
  }
  const available = listEnvironments(files);
  const guess = suggestion(name, available);
  const listed = available.length === 0 ? 'there are none' : `there are: ${available.join(', ')}`;
  problems.push({
    message: `Cannot use environment ${JSON.stringify(name)}: there is no ${name}.yaml in ${folders.join(' or ')}`,
    path: '',
    hint: guess?.startsWith('did you mean') === true ? `${guess} ${listed}` : listed,
  });
  return undefined;
}

/** Names that `--env` takes with these files. */
export function listEnvironments(files: readonly string[]): string[] {
  const own = new Set(files.map((file) => resolve(file)));
  const names = new Set<string>();
  for (const folder of new Set(files.map((file) => dirname(file)))) {
    for (const entry of existsSync(folder) ? readdirSync(folder) : []) {
      const isOverlay = CONFIG_EXTENSIONS.includes(extname(entry)) && !own.has(resolve(folder, entry));
      const name = basename(entry, extname(entry));
      if (isOverlay && name !== 'reference' && name !== 'sonde') names.add(name);
    }
  }
  return [...names].sort();
}

/**
 * `--set exporters.otlp.endpoint=http://…` as an overlay; the value is YAML, and a list or section replaces what is
 * there, since the key is named outright. Keys with dots go in quotes: `resource.attributes."service.name"=shop`.
 */
export function parseSet(text: string, problems: ConfigProblem[]): Node | undefined {
  const match = /^((?:"[^"]+"|[^".=\s]+)(?:\.(?:"[^"]+"|[^".=\s]+))*)=(.*)$/s.exec(text);
  if (match === null) {
    problems.push({
      message: `Cannot use --set ${JSON.stringify(text.split('=', 1)[0])}: it is not key.key=value`,
      path: '',
      hint: 'as in --set exporters.otlp.endpoint=http://127.0.0.1:4318; keys with dots go in double quotes',
    });
    return undefined;
  }
  const path = match[1]!.match(/"[^"]+"|[^".]+/g)!.map((part) => part.replaceAll('"', ''));
  const refused = path.find((key) => REFUSED_KEYS.has(key));
  if (refused !== undefined) {
    problems.push({ message: `Cannot use --set ${match[1]}: the name "${refused}" is not allowed`, path: '' });
    return undefined;
  }
  const file = `argument --set ${match[1]}`;
  const parsed = parseYaml(match[2]!, file);
  problems.push(...parsed.problems.map(({ message, hint }) => ({ message, path: '', hint })));
  if (parsed.problems.length > 0) return undefined;
  const origin: Origin = { file, line: 0, column: 0 };
  const value = parsed.root ?? { kind: 'scalar', value: null, origin, source: match[2]!.trim() };
  return withValue(undefined, path, { ...withOrigin(value, origin), mode: 'replace' }, origin);
}

/** The tree without lines: an argument has none. */
function withOrigin(node: Node, origin: Origin): Node {
  if (node.kind === 'scalar') return { ...node, origin };
  if (node.kind === 'list') return { ...node, origin, items: node.items.map((item) => withOrigin(item, origin)) };
  const entries = [...node.entries].map(
    ([key, { value }]) => [key, { key: origin, value: withOrigin(value, origin) }] as const,
  );
  return { ...node, origin, entries: new Map(entries) } satisfies MapNode;
}
