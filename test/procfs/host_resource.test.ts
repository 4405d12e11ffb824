import { hostname, machine, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { createHost } from '../../src/procfs/host.ts';
import { detectHostResource, hostArch, parseOsRelease } from '../../src/procfs/host_resource.ts';

function detect(fixture: string, platform: NodeJS.Platform = 'linux') {
  const rootPath = fileURLToPath(new URL(`../fixtures/resource/${fixture}`, import.meta.url));
  return detectHostResource(createHost({ rootPath, platform }));
}

describe('detectHostResource', () => {
  test('tells what the files of the machine say', () => {
    expect(detect('debian')).toEqual({
      'host.name': 'web-1.example.com',
      'host.id': '3d1219c7c4c5404aaa1f6d2a48adfda4',
      'host.arch': hostArch(machine()),
      'os.type': 'linux',
      'os.name': 'Debian GNU/Linux',
      'os.version': '12',
      'os.description': expect.stringMatching(/^Debian GNU\/Linux 12 \(bookworm\) \(.+\)$/) as string,
      'os.build_id': '6.1.0-18-amd64',
    });
  });

  test('finds the second places, and what a vendor calls its build', () => {
    expect(detect('container-root')).toMatchObject({
      'host.name': 'node-7',
      'host.id': '0123456789abcdef0123456789abcdef',
      'os.name': 'fedora',
      'os.version': '39',
      'os.build_id': '39.20240210.3.0',
      'os.description': expect.stringMatching(/^Fedora "CoreOS" 39 \(/) as string,
    });
  });

  test('leaves out what cannot be told', () => {
    const found = detect('minimal');
    expect(Object.keys(found).sort()).toEqual(['host.arch', 'host.name', 'os.build_id', 'os.description', 'os.type']);
    expect(found).toMatchObject({ 'host.name': hostname(), 'os.build_id': '5.4.0' });
    expect(detect('uninitialized')).not.toHaveProperty('host.id');
  });

  test.each([
    ['win32', 'windows', 'Windows'],
    ['darwin', 'darwin', expect.any(String)],
    ['sunos', 'solaris', expect.any(String)],
  ] as const)('of %s tells the type %s', (platform, type, name) => {
    expect(detect('debian', platform)).toMatchObject({ 'os.type': type, 'os.name': name, 'os.version': release() });
    expect(detect('debian', platform)).not.toHaveProperty('host.id');
  });
});

test.each([
  ['x86_64', 'amd64'],
  ['aarch64', 'arm64'],
  ['armv7l', 'arm32'],
  ['i686', 'x86'],
  ['ppc64le', 'ppc64'],
  ['s390x', 's390x'],
  ['riscv64', 'riscv64'],
  ['', undefined],
])('hostArch of %j is %j', (name, arch) => {
  expect(hostArch(name)).toBe(arch);
});

describe('parseOsRelease', () => {
  test('takes quotes and escapes off', () => {
    const text = 'A="a \\"b\\" \\$c \\\\"\nB=\'x "y"\'\nC=plain\nD="\n#E=1\nlower=1\n';
    expect(Object.fromEntries(parseOsRelease(text))).toEqual({ A: 'a "b" $c \\', B: 'x "y"', C: 'plain', D: '"' });
  });
});
