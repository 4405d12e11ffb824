/** Membership in a consumer group, made anew when it ends: joins, reads, commits, leaves. */
import type { Consumer, Message, MessagesStream } from '@platformatic/kafka';
import type { ComponentLog } from '../../src/component.ts';
import { createKafkaClient, type KafkaClient } from '../../src/kafka/client.ts';
import { causeOf } from '../../src/kafka/errors.ts';
import type { KafkaClientConfig } from '../../src/kafka/options.ts';
import { sleep } from '../../src/sleep.ts';
import type { Progress } from './progress.ts';

export interface MembershipConfig extends KafkaClientConfig {
  readonly group_id: string;
  readonly initial_offset: 'earliest' | 'latest';
  readonly session_timeout: number;
  readonly heartbeat_interval: number;
  readonly rebalance_timeout: number;
  readonly fetch_max_bytes: number;
}

export interface MembershipOptions {
  readonly config: MembershipConfig;
  readonly topics: readonly string[];
  readonly progress: Progress;
  /** Resolves when the next message may come. */
  readonly take: (message: Message, abort: AbortSignal) => Promise<void>;
  readonly log: ComponentLog;
}

export interface Membership {
  /**
   * Begins to join, and does not wait for it.
   * @throws {Error} a file of the configuration cannot be used
   */
  start(): Promise<void>;
  /** Has what is due committed, soon. */
  commit(): void;
  /** Reads no further. */
  pause(): Promise<void>;
  /** Commits what is due, and tells the group. */
  leave(): Promise<void>;
}

/** A broker holds a fetch for so long where there is nothing new. */
const MAX_WAIT_MS = 1000;
/** Messages that wait between the library and the pipelines; it reads whole fetches. */
const HIGH_WATER_MARK = 16;
const REQUEST_TIMEOUT_MS = 30_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const LEAVE_TIMEOUT_MS = 2000;

export function createMembership({ config, topics, progress, take, log }: MembershipOptions): Membership {
  const stopping = new AbortController();
  let consumer: Consumer | undefined;
  let stream: MessagesStream | undefined;
  let running: Promise<void> | undefined;
  let committing: Promise<void> | undefined;
  let endReading: (() => void) | undefined;

  async function start(): Promise<void> {
    const kafka = await import('@platformatic/kafka');
    // A rebalance holds the answer to a join for as long as it takes.
    const { options, guard } = createKafkaClient(config, REQUEST_TIMEOUT_MS + config.rebalance_timeout);
    const make = (): Consumer =>
      new kafka.Consumer({
        ...options,
        groupId: config.group_id,
        sessionTimeout: config.session_timeout,
        rebalanceTimeout: config.rebalance_timeout,
        heartbeatInterval: config.heartbeat_interval,
        autocommit: false,
        minBytes: 1,
        maxBytes: config.fetch_max_bytes,
        maxWaitTime: MAX_WAIT_MS,
        highWaterMark: HIGH_WATER_MARK,
      });
    running = run(make, guard);
  }

  async function run(make: () => Consumer, guard: KafkaClient['guard']): Promise<void> {
    let pause_ms = FIRST_PAUSE_MS;
    while (!stopping.signal.aborted) {
      try {
        consumer = make();
        await read(consumer, guard, () => (pause_ms = FIRST_PAUSE_MS));
      } catch (error) {
        if (!stopping.signal.aborted) log.once('group', `Cannot take messages: ${causeOf(error)}; tries again`);
      }
      if (stopping.signal.aborted) return;
      if (consumer !== undefined) await close(consumer);
      await sleep(pause_ms, stopping.signal);
      pause_ms = Math.min(pause_ms * 2, LONGEST_PAUSE_MS);
    }
  }

  /** Until something fails, or the receiver stops. */
  async function read(own: Consumer, guard: KafkaClient['guard'], isUp: () => void): Promise<void> {
    guard(own);
    const ended = Promise.withResolvers<never>();
    endReading = () => ended.reject(new Error('the receiver stops'));
    if (stopping.signal.aborted) endReading();
    // As when it cannot join again: the stream would go on waiting.
    own.on('error', ended.reject);
    // What was done while the partition was another's, or nobody's.
    own.on('consumer:group:join', commit);
    const opened = own.consume({ topics, mode: 'committed', fallbackMode: config.initial_offset });
    stream = await Promise.race([opened, ended.promise]);
    guard(stream);
    stream.on('error', () => undefined);
    log.over('group', `Takes messages as a member of the group ${config.group_id}`);
    isUp();
    commit();
    await Promise.race([pump(own, stream), ended.promise]);
  }

  async function pump(own: Consumer, messages: MessagesStream): Promise<void> {
    for await (const message of messages) {
      // What came before a rebalance may be another member's now.
      if (isAssigned(own, message.topic, message.partition)) await take(message, stopping.signal);
      if (stopping.signal.aborted) return;
    }
  }

  async function commitAll(): Promise<void> {
    for (;;) {
      const own = consumer;
      const offsets = own === undefined ? [] : progress.due((topic, partition) => isAssigned(own, topic, partition));
      if (offsets.length === 0) return;
      try {
        await own!.commit({ offsets });
        progress.committed(offsets);
        log.over('commit', 'Commits offsets again');
      } catch (error) {
        log.once('commit', `Cannot commit offsets, and tries again: ${causeOf(error)}`);
        if (stopping.signal.aborted) return;
        await sleep(FIRST_PAUSE_MS, stopping.signal);
      }
    }
  }

  function commit(): void {
    committing ??= commitAll().finally(() => (committing = undefined));
  }

  /** Ends a consumer, whatever the brokers say to it. */
  async function close(own: Consumer): Promise<void> {
    const closed = own.close(true).catch(() => undefined);
    await Promise.race([closed, sleep(LEAVE_TIMEOUT_MS)]);
  }

  return {
    start,
    commit,
    async pause() {
      stopping.abort();
      endReading?.();
      await running;
      stream?.destroy();
    },
    async leave() {
      await committing;
      await commitAll();
      if (consumer !== undefined) await close(consumer);
    },
  };
}

function isAssigned(consumer: Consumer, topic: string, partition: number): boolean {
  return consumer.assignments?.some((one) => one.topic === topic && one.partitions.includes(partition)) ?? false;
}
