/** Certificates for TLS tests, made by the `openssl` of this machine: none of them is worth stealing or expires. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificates {
  readonly folder: string;
  readonly ca: string;
  /** For `localhost` and 127.0.0.1, signed by `ca`. */
  readonly server: CertificatePair;
  /** Signed by `ca`. */
  readonly client: CertificatePair;
  /** Signed by an authority that nobody knows. */
  readonly stranger: CertificatePair;
  remove(): void;
}

interface CertificatePair {
  readonly cert_file: string;
  readonly key_file: string;
}

export function createCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-tls-'));
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const ecKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const makeAuthority = (name: string): void =>
    openssl(
      'req',
      '-x509',
      ...ecKey,
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
    );
  const make = (name: string, authority: string): CertificatePair => {
    openssl('req', ...ecKey, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    const by = ['-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, '-CAcreateserial'];
    openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-days', '2', '-extfile', 'names.cnf', '-out', `${name}.pem`);
    return { cert_file: join(folder, `${name}.pem`), key_file: join(folder, `${name}.key`) };
  };
  writeFileSync(join(folder, 'names.cnf'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  makeAuthority('ca');
  makeAuthority('other-ca');
  return {
    folder,
    ca: join(folder, 'ca.pem'),
    server: make('server', 'ca'),
    client: make('client', 'ca'),
    stranger: make('stranger', 'other-ca'),
    remove: () => rmSync(folder, { recursive: true }),
  };
}
