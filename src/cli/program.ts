/** The commands of `sonde` and their options. What they do is loaded when one of them runs, so that help is quick. */
import { Command, CommanderError } from 'commander';
import { VERSION } from '../model/version.ts';
import { addAlerts } from './alerts_commands.ts';
import {
  addSelectedFiles,
  examples,
  withFiles,
  type CommandLine,
  type Finish,
  type Selection,
} from './command_options.ts';
import { addConfig } from './config_commands.ts';
import { EXIT_CODES, EXIT_CODES_HELP } from './exit_codes.ts';
import { addLive } from './live_commands.ts';
import { addQuery } from './query_commands.ts';
import { addQueue } from './queue_commands.ts';
import { addRules } from './rules_commands.ts';
import { painter } from './terminal.ts';

/**
 * Does what the arguments say.
 * @param args without the program's name
 * @returns the exit code
 */
export async function runCommandLine(args: readonly string[], commandLine: CommandLine): Promise<number> {
  let exitCode: number = EXIT_CODES.ok;
  const program = createProgram(commandLine, (code) => {
    exitCode = code;
  });
  if (args.length === 0) {
    program.outputHelp();
    return EXIT_CODES.ok;
  }
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? EXIT_CODES.ok : EXIT_CODES.usage;
  }
  return exitCode;
}

/** @param finish told the exit code of the command that ran */
export function createProgram(commandLine: CommandLine, finish: (exitCode: number) => void): Command {
  const { terminal } = commandLine;
  const program = new Command('sonde')
    .description('Measures this machine and delivers the result: an OpenTelemetry-native telemetry agent.')
    .version(`sonde ${VERSION}`, '-V, --version', 'Print the version')
    .helpOption('-h, --help', 'Print help')
    .helpCommand('help [command]', 'Print help for a command')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.print(text),
      writeErr: (text) => terminal.complain(text),
      getOutHelpWidth: () => terminal.columns ?? 100,
      getErrHelpWidth: () => terminal.columns ?? 100,
      getOutHasColors: () => terminal.hasColor,
      getErrHasColors: () => terminal.hasErrorColor,
      outputError: (text, write) => write(painter({ hasColor: terminal.hasErrorColor })('red', text)),
    })
    .configureHelp({ styleTitle: (text) => painter({ hasColor: true })('bold', text), showGlobalOptions: false })
    .addHelpText(
      'after',
      examples([
        ['sonde run', 'Measure this machine; metrics at http://127.0.0.1:9464/metrics'],
        ['sonde check', 'See what this machine lets it collect'],
        ['OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 sonde run', 'Also send everything there'],
        ['sonde describe memory', 'See options and metrics of a component'],
      ]) + `\n${EXIT_CODES_HELP}\n`,
    );
  addRun(program, commandLine, finish);
  addValidate(program, commandLine, finish);
  addCheck(program, commandLine, finish);
  addComponents(program, commandLine, finish);
  addDescribe(program, commandLine, finish);
  addLive(program, commandLine, finish);
  addQuery(program, commandLine, finish);
  addAlerts(program, commandLine, finish);
  addRules(program, commandLine, finish);
  addConfig(program, commandLine, finish);
  addQueue(program, commandLine, finish);
  pointToHelp(program, 'sonde');
  return program;
}

/** After a wrong command line, where to read on. */
function pointToHelp(command: Command, name: string): void {
  command.showHelpAfterError(`Try "${name} --help".`);
  for (const below of command.commands) pointToHelp(below, `${name} ${below.name()}`);
}

