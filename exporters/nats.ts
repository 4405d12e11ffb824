/**
 * Publishes OTLP to a JetStream stream: a message is an export request in protobuf, and counts as sent when the stream
 * has it. Its id is the request's, so that the stream drops what is sent twice.
 */
import * as v from 'valibot';
import { definePushExporter } from '../src/component.ts';
import { option, optional, size } from '../src/config/options.ts';
import { compress } from '../src/delivery/compress.ts';
import { encodeRequests } from '../src/model/otlp/encode_requests.ts';
import { splitRequest } from '../src/model/otlp/requests.ts';
import { createNatsClient } from '../src/nats/client.ts';
import { natsClientOptions, natsName } from '../src/nats/options.ts';
import { subject, subjectOf, subjectOptions } from '../src/nats/subject.ts';
import { problemOfPublish } from './nats/problems.ts';
import { ensureStream, streamOptions } from './nats/stream.ts';

type Libraries = Pick<typeof import('@nats-io/transport-node'), 'headers'> &
  Pick<typeof import('@nats-io/jetstream'), 'jetstream' | 'jetstreamManager'>;

export default definePushExporter({
  type: 'nats',
  about:
    'Publishes metrics, logs and traces as OTLP to a NATS JetStream stream, for any number of collectors behind it.',
  signals: ['metrics', 'logs', 'traces'],
  config: v.strictObject({
    ...natsClientOptions,
    stream: option(natsName(), 'The stream that must take the messages.', 'OTEL'),
    ...subjectOptions(subject, 'Where to publish'),
    compression: option(v.picklist(['zstd', 'gzip', 'none']), 'How messages are compressed.', 'zstd'),
    max_request_bytes: option(
      size(),
      'Larger requests are split, before compression; what then still is over the server’s max_payload is split again.',
      '4MiB',
    ),
    create_stream: optional(
      streamOptions(),
      'Create the stream where it is missing; one that exists is never changed.',
    ),
  }),
  create({ id, config, signals, log, drop }) {
    const subjects = { metrics: '', logs: '', traces: '' };
    for (const signal of signals) subjects[signal] = subjectOf(config, signal);
    const { stream, compression, timeout, domain, create_stream } = config;
    const jetStreamOptions = { timeout, checkAPI: false, ...(domain !== undefined && { domain }) };
    let libraries: Libraries;
    const client = createNatsClient({
      config,
      name: `sonde ${id}`,
      log,
      async prepare(connection) {
        if (create_stream === undefined) return;
        const manager = await libraries.jetstreamManager(connection, jetStreamOptions);
        const published = signals.map((signal) => subjects[signal]);
        await ensureStream(manager, stream, published, create_stream, log);
      },
    });

    return {
      encode(batch) {
        const { parts, tooLarge } = encodeRequests(batch, config.max_request_bytes);
        if (tooLarge > 0) drop('too_large', tooLarge);
        return parts;
      },
      async send({ id: messageId, body }, signal, abort) {
        const data = await compress(body, compression);
        const connection = await client.connection(abort);
        const headers = libraries.headers();
        headers.set('Content-Type', 'application/x-protobuf');
        if (compression !== 'none') headers.set('Content-Encoding', compression);
        try {
          await libraries.jetstream(connection, jetStreamOptions).publish(subjects[signal], data, {
            msgID: messageId,
            expect: { streamName: stream },
            headers,
            timeout,
          });
        } catch (error) {
          throw problemOfPublish(error, { subject: subjects[signal], stream, size: data.byteLength });
        }
      },
      split: ({ body }, signal) => splitRequest(body, signal),
      async start() {
        const [{ headers }, { jetstream, jetstreamManager }] = await Promise.all([
          import('@nats-io/transport-node'),
          import('@nats-io/jetstream'),
        ]);
        libraries = { headers, jetstream, jetstreamManager };
        await client.start();
      },
      stop: client.stop,
    };
  },
});
