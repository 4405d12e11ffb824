/**
 * Reads log files as they grow. A line counts as read when the pipelines have taken it, which is then written to the
 * checkpoint. How files are told apart, and what can be read twice: docs/decisions/log-files.md.
 */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import * as v from 'valibot';
import { defineReceiver } from '../../src/component.ts';
import { duration, option, optional, positiveDuration, size } from '../../src/config/options.ts';
import { createLineParser, formatEntries } from '../../src/logs/format.ts';
import { VERSION } from '../../src/model/version.ts';
import { createCheckpoint } from './checkpoint.ts';
import { ENCODINGS } from './encodings.ts';
import { createEngine, type Engine } from './engine.ts';
import { createFigures } from './figures.ts';
import { groupingOf, multilineOptions } from './multiline.ts';
import { createOrigin } from './origin.ts';
import { pathGlobs } from './path_globs.ts';
import { recordsWith } from './records.ts';

/** How long a stop waits for the pipelines. */
const STOP_TIMEOUT_MS = 3000;
const count = (most: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(most));

export default defineReceiver({
  type: 'logs',
  about: 'Reads log files as they grow, through rotation, restarts and kills, and gives each line as a log record.',
  signals: ['logs', 'metrics'],
  config: v.strictObject({
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
    include_file_position: option(
      v.boolean(),
      'Whether records carry log.file.position, where the line begins.',
      false,
    ),
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
  }),
  metrics: {
    lines: {
      name: 'log.file.lines',
      instrument: 'counter',
      unit: '{line}',
      about: 'Records that were made of lines.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    bytes: {
      name: 'log.file.read',
      instrument: 'counter',
      unit: 'By',
      about: 'Bytes of files of which records were made.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    open: {
      name: 'log.file.open',
      instrument: 'updowncounter',
      unit: '{file}',
      about: 'Files that are open.',
      attributes: [],
      source: 'sonde',
    },
    watched: {
      name: 'log.file.watched',
      instrument: 'updowncounter',
      unit: '{file}',
      about: 'Files that are read, those that are closed for the moment too.',
      attributes: [],
      source: 'sonde',
    },
    divided: {
      name: 'log.file.divided_lines',
      instrument: 'counter',
      unit: '{line}',
      about: 'Lines that were given in parts or cut off: too long, or without an end for force_flush_period.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    unparsed: {
      name: 'log.file.unparsed_lines',
      instrument: 'counter',
      unit: '{line}',
      about: 'Lines that are not of the format, given as they are.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    broken: {
      name: 'log.file.broken_lines',
      instrument: 'counter',
      unit: '{line}',
      about: 'Lines with bytes that are no text of the encoding.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    rotations: {
      name: 'log.file.rotations',
      instrument: 'counter',
      unit: '{rotation}',
      about: 'Files that lost their name, or whose content was replaced in place.',
      attributes: ['log.file.rotation'],
      since: 'agent',
      source: 'sonde',
    },
    errors: {
      name: 'log.file.errors',
      instrument: 'counter',
      unit: '{error}',
      about: 'Files that could not be opened or read, each try.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    lag: {
      name: 'log.file.lag',
      instrument: 'updowncounter',
      unit: 'By',
      about: 'Bytes of a file that are not read yet.',
      attributes: ['log.file.path'],
      optIn: true,
      source: 'sonde',
    },
  },
  permissions: [{ needs: 'CAP_DAC_READ_SEARCH', without: 'files that the user may not read' }],
  sources: ['/var/log'],
  create(context) {
    const { id, config, log, next, drop, metrics, resource } = context;
    const figures = createFigures();
    const rotations = {
      renamed: { 'log.file.rotation': 'renamed' },
      truncated: { 'log.file.rotation': 'truncated' },
    };
    const group = groupingOf(config);
    let engine: Engine | undefined;

    return {
      collect(observer) {
        if (engine === undefined) return;
        const files = [...engine.files];
        observer.observe(metrics.lines, figures.lines);
        observer.observe(metrics.bytes, figures.bytes);
        observer.observe(metrics.open, engine.open);
        observer.observe(metrics.watched, files.length);
        observer.observe(metrics.divided, figures.longLines);
        observer.observe(metrics.unparsed, figures.unparsed);
        observer.observe(metrics.broken, figures.broken);
        observer.observe(metrics.rotations, figures.renamed, rotations.renamed);
        observer.observe(metrics.rotations, figures.truncated, rotations.truncated);
        observer.observe(metrics.errors, figures.errors);
        if (!context.isEnabled('lag')) return;
        for (const file of files) observer.observe(metrics.lag, file.lag, { 'log.file.path': file.path });
      },
      async start() {
        if (next.logs === undefined || config.include.length === 0) {
          const why = next.logs === undefined ? 'no pipeline of logs takes its records' : 'include names no files';
          log.warn(`Reads no log files: ${why}`);
          return;
        }
        const folder = join(resolve(config.directory ?? defaultDirectory()), encodeURIComponent(id));
        const scope = { name: 'sonde.receiver.logs', version: VERSION, attributes: {}, schemaUrl: resource.schemaUrl };
        const originOptions = {
          resource,
          hasName: config.include_file_name,
          hasPath: config.include_file_path,
          hasContainer: config.include_container,
        };
        const created = createEngine({
          include: config.include,
          exclude: config.exclude,
          startsAtEnd: config.start_at === 'end',
          poll_ms: config.poll_interval,
          search_ms: config.search_interval,
          rotateWait_ms: config.rotate_wait,
          maxOpen: config.max_open_files,
          unpacks: config.compression === 'auto',
          maxRecords: config.max_batch_records,
          max_bytes: config.max_batch_bytes,
          reader: {
            split: {
              encoding: config.encoding,
              maxLine_bytes: config.max_line_size,
              keepsLongLines: config.long_lines === 'split',
            },
            group,
            flush_ms: config.force_flush_period,
            createRecord: recordsWith({
              scope,
              figures,
              hasPosition: config.include_file_position,
              hasOriginal: config.include_original,
            }),
            figures,
          },
          checkpoint: createCheckpoint(folder, log),
          figures,
          originOf: (path) => createOrigin(path, originOptions),
          createParser: config.format === 'none' ? undefined : () => createLineParser(config),
          next: next.logs,
          log,
          drop,
        });
        await created.start();
        engine = created;
      },
      async stop() {
        await engine?.stop(STOP_TIMEOUT_MS);
        engine = undefined;
      },
    };
  },
});

/** As for queues on disk: what systemd gives, what the file system standard names for root, what XDG does for others. */
function defaultDirectory(): string {
  const { STATE_DIRECTORY, XDG_STATE_HOME } = process.env;
  if (STATE_DIRECTORY !== undefined && STATE_DIRECTORY !== '') return join(STATE_DIRECTORY.split(':', 1)[0]!, 'logs');
  if (process.getuid?.() === 0) return '/var/lib/sonde/logs';
  return join(XDG_STATE_HOME ?? join(homedir(), '.local/state'), 'sonde/logs');
}
