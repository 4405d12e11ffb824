/** What users write about a journal, and what that is as arguments of journalctl(1). */
import * as v from 'valibot';
import { option, optional, positiveDuration, size } from '../../src/config/options.ts';
import { SYSLOG_SEVERITY_NAMES } from '../../src/logs/syslog.ts';

const text = (of: string) => v.pipe(v.string(of), v.regex(/^[^\0-\x1f]+$/, of));

const field = v.pipe(
  v.string('a field such as "_SYSTEMD_UNIT"'),
  v.regex(/^[A-Z_][A-Z0-9_]{0,63}$/, 'a field such as "_SYSTEMD_UNIT"'),
);

export const journaldEntries = {
  units: option(
    v.array(text('a unit such as "ssh.service"')),
    'Units whose messages, and messages about which, are read; globs are understood. All if there is none.',
    [],
  ),
  identifiers: option(
    v.array(text('an identifier such as "sudo"')),
    'Values of SYSLOG_IDENTIFIER to read; all if there is none.',
    [],
  ),
  priority: option(v.picklist(SYSLOG_SEVERITY_NAMES), 'The least severe messages to read; debug is all.', 'debug'),
  matches: option(
    v.array(v.pipe(v.record(field, v.string('a text')), v.minEntries(1, 'at least one field'))),
    'Fields and the values that they must have: all of one item, and of any of the items.',
    [],
  ),
  kernel: option(v.picklist(['include', 'exclude', 'only']), 'What is done with messages of the kernel.', 'include'),
  directory: optional(
    text('a path'),
    'Folder with the journal files, as of another machine; the machine’s own journal if left out.',
  ),
  namespace: optional(text('a namespace'), 'Journal namespace to read; "*" is all, and the default one if left out.'),
  start_at: option(
    v.picklist(['beginning', 'end']),
    'Where to begin where no position is kept: with the oldest entry, or with the next.',
    'end',
  ),
  position_file: optional(
    text('a path'),
    'File that keeps how far the journal was read; STATE_DIRECTORY/positions/ID.json if left out, without that /var/lib/sonde/positions for root and ~/.local/state/sonde/positions for others.',
  ),
  journalctl: option(text('a path'), 'The command that reads the journal.', 'journalctl'),
  max_field_bytes: option(v.pipe(size(), v.minValue(1024)), 'Of a longer field only the beginning is kept.', '256KiB'),
  max_record_bytes: option(
    v.pipe(size(), v.minValue(4096)),
    'Fields that would make a record larger are left out and counted.',
    '1MiB',
  ),
  restart_delay: option(
    positiveDuration(),
    'Wait before a journalctl that ended is started again; it doubles up to a minute while it ends without an entry.',
    '1s',
  ),
};

export type JournaldConfig = v.InferOutput<v.StrictObjectSchema<typeof journaldEntries, undefined>>;

/** Where to begin. */
export type Start = { readonly cursor: string } | { readonly at: 'beginning' | 'end' } | { readonly since_s: number };

export function journalctlArguments(config: JournaldConfig, start: Start, rootPath: string): string[] {
  const args = ['--output=export', '--follow', '--no-pager'];
  if (config.directory !== undefined) args.push(`--directory=${config.directory}`);
  else if (rootPath !== '/') args.push(`--root=${rootPath}`);
  if (config.namespace !== undefined) args.push(`--namespace=${config.namespace}`);
  for (const unit of config.units) args.push(`--unit=${unit}`);
  for (const identifier of config.identifiers) args.push(`--identifier=${identifier}`);
  if (config.priority !== 'debug') args.push(`--priority=${config.priority}`);
  // At the entry and not after it: where it was deleted, --after-cursor may skip the next one.
  if ('cursor' in start) args.push('--no-tail', `--cursor=${start.cursor}`);
  else if ('since_s' in start) args.push('--no-tail', `--since=@${start.since_s}`);
  else args.push(start.at === 'beginning' ? '--no-tail' : '--lines=0');
  return [...args, ...matchArguments(config)];
}

/** `A=1 B=2 + A=3`. */
function matchArguments({ matches, kernel }: JournaldConfig): string[] {
  const groups = matches.map((match) => Object.entries(match).map(([name, value]) => `${name}=${value}`));
  if (kernel === 'only') {
    if (groups.length === 0) groups.push([]);
    for (const group of groups) group.push('_TRANSPORT=kernel');
  }
  return groups.flatMap((group, index) => (index === 0 ? group : ['+', ...group]));
}

/** `s=…;i=4c2;b=…;m=…;t=…;x=…`: what the journal calls a position. */
export function isCursor(text: string): boolean {
  return text.length < 500 && /^[a-z]=[0-9a-f]+(;[a-z]=[0-9a-f]+)*$/.test(text);
}
