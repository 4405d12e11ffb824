/** The command `sonde query`. */
import type { Command } from 'commander';
import { examples, type CommandLine, type Finish } from './command_options.ts';
import { addLiveSelection, type LiveSelection } from './live_commands.ts';

export interface QuerySelection extends LiveSelection {
  readonly time?: string;
  readonly range?: string;
  readonly step?: string;
}

export function addQuery(program: Command, { terminal, env, lifetime }: CommandLine, finish: Finish): void {
  addLiveSelection(
    program
      .command('query')
      .summary('Ask a running agent by PromQL')
      .description(
        'Asks a running agent for what it measured lately, in PromQL, and shows a table: one value of each series, or with ' +
          '--range how it went. The agent needs an exporter "store". A Prometheus can be asked as well.',
      )
      .argument('<expression>', 'what to ask, in PromQL; names are those of the Prometheus exporter'),
    'where the agent, or a Prometheus, answers, as http://127.0.0.1:9464',
  )
    .option('--time <time>', 'at this time, as 5m for five minutes ago or 2026-01-31T12:00:00Z; now if left out')
    .option('--range <duration>', 'the time up to then, as 1h')
    .option('--step <duration>', 'time between two values of a range; a sixtieth of it if left out')
    .option('--json', 'print the data of the answer as JSON')
    .addHelpText(
      'after',
      examples([
        ['sonde query system_cpu_load_average_1m', 'The load now'],
        ["sonde query 'topk(3, rate(system_disk_io_bytes_total[5m]))'", 'What is busy'],
        ["sonde query 'system_memory_usage_bytes' --range 1h --step 15s", 'How memory was used, as small graphs'],
        ["sonde query 'up' --json | jq '.result[].value[1]'", 'For a machine to read'],
      ]) + '\nExits with 1 if there is no agent, or it cannot answer.\n',
    )
    .action(async (expression: string, options: QuerySelection) => {
      const { query } = await import('./query.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await query(expression, options, { terminal, env, catalog, lifetime }));
    });
}
