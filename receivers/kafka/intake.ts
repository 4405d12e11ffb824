/** From messages to the pipelines: in order, as many at once as may be under way, and each until it is taken. */
import type { Message } from '@platformatic/kafka';
import type { ComponentLog, ReceiverContext } from '../../src/component.ts';
import { messageOf, PermanentError, RetryableError } from '../../src/errors.ts';
import type { Signal } from '../../src/model/batch.ts';
import { jsonToProtobuf } from '../../src/model/otlp/json_to_protobuf.ts';
import { lazyBatch } from '../../src/model/otlp/lazy_batch.ts';
import { REQUEST_TYPES } from '../../src/model/otlp/message_types.ts';
import { countItems } from '../../src/model/otlp/requests.ts';
import { sleep } from '../../src/sleep.ts';

export interface IntakeOptions {
  readonly next: ReceiverContext<unknown, unknown>['next'];
  readonly isJson: boolean;
  readonly maxMessage_bytes: number;
  /** Most messages under way, and most bytes; the last one may exceed them. */
  readonly maxInflight: number;
  readonly maxInflight_bytes: number;
  /** Told of each message that the pipelines have, or that is given up. */
  readonly onDone: (message: Message) => void;
  readonly log: ComponentLog;
  readonly drop: (reason: string, count: number) => void;
}

export interface Intake {
  /** Resolves when there is room for another message, or when `abort` comes. */
  room(abort: AbortSignal): Promise<void>;
  add(message: Message, signal: Signal): void;
  /** Resolves when nothing is under way, or after `limit_ms`; what is not taken then is tried no longer. */
  stop(limit_ms: number): Promise<void>;
}

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 30_000;

export function createIntake(options: IntakeOptions): Intake {
  const { next, isJson, maxMessage_bytes, maxInflight, maxInflight_bytes, onDone, log, drop } = options;
  const underWay = new Set<Promise<void>>();
  const stopping = new AbortController();
  let bytes = 0;
  let onRoom: (() => void) | undefined;

  function read({ value }: Message, signal: Signal): { body: Uint8Array; count: number } {
    if (value === undefined || value.length === 0) return { body: new Uint8Array(), count: 0 };
    if (value.length > maxMessage_bytes) throw new RangeError(`its ${value.length} bytes are over ${maxMessage_bytes}`);
    const body = isJson ? jsonToProtobuf(REQUEST_TYPES[signal], value) : value;
    return { body, count: countItems(body, signal) };
  }

  function add(message: Message, signal: Signal): void {
    let request: { body: Uint8Array; count: number };
    try {
      request = read(message, signal);
    } catch (error) {
      return giveUp(message, error instanceof RangeError ? 'too_large' : 'undecodable', 1, messageOf(error));
    }
    bytes += request.body.byteLength;
    const done = deliver(message, signal, request).finally(() => {
      bytes -= request.body.byteLength;
      underWay.delete(done);
      onRoom?.();
    });
    underWay.add(done);
  }

  async function deliver(message: Message, signal: Signal, { body, count }: { body: Uint8Array; count: number }) {
    for (let delay_ms = FIRST_DELAY_MS; ; delay_ms = Math.min(delay_ms * 2, LONGEST_DELAY_MS)) {
      try {
        if (count > 0) await next[signal]?.consume(lazyBatch(signal, body, count) as never);
        onDone(message);
        return;
      } catch (error) {
        if (error instanceof PermanentError) return giveUp(message, 'rejected', count, messageOf(error));
        if (!(error instanceof RetryableError)) sayBug(error);
        const wait_ms = error instanceof RetryableError ? (error.retryAfter_ms ?? delay_ms) : LONGEST_DELAY_MS;
        await sleep(wait_ms, stopping.signal);
        // Without its offset committed it comes again, here or elsewhere.
        if (stopping.signal.aborted) return;
      }
    }
  }

  function sayBug(error: unknown): void {
    log.once('bug', `Cannot take a message: ${messageOf(error)}`, {
      stack: error instanceof Error ? error.stack : undefined,
    });
  }

  function giveUp(message: Message, reason: string, count: number, words: string): void {
    const { topic, partition, offset } = message;
    log.once(reason, `Gives up messages that can never be taken: ${words}`, { topic, partition, offset: `${offset}` });
    drop(reason, count);
    onDone(message);
  }

  return {
    async room(abort) {
      while (!abort.aborted && (underWay.size >= maxInflight || bytes >= maxInflight_bytes)) {
        const { promise, resolve } = Promise.withResolvers<void>();
        onRoom = resolve;
        abort.addEventListener('abort', onRoom);
        await promise;
        abort.removeEventListener('abort', onRoom);
      }
    },
    add,
    async stop(limit_ms) {
      await Promise.race([Promise.all(underWay), sleep(limit_ms)]);
      stopping.abort();
    },
  };
}
