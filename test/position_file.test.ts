import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createPositionFile, positionPath } from '../src/position_file.ts';
import { createRecordedLog } from './support/recorded_log.ts';

function create() {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-position-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const log = createRecordedLog();
  const path = join(folder, 'below/position.json');
  const parse = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
  return { folder, path, log, file: createPositionFile({ path, parse, log }) };
}

test('createPositionFile gives back what was saved last, and leaves nothing beside it', () => {
  const { file, path } = create();
  expect(file.load()).toBeUndefined();
  file.save(1);
  file.save(2);
  expect(file.load()).toBe(2);
  expect(readdirSync(join(path, '..'))).toEqual(['position.json']);
});

test.each(['', '{', '"text"'])('createPositionFile sets %j aside, and says so', (text) => {
  const { file, path, log } = create();
  file.save(1);
  writeFileSync(path, text);
  expect(file.load()).toBeUndefined();
  expect(log.lines.map(({ level }) => level)).toEqual(['warn']);
  expect(readFileSync(`${path}.bad`, 'utf8')).toBe(text);
  expect(existsSync(path)).toBe(false);
});

test('createPositionFile neither sets aside nor replaces what is no file', () => {
  const { folder, log } = create();
  const path = join(folder, 'folder');
  mkdirSync(path);
  const file = createPositionFile({ path, parse: (): number | undefined => undefined, log });
  expect(() => file.load()).toThrow('it is no ordinary file');
  file.save(1);
  expect(log.lines.map(({ message }) => message)).toEqual([
    `Cannot keep the position: Cannot use "${path}": it is no ordinary file; a restart would read again from before`,
  ]);
  expect(readdirSync(folder)).toEqual(['folder']);
});

test('createPositionFile says once that it cannot keep a position, and when it can again', () => {
  const { file, folder, log } = create();
  writeFileSync(join(folder, 'below'), '');
  file.save(1);
  file.save(2);
  rmSync(join(folder, 'below'));
  file.save(3);
  expect(log.lines.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^Cannot keep the position: /),
    'The position can be kept again',
  ]);
  expect(file.load()).toBe(3);
});

test('createPositionFile throws where it cannot be read at all', () => {
  const { file, path } = create();
  file.save(1);
  rmSync(path);
  const folder = createPositionFile({ path: join(path, '..'), parse: () => undefined, log: createRecordedLog() });
  expect(() => folder.load()).toThrow(/^Cannot read the position ".*": .*it is no ordinary file$/);
});

test('createPositionFile keeps the last whole position where the disk takes only a part of the next', async () => {
  const { path } = create();
  const module = join(import.meta.dirname, '../src/position_file.ts');
  const script = `
    import { createPositionFile } from ${JSON.stringify(module)};
    const log = { once: (key, message) => console.log(message), over() {}, warn: console.log };
    const file = createPositionFile({ path: ${JSON.stringify(path)}, parse: (value) => value, log });
    file.save('before');
    file.save('x'.repeat(4000));
    console.log(file.load());`;
  // A file of more than 512 bytes is cut there, as by a disk without room (POSIX counts so, some shells 1024).
  const shell = 'ulimit -f 1; exec "$0" --input-type=module-typescript --eval "$1"';
  const { stdout } = await promisify(execFile)('sh', ['-c', shell, process.execPath, script]);
  expect(stdout.trim().split('\n')).toEqual([expect.stringMatching(/^Cannot keep the position: EFBIG/), 'before']);
});

test('createPositionFile goes on where a damaged file cannot be set aside', () => {
  const { file, path, log } = create();
  file.save(1);
  writeFileSync(path, '{');
  mkdirSync(`${path}.bad/full`, { recursive: true });
  expect(file.load()).toBeUndefined();
  expect(log.lines.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^Cannot use the kept position: the file is damaged, and cannot be set aside: /),
  ]);
});

test('positionPath has a file for each receiver, where systemd says', () => {
  vi.stubEnv('STATE_DIRECTORY', '/var/lib/a:/var/lib/b');
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(positionPath('journald/host', undefined)).toBe('/var/lib/a/positions/journald%2Fhost.json');
  expect(positionPath('journald', '/x/y')).toBe('/x/y');
});
