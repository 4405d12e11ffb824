/** A real nats-server with JetStream, which can be killed and started again in the same place. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { freePort } from '../support/free_port.ts';
import { program, startServer, type Server } from './servers.ts';

export interface NatsPlace {
  readonly host: string;
  readonly port: number;
  readonly store: string;
}

export interface NatsServer extends Server {
  readonly place: NatsPlace;
}

export async function createNatsPlace(host = '127.0.0.1'): Promise<NatsPlace> {
  return { host, port: await freePort(), store: mkdtempSync(join(tmpdir(), 'sonde-nats-')) };
}

export function removeNatsPlace({ store }: NatsPlace): void {
  rmSync(store, { recursive: true, force: true });
}

/** `settings` are further lines of its configuration; streams and consumers are those of the place. */
export async function startNats(place: NatsPlace, settings = ''): Promise<NatsServer> {
  const command = await program('nats');
  const monitor = await freePort();
  const config = `
server_name: n1
listen: "${place.host}:${place.port}"
http: "127.0.0.1:${monitor}"
jetstream { store_dir: "${place.store}", max_memory_store: 64MB, max_file_store: 1GB }
${settings}
`;
  const server = await startServer({
    command,
    args: () => ['-c', 'nats.conf'],
    files: { 'nats.conf': config },
    url: `nats://${place.host}:${place.port}`,
    ready: `http://127.0.0.1:${monitor}/healthz`,
  });
  return { ...server, place };
}

export interface NatsAdministrator {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly client: JetStreamClient;
}

/** A client of the test itself. */
export async function administrate({ url }: Server, options: NodeConnectionOptions = {}): Promise<NatsAdministrator> {
  const connection = await connect({ servers: [url], ...options });
  return { connection, manager: await jetstreamManager(connection), client: jetstream(connection) };
}
