/** Connections over which messages come: TCP, with TLS or without, and unix stream sockets. */
import type { AddressInfo, Server, Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { readCertificates, watchCertificates } from '../../src/certificate_files.ts';
import type { ComponentLog, TlsServerConfig } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';
import { createFramer } from './framing.ts';
import { plainAddress, type Intake, type Peer } from './intake.ts';

export interface StreamOptions {
  readonly at: { readonly host: string; readonly port: number } | { readonly path: string };
  readonly tls?: TlsServerConfig | undefined;
  readonly maxConnections: number;
  readonly idleTimeout_ms: number;
  readonly maxMessage_bytes: number;
  readonly intake: Intake;
  readonly log: ComponentLog;
}

export interface StreamListener {
  /** Really taken; 0 for unix sockets. */
  readonly port: number;
  readonly connections: number;
  /** A further connection would be refused. */
  readonly isFull: boolean;
  close(): Promise<void>;
}

const HANDSHAKE_TIMEOUT_MS = 10_000;

/** @throws {Error} it cannot listen there */
export async function listenForStreams(options: StreamOptions): Promise<StreamListener> {
  const { at, tls, intake, log } = options;
  const sockets = new Set<Socket>();
  const onConnection = (socket: Socket): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serve(socket, options);
  };
  const server = createServer(tls, onConnection, log);
  // Before a handshake costs anything.
  server.maxConnections = options.maxConnections;
  server.on('drop', () => {
    intake.figures.tooMany++;
    log.once('connections', `Refuses connections: there are ${options.maxConnections} already (max_connections)`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', (error) => log.error(`Cannot take connections: ${error.message}`));
  const endWatch =
    tls === undefined
      ? undefined
      : watchCertificates(tls, (renewed) => (server as import('node:tls').Server).setSecureContext(renewed), log);
  return {
    port: 'port' in at ? (server.address() as AddressInfo).port : 0,
    get connections() {
      return sockets.size;
    },
    get isFull() {
      return sockets.size >= options.maxConnections;
    },
    async close() {
      endWatch?.();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const gone = [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
      for (const socket of sockets) socket.destroy();
      await Promise.all([closed, ...gone]);
    },
  };
}

function createServer(
  tls: TlsServerConfig | undefined,
  onConnection: (socket: Socket) => void,
  log: ComponentLog,
): Server {
  if (tls === undefined) return process.getBuiltinModule('node:net').createServer(onConnection);
  const isMutual = tls.client_ca_file !== undefined;
  const context: TlsOptions = {
    ...readCertificates(tls),
    requestCert: isMutual,
    rejectUnauthorized: isMutual,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  };
  const server = process.getBuiltinModule('node:tls').createServer(context, onConnection);
  server.on('tlsClientError', (error) => {
    log.once('handshake', `Refuses a connection: its handshake failed: ${messageOf(error)}`);
  });
  return server;
}

function serve(socket: Socket, { at, idleTimeout_ms, maxMessage_bytes, intake, log }: StreamOptions): void {
  // What goes wrong ends the connection, and that is all there is to do.
  socket.on('error', () => {});
  const isUnix = 'path' in at;
  const address = isUnix ? '' : plainAddress(socket.remoteAddress);
  if (!isUnix && !intake.isAllowed(address)) {
    socket.destroy();
    return;
  }
  const peer: Peer = { transport: isUnix ? 'unix' : 'tcp', address, port: socket.remotePort ?? 0 };
  const framer = createFramer({
    maxMessage_bytes,
    onMessage: (bytes, isTruncated) => intake.take(bytes, isTruncated, peer),
    onBadFrame() {
      log.once('framing', 'Reads lines where a length of a message was expected', { address });
    },
  });
  let isWaiting = false;
  socket.on('data', (chunk: Buffer) => {
    framer.push(chunk);
    if (!intake.outlet.isFull || isWaiting) return;
    isWaiting = true;
    socket.pause();
    void intake.outlet.room().then(() => {
      isWaiting = false;
      // What the sender wrote meanwhile is read only after timers that are due: the silence begins now.
      if (!socket.destroyed) socket.setTimeout(idleTimeout_ms);
      socket.resume();
    });
  });
  let isEnded = false;
  socket.once('end', () => (isEnded = true));
  socket.once('close', () => framer.end(isEnded));
  socket.setTimeout(idleTimeout_ms, () => {
    // It is not the sender who is silent while nothing is read.
    if (isWaiting) socket.setTimeout(idleTimeout_ms);
    else socket.destroy();
  });
}
