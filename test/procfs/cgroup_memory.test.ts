import { expect, test } from 'vitest';
import { readMemoryLimit } from '../../src/procfs/cgroup_memory.ts';

function limit(files: Readonly<Record<string, string>>): number | undefined {
  return readMemoryLimit((path) => {
    const text = files[path];
    if (text === undefined) throw new Error(`ENOENT ${path}`);
    return text;
  });
}

test.each([
  [
    'a group of version 2',
    { '/proc/self/cgroup': '0::/a.scope\n', '/sys/fs/cgroup/a.scope/memory.max': '1048576\n' },
    1_048_576,
  ],
  [
    'a group below a stricter one',
    {
      '/proc/self/cgroup': '0::/a.slice/b.scope\n',
      '/sys/fs/cgroup/a.slice/memory.max': '1000\n',
      '/sys/fs/cgroup/a.slice/b.scope/memory.max': '2000\n',
    },
    1000,
  ],
  ['no limit', { '/proc/self/cgroup': '0::/a\n', '/sys/fs/cgroup/a/memory.max': 'max\n' }, undefined],
  [
    'a container of version 2',
    { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/memory.max': '536870912\n' },
    536_870_912,
  ],
  [
    'a container of version 1, which sees the path of the machine',
    { '/proc/self/cgroup': '9:memory:/docker/x\n0::/\n', '/sys/fs/cgroup/memory/memory.limit_in_bytes': '4096\n' },
    4096,
  ],
  [
    'version 1 without a limit',
    {
      '/proc/self/cgroup': '9:cpu,memory:/docker/x\n',
      '/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes': '9223372036854771712\n',
    },
    undefined,
  ],
  ['no control groups', {}, undefined],
])('readMemoryLimit of %s', (_, files, expected) => {
  expect(limit(files as Record<string, string>)).toBe(expected);
});
