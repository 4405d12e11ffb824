/** From messages to the pipelines: in the order in which they came, and as many at once as may be under way. */
import type { ComponentLog, ReceiverContext } from '../../src/component.ts';
import { messageOf, PermanentError, RetryableError } from '../../src/errors.ts';
import type { Signal } from '../../src/model/batch.ts';
import { lazyBatch } from '../../src/model/otlp/lazy_batch.ts';
import { countItems } from '../../src/model/otlp/requests.ts';
import { sleep } from '../../src/sleep.ts';
import { readBody } from './body.ts';
import type { Hold, Holds, Message } from './holds.ts';

export interface IntakeOptions {
  readonly next: ReceiverContext<unknown, unknown>['next'];
  /** Undefined where no pipeline here takes it. */
  readonly signalOf: (subject: string) => Signal | undefined;
  readonly holds: Holds;
  readonly maxMessage_bytes: number;
  /** Of all decompressed messages that the pipelines have not taken yet; the last one may exceed it. */
  readonly maxInflight_bytes: number;
  readonly log: ComponentLog;
  readonly drop: (reason: string, count: number) => void;
}

export interface Intake {
  add(message: Message): void;
  /** Gives back what no pipeline was given yet; waits until `limit_ms` are over for the rest to be taken and acknowledged. */
  stop(limit_ms: number): Promise<void>;
}

/** Waits before a message comes again that the pipelines could not take. */
const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 30_000;

export function createIntake(options: IntakeOptions): Intake {
  const { next, signalOf, holds, maxMessage_bytes, maxInflight_bytes, log, drop } = options;
  const queue: Hold[] = [];
  const underWay = new Set<Promise<void>>();
  let isPumping = false;
  let isStopped = false;
  let bytes = 0;
  let onRoom: (() => void) | undefined;

  async function pump(): Promise<void> {
    if (isPumping) return;
    isPumping = true;
    for (let hold = queue.shift(); hold !== undefined; hold = queue.shift()) {
      while (bytes >= maxInflight_bytes && !isStopped) await room();
      if (isStopped) holds.giveBack(hold, 0);
      else await begin(hold);
    }
    isPumping = false;
  }

  function room(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    onRoom = resolve;
    return promise;
  }

  /** Resolves when the pipelines were given the message, not when they took it. */
  async function begin(hold: Hold): Promise<void> {
    const { subject } = hold.message;
    const signal = signalOf(subject);
    const consumer = signal === undefined ? undefined : next[signal];
    if (signal === undefined || consumer === undefined) {
      // Receivers that differ in their subjects must not share a consumer; another one may know what it is.
      log.once(`subject ${subject}`, `Gives back messages of "${subject}": no pipeline here takes them`);
      return holds.giveBack(hold, LONGEST_DELAY_MS);
    }
    let body: Uint8Array;
    let count: number;
    try {
      body = await readBody(bodyOf(hold.message), maxMessage_bytes, signal);
      count = countItems(body, signal);
    } catch (error) {
      return refuse(hold, error instanceof RangeError ? 'too_large' : 'undecodable', 1, messageOf(error));
    }
    bytes += body.byteLength;
    const done = Promise.try(() =>
      count === 0 ? undefined : consumer.consume(lazyBatch(signal, body, count) as never),
    )
      .then(
        () => holds.acknowledge(hold),
        (error: unknown) => settle(hold, count, error),
      )
      .finally(() => {
        bytes -= body.byteLength;
        underWay.delete(done);
        onRoom?.();
      });
    underWay.add(done);
  }

  function settle(hold: Hold, count: number, error: unknown): void {
    if (error instanceof PermanentError) return refuse(hold, 'rejected', count, messageOf(error));
    const delay_ms = Math.min(FIRST_DELAY_MS * 2 ** (hold.message.info.deliveryCount - 1), LONGEST_DELAY_MS);
    if (error instanceof RetryableError) return holds.giveBack(hold, error.retryAfter_ms ?? delay_ms);
    log.once('bug', `Cannot take a message: ${messageOf(error)}`, {
      stack: error instanceof Error ? error.stack : undefined,
    });
    holds.giveBack(hold, LONGEST_DELAY_MS);
  }

  function refuse(hold: Hold, reason: string, count: number, words: string): void {
    log.once(reason, `Refuses messages that can never be taken: ${words}`, { subject: hold.message.subject });
    drop(reason, count);
    holds.refuse(hold, words);
  }

  return {
    add(message) {
      const hold = holds.add(message);
      if (hold === undefined) return;
      queue.push(hold);
      void pump();
    },
    async stop(limit_ms) {
      isStopped = true;
      onRoom?.();
      for (const hold of queue.splice(0)) holds.giveBack(hold, 0);
      await Promise.race([Promise.all(underWay).then(() => holds.acknowledged()), sleep(limit_ms)]);
    },
  };
}

function bodyOf({ data, headers }: Message): { data: Uint8Array; type: string; encoding: string } {
  return { data, type: headers?.get('Content-Type') ?? '', encoding: headers?.get('Content-Encoding') ?? '' };
}
