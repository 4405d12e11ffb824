/** What a gRPC status means for the delivery (OTLP specification, "OTLP/gRPC response", "OTLP/gRPC throttling"). */
import type { ServiceError } from '@grpc/grpc-js';
import { PermanentError, RetryableError, TooLargeError } from '../../src/errors.ts';
import { decodeStatus } from '../../src/model/otlp/responses.ts';
import { printable } from '../../src/text/printable.ts';

// The numbers are the protocol's (google/rpc/code.proto), so that this needs no library.
const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
const RESOURCE_EXHAUSTED = 8;
const ABORTED = 10;
const OUT_OF_RANGE = 11;
const UNIMPLEMENTED = 12;
const UNAVAILABLE = 14;
const DATA_LOSS = 15;
const RETRYABLE: ReadonlySet<number> = new Set([
  CANCELLED,
  DEADLINE_EXCEEDED,
  ABORTED,
  OUT_OF_RANGE,
  UNAVAILABLE,
  DATA_LOSS,
]);
const QUOTED_CHARACTERS = 200;

export function toDeliveryError(error: Pick<ServiceError, 'code' | 'details' | 'metadata'>, address: string): Error {
  const { code, details } = error;
  const hint = code === UNIMPLEMENTED ? ' (is this a gRPC endpoint of OTLP?)' : '';
  const words = printable(details, QUOTED_CHARACTERS);
  const message = `Cannot send to ${address}: gRPC status ${code}: ${words}${hint}`;
  const retryAfter_ms = retryInfo(error);
  if (RETRYABLE.has(code) || (code === RESOURCE_EXHAUSTED && retryAfter_ms !== undefined)) {
    return new RetryableError(message, { retryAfter_ms });
  }
  // Servers say in words that it is the size: "received message larger than max" (Go, Java, Node).
  if (code === RESOURCE_EXHAUSTED && /larger than|too large|exceed|max/i.test(details))
    return new TooLargeError(message);
  return new PermanentError(message);
}

/** The wait that the server asks for, from the trailer `grpc-status-details-bin`. */
function retryInfo({ metadata }: Pick<ServiceError, 'metadata'>): number | undefined {
  const [trailer] = metadata?.get('grpc-status-details-bin') ?? [];
  if (!(trailer instanceof Uint8Array)) return undefined;
  try {
    return decodeStatus(trailer).retryAfter_ms;
  } catch {
    // Details are an extra: where they are broken, the code still says all that is needed.
    return undefined;
  }
}
