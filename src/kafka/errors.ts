/** Reads the library's errors, which are trees. */
import { messageOf } from '../errors.ts';

interface LibraryError extends Error {
  readonly errors?: readonly unknown[];
  /** Name of the broker's error code, as `MESSAGE_TOO_LARGE`. */
  readonly apiId?: string;
  readonly apiCode?: number;
}

/** The broker's answer (`Kafka protocol guide`, "Error Codes"). */
export interface BrokerError {
  readonly id: string;
  readonly code: number;
  readonly message: string;
}

/** The last answer of a broker in it; undefined where no broker has answered. */
export function brokerErrorIn(error: unknown): BrokerError | undefined {
  for (const each of branches(error).toReversed()) {
    const { apiId, apiCode, message } = each as LibraryError;
    if (apiId !== undefined && apiCode !== undefined) return { id: apiId, code: apiCode, message };
  }
  return undefined;
}

/** What went wrong first in it, in words: the innermost cause. */
export function causeOf(error: unknown): string {
  const answer = brokerErrorIn(error);
  if (answer !== undefined) return `${answer.message.replace(/\.$/, '')} (${answer.id})`;
  // Every repetition has its own, and the last is as good as the first.
  const innermost = branches(error).at(-1) as (Error & { readonly code?: string }) | undefined;
  return messageOf(innermost).replace(/\.$/, '') || (innermost?.code ?? 'an error without words');
}

function branches(error: unknown): readonly unknown[] {
  if (!(error instanceof Error)) return [error];
  const below = [...((error as LibraryError).errors ?? []), ...(error.cause === undefined ? [] : [error.cause])];
  return [error, ...below.flatMap(branches)];
}
