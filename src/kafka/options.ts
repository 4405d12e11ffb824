/** Options of everything that talks to Kafka: which brokers, whom to believe, and who it is itself. */
import * as v from 'valibot';
import { hostPort, option, optional, required, secret, tlsClient } from '../config/options.ts';
import type { Signal } from '../model/batch.ts';

const password = (about: string) =>
  optional(
    v.strictObject({
      username: required(v.string(), 'The name.'),
      password: optional(secret(), 'The password.'),
      password_file: optional(v.string(), 'File that holds it instead.'),
    }),
    about,
  );

/** Entries for a component's `v.strictObject`; `createClientOptions` takes what they hold. */
export const kafkaClientOptions = {
  brokers: option(
    v.pipe(v.array(hostPort()), v.minLength(1, 'at least one address')),
    'Brokers to begin with; the others are learnt from the first that answers.',
    ['127.0.0.1:9092'],
  ),
  client_id: option(
    v.pipe(v.string(), v.minLength(1, 'a name')),
    'What the brokers’ logs and quotas call it.',
    'sonde',
  ),
  auth: optional(
    v.strictObject({
      plain: password('SASL/PLAIN: the password goes over the wire as it is, so use TLS.'),
      scram_sha_256: password('SASL/SCRAM-SHA-256.'),
      scram_sha_512: password('SASL/SCRAM-SHA-512.'),
      oauthbearer: optional(
        v.strictObject({
          token: optional(secret(), 'The token.'),
          token_file: optional(v.string(), 'File that holds it instead, which something else renews.'),
          extensions: option(v.record(v.string(), v.string()), 'Further properties, as logicalCluster.', {}),
        }),
        'SASL/OAUTHBEARER with a token (RFC 7628).',
      ),
    }),
    'How to say who connects: one of them. Files are read again at each connection.',
  ),
  tls: optional(
    tlsClient(),
    'How to know the brokers, and to be known by them; `tls: {}` is TLS with the authorities that Node.js knows. Without TLS if left out. The files are read again at each connection.',
  ),
};

/** What {@link kafkaClientOptions} hold. */
export type KafkaClientConfig = v.InferOutput<v.StrictObjectSchema<typeof kafkaClientOptions, undefined>>;

/** The topics of an exporter and of its twin; the defaults are those of the Collector. */
export const topicOptions = {
  topics: option(
    v.strictObject({
      metrics: option(topic(), 'Topic of metrics.', 'otlp_metrics'),
      logs: option(topic(), 'Topic of logs.', 'otlp_logs'),
      traces: option(topic(), 'Topic of traces.', 'otlp_spans'),
    }),
    'The topic of each signal.',
    {},
  ),
  encoding: option(
    v.picklist(['otlp_proto', 'otlp_json']),
    'What a message holds: an export request of OTLP in protobuf, or in JSON.',
    'otlp_proto',
  ),
};

export type Topics = Readonly<Record<Signal, string>>;

/** Kafka's own rule (org.apache.kafka.common.internals.Topic). */
function topic() {
  return v.pipe(v.string(), v.regex(/^(?!\.{1,2}$)[\w.-]{1,249}$/, 'a name of letters, digits, ".", "_" and "-"'));
}
