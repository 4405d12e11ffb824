/** The options of the receiver, as users write them. */
import * as v from 'valibot';
import { duration, option, optional, positiveDuration, size } from '../../src/config/options.ts';
import { formatEntries } from '../../src/logs/format.ts';
import { lagProbeEntries } from '../../src/lag_probe.ts';
import { ENCODINGS } from './encodings.ts';
import { multilineOptions } from './multiline.ts';
import { pathGlobs } from './path_globs.ts';

const count = (most: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(most));

export const options = {
  include: option(
    pathGlobs(),
    'Files to read, as /var/log/*.log; * and ? stop at slashes, ** stands for any number of folders.',
    [],
  ),
  exclude: option(pathGlobs(), 'Files among them that are not read.', []),
  start_at: option(
    v.picklist(['beginning', 'end']),
    'Where a file begins that was there before the receiver ran for the first time; all others are read from the beginning.',
    'end',
  ),
  ...formatEntries,
  multiline: option(
    multilineOptions(),
    'Records of several lines: how one begins or ends. Lines of containers are joined without it.',
    {},
  ),
  encoding: option(v.picklist(ENCODINGS), 'Of the files. Bytes that are no text become U+FFFD.', 'utf-8'),
  max_line_size: option(
    v.pipe(size(), v.minValue(256, 'at least 256B'), v.maxValue(64 * 1024 * 1024, 'at most 64MiB')),
    'Longest line, and longest record of several lines, in bytes.',
    '1MiB',
  ),
  long_lines: option(
    v.picklist(['split', 'truncate']),
    'What becomes of longer lines: records of their parts, or of the first part alone.',
    'split',
  ),
  force_flush_period: option(
    duration(),
    'A line without an end, or a record that waits for more lines, is given as it is when the file has not grown for so long; 0 is never.',
    '5s',
  ),
  include_file_name: option(v.boolean(), 'Whether records carry log.file.name.', true),
  include_file_path: option(v.boolean(), 'Whether records carry log.file.path.', false),
  include_file_position: option(v.boolean(), 'Whether records carry log.file.position, where the line begins.', false),
  include_original: option(v.boolean(), 'Whether records carry the line as it was, as log.record.original.', false),
  include_container: option(
    v.boolean(),
    'Whether the pod, container and namespace that a path names are in the resource.',
    true,
  ),
  compression: option(
    v.picklist(['auto', 'none']),
    'Whether .gz and .zst are unpacked, and read once; with none they are read as they are.',
    'auto',
  ),
  poll_interval: option(
    positiveDuration(),
    'How often files are looked at; quiet ones down to once a second.',
    '250ms',
  ),
  search_interval: option(
    positiveDuration(),
    'How often new files are looked for; rotation of known ones is seen when they are looked at.',
    '5s',
  ),
  rotate_wait: option(
    duration(),
    'A file that was renamed out of sight or deleted is kept open until it has not grown for so long.',
    '5s',
  ),
  max_open_files: option(
    count(100_000),
    'Most files that are open at once; quiet ones are closed, and then can be lost by rotation.',
    512,
  ),
  max_batch_records: option(count(100_000), 'Most records handed over at once: what a kill may repeat.', 4096),
  max_batch_bytes: option(size(), 'A batch with as many bytes of text is not added to.', '4MiB'),
  directory: optional(
    v.pipe(v.string(), v.minLength(1, 'a path')),
    'Folder of the checkpoints, one folder each; STATE_DIRECTORY/logs if left out, without that /var/lib/sonde/logs for root and ~/.local/state/sonde/logs for others.',
  ),
  ...lagProbeEntries,
};
