/**
 * Takes OTLP from Kafka topics, as a member of a consumer group. The offset of a message is committed when the pipelines
 * took it and all before it of the same partition, and only then.
 */
import * as v from 'valibot';
import { defineReceiver } from '../src/component.ts';
import { option, positiveDuration, size } from '../src/config/options.ts';
import { ConfigError } from '../src/errors.ts';
import { checkAuthentication } from '../src/kafka/client.ts';
import { kafkaClientOptions, topicOptions } from '../src/kafka/options.ts';
import type { Signal } from '../src/model/batch.ts';
import { createIntake } from './kafka/intake.ts';
import { createMembership } from './kafka/membership.ts';
import { createProgress } from './kafka/progress.ts';

const SIGNALS: readonly Signal[] = ['metrics', 'logs', 'traces'];
/** How long a stop waits for the pipelines. */
const STOP_TIMEOUT_MS = 5000;

export default defineReceiver({
  type: 'kafka',
  about: 'Takes metrics, logs and traces as OTLP from Kafka topics, shared with the other members of a group.',
  signals: ['metrics', 'logs', 'traces'],
  config: v.strictObject({
    ...kafkaClientOptions,
    ...topicOptions,
    group_id: option(
      v.pipe(v.string(), v.minLength(1, 'a name')),
      'The consumer group: its members share the partitions.',
      'sonde',
    ),
    initial_offset: option(
      v.picklist(['earliest', 'latest']),
      'Where a partition begins of which the group has committed nothing.',
      'earliest',
    ),
    session_timeout: option(
      positiveDuration(),
      'A member that is not heard of for so long has left; the broker says how short and how long it may be.',
      '45s',
    ),
    heartbeat_interval: option(positiveDuration(), 'How often a member says that it is there.', '3s'),
    rebalance_timeout: option(positiveDuration(), 'How long the others wait for a member in a rebalance.', '60s'),
    max_inflight: option(
      v.pipe(v.number(), v.integer(), v.minValue(1)),
      'Most messages that the pipelines have been given and not yet taken.',
      64,
    ),
    max_inflight_bytes: option(
      size(),
      'Once the messages that the pipelines have not yet taken are as large, none is added to them.',
      '64MiB',
    ),
    max_message_bytes: option(size(), 'Largest message, decompressed; a larger one is counted and left out.', '20MiB'),
    fetch_max_bytes: option(
      size(),
      'Most bytes to ask a broker for at once, compressed; a single larger batch comes all the same.',
      '8MiB',
    ),
  }),
  sources: ['127.0.0.1:9092'],
  create({ id, config, next, log, drop }) {
    checkAuthentication(config.auth);
    const topics = new Map<string, Signal>();
    for (const signal of SIGNALS) {
      if (next[signal] === undefined) continue;
      const topic = config.topics[signal];
      if (topics.has(topic)) {
        const message = `Cannot tell ${signal} from ${topics.get(topic)}: both come from the topic "${topic}"`;
        const hint = 'Give each signal a topic of its own below topics';
        throw new ConfigError([{ message, path: `receivers.${id}.topics.${signal}`, hint }]);
      }
      topics.set(topic, signal);
    }
    checkTimes(id, config);
    const progress = createProgress();
    const intake = createIntake({
      next,
      isJson: config.encoding === 'otlp_json',
      maxMessage_bytes: config.max_message_bytes,
      maxInflight: config.max_inflight,
      maxInflight_bytes: config.max_inflight_bytes,
      onDone(message) {
        progress.done(message);
        membership.commit();
      },
      log,
      drop,
    });
    const membership = createMembership({
      config,
      topics: [...topics.keys()],
      progress,
      log,
      async take(message, abort) {
        await intake.room(abort);
        if (!abort.aborted && progress.begin(message)) intake.add(message, topics.get(message.topic)!);
      },
    });
    return {
      start: membership.start,
      async stop() {
        await membership.pause();
        await intake.stop(STOP_TIMEOUT_MS);
        await membership.leave();
      },
    };
  },
});

/** What the protocol makes of a member that is asked for more than it has time for: it leaves, again and again. */
function checkTimes(
  id: string,
  times: { readonly session_timeout: number; readonly heartbeat_interval: number; readonly rebalance_timeout: number },
): void {
  const problem = (option: string, found: string) =>
    new ConfigError([{ message: `Cannot be a member of a group: ${found}`, path: `receivers.${id}.${option}` }]);
  if (times.heartbeat_interval >= times.session_timeout) {
    throw problem('heartbeat_interval', 'heartbeat_interval is not shorter than session_timeout');
  }
  if (times.rebalance_timeout < times.session_timeout) {
    throw problem('rebalance_timeout', 'rebalance_timeout is shorter than session_timeout');
  }
}
