/** `sonde config`: show, diff, schema, reference. */
import { existsSync } from 'node:fs';
import { formatProblems } from '../config/frames.ts';
import { configSchema } from '../config/json_schema.ts';
import { loadConfig, type LoadedConfig } from '../config/load.ts';
import type { Registry } from '../config/registry.ts';
import { referenceYaml } from '../config/reference.ts';
import { diffConfig, formatDiff, showConfig } from '../config/show.ts';
import { EXIT_CODES } from './exit_codes.ts';
import type { Selection } from './command_options.ts';
import { complainAbout, loadSelection, problemsOf } from './selection.ts';
import type { Terminal } from './terminal.ts';

interface Surroundings {
  readonly terminal: Terminal;
  readonly registry: Registry;
  readonly env: NodeJS.ProcessEnv;
}

export async function show(
  options: Selection & { readonly origin?: true; readonly redacted?: true; readonly format: 'yaml' | 'json' },
  { terminal, env, registry }: Surroundings,
): Promise<number> {
  return withoutProblems(terminal, () => {
    const loaded = loadSelection(options, env, registry);
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
  { terminal, env, registry }: Surroundings,
): Promise<number> {
  return withoutProblems(terminal, () => {
    const load = (name: string): LoadedConfig => loadNamed(name, options.config ?? [], env, registry);
    const differences = diffConfig(load(a), load(b));
    if (options.json === true) terminal.print(`${JSON.stringify(differences, null, 2)}\n`);
    else terminal.print(formatDiff(differences, { origin: options.origin ?? false }));
    return differences.length === 0 ? EXIT_CODES.ok : EXIT_CODES.found;
  });
}

export async function schema({ terminal, registry }: Pick<Surroundings, 'terminal' | 'registry'>): Promise<number> {
  terminal.print(`${JSON.stringify(configSchema(registry), null, 2)}\n`);
  return EXIT_CODES.ok;
}

export async function reference({ terminal, registry }: Pick<Surroundings, 'terminal' | 'registry'>): Promise<number> {
  terminal.print(referenceYaml(registry));
  return EXIT_CODES.ok;
}

/** A file if there is one of this name, else an environment over `files`. */
function loadNamed(name: string, files: readonly string[], env: NodeJS.ProcessEnv, registry: Registry): LoadedConfig {
  if (existsSync(name) || /[/\\]|\.(ya?ml|json)$/.test(name)) return loadConfig({ files: [name], env, registry });
  return loadConfig({ files, environment: name, env, registry });
}

function withoutProblems(terminal: Terminal, work: () => number): number {
  try {
    return work();
  } catch (error) {
    complainAbout(problemsOf(error), terminal);
    return EXIT_CODES.config;
  }
}
