/**
 * One HTTP(S) listener: limits, the check of the Host header, and which handler answers which path.
 *
 * `node:http` is fetched when the first one opens, and not by an import, which would load the WebSocket client with it:
 * 16 MB.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { readCertificates, watchCertificates, type ServerCertificates } from '../certificate_files.ts';
import type { ComponentLog, PostRoute, ServeOptions } from '../component.ts';
import { isLoopback } from '../config/options.ts';
import { createPosts, type Posts } from './posts.ts';
import { createUpgrades, type Upgrades } from './upgrades.ts';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** The page at `/` of a listener; it is told which paths the listener answers. */
export type Page = (
  request: IncomingMessage,
  response: ServerResponse,
  paths: readonly string[],
) => void | Promise<void>;

export interface HttpListenerOptions {
  readonly page: Page;
  /** Answers `/-/reload` beside the page. */
  readonly reload?: Handler | undefined;
  /** Answers `/-/tap` there; its answers have no end, and are ended when the listener closes. */
  readonly tap?: Handler | undefined;
  readonly log: Pick<ComponentLog, 'info' | 'warn' | 'error'>;
  /** How long `close` waits for requests under way; 5,000 unless said. */
  readonly closeTimeout_ms?: number;
  /** How often certificate files are looked at; 10,000 unless said. */
  readonly tlsReload_ms?: number;
}

export interface HttpListener {
  /** Of whoever opened it. */
  readonly options: ServeOptions;
  readonly url: string;
  readonly routes: Map<string, Handler>;
  readonly posts: Map<string, PostRoute>;
  readonly upgrades: Upgrades;
  hasPage: boolean;
  /** Components that use it. */
  users: number;
  /** Stops accepting, and waits for requests under way as long as the time limit allows. */
  close(): Promise<void>;
}

const RELOAD_PATH = '/-/reload';
const TAP_PATH = '/-/tap';
const MAX_CONNECTIONS = 256;
const MAX_HEADERS = 100;
const MAX_HEADER_BYTES = 16_384;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** A reader that takes nothing for so long is cut off. */
const INACTIVITY_TIMEOUT_MS = 60_000;
/** Longer than the usual time between two scrapes, which then need no new connection. */
const KEEP_ALIVE_MS = 90_000;
const POST_LIMITS = { headers_ms: HEADERS_TIMEOUT_MS, request_ms: REQUEST_TIMEOUT_MS, keepAlive_ms: KEEP_ALIVE_MS };

/** @throws if it cannot listen there, with what to change */
export async function openListener(options: ServeOptions, environment: HttpListenerOptions): Promise<HttpListener> {
  const { endpoint, tls } = options;
  const { page, reload, tap, log, closeTimeout_ms = 5000, tlsReload_ms } = environment;
  const { host, port } = parseEndpoint(endpoint);
  const isLocal = isLoopback(endpoint);
  if (!isLocal && tls === undefined && options.insecure !== true) {
    const found = 'other machines could read what it answers, and without TLS';
    throw new Error(`Cannot listen on ${endpoint}: ${found} (set tls, or write insecure: true to accept that)`);
  }
  const upgrades = createUpgrades(log);
  const limits = { maxHeaderSize: MAX_HEADER_BYTES, shouldUpgradeCallback: upgrades.accepts };
  const server: Server =
    tls === undefined
      ? process.getBuiltinModule('node:http').createServer(limits)
      : process.getBuiltinModule('node:https').createServer({
          ...limits,
          ...readCertificates(tls),
          requestCert: tls.client_ca_file !== undefined,
          rejectUnauthorized: true,
        });
  server.maxConnections = MAX_CONNECTIONS;
  server.maxHeadersCount = MAX_HEADERS;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.setTimeout(INACTIVITY_TIMEOUT_MS);

  const routes = new Map<string, Handler>();
  const postRoutes = new Map<string, PostRoute>();
  const hosts = isLocal ? new Set(['localhost', '127.0.0.1', '[::1]', host]) : undefined;
  let stopWatching: (() => void) | undefined;
  const isOwnHost = (header: string | undefined): boolean => hosts === undefined || hosts.has(nameOf(header));
  const posts = takePosts(server, tls === undefined ? 'connection' : 'secureConnection', (passOn) =>
    createPosts({ routes: postRoutes, isOwnHost, passOn, limits: POST_LIMITS, log }),
  );
  await listen(server, host, port, endpoint);
  server.on('error', (error) => log.error(`Cannot serve on ${endpoint}: ${error.message}`));
  if (tls !== undefined) {
    const take = (renewed: ServerCertificates): void => (server as SecureServer).setSecureContext(renewed);
    stopWatching = watchCertificates(tls, take, log, tlsReload_ms);
  }
  const bound = (server.address() as AddressInfo).port;

  const listener: HttpListener = {
    options,
    url: `${tls === undefined ? 'http' : 'https'}://${host}:${bound}`,
    routes,
    posts: postRoutes,
    upgrades,
    hasPage: false,
    users: 0,
    close() {
      stopWatching?.();
      for (const response of tapped) response.end();
      return closeServer(server, posts, closeTimeout_ms, isReloadAlone, upgrades.destroyAll);
    },
  };

  const tapped = new Set<ServerResponse>();
  let underWay = 0;
  let reloading = 0;
  /** A reload may be what closes this listener: it is answered after that. */
  const isReloadAlone = (): boolean => reloading > 0 && underWay === reloading && posts.underWay === 0;

  /** Why a request is for another host, if so: a web page that a user opens could read this by a name that it rebinds to 127.0.0.1. */
  const misdirection = (request: IncomingMessage): string | undefined =>
    isOwnHost(request.headers.host)
      ? undefined
      : `Cannot answer for this host name: only ${[...(hosts ?? [])].join(', ')}`;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const misdirected = misdirection(request);
    if (misdirected !== undefined) return plain(response, 421, misdirected);
    const path = (request.url ?? '/').split('?', 1)[0]!;
    const handler =
      routes.get(path) ??
      patternsOf(path)
        .map((pattern) => routes.get(pattern))
        .find(Boolean);
    if (handler !== undefined) await handler(request, response);
    else if (path === RELOAD_PATH && listener.hasPage && reload !== undefined) await reload(request, response);
    else if (path === TAP_PATH && listener.hasPage && tap !== undefined) {
      tapped.add(response);
      response.once('close', () => tapped.delete(response));
      await tap(request, response);
    } else if (path === '/' && listener.hasPage) await page(request, response, [...routes.keys()]);
    else
      plain(
        response,
        404,
        `Nothing is here; there is ${(listener.hasPage ? ['/', ...routes.keys()] : [...routes.keys()]).join(', ')}`,
      );
  }

  server.on('request', (request, response) => {
    const isReload = request.url === RELOAD_PATH;
    underWay++;
    if (isReload) reloading++;
    response.once('close', () => {
      underWay--;
      if (isReload) reloading--;
    });
    answer(request, response).catch((error: unknown) => {
      log.error('Cannot answer a request: its handler failed', { url: request.url, error: String(error) });
      if (response.headersSent) response.destroy();
      else plain(response, 500, 'Cannot answer: an error inside, which the log tells');
    });
  });
  server.on('upgrade', (request, socket, head) => {
    const misdirected = misdirection(request);
    upgrades.answer(
      request,
      socket,
      head,
      misdirected === undefined ? undefined : ['421 Misdirected Request', misdirected],
    );
  });
  return listener;
}

