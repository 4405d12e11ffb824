/**
 * Runs an exporter of the OpenTelemetry JavaScript SDK, whichever package it is from, so that every back end with an
 * exporter of its own can be reached. What the SDK's data model lacks (summaries, the end of a series) is left out and
 * counted. What waits in the queue is OTLP; the SDK's objects are made of it when it is sent.
 */
import * as v from 'valibot';
import { definePushExporter, type Payload } from '../src/component.ts';
import { option, required, secret } from '../src/config/options.ts';
import { ConfigError } from '../src/errors.ts';
import type { Batch, MetricBatch } from '../src/model/batch.ts';
import { createDeltaConverter } from '../src/model/delta.ts';
import { decodeLogs } from '../src/model/otlp/decode_logs.ts';
import { decodeMetrics } from '../src/model/otlp/decode_metrics.ts';
import { encodeLogs } from '../src/model/otlp/encode_logs.ts';
import { encodeMetrics } from '../src/model/otlp/encode_metrics.ts';
import { selectRows } from '../src/model/select.ts';
import { createProgress, exportAll } from './sdk/export.ts';
import { loadExporter } from './sdk/load.ts';
import { toReadableLogRecords } from './sdk/logs.ts';
import { isConvertible, toResourceMetrics } from './sdk/metrics.ts';
import { wantsDelta } from './sdk/temporality.ts';
import { toSdkAttributes, type MakeResource } from './sdk/values.ts';

export default definePushExporter({
  type: 'sdk',
  about: 'Runs an OpenTelemetry JavaScript exporter of any npm package.',
  signals: ['metrics', 'logs'],
  config: v.strictObject({
    package: required(
      v.pipe(v.string(), v.minLength(1, 'the name of an npm package')),
      'The npm package; it is looked for from the working directory on, and then where Sonde is.',
    ),
    export: required(
      v.pipe(v.string(), v.minLength(1, 'the name of a class')),
      'The class in it: a PushMetricExporter, or a LogRecordExporter for logs.',
    ),
    options: option(v.record(v.string(), v.unknown()), 'What its constructor is given.', {}),
    headers: option(
      v.record(v.string(), secret()),
      'Given to the constructor as "headers" besides the options, and shown nowhere.',
      {},
    ),
  }),
  create({ id, config, signals, drop }) {
    if (signals.length > 1) {
      const message = `Cannot run one ${config.export} for ${signals.join(' and ')}: such a class exports one signal`;
      const hint = 'Give each signal an exporter of its own, as sdk/metrics and sdk/logs';
      throw new ConfigError([{ message, path: `exporters.${id}`, hint }]);
    }
    const headers = Object.entries(config.headers).map(([name, value]) => [name, value.reveal()]);
    const exporter = loadExporter(id, config.package, config.export, {
      ...config.options,
      ...(headers.length > 0 && { headers: Object.fromEntries(headers) }),
    });
    const delta = createDeltaConverter({
      includes: ({ kind }) => wantsDelta(exporter, kind),
      initialValue: 'auto',
      since: BigInt(Date.now()) * 1_000_000n,
    });
    const progress = createProgress();

    function encodeKnown(whole: MetricBatch): readonly Payload[] {
      const rows = Array.from(whole.series.keys()).filter((row) => isConvertible(whole, row));
      if (rows.length < whole.count) drop('not_in_sdk', whole.count - rows.length);
      const known =
        rows.length === whole.count
          ? whole
          : selectRows(
              whole,
              rows,
              rows.map((row) => whole.series[row]!),
            );
      const batch = delta.convert(known);
      if (batch.count < known.count) drop('delta_baseline', known.count - batch.count);
      return batch.count === 0 ? [] : [{ body: encodeMetrics(batch), count: batch.count }];
    }

    return {
      encode(batch: Batch) {
        if (batch.signal === 'metrics') return encodeKnown(batch);
        return batch.signal === 'logs' ? [{ body: encodeLogs(batch), count: batch.count }] : [];
      },
      async send({ body }, signal) {
        const { resourceFromAttributes } = await import('@opentelemetry/resources');
        const makeResource: MakeResource = ({ attributes, schemaUrl }) =>
          resourceFromAttributes(toSdkAttributes(attributes), schemaUrl === '' ? undefined : { schemaUrl });
        const data =
          signal === 'metrics'
            ? toResourceMetrics(decodeMetrics(body), makeResource)
            : [toReadableLogRecords(decodeLogs(body), makeResource)];
        await exportAll(exporter, data, body, progress);
      },
      async stop() {
        await exporter.shutdown();
      },
    };
  },
});
