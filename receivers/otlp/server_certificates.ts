/** The certificate of a gRPC listener, read again when its files change: a renewed one needs no restart. */
import type { experimental, ServerCredentials } from '@grpc/grpc-js';
import { readCertificates, watchCertificates, type ServerCertificates as Files } from '../../src/certificate_files.ts';
import type { ComponentLog, TlsServerConfig } from '../../src/component.ts';

type Grpc = typeof import('@grpc/grpc-js');
type Identity = experimental.IdentityCertificateUpdate;
type Authority = experimental.CaCertificateUpdate;

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
  interval_ms?: number,
): ServerCertificates {
  let current = updatesOf(readCertificates(config));
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

  function take(renewed: Files): void {
    current = updatesOf(renewed);
    for (const listener of identityListeners) listener(current.identity);
    for (const listener of authorityListeners) listener(current.authority);
  }

  const isMutual = config.client_ca_file !== undefined;
  // Its declaration names the parameters the other way round: the first one is the server's own certificate.
  const { createCertificateProviderServerCredentials } = grpc.experimental;
  return {
    credentials: createCertificateProviderServerCredentials(provider, isMutual ? provider : null, isMutual),
    close: watchCertificates(config, take, log, interval_ms),
  };
}

function updatesOf({ cert, key, ca }: Files) {
  const identity: Identity = { certificate: cert, privateKey: key };
  const authority: Authority | null = ca === undefined ? null : { caCertificate: ca };
  // Throws where the two do not belong together.
  process.getBuiltinModule('node:tls').createSecureContext({ cert, key });
  return { identity, authority };
}
