/** The certificates of a client, read again when their files change, so that a renewed one needs no restart. */
import { readFileSync, statSync } from 'node:fs';
import type { TlsClientConfig } from './component.ts';
import { messageOf } from './errors.ts';

/** What `node:https` and `node:tls` take. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized: boolean;
  readonly minVersion: 'TLSv1.2';
}

/**
 * @returns a function that gives the current material; where a changed file cannot be read, the material before
 * @throws {Error} a file cannot be read now
 */
export function createClientCertificates(config: TlsClientConfig): () => TlsMaterial {
  const files = [config.ca_file, config.cert_file, config.key_file];
  let state = stateOf(files);
  let material = read(config);
  return () => {
    const now = stateOf(files);
    if (now === state) return material;
    try {
      material = read(config);
      state = now;
    } catch {
      // Being replaced just now: the next request looks again, and until then the old material serves.
    }
    return material;
  };
}

function read(config: TlsClientConfig): TlsMaterial {
  return {
    ...(config.ca_file !== undefined && { ca: readText(config.ca_file) }),
    ...(config.cert_file !== undefined && { cert: readText(config.cert_file) }),
    ...(config.key_file !== undefined && { key: readText(config.key_file) }),
    ...(config.server_name !== undefined && { servername: config.server_name }),
    rejectUnauthorized: config.insecure_skip_verify !== true,
    minVersion: 'TLSv1.2',
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`Cannot read "${path}": ${messageOf(error)}`, { cause: error });
  }
}

/** Text that changes when one of the files does. */
function stateOf(files: readonly (string | undefined)[]): string {
  return files
    .map((path) => {
      const stat = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false, bigint: true });
      return stat === undefined ? '' : `${stat.ino}.${stat.size}.${stat.mtimeNs}`;
    })
    .join();
}
