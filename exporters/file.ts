/**
 * Writes OTLP JSON lines (OpenTelemetry Protocol File Exporter): each line is one MetricsData, LogsData or TracesData. A
 * file holds one signal, as the specification asks: an exporter of several needs `{signal}` in its path. What was
 * written is in the kernel's hands; it is not synced to the disk.
 */
import * as v from 'valibot';
import { definePushExporter } from '../src/component.ts';
import { duration, option, optional, size } from '../src/config/options.ts';
import { ConfigError } from '../src/errors.ts';
import type { Batch, Signal } from '../src/model/batch.ts';
import { encodeLogsJson, encodeMetricsJson, encodeTracesJson } from '../src/model/otlp/json.ts';
import { writeStdout } from '../src/text/stdout.ts';
import { createRotatingFile, type RotatingFile } from './file/rotating_file.ts';

const NEWLINE = Buffer.from('\n');

export default definePushExporter({
  type: 'file',
  about: 'Writes OTLP as lines of JSON to a file or the standard output.',
  signals: ['metrics', 'logs', 'traces'],
  config: v.strictObject({
    path: option(
      v.pipe(v.string(), v.minLength(1, 'a path, or "-"')),
      'The file; {signal} in it becomes metrics, logs or traces, and "-" is the standard output. The folder must exist.',
      '-',
    ),
    max_bytes: optional(size(), 'A file that would grow larger is set aside, and a new one begun; never if left out.'),
    max_age: optional(duration(), 'A file that is older is set aside, and a new one begun; never if left out.'),
    max_files: option(
      v.pipe(v.number(), v.integer(), v.minValue(0)),
      'How many files that were set aside are kept; 0 is all.',
      10,
    ),
    compression: option(v.picklist(['none', 'gzip']), 'How files that were set aside are compressed.', 'none'),
  }),
  create({ id, config, signals, log }) {
    const isStdout = config.path === '-';
    if (!isStdout && signals.length > 1 && !config.path.includes('{signal}')) {
      const message = `Cannot write ${signals.join(' and ')} to one file: each line must be of the same kind`;
      const hint = 'Write {signal} into the path, as in /var/lib/sonde/{signal}.jsonl';
      throw new ConfigError([{ message, path: `exporters.${id}.path`, hint }]);
    }
    const files = new Map<string, RotatingFile>();

    function fileOf(signal: Signal): RotatingFile {
      const path = config.path.replaceAll('{signal}', signal);
      let file = files.get(path);
      if (file === undefined) {
        const { max_bytes = Infinity, max_age = Infinity, max_files, compression } = config;
        file = createRotatingFile({
          path,
          max_bytes,
          maxAge_ms: max_age,
          max_files,
          isCompressed: compression === 'gzip',
          log,
        });
        files.set(path, file);
      }
      return file;
    }

    return {
      encode: (batch) => [{ body: Buffer.concat([encodeJson(batch), NEWLINE]), count: batch.count }],
      send: ({ body }, signal) => (isStdout ? writeStdout(body) : fileOf(signal).append(body)),
      async start() {
        if (!isStdout) await Promise.all(signals.map((signal) => fileOf(signal).open()));
      },
      async stop() {
        await Promise.all([...files.values()].map((file) => file.close()));
      },
    };
  },
});

/** The request messages have the same one field as MetricsData, LogsData and TracesData. */
function encodeJson(batch: Batch): Uint8Array {
  if (batch.signal === 'metrics') return encodeMetricsJson(batch);
  return batch.signal === 'logs' ? encodeLogsJson(batch) : encodeTracesJson(batch);
}
