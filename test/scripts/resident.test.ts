import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const file = join(import.meta.dirname, '../../scripts/resident.cjs');
const { cleanMappings } = createRequire(import.meta.url)(file) as {
  cleanMappings(smaps: string, path: string): [bigint, bigint][];
};

const mapping = (head: string, anonymous_kb: number): string =>
  `${head}\nSize:               4280 kB\nRss:                4280 kB\nAnonymous:      ${String(anonymous_kb).padStart(6)} kB\nAnonHugePages:         0 kB\n`;

describe('cleanMappings', () => {
  const node = 'fe:00 2181396                            /opt/node 26/bin/node';

  test('cleanMappings finds text and constants of the file that nothing was changed in', () => {
    const smaps =
      mapping(`00400000-0082e000 r--p 00000000 ${node}`, 0) + mapping(`0082e000-03489000 r-xp 0042e000 ${node}`, 0);
    expect(cleanMappings(smaps, '/opt/node 26/bin/node')).toEqual([
      [0x400000n, 0x82e000n],
      [0x82e000n, 0x3489000n],
    ]);
  });

  test.each([
    ['relocations, which are written once and then protected', `072a7000-072dc000 r--p 06ea7000 ${node}`, 212],
    ['variables', `072dc000-07308000 rw-p 06edc000 ${node}`, 0],
    ['another file', '7f1e92244000-7f1e9239a000 r-xp 00026000 fe:00 1305                       /usr/lib/libc.so.6', 0],
    ['a file that replaced it', `00400000-0082e000 r--p 00000000 ${node} (deleted)`, 0],
    ['the heap', '3cbf8000-3ea6c000 rw-p 00000000 00:00 0                                  [heap]', 0],
    ['no file', '7f1e63800000-7f1e83580000 r-xp 00000000 00:00 0 ', 0],
  ])('cleanMappings leaves %s alone', (_, head, anonymous_kb) => {
    expect(cleanMappings(mapping(head, anonymous_kb), '/opt/node 26/bin/node')).toEqual([]);
  });
});

describe.runIf(process.platform === 'linux')('shrinkResident', () => {
  const run = (flags: readonly string[], script: string) =>
    spawnSync(process.execPath, [...flags, '-e', script, file], { encoding: 'utf8' });
  const program = `
    const { readFileSync } = require('node:fs');
    const { shrinkResident } = require(process.argv[1]);
    const ofFiles = () => Number(/^RssFile:\\s+(\\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))[1]);
    shrinkResident();
    const work = () => require('node:zlib').gunzipSync(require('node:zlib').gzipSync('x'.repeat(1e5))).length;
    work();
    const before = ofFiles();
    shrinkResident();
    const after = ofFiles();
    console.log(JSON.stringify({ before, after, length: work() }));`;

  test('shrinkResident leaves less of the program resident, and the program goes on', () => {
    const { stdout, stderr, status } = run([], program);
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    const { before, after, length } = JSON.parse(stdout) as { before: number; after: number; length: number };
    expect(after).toBeLessThan(before);
    expect(length).toBe(1e5);
  });

  test('shrinkResident does nothing where the C library may not be called', () => {
    const { stdout, status } = run(['--permission', '--allow-fs-read=*'], program);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ length: 1e5 });
  });

  test('shrinkResident does nothing where /proc may not be read', () => {
    const flags = ['--permission', '--allow-ffi', `--allow-fs-read=${file}`];
    const { stdout, status } = run(flags, "require(process.argv[1]).shrinkResident(); console.log('goes on')");
    expect({ stdout, status }).toEqual({ stdout: 'goes on\n', status: 0 });
  });
});
