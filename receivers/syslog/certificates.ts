/** The certificate of the TLS listener, read again when its files change: a renewed one needs no restart. */
import { readFileSync, statSync } from 'node:fs';
import type { Server } from 'node:tls';
import type { ComponentLog, TlsServerConfig } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';

const LOOK_INTERVAL_MS = 10_000;

/** @throws {Error} a file cannot be read */
export function readCertificates({ cert_file, key_file, client_ca_file }: TlsServerConfig) {
  return {
    cert: read('cert_file', cert_file),
    key: read('key_file', key_file),
    ...(client_ca_file !== undefined && { ca: read('client_ca_file', client_ca_file) }),
    minVersion: 'TLSv1.2' as const,
  };
}

/** @returns what ends looking at the files */
export function watchCertificates(
  config: TlsServerConfig,
  server: Pick<Server, 'setSecureContext'>,
  log: ComponentLog,
  interval_ms = LOOK_INTERVAL_MS,
): () => void {
  let state = stateOf(config);
  function look(): void {
    const now = stateOf(config);
    if (now === state) return;
    try {
      server.setSecureContext(readCertificates(config));
      state = now;
      log.over('tls', 'Uses the changed certificate');
    } catch (error) {
      log.once('tls', `Cannot take the changed certificate, and keeps the old one: ${messageOf(error)}`);
    }
  }
  const timer = setInterval(look, interval_ms);
  timer.unref();
  return () => clearInterval(timer);
}

function read(option: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(`Cannot read tls.${option} "${file}": ${messageOf(error)}`, { cause: error });
  }
}

/** Text that changes when one of the files does. */
function stateOf({ cert_file, key_file, client_ca_file }: TlsServerConfig): string {
  return [cert_file, key_file, client_ca_file ?? cert_file]
    .map((path) => {
      const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
      return stat === undefined ? '' : `${stat.ino}.${stat.size}.${stat.mtimeNs}`;
    })
    .join();
}
