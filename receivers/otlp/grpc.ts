/** OTLP over gRPC. The library is loaded when the listener starts: it costs 20 MB that others need not pay. */
import type {
  sendUnaryData,
  Server,
  ServerCredentials,
  ServerUnaryCall,
  ServiceDefinition,
  ServiceError,
} from '@grpc/grpc-js';
import type { ComponentLog, TlsServerConfig } from '../../src/component.ts';
import { isLoopback } from '../../src/config/options.ts';
import { messageOf } from '../../src/errors.ts';
import type { Signal } from '../../src/model/batch.ts';
import { encodeResponse, encodeStatus } from '../../src/model/otlp/responses.ts';
import { UNAVAILABLE, type Ingest, type Refusal } from './ingest.ts';
import { createServerCertificates } from './server_certificates.ts';

type Grpc = typeof import('@grpc/grpc-js');

export interface GrpcListenerConfig {
  readonly endpoint: string;
  readonly tls?: TlsServerConfig | undefined;
  readonly insecure: boolean;
  readonly max_request_bytes: number;
}

export interface GrpcListener {
  /** `host:port`, with the port really taken. */
  readonly address: string;
  close(): Promise<void>;
}

const SERVICES: Readonly<Record<Signal, string>> = {
  metrics: 'opentelemetry.proto.collector.metrics.v1.MetricsService',
  logs: 'opentelemetry.proto.collector.logs.v1.LogsService',
  traces: 'opentelemetry.proto.collector.trace.v1.TraceService',
};
const SIGNALS = Object.keys(SERVICES) as Signal[];

const UNIMPLEMENTED = 12;
/** As many requests a connection may have under way. */
const MAX_STREAMS = 100;
/** How long a stop waits for requests under way. */
const CLOSE_TIMEOUT_MS = 5000;

/** @throws {Error} it cannot listen there */
export async function startGrpc(
  config: GrpcListenerConfig,
  ingest: Ingest,
  log: ComponentLog,
  closeTimeout_ms = CLOSE_TIMEOUT_MS,
): Promise<GrpcListener> {
  const { endpoint, tls, insecure } = config;
  if (tls === undefined && !insecure && !isLoopback(endpoint)) {
    const found = 'other machines could send and read, and without TLS';
    throw new Error(`Cannot listen on ${endpoint}: ${found} (set tls, or write insecure: true to accept that)`);
  }
  const grpc = await import('@grpc/grpc-js');
  // What it would write to stderr comes back as errors, too.
  grpc.setLogVerbosity(grpc.logVerbosity.NONE);
  const server = new grpc.Server({
    // Holds before and after decompression.
    'grpc.max_receive_message_length': config.max_request_bytes,
    'grpc.max_concurrent_streams': MAX_STREAMS,
  });
  for (const signal of SIGNALS) addService(grpc, server, signal, ingest);
  const certificates = tls === undefined ? undefined : createServerCertificates(grpc, tls, log);
  try {
    const port = await bind(server, endpoint, certificates?.credentials ?? grpc.ServerCredentials.createInsecure());
    return {
      address: endpoint.replace(/\d+$/, String(port)),
      async close() {
        certificates?.close();
        await shutDown(server, closeTimeout_ms);
      },
    };
  } catch (error) {
    certificates?.close();
    throw error;
  }
}

function addService(grpc: Grpc, server: Server, signal: Signal, ingest: Ingest): void {
  const identity = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const definition: ServiceDefinition = {
    Export: {
      path: `/${SERVICES[signal]}/Export`,
      requestStream: false,
      responseStream: false,
      requestSerialize: identity,
      requestDeserialize: identity,
      responseSerialize: identity,
      responseDeserialize: identity,
    },
  };
  server.addService(definition, {
    Export({ request }: ServerUnaryCall<Buffer, Uint8Array>, answer: sendUnaryData<Uint8Array>) {
      void take(signal, request, ingest).then((refusal) => {
        if (refusal === undefined) answer(null, encodeResponse({ rejected: 0, message: '' }));
        else answer(errorOf(grpc, refusal));
      });
    },
  });
}

/** Undefined where the pipelines took it; never rejects. */
async function take(signal: Signal, body: Uint8Array, ingest: Ingest): Promise<Refusal | undefined> {
  if (!ingest.takes(signal)) return { code: UNIMPLEMENTED, message: `Cannot take ${signal}: no pipeline here does` };
  const size = body.byteLength;
  if (!ingest.budget.take(size)) {
    return { code: UNAVAILABLE, message: 'Cannot take the request now: too many others are under way' };
  }
  try {
    await ingest.take(signal, body, false);
    return undefined;
  } catch (error) {
    return ingest.refusal(error);
  } finally {
    ingest.budget.give(size);
  }
}

/** The wait that a pipeline asks for travels as RetryInfo (specification, "OTLP/gRPC Throttling"). */
function errorOf(grpc: Grpc, { code, message, retryAfter_ms }: Refusal): Partial<ServiceError> {
  const metadata = new grpc.Metadata();
  if (retryAfter_ms !== undefined) {
    metadata.set('grpc-status-details-bin', Buffer.from(encodeStatus({ code, message, retryAfter_ms })));
  }
  return { code, details: message, metadata };
}

async function bind(server: Server, endpoint: string, credentials: ServerCredentials): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync(endpoint, credentials, (error, port) => (error === null ? resolve(port) : reject(error)));
  try {
    return await promise;
  } catch (error) {
    const found = (await listenProblem(endpoint)) ?? messageOf(error);
    throw new Error(`Cannot listen on ${endpoint}: ${found}`, { cause: error });
  }
}

/** Why one cannot listen there, which the library does not say (`No address added out of total 1 resolved`). */
function listenProblem(endpoint: string): Promise<string | undefined> {
  const colon = endpoint.lastIndexOf(':');
  const host = endpoint.slice(0, colon).replace(/^\[|\]$/g, '');
  const probe = process.getBuiltinModule('node:net').createServer();
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  probe.once('error', (error) => resolve(error.message));
  probe.listen(Number(endpoint.slice(colon + 1)), host, () => probe.close(() => resolve(undefined)));
  return promise;
}

/** Waits for requests under way, but not for ever: a connection that never speaks HTTP/2 keeps the library waiting. */
async function shutDown(server: Server, timeout_ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const deadline = setTimeout(() => {
    server.forceShutdown();
    resolve();
  }, timeout_ms);
  server.tryShutdown(() => resolve());
  await promise;
  clearTimeout(deadline);
}
