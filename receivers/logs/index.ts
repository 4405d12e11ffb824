/**
 * Reads log files as they grow. A line counts as read when the pipelines have taken it, which is then written to the
 * checkpoint. How files are told apart, and what can be read twice: docs/decisions/log-files.md.
 */
import { join, resolve } from 'node:path';
import * as v from 'valibot';
import { defineReceiver } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';
import { createLagProbe } from '../../src/lag_probe.ts';
import { createLineParser } from '../../src/logs/format.ts';
import { receiverScope } from '../../src/model/receiver_scope.ts';
import { stateDirectory } from '../../src/state_directory.ts';
import { createCanaryFile, type CanaryFile } from './canaries.ts';
import { createCheckpoint } from './checkpoint.ts';
import { createEngine, type Engine } from './engine.ts';
import { createFigures } from './figures.ts';
import { definitions } from './metrics.ts';
import { groupingOf } from './multiline.ts';
import { options } from './options.ts';
import { createOrigin } from './origin.ts';
import { recordsWith } from './records.ts';

/** How long a stop waits for the pipelines. */
const STOP_TIMEOUT_MS = 3000;

export default defineReceiver({
  type: 'logs',
  about: 'Reads log files as they grow, through rotation, restarts and kills, and gives each line as a log record.',
  signals: ['logs', 'metrics'],
  config: v.strictObject(options),
  metrics: definitions,
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
    const createParser = () => createLineParser(config, { path: `receivers.${id}` });
    // Options that do not fit each other are told before anything is read.
    createParser();
    const own = { 'sonde.component.id': id };
    let engine: Engine | undefined;
    let canaries: CanaryFile | undefined;
    const probe = createLagProbe({
      config: config.lag_probe,
      lag: metrics.sourceLag,
      id,
      log,
      release: (token) => canaries?.add(token),
    });

    function createCanaries(): CanaryFile | undefined {
      if (!config.lag_probe.enabled) return undefined;
      try {
        return createCanaryFile(config.encoding);
      } catch (error) {
        log.warn(`Cannot make a file for canaries, so the lag is not measured: ${messageOf(error)}`);
        return undefined;
      }
    }

    return {
      collect(observer) {
        if (engine === undefined) return;
        const files = [...engine.files].filter(({ isCanary }) => !isCanary);
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
        if (canaries !== undefined) observer.observe(metrics.lagLost, probe.lost, own);
        if (!context.isEnabled('lag')) return;
        for (const file of files) observer.observe(metrics.lag, file.lag, { 'log.file.path': file.path });
      },
      async start() {
        if (next.logs === undefined || config.include.length === 0) {
          const why = next.logs === undefined ? 'no pipeline of logs takes its records' : 'include names no files';
          log.warn(`Reads no log files: ${why}`);
          return;
        }
        const folder = join(resolve(config.directory ?? stateDirectory('logs')), encodeURIComponent(id));
        const scope = receiverScope('logs', resource);
        const originOptions = {
          resource,
          hasName: config.include_file_name,
          hasPath: config.include_file_path,
          hasContainer: config.include_container,
        };
        canaries = createCanaries();
        const canaryPath = canaries?.path;
        const created = createEngine({
          include: canaryPath === undefined ? config.include : [...config.include, canaryPath],
          isCanary: (path) => path === canaryPath,
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
              arrived: probe.arrived,
            }),
            figures,
          },
          checkpoint: createCheckpoint(folder, log),
          figures,
          originOf: (path) => createOrigin(path, originOptions),
          createParser: config.format === 'none' ? undefined : createParser,
          next: next.logs,
          log,
          drop,
        });
        try {
          await created.start();
        } catch (error) {
          canaries?.remove();
          canaries = undefined;
          throw error;
        }
        engine = created;
        if (canaries !== undefined) probe.start();
      },
      async stop() {
        probe.stop();
        await engine?.stop(STOP_TIMEOUT_MS);
        engine = undefined;
        canaries?.remove();
        canaries = undefined;
      },
    };
  },
});
