/**
 * Shows log records live, as server-sent events at `/events` and by WebSocket at `/ws/events`: in order, filtered, and
 * resumed after a broken connection from the latest events, which are kept in memory.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { metrics } from '@opentelemetry/api';
import * as v from 'valibot';
import { definePullExporter, type Listener } from '../src/component.ts';
import { hostPort, option, optional, positiveDuration, size, tlsServer } from '../src/config/options.ts';
import { messageOf } from '../src/errors.ts';
import { openEventSource, openWebSocket } from './stream/channels.ts';
import { createClients } from './stream/clients.ts';
import { publishFigures } from './stream/figures.ts';
import { readRequest } from './stream/request.ts';
import { Ring } from './stream/ring.ts';
import { handshake, refuseUpgrade } from './stream/websocket.ts';

const count = (least = 1) => v.pipe(v.number(), v.integer(), v.minValue(least));

export default definePullExporter({
  type: 'stream',
  about: 'Shows log records and events live to browsers, programs and `sonde tail`: server-sent events and WebSockets.',
  signals: ['logs'],
  config: v.strictObject({
    endpoint: option(hostPort(), 'Where it listens; exporters with the same endpoint share it.', '127.0.0.1:9464'),
    path: option(
      v.pipe(v.string(), v.regex(/^\/[\w./~-]*[\w.~-]$/, 'a path such as "/events"')),
      'The path of the server-sent events; WebSockets are at /ws before it, as /ws/events.',
      '/events',
    ),
    tls: optional(tlsServer(), 'Answer by HTTPS. The files are read again when they change.'),
    insecure: option(v.boolean(), 'Answer other machines without TLS; anyone who reaches the port can read.', false),
    allowed_origins: option(
      v.array(v.pipe(v.string(), v.regex(/^https?:\/\/[^\s/*]+$/, 'an origin such as "https://grafana.example:3000"'))),
      'Sites whose pages may read it in the browsers of people, beside pages of this endpoint itself.',
      [],
    ),
    max_events: option(count(), 'Most events kept for clients that come back.', 10_000),
    max_bytes: option(size(), 'Most memory, nearly, that they take.', '16MiB'),
    max_event_bytes: option(
      v.pipe(
        size(),
        v.check((bytes) => bytes >= 1024, 'at least 1KiB'),
      ),
      'A longer event loses its attributes and the end of its body, and says so.',
      '256KiB',
    ),
    max_clients: option(count(), 'Most clients at a time.', 64),
    max_clients_per_address: option(count(), 'Most clients at a time from one address.', 32),
    client_timeout: option(
      positiveDuration(),
      'A client that takes nothing of what waits for it for so long is dropped; so is one whose next event is no longer kept.',
      '10s',
    ),
    keep_alive: option(
      v.pipe(
        positiveDuration(),
        v.check((time_ms) => time_ms <= 50_000, 'at most 50s'),
      ),
      'How often clients are sent something small when nothing happens; a WebSocket that does not answer three of them is dropped.',
      '15s',
    ),
  }),
  create(ctx) {
    const { config, log, id } = ctx;
    const { endpoint, tls, insecure, path, allowed_origins } = config;
    const ring = new Ring({ epoch: createEpoch(), ...config, now_ms: Date.now });
    const clients = createClients({
      ring,
      max_clients: config.max_clients,
      max_clients_per_address: config.max_clients_per_address,
      client_timeout_ms: config.client_timeout,
      keep_alive_ms: config.keep_alive,
    });
    let listener: Listener | undefined;
    let withdraw = (): void => {};

    function answer(request: IncomingMessage, response: ServerResponse): void {
      const refuse = (status: string, text: string, headers: Record<string, string> = {}): void => {
        response.writeHead(Number.parseInt(status), { 'Content-Type': 'text/plain; charset=utf-8', ...headers });
        response.end(`${text}\n`);
      };
      if (request.method !== 'GET') {
        return refuse('405', `Cannot ${request.method} events: only GET is answered`, { Allow: 'GET' });
      }
      const asked = read(request);
      if (typeof asked === 'string') return refuse('400', asked);
      const refusal = clients.refusal(request.socket.remoteAddress ?? '');
      if (refusal !== undefined) return refuse(...refusal, { 'Retry-After': '5' });
      return clients.add(openEventSource(request, response), asked.filter, asked.start);
    }

    function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
      const opening = handshake(request);
      if ('problem' in opening) {
        return refuseUpgrade(socket, opening.problem, 'Cannot open a WebSocket: RFC 6455 has other requests');
      }
      const asked = read(request);
      if (typeof asked === 'string') return refuseUpgrade(socket, '400 Bad Request', asked);
      const refusal = clients.refusal(request.socket.remoteAddress ?? '');
      if (refusal !== undefined) return refuseUpgrade(socket, ...refusal);
      return clients.add(openWebSocket(request, socket, head, opening.accept), asked.filter, asked.start);
    }

    return {
      consume(batch) {
        return batch.signal === 'logs' ? clients.take(batch.records) : undefined;
      },
      async start() {
        const upgradePath = `/ws${path}`;
        listener = await ctx.serve({
          endpoint,
          tls,
          insecure,
          origins: allowed_origins,
          routes: { [path]: answer, [upgradePath]: answerWithoutUpgrade },
          upgrades: { [upgradePath]: upgrade },
          hasPage: true,
        });
        withdraw = publishFigures(metrics.getMeter('sonde.exporter.stream'), id, clients, ring);
        log.info('Streams events', { url: `${listener.url}${path}`, epoch: ring.epoch });
      },
      async stop() {
        withdraw();
        // Its clients first: the listener waits for requests under way.
        await clients.stop();
        await listener?.close();
      },
    };
  },
});

/** What a request asks for, or why it cannot. */
function read(request: IncomingMessage): ReturnType<typeof readRequest> | string {
  try {
    return readRequest(request, Date.now());
  } catch (error) {
    return messageOf(error);
  }
}

/** Tells runs apart; later ones have later texts, for people's eyes. */
function createEpoch(): string {
  const random = Math.floor(Math.random() * 36 ** 4).toString(36);
  return `${Date.now().toString(36)}${random.padStart(4, '0')}`;
}

function answerWithoutUpgrade(_: IncomingMessage, response: ServerResponse): void {
  response.writeHead(426, { 'Content-Type': 'text/plain; charset=utf-8', Upgrade: 'websocket', Connection: 'Upgrade' });
  response.end('Cannot answer: this path is for WebSockets\n');
}
