/** OTLP over gRPC. The library is loaded when the exporter starts: it costs 20 MB that others need not pay. */
import type { ChannelCredentials, ChannelOptions, Client, Metadata, ServiceError } from '@grpc/grpc-js';
import type { PeerCertificate } from 'node:tls';
import type { TlsClientConfig } from '../../src/component.ts';
import type { Credentials } from '../../src/credentials.ts';
import { messageOf, RetryableError } from '../../src/errors.ts';
import type { Signal } from '../../src/model/batch.ts';
import { createClientCertificates, type TlsMaterial } from '../../src/client_certificates.ts';
import type { GrpcTarget } from './endpoints.ts';
import { toDeliveryError } from './grpc_status.ts';
import { readResult } from './result.ts';
import type { Transport } from './transport.ts';

type Grpc = typeof import('@grpc/grpc-js');

export interface GrpcTransportOptions {
  readonly targets: Readonly<Record<Signal, GrpcTarget>>;
  readonly isCompressed: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly credentials: () => Credentials;
  readonly tls: TlsClientConfig;
  readonly userAgent: string;
}

const METHODS: Readonly<Record<Signal, string>> = {
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
  logs: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  traces: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
};

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const COMPRESSION_GZIP = 2;

/** @throws {Error} a TLS file cannot be read */
export function createGrpcTransport(options: GrpcTransportOptions): Transport {
  const { targets } = options;
  const certificates = createClientCertificates(options.tls);
  let loading: Promise<Grpc> | undefined;
  const load = (): Promise<Grpc> => (loading ??= loadGrpc());
  /** Connections by address, each with the certificates that it was opened with. */
  const clients = new Map<string, { readonly client: Client; readonly material: TlsMaterial }>();

  function clientOf(grpc: Grpc, { address, isSecure }: GrpcTarget): Client {
    const material = certificates();
    const key = `${isSecure} ${address}`;
    const known = clients.get(key);
    if (known?.material === material) return known.client;
    // Calls under way on the old connection run to their end.
    known?.client.close();
    const client = new grpc.Client(address, credentials(grpc, address, isSecure, material), {
      'grpc.primary_user_agent': options.userAgent,
      'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
      'grpc.max_send_message_length': -1,
      // The queue repeats requests, and knows when it may.
      'grpc.enable_retries': 0,
      ...(options.isCompressed && { 'grpc.default_compression_algorithm': COMPRESSION_GZIP }),
      ...(isSecure && serverName(address, material)),
    });
    clients.set(key, { client, material });
    return client;
  }

  /** A file that was renewed with what gRPC does not take is no fault of the data: it waits for a better one. */
  function metadataNow(grpc: Grpc): Metadata {
    try {
      return metadataOf(grpc, { ...options.headers, ...options.credentials() });
    } catch (error) {
      throw new RetryableError(messageOf(error), { cause: error });
    }
  }

  return {
    // The library keeps them for repetitions of its own.
    canRelease: () => false,
    async start() {
      metadataOf(await load(), { ...options.headers, ...options.credentials() });
    },
    async send({ body }, signal, abort) {
      const grpc = await load();
      const client = clientOf(grpc, targets[signal]);
      const metadata = metadataNow(grpc);
      const answer = await call(client, METHODS[signal], body, metadata, abort).catch((error: ServiceError) => {
        throw toDeliveryError(error, targets[signal].address);
      });
      return readResult(answer, false, signal);
    },
    stop() {
      for (const { client } of clients.values()) client.close();
      clients.clear();
    },
  };
}

async function loadGrpc(): Promise<Grpc> {
  const grpc = await import('@grpc/grpc-js');
  // What it would write to stderr comes back as errors, too.
  grpc.setLogVerbosity(grpc.logVerbosity.NONE);
  return grpc;
}

function call(
  client: Client,
  method: string,
  body: Uint8Array,
  metadata: Metadata,
  abort: AbortSignal,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const cancel = (): void => request.cancel();
    const request = client.makeUnaryRequest<Uint8Array, Uint8Array>(
      method,
      asBuffer,
      (bytes) => bytes,
      body,
      metadata,
      (error, answer) => {
        abort.removeEventListener('abort', cancel);
        if (error !== null) reject(error);
        else resolve(answer ?? new Uint8Array());
      },
    );
    abort.addEventListener('abort', cancel, { once: true });
    if (abort.aborted) cancel();
  });
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function credentials(
  grpc: Grpc,
  address: string,
  isSecure: boolean,
  { ca, cert, key, servername, rejectUnauthorized }: TlsMaterial,
): ChannelCredentials {
  if (!isSecure) return grpc.credentials.createInsecure();
  const bytes = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  const ip = servername === undefined ? ipOf(address) : undefined;
  const { checkServerIdentity } = process.getBuiltinModule('node:tls');
  return grpc.credentials.createSsl(bytes(ca), bytes(key), bytes(cert), {
    rejectUnauthorized,
    ...(ip !== undefined && {
      checkServerIdentity: (_: string, shown: PeerCertificate) => checkServerIdentity(ip, shown),
    }),
  });
}

/**
 * The name to ask the server for. The library would ask for the host of the address, and Node.js 26 refuses to ask for
 * an IP address (RFC 6066 has only names): then it is a name that means nothing, and the certificate is checked for
 * the address.
 */
function serverName(address: string, { servername }: TlsMaterial): ChannelOptions {
  if (servername !== undefined) {
    return { 'grpc.ssl_target_name_override': servername, 'grpc.default_authority': servername };
  }
  return ipOf(address) === undefined ? {} : { 'grpc.ssl_target_name_override': 'localhost' };
}

/** `10.0.0.1:4317`, `[::1]:4317` → the IP address; undefined for names and sockets. */
function ipOf(address: string): string | undefined {
  const host = address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return process.getBuiltinModule('node:net').isIP(host) === 0 ? undefined : host;
}

/** @throws {Error} a header is none */
function metadataOf(grpc: Grpc, headers: Readonly<Record<string, string>>): Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(headers)) {
    try {
      metadata.set(name, name.toLowerCase().endsWith('-bin') ? Buffer.from(value, 'base64') : value);
    } catch {
      // The library's message quotes the value, which may be a secret.
      throw new Error(`Cannot use header ${JSON.stringify(name)}: gRPC takes only printable ASCII`);
    }
  }
  return metadata;
}
