/** The commands about alerts of a running agent: `sonde alerts` and `sonde silence`. */
import type { Command } from 'commander';
import { examples, type CommandLine, type Finish } from './command_options.ts';
import { addLiveSelection, type LiveSelection } from './live_commands.ts';

export interface AlertsSelection extends LiveSelection {
  readonly firing?: true;
}

export interface NewSilence extends LiveSelection {
  readonly for?: string;
  readonly comment?: string;
  readonly by?: string;
}

export interface NewAcknowledgement extends NewSilence {
  readonly all?: true;
}

export interface SilencesSelection extends LiveSelection {
  readonly expired?: true;
}

const URL_ABOUT = 'where the agent answers, as http://127.0.0.1:9464';
const MATCHERS_ABOUT =
  'MATCHERS are such as device="sda", severity!=info or instance=~"db.*"; all of them have to match.';

export function addAlerts(program: Command, commandLine: CommandLine, finish: Finish): void {
  const alerts = addList(program, commandLine, finish);
  addAcknowledge(alerts, commandLine, finish);
  const silence = program
    .command('silence')
    .summary('Keep alerts of a running agent from notifying')
    .description(
      'Silences alerts for a while: they go on firing and are shown so, but notifiers tell nobody. Alertmanagers are ' +
        'told, for they have silences of their own, unless the notifier says send_silenced: false.',
    )
    .helpCommand(false)
    .addHelpText(
      'after',
      examples([
        ['sonde silence add --for 2h --comment "new disk" device=sda', 'Silence what is about a device'],
        ['sonde silence list', 'Which silences hold'],
        ['sonde silence expire 5f0c…', 'End one'],
      ]),
    );
  addSilenceAdd(silence, commandLine, finish);
  addSilenceList(silence, commandLine, finish);
  addSilenceExpire(silence, commandLine, finish);
}

function addList(program: Command, { terminal, env, lifetime }: CommandLine, finish: Finish): Command {
  return addLiveSelection(
    program
      .command('alerts')
      .summary('List the alerts of a running agent')
      .description(`Lists the alerts that fire or are pending now. ${MATCHERS_ABOUT}`)
      .argument('[matchers...]', 'only alerts with such labels; a word alone is the name of an alert'),
    URL_ABOUT,
  )
    .option('--firing', 'without those that are pending')
    .option('--json', 'print them as JSON')
    .helpCommand(false)
    .addHelpText(
      'after',
      examples([
        ['sonde alerts', 'What fires, since when, and why'],
        ['sonde alerts --firing severity=critical', 'Only some'],
        ['sonde alerts ack DiskFull device=sda', 'Acknowledge one'],
      ]) + '\nExits with 1 if there is no agent, or it does not answer for alerts.\n',
    )
    .action(async (matchers: readonly string[], options: AlertsSelection) => {
      const { listAlerts } = await import('./alerts.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await listAlerts(matchers, options, { terminal, env, catalog, lifetime }));
    });
}

function addAcknowledge(alerts: Command, { terminal, env, lifetime }: CommandLine, finish: Finish): void {
  addNewSilence(
    alerts
      .command('ack')
      .summary('Acknowledge an alert: nobody is told of it again until it is over')
      .description(
        `Silences exactly the alerts that match now, each until it is resolved, or a time is over. ${MATCHERS_ABOUT}`,
      )
      .argument('<matchers...>', 'the labels of the alert; a word alone is its name'),
    '24h',
  )
    .option('--all', 'all that match, and not only one')
    .addHelpText(
      'after',
      examples([
        ['sonde alerts ack DiskFull', 'The one alert of this name'],
        ['sonde alerts ack DiskFull device=sda --comment "ordered a disk"', 'One of several, and why'],
        ['sonde alerts ack --all severity=warning --for 8h', 'Many, for a working day at most'],
      ]) + '\nExits with 1 if no alert matches, or several do without --all.\n',
    )
    .action(async (matchers: readonly string[], _own: NewAcknowledgement, command: Command) => {
      const { acknowledge } = await import('./alerts.ts');
      const { catalog } = await import('./catalog.ts');
      // `sonde alerts` has some of the same options, and takes them.
      const options = command.optsWithGlobals<NewAcknowledgement>();
      finish(await acknowledge(matchers, options, { terminal, env, catalog, lifetime }));
    });
}

function addNewSilence(command: Command, time: string): Command {
  return addLiveSelection(command, URL_ABOUT)
    .option('--for <time>', `how long, as 30m or 2h (${time})`)
    .option('--comment <text>', 'why')
    .option('--by <name>', 'who; the user if left out')
    .option('--json', 'print what was made as JSON');
}

function addSilenceAdd(silence: Command, { terminal, env, lifetime }: CommandLine, finish: Finish): void {
  addNewSilence(
    silence
      .command('add')
      .summary('Silence alerts for a while')
      .description(`Silences alerts for a while, those to come as well. ${MATCHERS_ABOUT}`)
      .argument('<matchers...>', 'which alerts; a word alone is the name of an alert'),
    '1h',
  )
    .addHelpText(
      'after',
      examples([
        ['sonde silence add HostDown', 'One alert, for an hour'],
        ['sonde silence add --for 8h \'instance=~"db.*"\' severity!=critical', 'By pattern'],
      ]) + '\nExits with 1 if the agent refuses it.\n',
    )
    .action(async (matchers: readonly string[], options: NewSilence) => {
      const { addSilence } = await import('./silence.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await addSilence(matchers, options, { terminal, env, catalog, lifetime }));
    });
}

function addSilenceList(silence: Command, { terminal, env, lifetime }: CommandLine, finish: Finish): void {
  addLiveSelection(
    silence.command('list').summary('List silences').description('Lists the silences that hold or are to come.'),
    URL_ABOUT,
  )
    .option('--expired', 'with those that ended in the last five days')
    .option('--json', 'print them as JSON')
    .addHelpText(
      'after',
      examples([
        ['sonde silence list', 'Which silences hold'],
        ["sonde silence list --json | jq -r '.[].id'", 'Their ids'],
      ]) + '\nExits with 1 if there is no agent, or it does not answer for alerts.\n',
    )
    .action(async (options: SilencesSelection) => {
      const { listSilences } = await import('./silence.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await listSilences(options, { terminal, env, catalog, lifetime }));
    });
}

function addSilenceExpire(silence: Command, { terminal, env, lifetime }: CommandLine, finish: Finish): void {
  addLiveSelection(
    silence
      .command('expire')
      .summary('End silences')
      .description('Ends silences now, so that alerts notify again.')
      .argument('<ids...>', 'as "sonde silence list" shows them'),
    URL_ABOUT,
  )
    .addHelpText(
      'after',
      examples([['sonde silence expire 0fb1d6f2-7e0a-4c55-9a0e-3a2f0a9c1c11', 'One']]) +
        '\nExits with 1 if one of them cannot be ended.\n',
    )
    .action(async (ids: readonly string[], options: LiveSelection) => {
      const { expireSilences } = await import('./silence.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await expireSilences(ids, options, { terminal, env, catalog, lifetime }));
    });
}
