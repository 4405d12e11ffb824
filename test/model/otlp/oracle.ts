/** The messages of OTLP as protobufjs knows them: what our own codec is compared with. */
import protobuf from 'protobufjs';
import { fileURLToPath } from 'node:url';

const root = protobuf.loadSync(fileURLToPath(new URL('otlp.proto', import.meta.url)));

export const MetricsRequest = root.lookupType('otlp.ExportMetricsServiceRequest');
export const LogsRequest = root.lookupType('otlp.ExportLogsServiceRequest');
export const TraceRequest = root.lookupType('otlp.ExportTraceServiceRequest');
export const MetricsResponse = root.lookupType('otlp.ExportMetricsServiceResponse');

/** google/rpc/status.proto and what it takes, as it travels in `grpc-status-details-bin`. */
const rpc = protobuf.parse(`
  syntax = "proto3";
  package rpc;
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }
  message RetryInfo { Duration retry_delay = 1; }
`).root;
export const RpcStatus = rpc.lookupType('rpc.Status');
export const RetryInfo = rpc.lookupType('rpc.RetryInfo');

/** The message through protobufjs and back to bytes, without what it does not know. */
export function reencode(type: protobuf.Type, bytes: Uint8Array): Uint8Array {
  return type.encode(type.decode(bytes)).finish();
}

/** The message as an object with all defaults filled in, so that it does not matter which of them were written. */
export function objectOf(type: protobuf.Type, bytes: Uint8Array): unknown {
  return type.toObject(type.decode(bytes), { longs: String, bytes: String, json: true, arrays: true, defaults: true });
}

/** What OTLP/JSON of a message parses to: as in ProtoJSON, except that trace and span ids are hex. */
export function otlpJsonOf(type: protobuf.Type, bytes: Uint8Array): unknown {
  const object = type.toObject(type.decode(bytes), { longs: String, bytes: String, json: true });
  return JSON.parse(JSON.stringify(object), (key, value: unknown) =>
    /^(?:traceId|spanId|parentSpanId)$/.test(key) ? Buffer.from(String(value), 'base64').toString('hex') : value,
  );
}

/** JSON as it parses, but with 0 for -0, which JSON.stringify of the oracle cannot say. */
export function parseJson(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes).toString(), (_, value: unknown) => (Object.is(value, -0) ? 0 : value));
}
