/**
 * Writes what is generated from the code: docs/reference/ and configs/reference.yaml. With `--check` it writes nothing
 * and fails if any of them is not what it would write.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { renderReference } from './reference_pages.ts';

const root = join(import.meta.dirname, '..');
const isCheck = process.argv.includes('--check');

for (const [file, text] of renderReference()) {
  const path = join(root, file);
  if (text === currentText(path)) continue;
  if (isCheck) {
    console.error(`${file} is not what the code says: run "npm run docs"`);
    process.exitCode = 1;
    continue;
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  console.error(`wrote ${file}`);
}

function currentText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Not there yet.
    return undefined;
  }
}
