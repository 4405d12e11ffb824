import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createCanaryFolder } from '../src/canary_folder.ts';

function createParent(): string {
  const parent = mkdtempSync(join(tmpdir(), 'sonde-canaries-'));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  return parent;
}

test('createCanaryFolder makes a folder that only its user may enter, and removes it with what is in it', () => {
  const folder = createCanaryFolder(createParent());
  expect(basename(folder.path)).toMatch(/^sonde-canary-[0-9a-f]{16}-0$/);
  expect(statSync(folder.path).mode & 0o777).toBe(0o700);
  writeFileSync(join(folder.path, 'x'), '');
  folder.remove();
  folder.remove();
  expect(existsSync(folder.path)).toBe(false);
});

test('createCanaryFolder removes what killed agents left a day ago, and nothing else', () => {
  const parent = createParent();
  const dayAgo = Date.now() / 1000 - 90_000;
  const names = ['sonde-canary-0123456789abcdef-0', 'sonde-canary-mine', 'sonde-canary-fedcba9876543210-0'];
  for (const name of names) mkdirSync(join(parent, name));
  for (const name of names.slice(0, 2)) utimesSync(join(parent, name), dayAgo, dayAgo);
  const folder = createCanaryFolder(parent);
  expect(readdirSync(parent).toSorted()).toEqual([basename(folder.path), ...names.slice(1)].toSorted());
});
