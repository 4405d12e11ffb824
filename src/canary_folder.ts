/** A folder of its own for canaries that are files, beside what is measured: no one else's files are touched. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface CanaryFolder {
  readonly path: string;
  remove(): void;
}

/** In the form of a canary's name, so that whoever watches the folder above knows it for one. */
const NAME = /^sonde-canary-[0-9a-f]{16}-0$/;
const FORGOTTEN_MS = 24 * 3_600_000;

/** @throws {Error} where nothing can be written to the system's temporary folder */
export function createCanaryFolder(parent = tmpdir()): CanaryFolder {
  removeForgotten(parent);
  const path = join(parent, `sonde-canary-${randomBytes(8).toString('hex')}-0`);
  mkdirSync(path, { mode: 0o700 });
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** What agents left behind that were killed. */
function removeForgotten(parent: string): void {
  for (const name of readdirSync(parent).filter((one) => NAME.test(one))) {
    const path = join(parent, name);
    try {
      if (Date.now() - statSync(path).mtimeMs > FORGOTTEN_MS) rmSync(path, { recursive: true, force: true });
    } catch {
      // Another user's, or removed meanwhile: not ours to care for.
    }
  }
}