function addRun(program: Command, { terminal, env, lifetime }: CommandLine, finish: Finish): void {
  const command = program
    .command('run')
    .summary('Run the agent until it is told to stop')
    .description(
      'Runs the agent. SIGTERM and SIGINT (Ctrl+C) hand over what is under way, then end it; a second one ends it at once. ' +
        'SIGHUP loads the configuration again and restarts only what changed; with an error in it the old one runs on.',
    );
  addSelectedFiles(command)
    .addHelpText(
      'after',
      examples([
        ['sonde run', 'The default configuration'],
        ['sonde run --env production', 'With the overlay production.yaml beside it'],
        ['sonde run sonde.yaml site.yaml', 'Two files; the second wins'],
        ['sonde run --set exporters.prometheus.endpoint=127.0.0.1:9100', 'One option set here'],
        ['sonde run --collection-interval 5s --log-level debug', 'Settings of the agent itself'],
      ]) + `\n${EXIT_CODES_HELP}\n`,
    )
    .action(async (files: string[], options: Selection) => {
      const { run } = await import('./run.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await run(withFiles(options, files), { terminal, env, lifetime, catalog }));
    });
}

function addValidate(program: Command, { terminal, env }: CommandLine, finish: Finish): void {
  const command = program
    .command('validate')
    .summary('Check a configuration without running it')
    .description(
      'Checks a configuration in three passes: its schema, the graph of its components, and the environment (files ' +
        'readable, ports free, permissions). Reports everything that is wrong, not only the first thing.',
    );
  addSelectedFiles(command)
    .option('--no-environment', 'leave out the third pass, as on another machine than the one that will run it')
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      examples([
        ['sonde validate', 'The configuration that "sonde run" would use'],
        ['sonde validate site.yaml --no-environment', 'In CI: what does not depend on the machine'],
        ['sonde validate --env production --json | jq .problems', 'For a machine to read'],
      ]) + '\nExits with 78 if anything is wrong; warnings alone do not matter.\n',
    )
    .action(async (files: string[], options: Selection & { environment: boolean; json?: true }) => {
      const { validate } = await import('./validate.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await validate(withFiles(options, files), { terminal, env, catalog }));
    });
}

function addCheck(program: Command, { terminal, env }: CommandLine, finish: Finish): void {
  program
    .command('check')
    .summary('See what this machine lets it collect')
    .description(
      'Runs each receiver on this machine, with its default options, and says what it collects: how many series, how ' +
        'long a collection takes, and which right or file is missing for the rest.',
    )
    .argument('[receivers...]', 'only these; all if left out')
    .option('--root-path <dir>', 'where the file system of the measured machine begins, as /hostfs in a container')
    .option('--values', 'also print every value')
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      examples([
        ['sonde check', 'Everything'],
        ['sonde check memory --values', 'What one receiver measures right now'],
        ['sudo sonde check', 'What root could collect'],
      ]) + '\nExits with 1 if nothing can be collected.\n',
    )
    .action(async (names: string[], options: { rootPath?: string; values?: true; json?: true }) => {
      const { check } = await import('./check.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await check({ names, ...options }, { terminal, env, catalog }));
    });
}

function addComponents(program: Command, { terminal }: CommandLine, finish: Finish): void {
  program
    .command('components')
    .summary('List the receivers, processors and exporters')
    .description('Lists every receiver, processor and exporter of this version.')
    .option('--json', 'print the list as JSON')
    .addHelpText(
      'after',
      examples([
        ['sonde components', 'All there are'],
        ["sonde components --json | jq -r '.[].type'", 'Only their names'],
      ]),
    )
    .action(async (options: { json?: true }) => {
      const { listComponents } = await import('./describe.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await listComponents(options, { terminal, catalog }));
    });
}

function addDescribe(program: Command, { terminal }: CommandLine, finish: Finish): void {
  program
    .command('describe')
    .summary('Show the options and metrics of a component')
    .description('Shows what a component does: its options with their defaults, its metrics, the permissions it needs.')
    .argument('<name>', 'a type such as memory or exporter/otlp, or the name of a metric')
    .option('--json', 'print the description as JSON')
    .addHelpText(
      'after',
      examples([
        ['sonde describe memory', 'A receiver'],
        ['sonde describe exporter/otlp', 'Where a receiver has the same name'],
        ['sonde describe system.cpu.time', 'The receiver that has this metric'],
      ]),
    )
    .action(async (name: string, options: { json?: true }) => {
      const { describe } = await import('./describe.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await describe(name, options, { terminal, catalog }));
    });
}
