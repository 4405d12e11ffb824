/** `sonde config`: show, diff, schema, reference. */
import { existsSync } from 'node:fs';
import { formatProblems } from '../config/frames.ts';
import { configSchema } from '../config/json_schema.ts';
import { loadWithComponents, type LoadedConfig } from '../config/load.ts';
import { loadRegistry, type Catalog } from '../config/registry.ts';
import { referenceYaml } from '../config/reference.ts';
import { diffConfig, formatDiff, showConfig } from '../config/show.ts';
import { EXIT_CODES } from './exit_codes.ts';
import type { Selection } from './command_options.ts';
import { complainAbout, loadSelection, problemsOf } from './selection.ts';
import type { Terminal } from './terminal.ts';

interface Surroundings {
  readonly terminal: Terminal;
  readonly catalog: Catalog;
  readonly env: NodeJS.ProcessEnv;
}

export async function show(
  options: Selection & { readonly origin?: true; readonly redacted?: true; readonly format: 'yaml' | 'json' },
  { terminal, env, catalog }: Surroundings,
): Promise<number> {
  return withoutProblems(terminal, async () => {
    const loaded = await loadSelection(options, env, catalog);
    const { origin = false, redacted = false, format } = options;
    terminal.complain(formatProblems(loaded.warnings, { color: terminal.hasErrorColor, severity: 'warning' }));
    terminal.print(showConfig(loaded, { origin, redacted, format }));
    return EXIT_CODES.ok;
  });
}

export async function diff(
  a: string,
  b: string,
  options: { readonly config?: readonly string[]; readonly origin?: true; readonly json?: true },
  { terminal, env, catalog }: Surroundings,
): Promise<number> {
  return withoutProblems(terminal, async () => {
    const load = (name: string): Promise<LoadedConfig> => loadNamed(name, options.config ?? [], env, catalog);
    const differences = diffConfig(await load(a), await load(b));
    if (options.json === true) terminal.print(`${JSON.stringify(differences, null, 2)}\n`);
    else terminal.print(formatDiff(differences, { origin: options.origin ?? false }));
    return differences.length === 0 ? EXIT_CODES.ok : EXIT_CODES.found;
  });
}

export async function schema({ terminal, catalog }: Pick<Surroundings, 'terminal' | 'catalog'>): Promise<number> {
  terminal.print(`${JSON.stringify(configSchema(await loadRegistry(catalog)), null, 2)}\n`);
  return EXIT_CODES.ok;
}

export async function reference({ terminal, catalog }: Pick<Surroundings, 'terminal' | 'catalog'>): Promise<number> {
  terminal.print(referenceYaml(await loadRegistry(catalog)));
  return EXIT_CODES.ok;
}

/** A file if there is one of this name, else an environment over `files`. */
function loadNamed(
  name: string,
  files: readonly string[],
  env: NodeJS.ProcessEnv,
  catalog: Catalog,
): Promise<LoadedConfig> {
  if (existsSync(name) || /[/\\]|\.(ya?ml|json)$/.test(name))
    return loadWithComponents({ files: [name], env, catalog });
  return loadWithComponents({ files, environment: name, env, catalog });
}

async function withoutProblems(terminal: Terminal, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    complainAbout(problemsOf(error), terminal);
    return EXIT_CODES.config;
  }
}
