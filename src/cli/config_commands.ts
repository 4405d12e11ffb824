/** The commands below `sonde config`. */
import { Option, type Command } from 'commander';
import { addSelection, collect, examples, type CommandLine, type Finish, type Selection } from './command_options.ts';

export function addConfig(program: Command, { terminal, env }: CommandLine, finish: Finish): void {
  const config = program
    .command('config')
    .summary('Show, compare and document configurations')
    .description('Shows, compares and documents configurations.')
    .helpCommand(false)
    .addHelpText(
      'after',
      examples([
        ['sonde config show --origin', 'The configuration in effect, and where each value came from'],
        ['sonde config diff development production', 'What differs between two environments'],
        ['sonde config schema > sonde.schema.json', 'For the completion of an editor'],
      ]),
    );

  addSelection(
    config
      .command('show')
      .summary('Print the configuration in effect')
      .description('Prints the configuration in effect: merged, with every default. Secrets are never shown.'),
  )
    .option('--origin', 'say of each value where it came from')
    .option('--redacted', 'hide also what environment variables and files brought, as to share it')
    .addOption(new Option('--format <format>', 'how to print it').choices(['yaml', 'json']).default('yaml'))
    .addHelpText(
      'after',
      examples([
        ['sonde config show', 'What "sonde run" would use'],
        ['sonde config show --env production --origin', 'With the place of each value'],
        ['sonde config show --redacted --format json', 'To attach to an issue'],
      ]),
    )
    .action(async (selection: Selection & { origin?: true; redacted?: true; format: 'yaml' | 'json' }) => {
      const { show } = await import('./config.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await show(selection, { terminal, env, catalog }));
    });

  config
    .command('diff')
    .summary('Compare two configurations')
    .description(
      'Compares what takes effect: a default that is written out is no difference. Exits with 1 if they differ.',
    )
    .argument('<a>', 'a file, or the name of an environment')
    .argument('<b>', 'a file, or the name of an environment')
    .option('-c, --config <file>', 'the files that environments overlay (repeatable)', collect)
    .option('--origin', 'say where each value stands')
    .option('--json', 'print the differences as JSON')
    .addHelpText(
      'after',
      examples([
        ['sonde config diff development production', 'Two environments'],
        ['sonde config diff /etc/sonde/sonde.yaml new.yaml --origin', 'Two files'],
      ]),
    )
    .action(async (a: string, b: string, options: { config?: readonly string[]; origin?: true; json?: true }) => {
      const { diff } = await import('./config.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await diff(a, b, options, { terminal, env, catalog }));
    });

  config
    .command('schema')
    .summary('Print the JSON Schema of the configuration')
    .description('Prints the JSON Schema (draft 2020-12) of the configuration, for the completion of an editor.')
    .addHelpText(
      'after',
      examples([
        ['sonde config schema > sonde.schema.json', ''],
        ['# yaml-language-server: $schema=./sonde.schema.json', 'First line of the configuration'],
      ]),
    )
    .action(async () => {
      const { schema } = await import('./config.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await schema({ terminal, catalog }));
    });

  config
    .command('reference')
    .summary('Print every option with its default')
    .description('Prints a configuration that holds every option there is, with what it does and its default.')
    .addHelpText('after', examples([['sonde config reference | less', '']]))
    .action(async () => {
      const { reference } = await import('./config.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await reference({ terminal, catalog }));
    });
}
