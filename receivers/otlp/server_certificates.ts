/** The certificate of a gRPC listener, read again when its files change: a renewed one needs no restart. */
import type { experimental, ServerCredentials } from '@grpc/grpc-js';
import { readFileSync, statSync } from 'node:fs';
import type { ComponentLog, TlsServerConfig } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';

type Grpc = typeof import('@grpc/grpc-js');
type Identity = experimental.IdentityCertificateUpdate;
type Authority = experimental.CaCertificateUpdate;

const LOOK_INTERVAL_MS = 10_000;

export interface ServerCertificates {
  readonly credentials: ServerCredentials;
  /** Ends looking at the files. */
  close(): void;
}

/** @throws {Error} a file cannot be read, or the key is not that of the certificate */
export function createServerCertificates(
  grpc: Grpc,
  config: TlsServerConfig,
  log: ComponentLog,
  interval_ms = LOOK_INTERVAL_MS,
): ServerCertificates {
  let state = stateOf(config);
  let current = read(config);
  const identityListeners = new Set<(update: Identity | null) => void>();
  const authorityListeners = new Set<(update: Authority | null) => void>();
  // The library's own watcher drops the certificate while a file is being replaced; this one keeps the old.
  const provider: experimental.CertificateProvider = {
    addIdentityCertificateListener(listener) {
      identityListeners.add(listener);
      process.nextTick(listener, current.identity);
    },
    removeIdentityCertificateListener: (listener) => void identityListeners.delete(listener),
    addCaCertificateListener(listener) {
      authorityListeners.add(listener);
      process.nextTick(listener, current.authority);
    },
    removeCaCertificateListener: (listener) => void authorityListeners.delete(listener),
  };

  function look(): void {
    const now = stateOf(config);
    if (now === state) return;
    try {
      current = read(config);
      state = now;
      for (const listener of identityListeners) listener(current.identity);
      for (const listener of authorityListeners) listener(current.authority);
      log.over('tls', 'Uses the changed certificate');
    } catch (error) {
      log.once('tls', `Cannot take the changed certificate, and keeps the old one: ${messageOf(error)}`);
    }
  }
  const timer = setInterval(look, interval_ms);
  timer.unref();

  const isMutual = config.client_ca_file !== undefined;
  // Its declaration names the parameters the other way round: the first one is the server's own certificate.
  const { createCertificateProviderServerCredentials } = grpc.experimental;
  return {
    credentials: createCertificateProviderServerCredentials(provider, isMutual ? provider : null, isMutual),
    close: () => clearInterval(timer),
  };
}

function read({ cert_file, key_file, client_ca_file }: TlsServerConfig) {
  const identity: Identity = { certificate: readFileSync(cert_file), privateKey: readFileSync(key_file) };
  const authority: Authority | null =
    client_ca_file === undefined ? null : { caCertificate: readFileSync(client_ca_file) };
  // Throws where the two do not belong together.
  process.getBuiltinModule('node:tls').createSecureContext({ cert: identity.certificate, key: identity.privateKey });
  return { identity, authority };
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
