/** The commands below `sonde queue`. */
import type { Command } from 'commander';
import { addSelection, collect, examples, type CommandLine, type Finish, type Selection } from './command_options.ts';

/** Which queues a command is about. */
export interface QueueSelection extends Selection {
  readonly directory?: string;
  readonly exporter?: readonly string[];
}

/** Which of their letters. */
export interface LetterSelection extends QueueSelection {
  readonly reason?: readonly string[];
}

export function addQueue(program: Command, commandLine: CommandLine, finish: Finish): void {
  const queue = program
    .command('queue')
    .summary('Look into queues on disk, and replay what back ends refused')
    .description(
      'Shows what waits on disk for the back ends, and what they refused for good (dead letters). It reads the files ' +
        'alone, so it works with and without a running agent; run it as the user that the agent runs as.',
    )
    .helpCommand(false)
    .addHelpText(
      'after',
      examples([
        ['sonde queue status', 'What waits, where, and since when'],
        ['sonde queue list', 'What the back ends refused, and why'],
        ['sonde queue replay --all --exporter otlp', 'Send it again'],
      ]),
    );
  addStatus(queue, commandLine, finish);
  addList(queue, commandLine, finish);
  addInspect(queue, commandLine, finish);
  addReplay(queue, commandLine, finish);
  addPurge(queue, commandLine, finish);
}

/** The options that say which queues. */
function addQueueSelection(command: Command): Command {
  return addSelection(command)
    .option('--directory <dir>', 'the folder of the queues, instead of those that a configuration names')
    .option('--exporter <id>', 'only the queues of this exporter (repeatable)', collect);
}

function addLetterSelection(command: Command): Command {
  return addQueueSelection(command).option('--reason <reason>', 'only those with this reason (repeatable)', collect);
}

function addStatus(queue: Command, { terminal, env }: CommandLine, finish: Finish): void {
  addQueueSelection(
    queue
      .command('status')
      .summary('Show what waits')
      .description(
        'Shows of each exporter and signal what waits on disk, since when, how far it was delivered, and its dead letters.',
      ),
  )
    .option('--check', 'also read all that waits, and count records that are damaged')
    .option('--json', 'print it as JSON')
    .addHelpText(
      'after',
      examples([
        ['sonde queue status', 'The queues of the configuration that "sonde run" would use'],
        ['sonde queue status --directory /var/lib/sonde/queue', 'Those of a service with a folder of its own'],
        ["sonde queue status --json | jq '.[].waiting_items'", 'For a machine to read'],
      ]) + '\nExits with 1 if a queue cannot be read, or --check finds damage.\n',
    )
    .action(async (options: QueueSelection & { check?: true; json?: true }) => {
      const { status } = await import('./queue_status.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await status(options, { terminal, env, catalog, now_ms: Date.now() }));
    });
}

function addList(queue: Command, { terminal, env }: CommandLine, finish: Finish): void {
  addLetterSelection(
    queue
      .command('list')
      .summary('List dead letters')
      .description('Lists the requests that back ends refused for good: when, whose, how much, and in which words.'),
  )
    .option('--records', 'list what waits, too: every record of every segment')
    .option('--json', 'print the list as JSON')
    .addHelpText(
      'after',
      examples([
        ['sonde queue list', 'All dead letters'],
        ['sonde queue list --exporter otlp/cloud --reason rejected', 'Some of them'],
        ["sonde queue list --json | jq -r '.letters[].letter'", 'Only their names'],
      ]),
    )
    .action(async (options: LetterSelection & { records?: true; json?: true }) => {
      const { list } = await import('./queue_list.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await list(options, { terminal, env, catalog, now_ms: Date.now() }));
    });
}

function addInspect(queue: Command, { terminal, env }: CommandLine, finish: Finish): void {
  addQueueSelection(
    queue
      .command('inspect')
      .summary('Show a dead letter or a segment, decoded')
      .description(
        'Shows what is known of a dead letter or of a segment, and the body of a letter or record: OTLP as JSON, text as it ' +
          'is, and everything else in hexadecimal digits.',
      ),
  )
    .argument('<letter|segment>', 'the name that "sonde queue list" shows, its beginning, or the path of a file')
    .option('--record <number>', 'of a segment, the body of this record')
    .option('--raw', 'write only the body, byte for byte')
    .option('--json', 'print it as JSON')
    .addHelpText(
      'after',
      examples([
        ['sonde queue inspect 1732241000123', 'The letter whose name begins so'],
        ['sonde queue inspect 0000000000000042.queue --record 44', 'A record that waits'],
        ['sonde queue inspect 1732241000123 --raw > body.bin', 'What would be sent, before compression'],
      ]) + '\nExits with 1 if it is damaged.\n',
    )
    .action(async (name: string, options: QueueSelection & { record?: string; raw?: true; json?: true }) => {
      const { inspect } = await import('./queue_inspect.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await inspect(name, options, { terminal, env, catalog, now_ms: Date.now() }));
    });
}

function addReplay(queue: Command, { terminal, env }: CommandLine, finish: Finish): void {
  addLetterSelection(
    queue
      .command('replay')
      .summary('Send dead letters again')
      .description(
        'Hands dead letters back to their queues: a running agent takes them at once, otherwise the next one.',
      ),
  )
    .argument('[letters...]', 'names that "sonde queue list" shows, or their beginnings')
    .option('--all', 'all of them, or all that --exporter and --reason leave')
    .option('--json', 'print what was done as JSON')
    .addHelpText(
      'after',
      examples([
        ['sonde queue replay 1732241000123', 'One letter'],
        ['sonde queue replay --all --reason retry_exhausted', 'All that were given up'],
      ]) + '\nExits with 1 if one of them could not be replayed.\n',
    )
    .action(async (names: string[], options: LetterSelection & { all?: true; json?: true }) => {
      const { replay } = await import('./queue_change.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await replay(names, options, { terminal, env, catalog, now_ms: Date.now() }));
    });
}

function addPurge(queue: Command, { terminal, env }: CommandLine, finish: Finish): void {
  addLetterSelection(
    queue
      .command('purge')
      .summary('Remove dead letters and damaged files')
      .description(
        'Removes dead letters, and segments that were set aside because they are damaged (*.bad). With --waiting it ' +
          'removes what waits, too, as long as no agent uses the queue. It asks first.',
      ),
  )
    .argument('[letters...]', 'only these letters, and no files that were set aside')
    .option('--waiting', 'also all that waits to be sent: it is lost')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'print what was done as JSON')
    .addHelpText(
      'after',
      examples([
        ['sonde queue purge', 'Dead letters and damaged files'],
        ['sonde queue purge --exporter otlp/old --waiting', 'All that is left of an exporter'],
        ['sonde queue purge 1732241000123 --yes', 'One letter'],
      ]) + '\nExits with 1 if the answer is no, or something could not be removed.\n',
    )
    .action(async (names: string[], options: LetterSelection & { waiting?: true; yes?: true; json?: true }) => {
      const { purge } = await import('./queue_change.ts');
      const { catalog } = await import('./catalog.ts');
      finish(await purge(names, options, { terminal, env, catalog, now_ms: Date.now() }));
    });
}
