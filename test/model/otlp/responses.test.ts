import {
  ProtobufLogsSerializer,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
} from '@opentelemetry/otlp-transformer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeResponse,
  decodeResponseJson,
  decodeStatus,
  decodeStatusJson,
  encodeResponse,
  encodeResponseJson,
  encodeStatus,
  encodeStatusJson,
} from '../../../src/model/otlp/responses.ts';
import { RetryInfo, RpcStatus } from './oracle.ts';

const partial = { rejected: 3, message: 'no metric name' };

describe('decodeResponse', { timeout: 60_000 }, () => {
  test('decodeResponse gives back what encodeResponse was given, in protobuf and JSON', () => {
    fc.assert(
      fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), fc.string({ unit: 'binary' }), (rejected, message) => {
        const response = { rejected, message };
        expect(decodeResponse(encodeResponse(response))).toEqual(response);
        expect(decodeResponseJson(encodeResponseJson(response, 'logs'), 'logs')).toEqual(response);
      }),
    );
  });

  test('encodeResponse of a full success is an empty message', () => {
    const success = { rejected: 0, message: '' };
    expect(encodeResponse(success)).toHaveLength(0);
    expect(Buffer.from(encodeResponseJson(success, 'metrics')).toString()).toBe('{}');
    expect(decodeResponse(new Uint8Array(0))).toEqual(success);
    expect(decodeResponse(Uint8Array.of(0x0a, 0))).toEqual(success);
  });

  test('encodeResponse is what the serializers of OpenTelemetry read', () => {
    const bytes = encodeResponse(partial);
    expect(ProtobufMetricsSerializer.deserializeResponse(bytes)).toEqual({
      partialSuccess: { rejectedDataPoints: 3, errorMessage: partial.message },
    });
    expect(ProtobufLogsSerializer.deserializeResponse(bytes)).toEqual({
      partialSuccess: { rejectedLogRecords: 3, errorMessage: partial.message },
    });
    expect(ProtobufTraceSerializer.deserializeResponse(bytes)).toEqual({
      partialSuccess: { rejectedSpans: 3, errorMessage: partial.message },
    });
  });

  test.each([
    ['metrics', 'rejectedDataPoints'],
    ['logs', 'rejectedLogRecords'],
    ['traces', 'rejectedSpans'],
  ] as const)('encodeResponseJson of %s says %s', (signal, name) => {
    expect(JSON.parse(Buffer.from(encodeResponseJson(partial, signal)).toString())).toEqual({
      partialSuccess: { [name]: '3', errorMessage: partial.message },
    });
  });
});

describe('decodeStatus', { timeout: 60_000 }, () => {
  test('decodeStatus gives back what encodeStatus was given', () => {
    const delay = fc.option(fc.nat({ max: 1e9 }), { nil: undefined });
    fc.assert(
      fc.property(fc.nat({ max: 16 }), fc.string({ unit: 'binary' }), delay, (code, message, retryAfter_ms) => {
        const status = { code, message, ...(retryAfter_ms !== undefined && { retryAfter_ms }) };
        expect(decodeStatus(encodeStatus(status))).toEqual(status);
        expect(decodeStatusJson(encodeStatusJson(status))).toEqual({ code, message });
      }),
    );
  });

  test('decodeStatus reads a RetryInfo of 1.5 s among other details', () => {
    const value = RetryInfo.encode(RetryInfo.fromObject({ retryDelay: { seconds: 1, nanos: 5e8 } })).finish();
    const details = [
      { typeUrl: 'type.googleapis.com/google.rpc.DebugInfo', value: Buffer.from('x') },
      { typeUrl: 'type.googleapis.com/google.rpc.RetryInfo', value },
    ];
    const bytes = RpcStatus.encode(RpcStatus.fromObject({ code: 8, message: 'busy', details })).finish();
    expect(decodeStatus(bytes)).toEqual({ code: 8, message: 'busy', retryAfter_ms: 1500 });
  });

  test('encodeStatus writes the delay as the RetryInfo that clients look for', () => {
    const status = RpcStatus.toObject(
      RpcStatus.decode(encodeStatus({ code: 14, message: 'wait', retryAfter_ms: 2250.5 })),
    );
    expect(status).toMatchObject({ code: 14, message: 'wait' });
    const [detail] = status['details'] as { typeUrl: string; value: Uint8Array }[];
    expect(detail?.typeUrl).toBe('type.googleapis.com/google.rpc.RetryInfo');
    expect(RetryInfo.toObject(RetryInfo.decode(detail?.value ?? new Uint8Array(0)), { longs: Number })).toEqual({
      retryDelay: { seconds: 2, nanos: 250_500_000 },
    });
  });

  test('decodeStatus without a RetryInfo has no delay', () => {
    expect(decodeStatus(encodeStatus({ code: 8, message: 'too large' }))).toEqual({ code: 8, message: 'too large' });
  });
});
