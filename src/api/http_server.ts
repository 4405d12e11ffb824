/** The HTTP(S) listeners that components serve on: those that ask for the same endpoint share one. */
import type { Serve, ServeOptions } from '../component.ts';
import { guardOrigin } from './origin.ts';
import { openListener, type HttpListener, type HttpListenerOptions } from './http_listener.ts';

/** Makes the `serve` that components are given. */
export function createServe(options: HttpListenerOptions): Serve {
  const open = new Map<string, Promise<HttpListener>>();
  /** Endpoints that are being given up: whoever asks for one meanwhile waits until it is free. */
  const closing = new Map<string, Promise<void>>();

  async function leave(endpoint: string, listener: HttpListener, paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      listener.routes.delete(path);
      listener.posts.delete(path);
      listener.upgrades.delete(path);
    }
    listener.users--;
    if (listener.users > 0) return;
    open.delete(endpoint);
    const isClosed = listener.close();
    closing.set(endpoint, isClosed);
    await isClosed;
    if (closing.get(endpoint) === isClosed) closing.delete(endpoint);
  }

  async function join(asked: ServeOptions): Promise<HttpListener> {
    // Port 0 is a free one, another each time.
    const isShared = !asked.endpoint.endsWith(':0');
    for (;;) {
      await closing.get(asked.endpoint);
      const known = isShared ? open.get(asked.endpoint) : undefined;
      const opening = known ?? openListener(asked, options);
      if (isShared && known === undefined) {
        open.set(asked.endpoint, opening);
        opening.catch(() => open.delete(asked.endpoint));
      }
      const listener = await opening;
      // Its last user may have left while this one waited.
      if (isShared && open.get(asked.endpoint) !== opening) continue;
      addRoutes(listener, asked);
      return listener;
    }
  }

  return async (asked) => {
    const listener = await join(asked);
    const paths = pathsOf(asked);
    let left: Promise<void> | undefined;
    return { url: listener.url, close: () => (left ??= leave(asked.endpoint, listener, paths)) };
  };
}

function addRoutes(listener: HttpListener, asked: ServeOptions): void {
  const { routes, posts = {}, upgrades = {}, origins } = asked;
  const paths = pathsOf(asked);
  const clash = conflict(listener, asked, paths);
  if (clash !== undefined) throw new Error(`Cannot serve ${paths.join(', ')} on ${asked.endpoint}: ${clash}`);
  for (const [path, handler] of Object.entries(routes)) {
    listener.routes.set(path, origins === undefined ? handler : guardOrigin(handler, origins));
  }
  for (const [path, route] of Object.entries(posts)) listener.posts.set(path, route);
  for (const [path, upgrade] of Object.entries(upgrades)) listener.upgrades.add(path, upgrade, origins ?? []);
  listener.hasPage ||= asked.hasPage === true;
  listener.users++;
}

function pathsOf({ routes, upgrades = {} }: ServeOptions): string[] {
  return [...new Set([...Object.keys(routes), ...Object.keys(upgrades)])];
}

/** Why a component cannot join a listener that others use, if so. */
function conflict(
  { options, routes, upgrades }: HttpListener,
  asked: ServeOptions,
  paths: readonly string[],
): string | undefined {
  const taken = paths.find((path) => routes.has(path) || upgrades.has(path));
  if (taken !== undefined)
    return `another component already answers ${taken} there (give one of them another endpoint)`;
  const { tls } = options;
  const isSameTls =
    tls?.cert_file === asked.tls?.cert_file &&
    tls?.key_file === asked.tls?.key_file &&
    tls?.client_ca_file === asked.tls?.client_ca_file;
  return isSameTls ? undefined : 'another component serves there with other TLS settings (make them the same)';
}
