/** Certificate and key of a listener, read again when their files change, so that a renewed one needs no restart. */
import { readFileSync, statSync } from 'node:fs';
import type { ComponentLog, TlsServerConfig } from './component.ts';
import { messageOf } from './errors.ts';

/** What `node:tls` calls them. */
export interface ServerCertificates {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
  readonly minVersion: 'TLSv1.2';
}

const LOOK_INTERVAL_MS = 10_000;

/** @throws {Error} a file cannot be read */
export function readCertificates({ cert_file, key_file, client_ca_file }: TlsServerConfig): ServerCertificates {
  return {
    cert: read('cert_file', cert_file),
    key: read('key_file', key_file),
    ...(client_ca_file !== undefined && { ca: read('client_ca_file', client_ca_file) }),
    minVersion: 'TLSv1.2',
  };
}

/**
 * Looks at the files at an interval, because a watch misses how secrets are replaced (a symbolic link swapped in
 * Kubernetes), and says so where everyone can read the key.
 * @param take uses what was read; throws where it is of no use, as a key of another certificate
 * @returns what ends looking
 */
export function watchCertificates(
  config: TlsServerConfig,
  take: (certificates: ServerCertificates) => void,
  log: Pick<ComponentLog, 'info' | 'warn'>,
  interval_ms = LOOK_INTERVAL_MS,
): () => void {
  let state = stateOf(config);
  let isFailing = false;

  function look(): void {
    const now = stateOf(config);
    if (now === state && !isFailing) return;
    try {
      take(readCertificates(config));
    } catch (error) {
      // Perhaps one of two files is not replaced yet: every look tries again, but only the first says so.
      if (!isFailing) log.warn(`Cannot take the changed certificate, and keeps the old one: ${messageOf(error)}`);
      isFailing = true;
      return;
    }
    if (isFailing) log.info('Uses the changed certificate');
    state = now;
    isFailing = false;
    warnOfReadableKey(config, log);
  }

  warnOfReadableKey(config, log);
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

function warnOfReadableKey({ key_file }: TlsServerConfig, log: Pick<ComponentLog, 'warn'>): void {
  const mode = statSync(key_file, { throwIfNoEntry: false })?.mode ?? 0;
  if (process.platform !== 'win32' && (mode & 0o004) !== 0) {
    log.warn('Everyone on this machine can read a private key: take the right away with chmod o-r', { file: key_file });
  }
}
