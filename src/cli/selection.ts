/** From the options of a command to the configuration that they mean. */
import { formatProblems } from '../config/frames.ts';
import { loadWithComponents, type LoadedConfig } from '../config/load.ts';
import type { Catalog } from '../config/registry.ts';
import { ConfigError, type ConfigProblem } from '../errors.ts';
import { AGENT_OPTIONS } from './agent_options.ts';
import type { Selection } from './command_options.ts';
import type { Terminal } from './terminal.ts';

/** @throws {ConfigError} with all that is wrong */
export function loadSelection(selection: Selection, env: NodeJS.ProcessEnv, catalog: Catalog): Promise<LoadedConfig> {
  return loadWithComponents({
    files: selection.config ?? [],
    environment: selection.env,
    sets: selection.set,
    args: agentArguments(selection),
    env,
    catalog,
  });
}

/** `{ logLevel: 'debug' }` → `['--log-level', 'debug']`, as the agent's settings read arguments. */
function agentArguments(selection: Selection): string[] {
  return AGENT_OPTIONS.flatMap(({ name }) => {
    const value = selection[name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())];
    return typeof value === 'string' ? [`--${name}`, value] : [];
  });
}

/** Shows problems with their places; a line at the end counts them. */
export function complainAbout(problems: readonly ConfigProblem[], terminal: Terminal): void {
  terminal.complain(formatProblems(problems, { color: terminal.hasErrorColor }));
  terminal.complain(`\n${count(problems.length, 'problem')} in the configuration\n`);
}

export function problemsOf(error: unknown): readonly ConfigProblem[] {
  if (error instanceof ConfigError) return error.problems;
  throw error;
}

/** `1 problem`, `2 problems`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
