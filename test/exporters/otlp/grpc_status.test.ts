import { Metadata, status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { toDeliveryError } from '../../../exporters/otlp/grpc_status.ts';
import { PermanentError, RetryableError, TooLargeError } from '../../../src/errors.ts';
import { encodeStatus } from '../../../src/model/otlp/responses.ts';

function errorFor(code: number, details = 'because', retryAfter_ms?: number, trailer?: Uint8Array): Error {
  const metadata = new Metadata();
  const bytes =
    trailer ?? encodeStatus({ code, message: details, ...(retryAfter_ms !== undefined && { retryAfter_ms }) });
  metadata.set('grpc-status-details-bin', Buffer.from(bytes));
  return toDeliveryError({ code, details, metadata }, 'collector:4317');
}

// OTLP specification, table of "OTLP/gRPC Response", "Failures".
test.each([
  [status.CANCELLED, RetryableError],
  [status.UNKNOWN, PermanentError],
  [status.INVALID_ARGUMENT, PermanentError],
  [status.DEADLINE_EXCEEDED, RetryableError],
  [status.NOT_FOUND, PermanentError],
  [status.ALREADY_EXISTS, PermanentError],
  [status.PERMISSION_DENIED, PermanentError],
  [status.UNAUTHENTICATED, PermanentError],
  [status.RESOURCE_EXHAUSTED, PermanentError],
  [status.FAILED_PRECONDITION, PermanentError],
  [status.ABORTED, RetryableError],
  [status.OUT_OF_RANGE, RetryableError],
  [status.UNIMPLEMENTED, PermanentError],
  [status.INTERNAL, PermanentError],
  [status.UNAVAILABLE, RetryableError],
  [status.DATA_LOSS, RetryableError],
])('toDeliveryError takes status %d as %o', (code, kind) => {
  const error = errorFor(code);
  expect(error.constructor).toBe(kind);
  expect(error.message).toContain(`Cannot send to collector:4317: gRPC status ${code}: because`);
});

test('toDeliveryError takes RESOURCE_EXHAUSTED as retryable only with RetryInfo', () => {
  expect(errorFor(status.RESOURCE_EXHAUSTED, 'slow down', 2500)).toMatchObject({
    name: 'RetryableError',
    retryAfter_ms: 2500,
  });
});

test('toDeliveryError hands on the wait of RetryInfo with other retryable codes', () => {
  expect(errorFor(status.UNAVAILABLE, 'slow down', 250)).toMatchObject({ retryAfter_ms: 250 });
});

test.each([
  'grpc: received message larger than max (5000000 vs. 4194304)',
  'Received message that decompresses to a size larger than 4194304',
])('toDeliveryError takes the size words of servers as too large: %s', (details) => {
  expect(errorFor(status.RESOURCE_EXHAUSTED, details)).toBeInstanceOf(TooLargeError);
});

test('toDeliveryError reads past broken details', () => {
  expect(errorFor(status.UNAVAILABLE, 'x', undefined, Buffer.from([0xff, 0xff]))).toMatchObject({
    name: 'RetryableError',
    retryAfter_ms: undefined,
  });
});

test('toDeliveryError escapes and cuts what the server says', () => {
  const { message } = errorFor(status.INTERNAL, `\u001b[2J${'x'.repeat(1000)}`);
  expect(message).toContain('\\u001b[2Jxxx');
  expect(message.length).toBeLessThan(350);
});
