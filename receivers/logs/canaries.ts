/** A log file of the receiver's own, to which it adds lines to find out how late they are read. */
import { appendFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCanaryFolder } from '../../src/canary_folder.ts';
import type { Encoding } from './encodings.ts';

export interface CanaryFile {
  readonly path: string;
  add(token: string): void;
  remove(): void;
}

/** Some weeks, at a line a minute. */
const LARGEST_BYTES = 2 ** 20;

/** @throws {Error} where nothing can be written to the system's temporary folder */
export function createCanaryFile(encoding: Encoding): CanaryFile {
  const folder = createCanaryFolder();
  const path = join(folder.path, 'canaries.log');
  writeFileSync(path, '');
  return {
    path,
    add(token) {
      if (statSync(path).size > LARGEST_BYTES) truncateSync(path);
      appendFileSync(path, encode(`${token}\n`, encoding));
    },
    remove: folder.remove,
  };
}

function encode(text: string, encoding: Encoding): Buffer {
  if (encoding === 'utf-16le') return Buffer.from(text, 'utf16le');
  if (encoding === 'utf-16be') return Buffer.from(text, 'utf16le').swap16();
  return Buffer.from(text, 'latin1');
}
