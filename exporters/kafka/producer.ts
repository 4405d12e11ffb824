/**
 * A producer that is made anew when it is in doubt: after a request without an answer the library may still repeat it
 * on its own, and what comes late over that connection it reads as something else.
 */
import type { MessageToProduce, Producer } from '@platformatic/kafka';
import type { ComponentLog } from '../../src/component.ts';
import { createKafkaClient } from '../../src/kafka/client.ts';
import { brokerErrorIn, causeOf } from '../../src/kafka/errors.ts';
import type { KafkaClientConfig } from '../../src/kafka/options.ts';

export interface ProducerConfig extends KafkaClientConfig {
  readonly create_topics: boolean;
  readonly compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
}

export interface KafkaProducer {
  /** @throws {Error} a file of the configuration cannot be used */
  start(request_ms: number): Promise<void>;
  /** Resolves when the brokers have it; rejects with what the library throws, or when `abort` comes. */
  send(message: MessageToProduce, abort: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

export function createProducer({ config, log }: { config: ProducerConfig; log: ComponentLog }): KafkaProducer {
  let make: (() => Producer) | undefined;
  let current: Producer | undefined;

  async function start(request_ms: number): Promise<void> {
    const kafka = await import('@platformatic/kafka');
    const { options, guard } = createKafkaClient(config, request_ms);
    make = () => {
      const producer = new kafka.Producer({
        ...options,
        // With it a repetition of the library is no duplicate, and all replicas in sync must have the message.
        idempotent: true,
        compression: config.compression,
        autocreateTopics: config.create_topics,
      });
      guard(producer);
      producer.on('error', () => undefined);
      return producer;
    };
  }

  async function send(message: MessageToProduce, abort: AbortSignal): Promise<void> {
    const producer = (current ??= make!());
    const aborted = Promise.withResolvers<never>();
    const give = (): void => aborted.reject(new Error('no answer in time'));
    abort.addEventListener('abort', give);
    try {
      await Promise.race([producer.send({ messages: [message] }), aborted.promise]);
      log.over('broker', 'The brokers answer again');
    } catch (error) {
      const answer = brokerErrorIn(error);
      if (answer === undefined || abort.aborted) discard(producer);
      if (answer === undefined) log.once('broker', `No broker answers: ${causeOf(error)}`);
      throw error;
    } finally {
      abort.removeEventListener('abort', give);
    }
  }

  function discard(producer: Producer): void {
    if (current === producer) current = undefined;
    // It is of no use any more, whatever comes of this.
    producer.close(true).catch(() => undefined);
  }

  return {
    start,
    send,
    async stop() {
      const last = current;
      current = undefined;
      await last?.close(true);
    },
  };
}
