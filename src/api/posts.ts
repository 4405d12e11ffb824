/**
 * POST requests in their commonest form, without `node:http`, which takes a fifth of what passing on telemetry costs
 * (docs/decisions/otlp_forwarding.md): a head that comes in one piece, says how long the body is, and asks for nothing
 * special. A connection whose request is of any other form goes over to `node:http`, with all that was read of it, and stays
 * there. So whatever may be read in two ways (RFC 9112, section 11) is not read here.
 */
import type { Socket } from 'node:net';
import type { ComponentLog, PostReply, PostRoute } from '../component.ts';
import { freeBytes } from '../model/free_bytes.ts';
import { parsePostHead, type PlainHead } from './post_head.ts';

export interface PostsOptions {
  readonly routes: ReadonlyMap<string, PostRoute>;
  /** Whether a Host header names this listener. */
  isOwnHost(host: string): boolean;
  /** Gives a connection to `node:http`; what was read of it has been put back. */
  passOn(socket: Socket): void;
  readonly limits: PostLimits;
  readonly log: Pick<ComponentLog, 'error'>;
}

/** As of `node:http`'s server, in milliseconds. */
export interface PostLimits {
  /** From the connection to its first request. */
  readonly headers_ms: number;
  /** From the head of a request to the end of its body. */
  readonly request_ms: number;
  /** From an answer to the next request. */
  readonly keepAlive_ms: number;
}

export interface Posts {
  accept(socket: Socket): void;
  /** Requests that are read or answered just now. */
  readonly underWay: number;
  closeIdle(): void;
  closeAll(): void;
}

/** Memory for a body is there before its bytes are. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** How often connections are looked at that take too long. */
const SWEEP_MS = 1000;

interface Connection {
  readonly socket: Socket;
  /** What it waits for: a request, the rest of a body, or the answer of the route. */
  state: 'idle' | 'reading' | 'answering';
  /** When it has to have come, by `performance.now()`. */
  deadline_ms: number;
}

