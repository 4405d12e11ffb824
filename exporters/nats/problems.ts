/** What the failure of a publication means to the delivery. */
import { messageOf, PermanentError, RetryableError, TooLargeError } from '../../src/errors.ts';

export interface Publication {
  readonly subject: string;
  readonly stream: string;
  /** Bytes, as published. */
  readonly size: number;
}

/** `err_code` of an answer (nats-server, server/errors.json). */
const MESSAGE_EXCEEDS_MAXIMUM = 10054;
const WRONG_STREAM = 10060;
const STREAM_SEALED = 10109;

/**
 * What an operator can mend (a stream, a right, a disk) may be tried again: the data is worth as much afterwards. Only
 * what the server has against the message itself is final.
 */
export function problemOfPublish(error: unknown, { subject, stream, size }: Publication): Error {
  const found = (words: string): string => `Cannot publish to "${subject}": ${words}`;
  const cause = nameOf(error) === 'RequestError' ? ((error as Error).cause ?? error) : error;
  switch (nameOf(cause)) {
    case 'InvalidArgumentError':
      // The library checks nothing else of a publication.
      return new TooLargeError(found(`${size} bytes are more than the server’s max_payload`), { cause: error });
    case 'JetStreamNotEnabled':
    case 'NoRespondersError':
      return new RetryableError(found('no stream takes this subject, or the account has no JetStream'), {
        cause: error,
      });
    case 'PermissionViolationError':
      return new RetryableError(found(`the server does not permit it (${messageOf(cause)})`), { cause: error });
    case 'TimeoutError':
      return new RetryableError(found('no acknowledgement in time'), { cause: error });
    case 'JetStreamApiError':
    case 'StreamNotFoundError':
      return problemOfAnswer(cause as ApiError, found, stream);
    default:
      return new RetryableError(found(messageOf(error)), { cause: error });
  }
}

interface ApiError extends Error {
  /** `err_code`. */
  readonly code: number;
  /** As of HTTP. */
  readonly status: number;
}

function problemOfAnswer(error: ApiError, found: (words: string) => string, stream: string): Error {
  const words = `${error.message} (${error.code})`;
  if (error.code === MESSAGE_EXCEEDS_MAXIMUM) return new TooLargeError(found(words), { cause: error });
  if (error.code === WRONG_STREAM) {
    return new RetryableError(found(`another stream than "${stream}" takes it (${error.code})`), { cause: error });
  }
  const isOfMessage = error.status === 400 && error.code !== STREAM_SEALED;
  return isOfMessage
    ? new PermanentError(found(words), { cause: error })
    : new RetryableError(found(words), { cause: error });
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}
