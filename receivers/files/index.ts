/**
 * Tells what happens to files: created, modified, renamed, deleted, below chosen folders. The kernel's events come first;
 * whatever they leave out is found by looking, and that something was left out is an event, too. How it works and what it
 * can miss: docs/decisions/file-events.md.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import * as v from 'valibot';
import { createCanaryFolder, type CanaryFolder } from '../../src/canary_folder.ts';
import { defineReceiver } from '../../src/component.ts';
import { duration, option, positiveDuration, size } from '../../src/config/options.ts';
import { messageOf } from '../../src/errors.ts';
import { createLagProbe, LAG_LOST_METRIC, LAG_METRIC, lagProbeEntries } from '../../src/lag_probe.ts';
import { receiverScope } from '../../src/model/receiver_scope.ts';
import { globs } from '../../src/text/name_filter.ts';
import { LIMITS, readLimit } from './kernel_limits.ts';
import { DEFAULT_SKIPPED_TYPES } from './mounts.ts';
import { CHANGES } from './report.ts';
import { createWatching, type Watching } from './watching.ts';

/** How long a stop waits for the pipelines. */
const STOP_TIMEOUT_MS = 3000;

export default defineReceiver({
  type: 'files',
  about: 'Tells what happens to files below chosen folders: created, modified, attributes changed, renamed, deleted.',
  signals: ['metrics', 'logs'],
  config: v.strictObject({
    paths: option(
      v.pipe(
        v.array(v.pipe(v.string('a path such as "/etc"'), v.check(isAbsolute, 'an absolute path such as "/etc"'))),
        v.minLength(1, 'at least one path'),
      ),
      'Folders to watch, and single files. One that is not there yet is looked for.',
      ['/etc'],
    ),
    recursive: option(v.boolean(), 'Whether the folders below are watched, too.', true),
    include: option(
      globs(),
      'Globs of the files that are meant; all if there is none. One without a slash is about names, one with a slash about whole paths; * also stands for slashes.',
      [],
    ),
    exclude: option(globs(), 'Globs of the files and folders that are not meant, with all that is in them.', []),
    events: option(v.array(v.picklist(CHANGES)), 'Which changes are told.', [...CHANGES]),
    coalesce: option(duration(), 'Modifications of a file within this time are told as one.', '1s'),
    max_watches: option(
      v.pipe(v.number(), v.integer(), v.minValue(1)),
      'Most watches, one a folder; never more than nine tenths of what the kernel allows the user. Folders beyond are read every rescan_interval.',
      16_384,
    ),
    max_files: option(
      v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000_000)),
      'Most files and folders that are remembered, some 150 bytes each: what happens to others is told, but not found again after an overflow.',
      100_000,
    ),
    buffer: option(
      size(),
      'Most bytes of raw events that wait, 32 to 64 each, while pipelines take none; those beyond are counted, an event says so, and everything is looked at again.',
      '4MiB',
    ),
    rescan_interval: option(
      positiveDuration(),
      'How often folders without a watch and folders that could not be read are read.',
      '1m',
    ),
    verify_interval: option(
      duration(),
      'How often everything is compared with what is known, for what the kernel does not tell; 0 is never.',
      '1h',
    ),
    skip_filesystems: option(
      globs(),
      'Types of file systems that are not entered: what other machines do there is not told, and looking may hang.',
      DEFAULT_SKIPPED_TYPES,
    ),
    ...lagProbeEntries,
    hash: option(
      v.strictObject({
        enabled: option(v.boolean(), 'Whether events of new content carry its SHA-256.', false),
        max_size: option(
          v.pipe(size(), v.maxValue(2 ** 30, 'at most 1GiB')),
          'Larger files are not hashed; one at a time is held in memory.',
          '16MiB',
        ),
      }),
      'Hashes of contents, computed beside the event loop.',
      {},
    ),
  }),
  metrics: {
    watches: {
      name: 'file.watch.usage',
      instrument: 'updowncounter',
      unit: '{watch}',
      about: 'Watches that the receiver holds.',
      attributes: [],
      source: 'sonde',
    },
    limit: {
      name: 'file.watch.limit',
      instrument: 'updowncounter',
      unit: '{watch}',
      about: 'Watches that the receiver may hold.',
      attributes: [],
      source: 'sonde',
    },
    kernelLimit: {
      name: 'file.watch.kernel_limit',
      instrument: 'updowncounter',
      unit: '1',
      about: 'What the kernel allows a user of inotify: fs.inotify.max_user_watches and its like.',
      attributes: ['file.watch.resource'],
      source: 'sonde',
    },
    folders: {
      name: 'file.watch.folders',
      instrument: 'updowncounter',
      unit: '{folder}',
      about: 'Folders that the receiver knows, by whether they have a watch, and why not.',
      attributes: ['file.watch.state'],
      source: 'sonde',
    },
    files: {
      name: 'file.watch.files',
      instrument: 'updowncounter',
      unit: '{file}',
      about: 'Files and folders that the receiver remembers.',
      attributes: [],
      source: 'sonde',
    },
    buffered: {
      name: 'file.watch.buffer.usage',
      instrument: 'updowncounter',
      unit: 'By',
      about: 'Raw events that wait to be looked at.',
      attributes: [],
      source: 'sonde',
    },
    overflows: {
      name: 'file.watch.overflows',
      instrument: 'counter',
      unit: '{overflow}',
      about: 'How often events were lost, by whose buffer was full.',
      attributes: ['file.watch.overflow.source'],
      since: 'agent',
      source: 'sonde',
    },
    lost: {
      name: 'file.watch.lost',
      instrument: 'counter',
      unit: '{event}',
      about: 'Raw events that found no room in the buffer; what the kernel loses it does not count.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    rescans: {
      name: 'file.watch.rescans',
      instrument: 'counter',
      unit: '{scan}',
      about: 'How often everything was looked at again.',
      attributes: [],
      since: 'agent',
      source: 'sonde',
    },
    lag: LAG_METRIC,
    lagLost: LAG_LOST_METRIC,
  },
  permissions: [
    { needs: 'CAP_DAC_READ_SEARCH', without: 'what happens in folders that the user may not read' },
    { needs: 'fs.inotify.max_user_watches', without: 'events of folders beyond it, which are read at intervals' },
  ],
  sources: ['/proc/sys/fs/inotify', '/proc/self/mountinfo'],
  create(context) {
    const { config, host, metrics, log, next } = context;
    const kernel = { source: { 'file.watch.overflow.source': 'kernel' } };
    const buffer = { source: { 'file.watch.overflow.source': 'buffer' } };
    const states = {
      watched: { 'file.watch.state': 'watched' },
      exhausted: { 'file.watch.state': 'exhausted' },
      unreadable: { 'file.watch.state': 'unreadable' },
      skipped: { 'file.watch.state': 'skipped' },
    };
    const limits = LIMITS.map((limit) => ({ limit, attributes: { 'file.watch.resource': limit } }));
    let watching: Watching | undefined;
    let canaries: CanaryFolder | undefined;
    let canary = '';
    const probe = createLagProbe({
      config: config.lag_probe,
      lag: metrics.lag,
      id: context.id,
      log,
      release(token) {
        if (canaries === undefined) return;
        rmSync(canary, { force: true });
        canary = join(canaries.path, token);
        writeFileSync(canary, '');
      },
    });

    function openCanaries(): CanaryFolder | undefined {
      // What is watched under a root_path is another machine's view: no file of ours is in it.
      if (!config.lag_probe.enabled || host.rootPath !== '/') return undefined;
      try {
        return createCanaryFolder();
      } catch (error) {
        log.warn(`Cannot make a folder for canaries, so the lag is not measured: ${messageOf(error)}`);
        return undefined;
      }
    }

    return {
      collect(observer) {
        if (host.platform === 'linux' && context.isEnabled('kernelLimit')) {
          for (const { limit, attributes } of limits) {
            const value = readLimit(host, limit, log);
            if (value !== undefined) observer.observe(metrics.kernelLimit, value, attributes);
          }
        }
        if (watching === undefined) return;
        const { tree, table, raw, figures, limit } = watching;
        const { exhausted, unreadable, skipped } = tree.problems;
        observer.observe(metrics.watches, tree.byWatch.size);
        observer.observe(metrics.limit, limit);
        observer.observe(metrics.folders, tree.count - exhausted - unreadable - skipped, states.watched);
        observer.observe(metrics.folders, exhausted, states.exhausted);
        observer.observe(metrics.folders, unreadable, states.unreadable);
        observer.observe(metrics.folders, skipped, states.skipped);
        observer.observe(metrics.files, table.count);
        observer.observe(metrics.buffered, raw.bytes);
        observer.observe(metrics.overflows, figures.kernelOverflows, kernel.source);
        observer.observe(metrics.overflows, figures.bufferOverflows, buffer.source);
        observer.observe(metrics.lost, figures.lost);
        observer.observe(metrics.rescans, figures.rescans);
        if (canaries !== undefined) observer.observe(metrics.lagLost, probe.lost, { 'sonde.component.id': context.id });
      },
      start() {
        if (next.logs === undefined) {
          log.warn('Watches nothing: no pipeline of logs takes its events');
          return;
        }
        const scope = receiverScope('files', context.resource);
        canaries = openCanaries();
        const paths = canaries === undefined ? config.paths : [...config.paths, canaries.path];
        try {
          watching = createWatching({
            ...context,
            config: { ...config, paths },
            scope,
            logs: next.logs,
            isCanary: probe.saw,
            onWatching: () => canaries !== undefined && probe.start(),
          });
        } catch (error) {
          canaries?.remove();
          throw error;
        }
        watching.start();
      },
      async stop() {
        probe.stop();
        await watching?.stop(STOP_TIMEOUT_MS);
        canaries?.remove();
        canaries = undefined;
        watching = undefined;
      },
    };
  },
});
