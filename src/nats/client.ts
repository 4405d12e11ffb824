/**
 * A connection to NATS that is made again for ever. The library's own reconnection is off: it says nothing of why it
 * cannot connect, lets requests of a lost connection run into their time limits, and gives up for good in some cases.
 */
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node';
import { createClientCertificates } from '../client_certificates.ts';
import type { ComponentLog } from '../component.ts';
import { messageOf, RetryableError } from '../errors.ts';
import { sleep } from '../sleep.ts';
import { checkAuthentication, createAuthenticator } from './authentication.ts';
import type { NatsClientConfig } from './options.ts';

type Nats = typeof import('@nats-io/transport-node');

export interface NatsClientOptions {
  readonly config: NatsClientConfig;
  /** What the server's monitoring calls it. */
  readonly name: string;
  readonly log: ComponentLog;
  /** Done with each new connection before anyone gets it; where it fails, the connection is closed and made anew. */
  readonly prepare?: (connection: NatsConnection) => Promise<void>;
}

export interface NatsClient {
  /** Undefined while there is none. */
  readonly current: NatsConnection | undefined;
  /**
   * Begins to connect, and does not wait for it.
   * @throws {Error} a file of the configuration cannot be used
   */
  start(): Promise<void>;
  /**
   * The connection of now; waits for it.
   * @throws {RetryableError} `abort` came first; it says why there is no connection
   */
  connection(abort: AbortSignal): Promise<NatsConnection>;
  /** Sends what was published, and closes. */
  stop(): Promise<void>;
}

interface Server {
  readonly address: string;
  /** What its certificate is for, where that is not the address. */
  readonly tlsName: string;
}

const NOT_YET = 'The connection is not there yet';
const CONNECT_TIMEOUT_MS = 5000;
/** Two that go without an answer end the connection. */
const PING_INTERVAL_MS = 20_000;
/** Waits between attempts; many clients lose a server at once, and each waits a random share of it. */
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5000;
const FLUSH_TIMEOUT_MS = 1000;

