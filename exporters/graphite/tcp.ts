/**
 * Sends bodies over TCP. The protocols of carbon have no answer, so this looks at what TCP itself tells: that the peer
 * has closed, and how.
 */
import type { Socket } from 'node:net';
import type { TlsMaterial } from '../../src/client_certificates.ts';
import { messageOf, RetryableError } from '../../src/errors.ts';
import type { Transport } from './transport.ts';

export interface TcpOptions {
  readonly host: string;
  readonly port: number;
  /** Certificates of now; undefined without TLS. */
  readonly tls: (() => TlsMaterial) | undefined;
}

/** Until the answer that nobody is there, to what was handed over, has come: a round trip, as long as connecting took. */
const MIN_SETTLE_MS = 2;
const MAX_SETTLE_MS = 250;

/**
 * A connection for each body. When it was written, and the peer has not gone away, this says that it was all, and waits
 * until the peer says the same: servers do once they have read to the end, so what they had not read is sent again.
 */
export function createTcpPerRequest(options: TcpOptions): Transport {
  const place = placeOf(options);
  const open = new Set<Socket>();

  function exchange(socket: Socket, settle_ms: number, body: Uint8Array, abort: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      let hasAnswered = false;
      let callOffSettling: (() => void) | undefined;
      const finish = (why?: string): void => {
        callOffSettling?.();
        abort.removeEventListener('abort', callOff);
        if (why === undefined) resolve();
        else reject(new RetryableError(`Cannot send to ${place}: ${why}`));
      };
      const callOff = (): void => finish('it took too long');
      if (abort.aborted) {
        callOff();
        return;
      }
      abort.addEventListener('abort', callOff, { once: true });
      socket.on('error', (error) => finish(messageOf(error)));
      socket.on('close', () => finish(hasAnswered ? undefined : 'the connection was closed before all was read'));
      // An end that comes before ours is no answer to it: the peer went away with what it had not read.
      socket.on('end', () => {
        hasAnswered = socket.writableFinished;
        if (!hasAnswered) socket.destroy();
      });
      socket.resume();
      socket.write(body, (error) => {
        // Of what could not be written the close tells.
        if (error === null || error === undefined) callOffSettling = afterSettling(settle_ms, () => socket.end());
      });
    });
  }

  return {
    async send(body, abort) {
      const { socket, settle_ms } = await connect(options, abort);
      open.add(socket);
      try {
        await exchange(socket, settle_ms, body, abort);
      } finally {
        open.delete(socket);
        socket.destroy();
      }
    },
    stop() {
      for (const socket of open) socket.destroy();
    },
  };
}

/**
 * One connection that stays. What a peer that has gone away gets is answered by a reset: so a body counts as sent when
 * none has come for a while. What the peer had received but not read is lost with it.
 */
export function createTcpKept(options: TcpOptions): Transport {
  const place = placeOf(options);
  let kept: Socket | undefined;
  let settle_ms = MAX_SETTLE_MS;
  /** Of each body that is not known to have arrived: what is to be called when its connection breaks. */
  const pending = new Map<Socket, Set<(why: string) => void>>();

  async function connected(abort: AbortSignal): Promise<Socket> {
    // A close that has arrived meanwhile is noticed when the event loop looks for it.
    if (kept !== undefined) await new Promise<void>((resolve) => void afterTurns(resolve));
    if (kept !== undefined && isUsable(kept)) return kept;
    const { socket, settle_ms: after_ms } = await connect(options, abort);
    // Another body may have waited for a connection as well.
    if (kept !== undefined && isUsable(kept)) {
      socket.destroy();
      return kept;
    }
    settle_ms = after_ms;
    kept = socket;
    watch(socket);
    return socket;
  }

  function watch(socket: Socket): void {
    const bodies = new Set<(why: string) => void>();
    pending.set(socket, bodies);
    let why = 'the connection was closed';
    socket.on('error', (error) => (why = messageOf(error)));
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      pending.delete(socket);
      for (const fail of bodies) fail(why);
    });
    socket.resume();
  }

  return {
    async send(body, abort) {
      const socket = await connected(abort);
      const bodies = pending.get(socket);
      await new Promise<void>((resolve, reject) => {
        let callOffSettling: (() => void) | undefined;
        const stopWatching = (): void => {
          callOffSettling?.();
          abort.removeEventListener('abort', callOff);
          bodies?.delete(fail);
        };
        const fail = (why: string): void => {
          stopWatching();
          reject(new RetryableError(`Cannot send to ${place}: ${why}`));
        };
        const callOff = (): void => {
          fail('it took too long');
          socket.destroy();
        };
        if (bodies === undefined || abort.aborted) {
          fail(abort.aborted ? 'it took too long' : 'the connection was closed');
          return;
        }
        bodies.add(fail);
        abort.addEventListener('abort', callOff, { once: true });
        socket.write(body, (error) => {
          // Of what could not be written the close tells.
          if (error !== null && error !== undefined) return;
          callOffSettling = afterSettling(settle_ms, () => {
            stopWatching();
            resolve();
          });
        });
      });
    },
    async stop() {
      const socket = kept;
      kept = undefined;
      if (socket === undefined || socket.destroyed) return;
      await new Promise<void>((resolve) => {
        const giveUp = setTimeout(resolve, MAX_SETTLE_MS);
        socket.once('close', () => {
          clearTimeout(giveUp);
          resolve();
        });
        socket.end();
      });
      socket.destroy();
    },
  };
}

