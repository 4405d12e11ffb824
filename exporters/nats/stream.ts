/** Creates the stream that is published to, where a configuration asks for it. */
import type { JetStreamManager } from '@nats-io/jetstream';
import * as v from 'valibot';
import type { ComponentLog } from '../../src/component.ts';
import { duration, option, optional, positiveDuration, size } from '../../src/config/options.ts';
import { messageOf } from '../../src/errors.ts';
import { subjectPattern } from '../../src/nats/subject.ts';

export function streamOptions() {
  return v.strictObject({
    subjects: optional(v.array(subjectPattern()), 'What it takes; the subjects that are published to if left out.'),
    storage: option(v.picklist(['file', 'memory']), 'Where it keeps the messages.', 'file'),
    replicas: option(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(5)), 'Servers that keep a copy.', 1),
    max_bytes: optional(size(), 'Most bytes that it holds; as many as the server has if left out.'),
    max_age: option(duration(), 'Older messages are deleted; 0 is never.', '0'),
    discard: option(
      v.picklist(['new', 'old']),
      'When it is full: refuse new messages, which then wait in the queues of those who send them, or delete the oldest.',
      'new',
    ),
    retention: option(
      v.picklist(['limits', 'workqueue', 'interest']),
      'Keep messages until a limit is reached, until one consumer took them, or until all did.',
      'limits',
    ),
    duplicate_window: option(
      positiveDuration(),
      'How long it knows a message’s id, to drop it if it comes again.',
      '2m',
    ),
  });
}

export type StreamConfig = v.InferOutput<ReturnType<typeof streamOptions>>;

const STREAM_NOT_FOUND = 10059;
/** Another agent was faster, with other options. */
const STREAM_NAME_IN_USE = 10058;

/** @throws {Error} it is not there and cannot be created */
export async function ensureStream(
  manager: Pick<JetStreamManager, 'streams'>,
  name: string,
  published: readonly string[],
  config: StreamConfig,
  log: ComponentLog,
): Promise<void> {
  try {
    try {
      await manager.streams.info(name);
      return;
    } catch (error) {
      if (codeOf(error) !== STREAM_NOT_FOUND) throw error;
    }
    await manager.streams.add({
      name,
      subjects: [...(config.subjects ?? published)],
      storage: config.storage,
      num_replicas: config.replicas,
      max_bytes: config.max_bytes ?? -1,
      max_age: nanoseconds(config.max_age),
      discard: config.discard,
      retention: config.retention,
      duplicate_window: nanoseconds(config.duplicate_window),
    });
    log.info(`Created the stream ${name}`);
  } catch (error) {
    if (codeOf(error) === STREAM_NAME_IN_USE) return;
    throw new Error(`Cannot create the stream "${name}": ${messageOf(error)}`, { cause: error });
  }
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown }).code;
}

function nanoseconds(time_ms: number): number {
  return time_ms * 1_000_000;
}