/** @throws {Error} `auth` names not exactly one way */
export function createNatsClient({ config, name, log, prepare }: NatsClientOptions): NatsClient {
  checkAuthentication(config.auth);
  const stopping = new AbortController();
  const waiting = new Set<(connection: NatsConnection) => void>();
  let current: NatsConnection | undefined;
  let reason = NOT_YET;
  let running: Promise<void> | undefined;
  /** Servers that the cluster told of. */
  let learnt: readonly Server[] = [];

  async function start(): Promise<void> {
    const nats = await import('@nats-io/transport-node');
    const options = createOptions(nats, config, name);
    running = run(nats, options);
  }

  async function run(nats: Nats, options: (server: Server) => NodeConnectionOptions): Promise<void> {
    let failures = 0;
    while (!stopping.signal.aborted) {
      try {
        const { connection, server } = await connectToAny(nats, options);
        await keep(connection, server, () => (failures = 0));
      } catch (error) {
        reason = messageOf(error);
        log.once('connection', `${reason}; tries again`);
      }
      const wait_ms = Math.min(FIRST_WAIT_MS * 2 ** failures++, LONGEST_WAIT_MS);
      await sleep(wait_ms * (0.5 + Math.random() / 2), stopping.signal);
    }
  }

  /** In another order each time, so that the clients of a cluster spread over it. */
  async function connectToAny(
    nats: Nats,
    options: (server: Server) => NodeConnectionOptions,
  ): Promise<{ readonly connection: NatsConnection; readonly server: Server }> {
    const problems: string[] = [];
    const servers = [...config.servers.map((address) => ({ address, tlsName: '' })), ...learnt];
    for (const server of shuffled(servers)) {
      if (stopping.signal.aborted) break;
      try {
        return { connection: await nats.connect(options(server)), server };
      } catch (error) {
        problems.push(`${server.address}: ${messageOf(error)}`);
      }
    }
    throw new Error(`Cannot connect to ${problems.join('; ')}`);
  }

  /** Lends the connection to all who wait for it, until it is closed. */
  async function keep(connection: NatsConnection, server: Server, isUp: () => void): Promise<void> {
    const closed = connection.closed();
    void watch(connection, server);
    try {
      // Whoever stops meanwhile does not know of this connection yet.
      if (stopping.signal.aborted) return;
      await prepare?.(connection);
      isUp();
      current = connection;
      learnt = learntFrom(connection, server);
      const words = `Connected to ${connection.getServer()}`;
      if (reason === NOT_YET) log.info(words);
      else log.over('connection', words);
      for (const resolve of waiting) resolve(connection);
      const error = await closed;
      reason = `The connection to ${connection.getServer()} was lost${error ? `: ${messageOf(error)}` : ''}`;
      if (!stopping.signal.aborted) log.once('connection', `${reason}; connects again`);
    } finally {
      current = undefined;
      await connection.close();
    }
  }

  /** What a server says of its own accord, as that a user may not do something. */
  async function watch(connection: NatsConnection, server: Server): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'update') learnt = learntFrom(connection, server);
      if (status.type === 'error') log.once(`server ${status.error.name}`, `The server says: ${status.error.message}`);
    }
  }

  async function connection(abort: AbortSignal): Promise<NatsConnection> {
    if (current !== undefined) return current;
    const { promise, resolve, reject } = Promise.withResolvers<NatsConnection>();
    const giveUp = (): void => reject(new RetryableError(reason));
    if (abort.aborted) giveUp();
    abort.addEventListener('abort', giveUp);
    waiting.add(resolve);
    try {
      return await promise;
    } finally {
      waiting.delete(resolve);
      abort.removeEventListener('abort', giveUp);
    }
  }

  async function stop(): Promise<void> {
    stopping.abort();
    const flushed = current?.flush().catch(() => undefined);
    if (flushed !== undefined) await Promise.race([flushed, sleep(FLUSH_TIMEOUT_MS)]);
    await current?.close();
    // One that is just connecting ends by itself.
    await Promise.race([running, sleep(FLUSH_TIMEOUT_MS)]);
  }

  return {
    get current() {
      return current;
    },
    start,
    connection,
    stop,
  };
}

/** The other servers of the cluster. They tell addresses, and their certificates are for the name of this one. */
function learntFrom({ info }: NatsConnection, { address, tlsName }: Server): readonly Server[] {
  const host = hostOf(address);
  const name = process.getBuiltinModule('node:net').isIP(host) === 0 ? host : tlsName;
  return (info?.connect_urls ?? []).map((url) => ({ address: url, tlsName: name }));
}

/** Options of each connection anew: files are read again. */
function createOptions(nats: Nats, config: NatsClientConfig, name: string): (server: Server) => NodeConnectionOptions {
  const authenticator = createAuthenticator(nats, config.auth);
  const isTls = config.tls !== undefined || config.tls_first || config.servers.some((one) => one.startsWith('tls://'));
  const material = isTls ? createClientCertificates(config.tls ?? {}) : undefined;
  return ({ address, tlsName }) => ({
    servers: [address],
    name,
    reconnect: false,
    timeout: CONNECT_TIMEOUT_MS,
    pingInterval: PING_INTERVAL_MS,
    inboxPrefix: config.inbox_prefix,
    noAsyncTraces: true,
    ...(authenticator !== undefined && { authenticator }),
    // What it does not know of goes on to `node:tls`, which for want of a name would compare with "localhost".
    ...(material !== undefined && {
      tls: { handshakeFirst: config.tls_first, host: tlsName || hostOf(address), ...material() },
    }),
  });
}

/** `tls://[::1]:4222` → `::1`. */
function hostOf(address: string): string {
  return address
    .replace(/^\w+:\/\//, '')
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1');
}

function shuffled<T>(list: readonly T[]): readonly T[] {
  return list
    .map((each) => [Math.random(), each] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, each]) => each);
}
