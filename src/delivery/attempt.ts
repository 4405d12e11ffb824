/** One request: with a time limit, and with what came of it as a value instead of an exception. */
import type { PushExporter, Request, SendResult } from '../component.ts';
import { PermanentError, RetryableError, TooLargeError } from '../errors.ts';
import type { Signal } from '../model/batch.ts';
import type { Clock } from './clock.ts';

export type Outcome =
  | { readonly is: 'sent'; readonly result: SendResult }
  | { readonly is: 'retryable'; readonly error: RetryableError; readonly isTimeout: boolean }
  | { readonly is: 'too_large'; readonly error: TooLargeError }
  | { readonly is: 'rejected'; readonly error: PermanentError }
  /** An exception that means nothing to the delivery: a bug of the exporter. */
  | { readonly is: 'unknown'; readonly error: unknown };

export interface Attempt {
  readonly outcome: Promise<Outcome>;
  /** Ends the request, whatever the exporter does. */
  giveUp(): void;
}

export function attempt(
  exporter: Pick<PushExporter, 'send'>,
  request: Request,
  signal: Signal,
  timeout_ms: number,
  clock: Clock,
): Attempt {
  const controller = new AbortController();
  const { promise: givenUp, resolve } = Promise.withResolvers<Outcome>();
  // The outcome is settled before the exporter hears of the abort, so that its AbortError is never the outcome.
  const end = (error: RetryableError, isTimeout: boolean): void => {
    resolve({ is: 'retryable', error, isTimeout });
    controller.abort(error);
  };
  const callOff = clock.after(timeout_ms, () =>
    end(new RetryableError(`Cannot send the request: no answer within ${timeout_ms} ms`), true),
  );
  const outcome = Promise.race([send(exporter, request, signal, controller.signal), givenUp]).finally(callOff);
  return { outcome, giveUp: () => end(new RetryableError('Cannot send the request: given up'), false) };
}

async function send(
  exporter: Pick<PushExporter, 'send'>,
  request: Request,
  signal: Signal,
  abort: AbortSignal,
): Promise<Outcome> {
  try {
    return { is: 'sent', result: (await exporter.send(request, signal, abort)) ?? {} };
  } catch (error) {
    if (error instanceof RetryableError) return { is: 'retryable', error, isTimeout: false };
    if (error instanceof TooLargeError) return { is: 'too_large', error };
    if (error instanceof PermanentError) return { is: 'rejected', error };
    return { is: 'unknown', error };
  }
}
