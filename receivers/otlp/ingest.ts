/** From the body of an export request to the pipelines, whichever way it came. */
import type { ComponentLog, ReceiverContext } from '../../src/component.ts';
import { messageOf, PermanentError, RetryableError } from '../../src/errors.ts';
import type { Signal } from '../../src/model/batch.ts';
import { jsonToProtobuf } from '../../src/model/otlp/json_to_protobuf.ts';
import { lentBatch } from '../../src/model/otlp/lazy_batch.ts';
import { LentBytes } from '../../src/model/otlp/lent_bytes.ts';
import { REQUEST_TYPES } from '../../src/model/otlp/message_types.ts';
import { countItems } from '../../src/model/otlp/requests.ts';
import type { Budget } from './budget.ts';
import { createScavenging } from './scavenge.ts';

export interface IngestOptions {
  readonly next: ReceiverContext<unknown, unknown>['next'];
  readonly log: ComponentLog;
  readonly budget: Budget;
}

export interface Ingest {
  readonly budget: Budget;
  /** Whether a pipeline takes the signal. */
  takes(signal: Signal): boolean;
  /**
   * Resolves when the pipelines took what the body holds. The body must not be used from the call on: where it was
   * decoded, its memory is given back.
   * @throws {SyntaxError} it is no export request @throws {RetryableError} @throws {PermanentError}
   */
  take(signal: Signal, body: Uint8Array, isJson: boolean): Promise<void>;
  /** What to tell the sender of anything that `take` threw. */
  refusal(error: unknown): Refusal;
}

/** Why a request is refused; the code is gRPC's (google/rpc/code.proto). */
export interface Refusal {
  readonly code: number;
  readonly message: string;
  /** Only of what may be tried again. */
  readonly retryAfter_ms?: number | undefined;
}

export const INVALID_ARGUMENT = 3;
const INTERNAL = 13;
export const UNAVAILABLE = 14;

export function createIngest({ next, log, budget }: IngestOptions): Ingest {
  const scavenge = createScavenging();
  /** Not where the end is waited for: whoever waits shall not hold on to what is decoded of the batch. */
  const hand = (signal: Signal, otlp: LentBytes, count: number): Promise<void> | void =>
    next[signal]?.consume(lentBatch(signal, otlp, count) as never);
  return {
    budget,
    takes: (signal) => next[signal] !== undefined,
    async take(signal, body, isJson) {
      const otlp = isJson ? jsonToProtobuf(REQUEST_TYPES[signal], body) : body;
      const size = otlp.byteLength;
      const count = countItems(otlp, signal);
      if (count > 0) {
        const lent = new LentBytes(otlp);
        await hand(signal, lent, count);
        lent.end();
      }
      scavenge(size);
      log.over('bug', 'Takes requests again');
    },
    refusal(error) {
      if (error instanceof RetryableError) {
        return { code: UNAVAILABLE, message: error.message, retryAfter_ms: error.retryAfter_ms };
      }
      if (error instanceof SyntaxError || error instanceof PermanentError) {
        return { code: INVALID_ARGUMENT, message: error.message };
      }
      log.once('bug', `Cannot take a request: ${messageOf(error)}`, {
        stack: error instanceof Error ? error.stack : undefined,
      });
      return { code: INTERNAL, message: 'Cannot take the request: an error inside, which the log tells' };
    },
  };
}
