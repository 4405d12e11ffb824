/** What commands have in common: what they are lent, the options that name a configuration, examples in the help. */
import { Option, type Command } from 'commander';
import { AGENT_OPTIONS } from './agent_options.ts';
import type { Lifetime } from './run.ts';
import type { Terminal } from './terminal.ts';

export interface CommandLine {
  readonly terminal: Terminal;
  readonly env: NodeJS.ProcessEnv;
  readonly lifetime: Lifetime;
}

/** How a command says with which exit code it ended. */
export type Finish = (exitCode: number) => void;

/** Which configuration a command is about, as `--config`, `--env`, `--set` and the agent's own options say. */
export interface Selection {
  readonly config?: readonly string[];
  readonly env?: string;
  readonly set?: readonly string[];
  /** The agent's own settings, by the camel-cased name of their options. */
  readonly [agentOption: string]: unknown;
}

/** The options that say which configuration. */
export function addSelection(command: Command): Command {
  command
    .option('-c, --config <file>', 'configuration file; later ones overlay earlier ones (repeatable)', collect)
    .option('-e, --env <name>', 'overlay NAME.yaml beside the configuration files, as development or production')
    .option('--set <path=value>', 'set one option, as exporters.otlp.endpoint=http://host:4318 (repeatable)', collect);
  for (const { name, value, about } of AGENT_OPTIONS) {
    command.addOption(
      new Option(`--${name} <${value}>`, about).helpGroup('Settings of the agent (agent: in the file):'),
    );
  }
  return command;
}

/** The same for a command that has no other arguments: files may stand there without an option. */
export function addSelectedFiles(command: Command): Command {
  return addSelection(command.argument('[files...]', 'configuration files, as with --config'));
}

/** The selection with the files that were given as arguments. */
export function withFiles<S extends Selection>(options: S, files: readonly string[]): S {
  return files.length === 0 ? options : { ...options, config: [...(options.config ?? []), ...files] };
}

/** For options that may be given many times. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** For the end of a help text. */
export function examples(rows: readonly (readonly [command: string, about: string])[]): string {
  const width = Math.max(...rows.map(([command]) => command.length));
  const lines = rows.map(([command, about]) => `  ${command.padEnd(width)}  ${about}`.trimEnd());
  return `\nExamples:\n${lines.join('\n')}\n`;
}
