/** The durable consumer that all receivers of one name share: made where it is missing, brought up to date where it is. */
import type { ConsumerConfig, ConsumerInfo, JetStreamManager } from '@nats-io/jetstream';
import { messageOf } from '../../src/errors.ts';

export interface ConsumerOptions {
  readonly stream: string;
  readonly durable: string;
  readonly subjects: readonly string[];
  readonly maxAckPending: number;
  readonly ackWait_ms: number;
  readonly deliverPolicy: 'all' | 'new';
}

const CONSUMER_NOT_FOUND = 10014;

/** @throws {Error} it cannot be had, or is of another kind */
export async function ensureConsumer(
  { consumers }: Pick<JetStreamManager, 'consumers'>,
  options: ConsumerOptions,
): Promise<void> {
  const { stream, durable } = options;
  try {
    const found = await findConsumer(consumers, stream, durable);
    if (found === undefined) {
      await consumers.add(stream, {
        durable_name: durable,
        ack_policy: 'explicit',
        deliver_policy: options.deliverPolicy,
        ...changeable(options),
      });
      return;
    }
    const { config } = found;
    if (config.deliver_subject !== undefined) throw new Error('it is a push consumer');
    if (config.ack_policy !== 'explicit') throw new Error(`its ack_policy is "${config.ack_policy}", not "explicit"`);
    const wanted = changeable(options);
    if (!isAsWanted(config, wanted)) await consumers.update(stream, durable, wanted);
  } catch (error) {
    throw new Error(`Cannot use the consumer "${durable}" of the stream "${stream}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function findConsumer(
  consumers: JetStreamManager['consumers'],
  stream: string,
  durable: string,
): Promise<ConsumerInfo | undefined> {
  try {
    return await consumers.info(stream, durable);
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === CONSUMER_NOT_FOUND) return undefined;
    throw error;
  }
}

/** What may change of a consumer that exists. Servers before 2.10 know one subject only, in a field of its own. */
function changeable({ subjects, maxAckPending, ackWait_ms }: ConsumerOptions): Partial<ConsumerConfig> {
  return {
    filter_subject: subjects.length === 1 ? subjects[0] : undefined,
    filter_subjects: subjects.length === 1 ? undefined : [...subjects],
    max_ack_pending: maxAckPending,
    ack_wait: ackWait_ms * 1_000_000,
  };
}

function isAsWanted(config: ConsumerConfig, wanted: Partial<ConsumerConfig>): boolean {
  const subjectsOf = ({ filter_subject, filter_subjects = [] }: Partial<ConsumerConfig>): string =>
    JSON.stringify([...filter_subjects, ...(filter_subject === undefined ? [] : [filter_subject])].toSorted());
  return (
    config.max_ack_pending === wanted.max_ack_pending &&
    config.ack_wait === wanted.ack_wait &&
    subjectsOf(config) === subjectsOf(wanted)
  );
}
