/** Whether what a configuration needs of this machine is there: files, folders, ports, rights. */
import { accessSync, constants, existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { DEFAULT_ORIGIN } from '../config/agent_settings.ts';
import type { LoadedConfig } from '../config/load.ts';
import { reasonOf } from '../config/limited_file.ts';
import { readShape } from '../config/shape.ts';
import { formatPath, placeOf, type Path } from '../config/tree.ts';
import type { ConfigProblem } from '../errors.ts';
import { createHost } from '../procfs/host.ts';
import { missingRights, rightsOfProcess } from './rights.ts';
import { endpointsIn } from './start_hint.ts';

export interface Findings {
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
}

export async function checkEnvironment(loaded: LoadedConfig): Promise<Findings> {
  const problems: ConfigProblem[] = [];
  const add = (path: Path, message: string, hint?: string): void => {
    const place = placeOf(loaded.tree, path, 'value');
    const isWritten = place.file !== DEFAULT_ORIGIN.file;
    problems.push({ message, path: formatPath(path), ...(isWritten ? { place } : {}), hint });
  };
  checkRoot(loaded, add);
  for (const [path, file] of namedFiles(loaded)) {
    const reason = unusable(file, constants.R_OK);
    if (reason !== undefined) add(path, `Cannot read ${file}, as ${formatPath(path)} says: ${reason}`);
  }
  for (const [path, endpoint] of listeners(loaded)) {
    const error = await listenOnce(endpoint);
    if (error === undefined) continue;
    const isTaken = error.code === 'EADDRINUSE';
    const found = isTaken ? 'another program listens there already' : (error.code ?? error.message);
    add(
      path,
      `Cannot listen on ${endpoint}, as ${formatPath(path)} says: ${found}`,
      isTaken ? 'it may be the agent itself, if it runs' : undefined,
    );
  }
  return { problems, warnings: missingPermissions(loaded) };
}

type Add = (path: Path, message: string, hint?: string) => void;

function checkRoot({ agent }: LoadedConfig, add: Add): void {
  const problem = rootProblem(agent.root_path);
  if (problem !== undefined) add(['agent', 'root_path'], problem.message, problem.hint);
}

/** What is wrong with a root path, if anything. */
export function rootProblem(rootPath: string): { readonly message: string; readonly hint: string } | undefined {
  if (process.platform !== 'linux' || existsSync(join(rootPath, 'proc/stat'))) return undefined;
  return {
    message: `Cannot measure ${rootPath}: there is no proc/stat below it`,
    hint: 'mount the root of the machine there, as docker run -v /:/hostfs:ro,rslave',
  };
}

/** These are made where they are missing. */
const WRITTEN_FILES: ReadonlySet<string> = new Set(['position_file', 'state_file']);

/** Options that name a file to read end in `_file`, by the convention that the loader's redaction follows too. */
function* namedFiles(loaded: LoadedConfig): Generator<[Path, string]> {
  for (const section of ['receivers', 'processors', 'exporters'] as const) {
    for (const [id, { config }] of loaded[section]) yield* filesIn(config, [section, id]);
  }
}

function* filesIn(value: unknown, path: Path): Generator<[Path, string]> {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    if (key.endsWith('_file') && !WRITTEN_FILES.has(key) && typeof child === 'string') yield [[...path, key], child];
    else yield* filesIn(child, [...path, Array.isArray(value) ? Number(key) : key]);
  }
}

/** Where the components in use would listen: the endpoints of receivers and pull exporters. */
function* listeners(loaded: LoadedConfig): Generator<readonly [Path, string]> {
  const used = new Set(
    [...loaded.pipelines.values()].flatMap(({ receivers, exporters }) => [...receivers, ...exporters]),
  );
  const seen = new Set<string>();
  for (const section of ['receivers', 'exporters'] as const) {
    for (const [id, { definition, config }] of loaded[section]) {
      if (!used.has(id) || (definition.kind === 'exporter' && !definition.isPull)) continue;
      for (const found of endpointsIn(readShape(definition.config), config, [section, id])) {
        // Components may share a listener.
        if (!seen.has(found[1])) yield found;
        seen.add(found[1]);
      }
    }
  }
}

function listenOnce(endpoint: string): Promise<NodeJS.ErrnoException | undefined> {
  const colon = endpoint.lastIndexOf(':');
  const { promise, resolve } = Promise.withResolvers<NodeJS.ErrnoException | undefined>();
  const server = createServer();
  server.once('error', resolve);
  server.listen(Number(endpoint.slice(colon + 1)), endpoint.slice(0, colon).replace(/^\[|\]$/g, ''), () => {
    server.close(() => resolve(undefined));
  });
  return promise;
}

function missingPermissions(loaded: LoadedConfig): ConfigProblem[] {
  const host = createHost({ rootPath: loaded.agent.root_path });
  const rights = rightsOfProcess(host);
  host.close();
  return (['receivers', 'processors', 'exporters'] as const).flatMap((section) =>
    [...loaded[section]].flatMap(([id, { definition, place }]) =>
      missingRights(definition.permissions, rights).map(({ needs, without, hint }) => ({
        message: `Cannot collect all of ${id}: without ${needs} it misses ${without}`,
        path: formatPath([section, id]),
        place,
        hint,
      })),
    ),
  );
}

function unusable(path: string, mode: number): string | undefined {
  try {
    accessSync(path, mode);
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}
