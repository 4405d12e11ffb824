/** Where a running agent answers, by its configuration. */
import { readFileSync } from 'node:fs';
import type { TlsServerConfig } from '../component.ts';
import { isLoopback } from '../config/options.ts';
import type { LoadedConfig } from '../config/load.ts';

/** How a command proves and believes identities; what the command line says goes before the configuration. */
export interface LiveTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The certificate in `ca` is the server's own: whatever name it is for. */
  readonly isPinned?: boolean;
}

export interface LiveAddress {
  /** Without a path, as `http://127.0.0.1:9464`. */
  readonly origin: string;
  readonly tls: LiveTls;
}

/** What pull exporters have in common that listen. */
interface ListeningConfig {
  readonly endpoint?: unknown;
  readonly path?: unknown;
  readonly tls?: TlsServerConfig | undefined;
}

export interface LiveExporter extends LiveAddress {
  readonly id: string;
  readonly type: string;
  readonly path: string;
}

/** The exporters in pipelines of a configuration that listen on a fixed port, in their order. */
export function listeningExporters({ exporters, pipelines }: LoadedConfig): readonly LiveExporter[] {
  const used = new Set([...pipelines.values()].flatMap((pipeline) => pipeline.exporters));
  return [...exporters.values()].flatMap(({ id, type, definition, config }) => {
    const { endpoint, path, tls } = config as ListeningConfig;
    if (!definition.isPull || !used.has(id) || typeof endpoint !== 'string' || endpoint.endsWith(':0')) return [];
    const origin = `${tls === undefined ? 'http' : 'https'}://${reachable(endpoint)}`;
    return [{ id, type, origin, path: typeof path === 'string' ? path : '/', tls: pinned(endpoint, tls) }];
  });
}

/** An address that stands for all of a machine is that of no one to connect to. */
function reachable(endpoint: string): string {
  return endpoint.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[(::|0:0:0:0:0:0:0:0)\]:/, '[::1]:');
}

/** Within a machine the name in the certificate is seldom that of the address: the very certificate is looked for. */
function pinned(endpoint: string, tls: TlsServerConfig | undefined): LiveTls {
  if (tls === undefined) return {};
  const isHere = isLoopback(reachable(endpoint));
  try {
    return isHere ? { ca: readFileSync(tls.cert_file, 'utf8'), isPinned: true } : {};
  } catch {
    // It is another user's: then what the system trusts has to do.
    return {};
  }
}
