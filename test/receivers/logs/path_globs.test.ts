import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { expect, onTestFinished, test } from 'vitest';
import { createPathGlob, pathGlobs } from '../../../receivers/logs/path_globs.ts';

test.each<[string, string, boolean]>([
  ['/var/log/*.log', '/var/log/a.log', true],
  ['/var/log/*.log', '/var/log/a/b.log', false],
  ['/var/log/**/*.log', '/var/log/a.log', true],
  ['/var/log/**/*.log', '/var/log/a/b/c.log', true],
  ['/var/log/**', '/var/log/a/b', true],
  ['/var/log/?.log', '/var/log/ab.log', false],
  ['/var/{log,tmp}/[ab].log', '/var/tmp/b.log', true],
  ['/var/{log,tmp}/[ab].log', '/var/run/b.log', false],
  ['/var/log/a.log', '/var/log/a.log', true],
  ['/**/a.log', '/a.log', true],
])('createPathGlob(%j) on %j: %s', (pattern, path, expected) => {
  expect(createPathGlob(pattern).matches(path)).toBe(expected);
});

test('expand visits what fits, once, through links to folders but not around in circles', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-globs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['a.log', 'b.txt', 'x/a.log', 'x/y/a.log', 'z/c.log']) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), '');
  }
  symlinkSync(folder, join(folder, 'x/circle'));
  symlinkSync(join(folder, 'z'), join(folder, 'link'));
  const expand = async (pattern: string): Promise<string[]> => {
    const paths: string[] = [];
    const onUnreadable = (path: string): never => {
      throw new Error(path);
    };
    await createPathGlob(join(folder, pattern)).expand(
      (path) => paths.push(path.slice(folder.length + 1)),
      onUnreadable,
    );
    return paths.sort();
  };
  expect(await expand('*.log')).toEqual(['a.log']);
  expect(await expand('**/*.log')).toEqual(['a.log', 'x/a.log', 'x/y/a.log', 'z/c.log']);
  expect(await expand('link/*.log')).toEqual(['link/c.log']);
  expect(await expand('{x,z}/*.log')).toEqual(['x/a.log', 'z/c.log']);
  expect(await expand('x/y/a.log')).toEqual(['x/y/a.log']);
  expect(await expand('nowhere/*.log')).toEqual([]);
});

test.each([
  ['var/log/*.log', 'absolute'],
  ['/var/{log/a,tmp}/x', 'not closed'],
  ['/var/**/**/x', 'one **'],
])('pathGlobs refuses %j', (pattern, reason) => {
  const { success, issues } = v.safeParse(pathGlobs(), [pattern]);
  expect(success).toBe(false);
  expect(issues![0].message).toContain(reason);
});
