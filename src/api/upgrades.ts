/** Requests to go over to the WebSocket protocol: the same checks as for others, and that of the Origin header always. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { isAllowedOrigin, OTHER_SITE } from './origin.ts';

/** Takes over the connection of a request; what the client sent behind it already is in `head`. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

interface Guarded {
  readonly upgrade: Upgrade;
  readonly origins: readonly string[];
}

export interface Upgrades {
  add(path: string, upgrade: Upgrade, origins: readonly string[]): void;
  delete(path: string): void;
  has(path: string): boolean;
  /** Whether a request is answered here; any other is answered as if it did not ask for another protocol (`h2c`). */
  accepts(request: IncomingMessage): boolean;
  /** @param problem why nobody may have it, as HTTP says it, if so */
  answer(request: IncomingMessage, socket: Duplex, head: Buffer, problem: Problem | undefined): void;
  /** Ends the connections that were taken over. */
  destroyAll(): void;
}

type Problem = readonly [status: string, text: string];

export function createUpgrades(log: { error(message: string, fields?: Record<string, unknown>): void }): Upgrades {
  const byPath = new Map<string, Guarded>();
  const sockets = new Set<Duplex>();

  return {
    add: (path, upgrade, origins) => void byPath.set(path, { upgrade, origins }),
    delete: (path) => void byPath.delete(path),
    has: (path) => byPath.has(path),
    accepts: (request) => byPath.has(pathOf(request)) && request.headers.upgrade?.trim().toLowerCase() === 'websocket',
    answer(request, socket, head, problem) {
      // A connection that breaks ends with `close`, which whoever has it listens to.
      socket.on('error', () => {});
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      const guarded = byPath.get(pathOf(request));
      if (problem !== undefined) return refuse(socket, problem);
      if (guarded === undefined) return refuse(socket, ['404 Not Found', 'Nothing is here']);
      if (!isAllowedOrigin(request, guarded.origins)) return refuse(socket, ['403 Forbidden', OTHER_SITE]);
      try {
        guarded.upgrade(request, socket, head);
      } catch (error) {
        log.error('Cannot answer an upgrade: its handler failed', { url: request.url, error: String(error) });
        socket.destroy();
      }
    },
    destroyAll() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function pathOf({ url = '/' }: IncomingMessage): string {
  return url.split('?', 1)[0]!;
}

function refuse(socket: Duplex, [status, text]: Problem): void {
  const body = `${text}\n`;
  const headers = `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}`;
  socket.end(`HTTP/1.1 ${status}\r\n${headers}\r\nConnection: close\r\n\r\n${body}`, () => socket.destroy());
}
