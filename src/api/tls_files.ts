/** Certificate and key of a listener, read again when they change, so that a renewed one needs no restart. */
import { readFileSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Server } from 'node:https';
import type { TlsServerConfig } from '../component.ts';

interface Log {
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** What `node:tls` calls them. */
export interface TlsContext {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
}

/** @throws if one cannot be read */
export function readTlsFiles(config: TlsServerConfig, log: Log): TlsContext {
  const { cert_file, key_file, client_ca_file } = config;
  const key = read('key_file', key_file);
  if (process.platform !== 'win32' && (statSync(key_file).mode & 0o004) !== 0) {
    log.warn('Everyone on this machine can read a private key: take the right away with chmod o-r', { file: key_file });
  }
  return {
    cert: read('cert_file', cert_file),
    key,
    ...(client_ca_file === undefined ? {} : { ca: read('client_ca_file', client_ca_file) }),
  };
}

/**
 * Looks at the files at an interval, because a watch misses how secrets are replaced (a symbolic link swapped in
 * Kubernetes). Returns what stops it.
 */
export function watchTlsFiles(config: TlsServerConfig, server: Server, interval_ms: number, log: Log): () => void {
  const files = [config.cert_file, config.key_file, config.client_ca_file].filter((file) => file !== undefined);
  let current: string | undefined;
  let isFailing = false;

  async function look(): Promise<void> {
    try {
      const stats = await Promise.all(files.map((file) => stat(file)));
      const seen = stats.map(({ mtimeMs, ino, size }) => `${mtimeMs} ${ino} ${size}`).join();
      if (current !== undefined && (seen !== current || isFailing)) {
        server.setSecureContext({ ...readTlsFiles(config, log), minVersion: 'TLSv1.2' });
      }
      current = seen;
      isFailing = false;
    } catch (error) {
      // Perhaps one of two files is not replaced yet: every look tries again, but only the first says so.
      if (!isFailing) {
        log.warn('Cannot take the changed certificate: the old one stays in use', { error: String(error) });
      }
      isFailing = true;
    }
  }

  void look();
  const timer = setInterval(() => void look(), interval_ms);
  timer.unref();
  return () => clearInterval(timer);
}

function read(option: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    throw new Error(`Cannot read tls.${option} "${file}": ${found}`, { cause: error });
  }
}
