/** What the failure of a send means to the delivery. */
import { PermanentError, RetryableError, TooLargeError } from '../../src/errors.ts';
import { brokerErrorIn, causeOf } from '../../src/kafka/errors.ts';

/** `Kafka protocol guide`, "Error Codes". */
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);
/** What a broker has against the message itself. */
const OF_MESSAGE = new Set(['INVALID_RECORD', 'INVALID_TIMESTAMP']);

/**
 * What an operator can mend (a topic, a right, a password) may be tried again, though Kafka calls it not retriable: the
 * data is worth as much afterwards.
 */
export function problemOfSend(error: unknown, topic: string): Error {
  const words = `Cannot send to the topic "${topic}": ${causeOf(error)}`;
  const id = brokerErrorIn(error)?.id ?? '';
  if (TOO_LARGE.has(id)) return new TooLargeError(words, { cause: error });
  if (OF_MESSAGE.has(id)) return new PermanentError(words, { cause: error });
  return new RetryableError(words, { cause: error });
}
