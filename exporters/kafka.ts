/**
 * Sends OTLP to Kafka topics: a message is an export request, and counts as sent when all replicas that are in sync have
 * it. What waits in the queue is protobuf; JSON is made of it when it is sent.
 */
import * as v from 'valibot';
import { definePushExporter } from '../src/component.ts';
import { option, optional, size } from '../src/config/options.ts';
import { checkAuthentication } from '../src/kafka/client.ts';
import { kafkaClientOptions, topicOptions } from '../src/kafka/options.ts';
import type { Batch } from '../src/model/batch.ts';
import { encodeRequests } from '../src/model/otlp/encode_requests.ts';
import { REQUEST_TYPES } from '../src/model/otlp/message_types.ts';
import { protobufToJson } from '../src/model/otlp/protobuf_to_json.ts';
import { splitRequest, type RequestPart } from '../src/model/otlp/requests.ts';
import { keyOf, splitByKey } from './kafka/keys.ts';
import { problemOfSend } from './kafka/problems.ts';
import { createProducer } from './kafka/producer.ts';

export default definePushExporter({
  type: 'kafka',
  about: 'Sends metrics, logs and traces as OTLP to Kafka topics.',
  signals: ['metrics', 'logs', 'traces'],
  config: v.strictObject({
    ...kafkaClientOptions,
    ...topicOptions,
    create_topics: option(v.boolean(), 'Ask the broker to create topics that are missing, if it may.', false),
    compression: option(
      v.picklist(['none', 'gzip', 'snappy', 'lz4', 'zstd']),
      'How messages are compressed; brokers before 2.1 do not know zstd.',
      'zstd',
    ),
    key: optional(
      v.pipe(v.string(), v.minLength(1, 'the name of an attribute')),
      'Attribute of the resource, as host.id, whose value is the key of the message, so that one partition has it all; requests are split by it. Without a key the partitions take turns.',
    ),
    max_request_bytes: option(
      size(),
      'Larger requests are split, before compression; brokers that were not told otherwise take 1 MiB after it.',
      '1MB',
    ),
  }),
  create({ config, log, drop }) {
    checkAuthentication(config.auth);
    const { topics, key, max_request_bytes, timeout } = config;
    const producer = createProducer({ config, log });

    function encode(batch: Batch): readonly RequestPart[] {
      const { parts, tooLarge } = encodeRequests(batch, max_request_bytes);
      if (tooLarge > 0) drop('too_large', tooLarge);
      return key === undefined ? parts : parts.flatMap(({ body }) => splitByKey(body, batch.signal, key));
    }

    return {
      encode,
      async send({ id, body }, signal, abort) {
        const topic = topics[signal];
        const recordKey = key === undefined ? undefined : keyOf(body, key);
        const message = {
          topic,
          value: asBuffer(config.encoding === 'otlp_json' ? protobufToJson(REQUEST_TYPES[signal], body) : body),
          headers: new Map([[Buffer.from('message-id'), Buffer.from(id)]]),
          ...(recordKey !== undefined && { key: Buffer.from(recordKey) }),
        };
        abort.throwIfAborted();
        try {
          await producer.send(message, abort);
        } catch (error) {
          throw problemOfSend(error, topic);
        }
      },
      split: ({ body }, signal) => splitRequest(body, signal),
      start: () => producer.start(timeout),
      stop: producer.stop,
    };
  },
});

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