export function createPosts({ routes, isOwnHost, passOn, limits, log }: PostsOptions): Posts {
  const connections = new Set<Connection>();
  const date = createDate();
  const keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${limits.keepAlive_ms / 1000}\r\n`;
  let sweeping: NodeJS.Timeout | undefined;

  function sweep(): void {
    const now_ms = performance.now();
    for (const { socket, state, deadline_ms } of connections) {
      if (now_ms < deadline_ms) continue;
      if (state === 'reading') socket.write('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n');
      socket.destroy();
    }
  }

  function forget(connection: Connection): void {
    connections.delete(connection);
    if (connections.size > 0) return;
    clearInterval(sweeping);
    sweeping = undefined;
  }

  function accept(socket: Socket): void {
    const connection: Connection = { socket, state: 'idle', deadline_ms: performance.now() + limits.headers_ms };
    let head: PlainHead;
    let route: PostRoute;
    /** The head as it came, while its body is read. */
    let start: Buffer;
    let body: Buffer;
    let filled = 0;
    /** What came behind a request that is not answered yet. */
    let early: Buffer[] = [];

    connections.add(connection);
    sweeping ??= setInterval(sweep, SWEEP_MS).unref();
    socket.on('data', onData);
    socket.on('end', onEnd);
    socket.on('error', onError);
    socket.on('close', onClose);

    function onData(chunk: Buffer): void {
      if (connection.state === 'idle') begin(chunk);
      else if (connection.state === 'reading') read(chunk);
      else {
        early.push(chunk);
        socket.pause();
      }
    }

    function begin(chunk: Buffer): void {
      const end = chunk.indexOf('\r\n\r\n') + 4;
      const parsed = end < 4 ? undefined : parsePostHead(chunk.toString('latin1', 0, end - 4));
      if (parsed === undefined || parsed.length > MAX_BODY_BYTES || !isOwnHost(parsed.host)) return leave(chunk);
      const found = routes.get(parsed.path);
      const here = Math.min(parsed.length, chunk.length - end);
      if (found === undefined || !found.accepts(parsed) || !found.budget.take(here)) return leave(chunk);
      [head, route, filled] = [parsed, found, here];
      if (here === head.length) {
        body = chunk.subarray(end, end + here);
        return finish(chunk.subarray(end + here));
      }
      connection.state = 'reading';
      connection.deadline_ms = performance.now() + limits.request_ms;
      start = Buffer.from(chunk.subarray(0, end));
      body = Buffer.allocUnsafeSlow(head.length);
      chunk.copy(body, 0, end);
      freeBytes(chunk);
    }

    function read(chunk: Buffer): void {
      const here = Math.min(head.length - filled, chunk.length);
      if (!route.budget.take(here)) {
        // Who answers then reads it all once more, and gets no further.
        route.budget.give(filled);
        return leave(Buffer.concat([start, body.subarray(0, filled), chunk]));
      }
      chunk.copy(body, filled, 0, here);
      filled += here;
      const rest = chunk.subarray(here);
      if (rest.length === 0) freeBytes(chunk);
      if (filled === head.length) finish(rest);
    }

    function finish(rest: Buffer): void {
      connection.state = 'answering';
      connection.deadline_ms = Infinity;
      if (rest.length > 0) early.push(rest);
      const whole = body;
      body = EMPTY;
      route.take(head, whole).then(answer, (error: unknown) => {
        log.error('Cannot answer a request: its handler failed', { url: head.path, error: String(error) });
        answer({
          status: 500,
          headers: {},
          body: Buffer.from('Cannot answer: an error inside, which the log tells\n'),
        });
      });
    }

    function answer({ status, headers, body: content }: PostReply): void {
      if (socket.destroyed) return;
      let text = `HTTP/1.1 ${status} ${STATUS_TEXTS[status] ?? ''}\r\n`;
      for (const [name, value] of Object.entries(headers)) text += `${name}: ${value}\r\n`;
      text += `content-length: ${content.length}\r\nDate: ${date()}\r\n${keepAlive}\r\n`;
      if (content.length === 0) socket.write(text, 'latin1');
      else socket.write(Buffer.concat([Buffer.from(text, 'latin1'), content]));
      connection.state = 'idle';
      connection.deadline_ms = performance.now() + limits.keepAlive_ms;
      if (!socket.writableNeedDrain) return proceed();
      // It sends on, but does not read the answers.
      socket.pause();
      socket.once('drain', proceed);
    }

    function proceed(): void {
      if (early.length > 0) {
        const next = Buffer.concat(early);
        early = [];
        begin(next);
      } else if (socket.readableEnded) socket.end();
      if (socket.isPaused()) socket.resume();
    }

    /** To `node:http`, with what came of the request. */
    function leave(chunk: Buffer): void {
      forget(connection);
      socket.off('data', onData);
      socket.off('end', onEnd);
      socket.off('error', onError);
      socket.off('close', onClose);
      socket.unshift(chunk);
      passOn(socket);
    }

    function onEnd(): void {
      // Who has sent all may still wait for the answer.
      if (connection.state === 'idle') socket.end();
      else if (connection.state === 'reading') socket.destroy();
    }

    function onError(): void {
      socket.destroy();
    }

    function onClose(): void {
      if (connection.state === 'reading') route.budget.give(filled);
      forget(connection);
    }
  }

  return {
    accept,
    get underWay() {
      let count = 0;
      for (const { state } of connections) if (state !== 'idle') count++;
      return count;
    },
    closeIdle() {
      for (const { socket, state } of connections) if (state === 'idle') socket.destroy();
    },
    closeAll() {
      for (const { socket } of connections) socket.destroy();
    },
  };
}

const EMPTY = Buffer.alloc(0);

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  413: 'Content Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** `Sun, 06 Nov 1994 08:49:37 GMT` of now, made once a second. */
function createDate(): () => string {
  let second = NaN;
  let text = '';
  return () => {
    const now = Math.floor(Date.now() / 1000);
    if (now !== second) {
      second = now;
      text = new Date(now * 1000).toUTCString();
    }
    return text;
  };
}
