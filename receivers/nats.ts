/**
 * Takes OTLP from a JetStream stream, as the exporter of the same name publishes it. Receivers that name the same durable
 * consumer share the messages. One is acknowledged when the pipelines took it, and only then.
 */
import type { Consumer, ConsumerMessages } from '@nats-io/jetstream';
import type { Subscription } from '@nats-io/transport-node';
import * as v from 'valibot';
import { defineReceiver } from '../src/component.ts';
import { option, positiveDuration, size } from '../src/config/options.ts';
import { ConfigError, messageOf } from '../src/errors.ts';
import type { Signal } from '../src/model/batch.ts';
import { createNatsClient } from '../src/nats/client.ts';
import { natsClientOptions, natsName } from '../src/nats/options.ts';
import { matchesSubject, subjectOf, subjectOptions, subjectPattern } from '../src/nats/subject.ts';
import { sleep } from '../src/sleep.ts';
import { ensureConsumer } from './nats/consumer.ts';
import { createHolds, type Message } from './nats/holds.ts';
import { createIntake } from './nats/intake.ts';

const SIGNALS: readonly Signal[] = ['metrics', 'logs', 'traces'];
/** How long a pull may wait for messages. */
const PULL_MS = 30_000;
/** Wait after something went wrong. */
const PAUSE_MS = 1000;
/** How long a stop waits for the pipelines. */
const STOP_TIMEOUT_MS = 5000;
/** How long it waits for what the server has sent before. */
const DRAIN_TIMEOUT_MS = 1000;

/** The library's has the field, though its types do not tell. */
type Pull = ConsumerMessages & { readonly sub?: Subscription };

export default defineReceiver({
  type: 'nats',
  about: 'Takes metrics, logs and traces as OTLP from a NATS JetStream stream, shared with other collectors.',
  signals: ['metrics', 'logs', 'traces'],
  config: v.strictObject({
    ...natsClientOptions,
    stream: option(natsName(), 'The stream.', 'OTEL'),
    ...subjectOptions(subjectPattern, 'What to take, which may hold * and >'),
    durable: option(
      natsName(),
      'Name of the durable consumer: receivers that share it share the messages. It is created where it is missing.',
      'sonde',
    ),
    deliver_policy: option(
      v.picklist(['all', 'new']),
      'Where a consumer that is created begins: with the oldest message of the stream, or with the next.',
      'all',
    ),
    batch: option(
      v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000)),
      'Most messages that are here and not yet taken by the pipelines.',
      64,
    ),
    max_ack_pending: option(
      v.pipe(v.number(), v.integer(), v.minValue(1)),
      'Most messages that all receivers of the consumer together have not yet taken.',
      1000,
    ),
    ack_wait: option(
      positiveDuration(),
      'A message of a receiver that is not heard of for so long is given to another one.',
      '30s',
    ),
    max_message_bytes: option(size(), 'Largest message, before and after it is decompressed.', '20MiB'),
    max_inflight_bytes: option(
      size(),
      'Once the messages that the pipelines have not yet taken are as large, decompressed, none is added to them.',
      '64MiB',
    ),
  }),
  sources: ['127.0.0.1:4222'],
  create({ id, config, next, log, drop }) {
    const { stream, durable, batch } = config;
    const patterns = SIGNALS.filter((signal) => next[signal] !== undefined).map(
      (signal) => [signal, subjectOf(config, signal)] as const,
    );
    if (new Set(patterns.map(([, pattern]) => pattern)).size < patterns.length) {
      const hint = 'Write {signal} into subject, or a subject of its own for each signal below subjects';
      const path = `receivers.${id}.subject`;
      throw new ConfigError([{ message: 'Cannot tell the signals apart: they have the same subject', path, hint }]);
    }
    const client = createNatsClient({ config, name: `sonde ${id}`, log });
    const stopping = new AbortController();
    let running: Promise<void> | undefined;
    let endPull: (() => Promise<void>) | undefined;
    const holds = createHolds(client, config.ack_wait);
    const intake = createIntake({
      next,
      signalOf: (name) => patterns.find(([, pattern]) => matchesSubject(pattern, name))?.[0],
      holds,
      maxMessage_bytes: config.max_message_bytes,
      maxInflight_bytes: config.max_inflight_bytes,
      log,
      drop,
    });

    async function run({ jetstreamManager }: typeof import('@nats-io/jetstream')): Promise<void> {
      while (!stopping.signal.aborted) {
        try {
          const connection = await client.connection(stopping.signal);
          const domain = config.domain === undefined ? {} : { domain: config.domain };
          const manager = await jetstreamManager(connection, { checkAPI: false, ...domain });
          await ensureConsumer(manager, {
            stream,
            durable,
            subjects: patterns.map(([, pattern]) => pattern),
            maxAckPending: config.max_ack_pending,
            ackWait_ms: config.ack_wait,
            deliverPolicy: config.deliver_policy,
          });
          const consumer = await manager.jetstream().consumers.get(stream, durable);
          log.over('consume', `Takes messages of the stream ${stream}`);
          while (!connection.isClosed() && !stopping.signal.aborted) await pull(consumer);
        } catch (error) {
          if (stopping.signal.aborted) return;
          log.once('consume', `Cannot take messages: ${messageOf(error)}; tries again`);
          await sleep(PAUSE_MS, stopping.signal);
        }
      }
    }

    /** Asks for as many messages as there is room for, and ends when they are here, or when there are none for long. */
    async function pull(consumer: Consumer): Promise<void> {
      // Not for each message that was taken a pull of one.
      await holds.fewerThan(batch / 2 + 1, stopping.signal);
      if (stopping.signal.aborted) return;
      const messages: Pull = await consumer.fetch({ max_messages: batch - holds.size, expires: PULL_MS });
      endPull = async () => {
        // To what is on its way nobody else would answer: it would come again only after `ack_wait`.
        const drained = messages.sub?.drain().catch(() => undefined);
        await Promise.race([drained, sleep(DRAIN_TIMEOUT_MS)]);
        messages.stop();
      };
      for await (const message of messages) intake.add(message as Message);
    }

    return {
      async start() {
        const library = await import('@nats-io/jetstream');
        await client.start();
        holds.start();
        running = run(library);
      },
      async stop() {
        stopping.abort();
        await endPull?.();
        await running;
        await intake.stop(STOP_TIMEOUT_MS);
        holds.end();
        await client.stop();
      },
    };
  },
});
