import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { checkOrdinaryFile, makeFolder, stateDirectory } from '../src/state_directory.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

function environment(uid: number | undefined, state: string | undefined, xdg: string | undefined): void {
  vi.stubEnv('STATE_DIRECTORY', state);
  vi.stubEnv('XDG_STATE_HOME', xdg);
  vi.spyOn(process as { getuid: () => number | undefined }, 'getuid').mockReturnValue(uid);
}

test('stateDirectory is in the first folder of systemd, whoever the user is', () => {
  environment(0, '/var/lib/a:/var/lib/b', '/xdg');
  expect(stateDirectory('queue')).toBe('/var/lib/a/queue');
});

test('stateDirectory is /var/lib/sonde for root', () => {
  environment(0, '', '/xdg');
  expect(stateDirectory('queue')).toBe('/var/lib/sonde/queue');
});

test('stateDirectory follows XDG for others', () => {
  environment(1000, undefined, '/xdg');
  expect(stateDirectory('logs')).toBe('/xdg/sonde/logs');
  for (const none of [undefined, '']) {
    environment(1000, undefined, none);
    expect(stateDirectory('logs')).toBe(join(homedir(), '.local/state/sonde/logs'));
  }
});

test('makeFolder makes what is missing for its owner alone, and leaves what is there', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-state-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'a/b/c');
  makeFolder(path);
  makeFolder(path);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
  writeFileSync(join(path, 'file'), '');
  expect(() => makeFolder(join(path, 'file'))).toThrow('EEXIST');
  expect(() => makeFolder(join(path, 'file/below'))).toThrow('ENOTDIR');
});

test.runIf(process.platform === 'linux')('makeFolder gives up where the kernel makes no folders', () => {
  expect(() => makeFolder('/proc/nowhere/below')).toThrow('ENOENT');
});

test('checkOrdinaryFile refuses devices and folders, and nothing that is a file or may become one', () => {
  for (const other of ['/dev/null', tmpdir()]) expect(() => checkOrdinaryFile(other)).toThrow('no ordinary file');
  for (const fine of [import.meta.filename, join(tmpdir(), 'sonde-is-not-there')]) checkOrdinaryFile(fine);
});
