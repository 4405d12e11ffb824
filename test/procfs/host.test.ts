import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { expect, test, vi } from 'vitest';
import { createHost } from '../../src/procfs/host.ts';
import { createMachine } from '../support/machines.ts';

test('host.read reads a file of any length to its end, in one piece or in many', () => {
  const lengths = [0, 1, 300, 511, 512, 65_535, 65_536, 65_537, 300_000];
  for (const path of ['proc/stat', 'proc/vmstat']) {
    for (const length of lengths) {
      const content = Buffer.alloc(length, 'abcdefg');
      const machine = createMachine({ [path]: content.toString() });
      const host = createHost({ rootPath: machine.root });
      // The second time its descriptor is known.
      for (let time = 0; time < 2; time++) expect(Buffer.compare(host.read(`/${path}`), content)).toBe(0);
      const file = host.open(`/${path}`);
      expect(Buffer.compare(file.read(), content)).toBe(0);
      file.close();
      host.close();
    }
  }
});

test('host.read gives the bytes of the last reading, not of one of the same length before', () => {
  const machine = createMachine({ 'proc/a': '12345', 'proc/b': '67890' });
  const host = createHost({ rootPath: machine.root });
  for (const [path, content] of [
    ['/proc/a', '12345'],
    ['/proc/b', '67890'],
    ['/proc/a', '12345'],
  ] as const) {
    expect(Buffer.from(host.read(path)).toString()).toBe(content);
  }
  host.close();
});

test('host.read asks the kernel once for a file that it writes in one piece, and for others until nothing comes', () => {
  const readSync = vi.spyOn(fs, 'readSync');
  syncBuiltinESMExports();
  const host = createHost({ platform: 'linux' });
  const calls = (path: string): number => {
    readSync.mockClear();
    host.read(path);
    return readSync.mock.calls.length;
  };
  expect([calls('/proc/stat'), calls('/proc/sys/fs/file-nr'), calls('/proc/vmstat')]).toEqual([1, 1, 2]);
  host.close();
  readSync.mockRestore();
  syncBuiltinESMExports();
});