/** The routes that may answer a path by a segment `*`, the last one or that before it. */
function patternsOf(path: string): string[] {
  const last = path.lastIndexOf('/');
  const before = path.lastIndexOf('/', last - 1);
  const patterns = [`${path.slice(0, last + 1)}*`];
  if (before >= 0) patterns.push(`${path.slice(0, before + 1)}*${path.slice(last)}`);
  return patterns;
}

/** `[::1]:9464` → `[::1]` and 9464. */
export function parseEndpoint(endpoint: string): { readonly host: string; readonly port: number } {
  const colon = endpoint.lastIndexOf(':');
  const digits = endpoint.slice(colon + 1);
  const port = Number(digits);
  if (colon < 1 || !/^\d{1,5}$/.test(digits) || port > 65_535) {
    throw new TypeError(`Cannot listen on "${endpoint}": host:port is needed, such as 127.0.0.1:9464`);
  }
  return { host: endpoint.slice(0, colon).toLowerCase(), port };
}

/** The host of a Host header without its port; where there is none (HTTP/1.0, which no browser speaks), this machine. */
function nameOf(header = '127.0.0.1'): string {
  return header.replace(/:\d*$/, '').toLowerCase();
}

/** Puts what takes posts before what takes connections: that gets those of them that are for it. */
function takePosts(
  server: Server,
  event: 'connection' | 'secureConnection',
  create: (passOn: (socket: Socket) => void) => Posts,
): Posts {
  const [listener] = server.listeners(event) as ((socket: Socket) => void)[];
  const posts = create((socket) => listener!.call(server, socket));
  server.off(event, listener!);
  server.on(event, posts.accept);
  return posts;
}

function listen(server: Server, host: string, port: number, endpoint: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (error: NodeJS.ErrnoException): void => {
    reject(new Error(`Cannot listen on ${endpoint}: ${listenProblem(error)}`, { cause: error }));
  };
  server.once('error', fail);
  server.listen(port, host.replace(/^\[|\]$/g, ''), () => {
    server.off('error', fail);
    resolve();
  });
  return promise;
}

function listenProblem({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'another process already does (EADDRINUSE); stop that one, or choose another endpoint';
    case 'EACCES':
      return 'not allowed (EACCES); ports below 1024 need CAP_NET_BIND_SERVICE';
    case 'EADDRNOTAVAIL':
      return 'this machine has no such address (EADDRNOTAVAIL)';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name of the host leads to no address (${code})`;
    default:
      return message;
  }
}

/** Resolves when the port is free and no request is under way, but for reloads: `isReloadAlone` says so. */
async function closeServer(
  server: Server,
  posts: Posts,
  timeout_ms: number,
  isReloadAlone: () => boolean,
  destroyUpgraded: () => void,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // Connections whose request ends from now on fall idle later.
  const closeIdle = (): void => {
    server.closeIdleConnections();
    posts.closeIdle();
  };
  const sweep = setInterval(() => {
    closeIdle();
    if (isReloadAlone()) resolve();
  }, 20);
  const deadline = setTimeout(() => {
    destroyUpgraded();
    if (isReloadAlone()) return;
    server.closeAllConnections();
    posts.closeAll();
  }, timeout_ms);
  server.close(() => {
    clearInterval(sweep);
    clearTimeout(deadline);
    resolve();
  });
  closeIdle();
  await promise;
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' });
  response.end(`${text}\n`);
}
