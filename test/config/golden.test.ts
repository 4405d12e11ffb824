/**
 * Every message about a configuration. A case is a folder under `test/golden/config/`: its files, `expected.txt`, and
 * where it needs more than `sonde.yaml` a `case.options` (JSON) with `files`, `environment`, `env`, `sets` or `args`. A new
 * folder is a new test; `npx vitest run test/config/golden.test.ts -u` writes what is expected of it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatProblems } from '../../src/config/frames.ts';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/errors.ts';
import { registry } from './registry.ts';

const GOLDEN = join(import.meta.dirname, '../golden/config');

interface Case {
  readonly files?: readonly string[];
  readonly environment?: string;
  readonly env?: Record<string, string>;
  readonly sets?: readonly string[];
  readonly args?: readonly string[];
}

function messagesOf(folder: string): string {
  const description = join(folder, 'case.options');
  const options = (existsSync(description) ? JSON.parse(readFileSync(description, 'utf8')) : {}) as Case;
  const files = (options.files ?? ['sonde.yaml']).map((file) => join(folder, file));
  let text: string;
  try {
    const loaded = loadConfig({
      ...options,
      files,
      env: options.env ?? {},
      registry,
      defaultFile: join(GOLDEN, 'default.yaml'),
    });
    text = formatProblems(loaded.warnings, { severity: 'warning' });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    text = formatProblems(error.problems);
  }
  return text.replaceAll(`${folder}/`, '').replaceAll(`${GOLDEN}/`, '').replaceAll(folder, 'FOLDER');
}

describe('loadConfig says', () => {
  for (const entry of readdirSync(GOLDEN, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    it(entry.name.replaceAll('_', ' '), async () => {
      const folder = join(GOLDEN, entry.name);
      await expect(messagesOf(folder)).toMatchFileSnapshot(join(folder, 'expected.txt'));
    });
  }
});