/** Calls back when an answer would have come, and the event loop has looked for it: a loop that was held up runs timers first. */
function afterSettling(settle_ms: number, then: () => void): () => void {
  let callOffTurns: (() => void) | undefined;
  const timer = setTimeout(() => (callOffTurns = afterTurns(then)), settle_ms);
  return () => {
    clearTimeout(timer);
    callOffTurns?.();
  };
}

/** Turns of the event loop: the first may end before it has looked for what sockets have to tell, or tell of the next. */
const TURNS = 3;

function afterTurns(then: () => void, turns = TURNS): () => void {
  let immediate: NodeJS.Immediate;
  const turn = (left: number): void => {
    immediate = setImmediate(() => (left > 1 ? turn(left - 1) : then()));
  };
  turn(turns);
  return () => clearImmediate(immediate);
}

function isUsable(socket: Socket): boolean {
  return !socket.destroyed && socket.writable && !socket.readableEnded;
}

interface Connection {
  readonly socket: Socket;
  /** How long after something was handed over the answer that nobody is there may take. */
  readonly settle_ms: number;
}

/** The errors of the connection are the caller's from then on. */
function connect({ host, port, tls }: TcpOptions, abort: AbortSignal): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const began_ms = performance.now();
    let settle_ms = MAX_SETTLE_MS;
    let socket: Socket | undefined;
    const finish = (connection: Connection | undefined, why: string): void => {
      abort.removeEventListener('abort', callOff);
      socket?.off('error', fail);
      if (connection !== undefined) resolve(connection);
      else reject(new RetryableError(`Cannot connect to ${host}:${port}: ${why}`));
    };
    const fail = (error: unknown): void => finish(undefined, messageOf(error));
    const callOff = (): void => {
      socket?.destroy();
      finish(undefined, 'it took too long');
    };
    if (abort.aborted) {
      callOff();
      return;
    }
    abort.addEventListener('abort', callOff, { once: true });
    try {
      socket = openSocket(host, port, tls);
    } catch (error) {
      // As a certificate and a key that do not belong together: files that are being replaced.
      fail(error);
      return;
    }
    const opened = socket;
    opened.on('error', fail);
    opened.once('connect', () => {
      settle_ms = Math.min(MAX_SETTLE_MS, MIN_SETTLE_MS + 2 * (performance.now() - began_ms));
      opened.setNoDelay(true);
      opened.setKeepAlive(true);
    });
    const ready = (): void => finish({ socket: opened, settle_ms }, '');
    opened.once(tls === undefined ? 'connect' : 'secureConnect', ready);
  });
}

/** Loads what it needs only now: few configurations name this exporter. */
function openSocket(host: string, port: number, tls: (() => TlsMaterial) | undefined): Socket {
  const net = process.getBuiltinModule('node:net');
  if (tls === undefined) return net.connect({ host, port });
  const material = tls();
  // No name is sent for an address (RFC 6066, 3).
  const servername = material.servername ?? (net.isIP(host) === 0 ? host : '');
  return process.getBuiltinModule('node:tls').connect({ ...material, host, port, servername });
}

function placeOf({ host, port }: TcpOptions): string {
  return `${host}:${port}`;
}
