/** The commands that look at a running agent: `sonde tail` and `sonde tap`. */
import type { Command } from 'commander';
import { addSelection, collect, examples, type CommandLine, type Finish, type Selection } from './command_options.ts';

/** Which agent, and how to trust it. */
export interface LiveSelection extends Selection {
  readonly url?: string;
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly json?: true;
}

export interface TailSelection extends LiveSelection {
  readonly event?: readonly string[];
  readonly severity?: string;
  readonly body?: readonly string[];
  readonly attribute?: readonly string[];
  readonly since?: string;
}

export interface TapSelection extends LiveSelection {
  readonly rate?: string;
  readonly items?: string;
  readonly limit?: string;
}

export function addLive(program: Command, commandLine: CommandLine, finish: Finish): void {
  addTail(program, commandLine, finish);
  addTap(program, commandLine, finish);
}

/** The options that say which agent. */
export function addLiveSelection(command: Command, url: string): Command {
  return addSelection(command)
    .option('--url <url>', `${url}; found by the configuration if left out`)
    .option('--ca-file <file>', 'PEM file with the authorities to trust, for https')
    .option('--cert-file <file>', 'PEM file with the certificate to show to the agent')
    .option('--key-file <file>', 'PEM file with its private key');
}

function addTail(program: Command, { terminal, env, lifetime }: CommandLine, finish: Finish): void {
  addLiveSelection(
    program
      .command('tail')
      .summary('Show the events of a running agent as they come')
      .description(
        'Shows log records and events of a running agent as they come, until Ctrl+C. The agent needs an exporter "stream". ' +
          'When the connection breaks it opens another and goes on where it was; notices go to standard error.',
      ),
    'where the stream is, as http://127.0.0.1:9464/events',
  )
    .option('--event <glob>', 'only events with such a name, as "file.*" (repeatable: any of them)', collect)
    .option('--severity <name>', 'only what is at least as severe: trace, debug, info, warn, error, fatal, or 1 to 24')
    .option('--body <regexp>', 'only where the body fits (repeatable: any of them)', collect)
    .option(
      '--attribute <condition>',
      'only with this attribute: KEY, KEY=VALUE or KEY~REGEXP (repeatable: all of them)',
      collect,
    )
    .option('--since <time>', 'begin with what the agent still has since then, as 5m or 2026-01-31T12:00:00Z')
    .option('--json', 'print each frame as a line of JSON, as the agent sends it')
    .addHelpText(
      'after',
      examples([
        ['sonde tail', 'Everything that passes the exporter "stream"'],
        ['sonde tail --since 10m --event "file.*"', 'Changed files, from ten minutes ago on'],
        ['sonde tail --severity error --attribute host.name=db1', 'Errors of one host'],
        ['sonde tail --json | jq \'select(.frame == "event") | .body\'', 'For a machine to read'],
      ]) + '\nExits with 1 if there is no agent, or no stream.\n',
    )
    .action(async (options: TailSelection) => {
      const { tail } = await import('./tail.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await tail(options, { terminal, env, catalog, lifetime }));
    });
}

function addTap(program: Command, { terminal, env, lifetime }: CommandLine, finish: Finish): void {
  addLiveSelection(
    program
      .command('tap')
      .summary('Show what passes an edge of a pipeline')
      .description(
        'Shows samples of the batches that pass an edge of a pipeline of a running agent, until Ctrl+C: metrics, log ' +
          'records, and how many spans. Without a pipeline it lists the edges there are. Before a processor such as ' +
          'redaction what passes may be secret: the agent shows it to root and to its own user alone.',
      )
      .argument('[edge]', 'PIPELINE or PIPELINE:POINT; the end of the pipeline if no point is given'),
    'where the agent answers, as http://127.0.0.1:9464',
  )
    .option('--rate <number>', 'most batches a second; others are counted as skipped (10)')
    .option('--items <number>', 'most points or records of a batch (20)')
    .option('--limit <number>', 'end after so many batches')
    .option('--json', 'print each batch as a line of JSON')
    .addHelpText(
      'after',
      examples([
        ['sonde tap', 'Which pipelines and points there are'],
        ['sonde tap logs', 'What the exporters of the pipeline "logs" get'],
        ['sonde tap logs:receivers --rate 1', 'What the receivers hand over, one batch a second'],
        ['sonde tap metrics:filter --limit 1 --json | jq .points', 'One batch behind the processor "filter"'],
      ]) + '\nExits with 1 if there is no agent, no such edge, or it may not be seen.\n',
    )
    .action(async (edge: string | undefined, options: TapSelection) => {
      const { tap } = await import('./tap.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await tap(edge, options, { terminal, env, catalog, lifetime }));
    });
}
