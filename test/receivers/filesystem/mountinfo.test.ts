import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Mount, parseMountinfo, visibleMounts } from '../../../receivers/filesystem/mountinfo.ts';

const parse = (text: string): ReturnType<typeof parseMountinfo> => parseMountinfo(Buffer.from(text));
const LINE = '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n';
const MOUNT: Mount = {
  id: 36,
  parent: 35,
  device: '98:0',
  root: '/mnt1',
  mountPoint: '/mnt2',
  mode: 'rw',
  type: 'ext3',
  source: '/dev/root',
};

describe('parseMountinfo', () => {
  const cases: [string, string, Partial<Mount>][] = [
    ['reads the line of the kernel’s documentation', LINE, MOUNT],
    ['reads a line without optional fields', LINE.replace('master:1 ', ''), MOUNT],
    ['reads a line with several optional fields', LINE.replace('master:1', 'shared:1 master:2 unbindable'), MOUNT],
    ['reads an option that a newer kernel put at the end', LINE.replace('continue', 'continue new'), MOUNT],
    ['calls a file system read-only that is', LINE.replace(' rw,errors', ' ro,errors'), { ...MOUNT, mode: 'ro' }],
    ['does not take a read-only view for a read-only file system', LINE.replace('rw,noatime', 'ro,noatime'), MOUNT],
    [
      'decodes blanks and backslashes',
      LINE.replace('/mnt2', String.raw`/My\040disk\134a\011b\012c`),
      { ...MOUNT, mountPoint: '/My disk\\a\tb\nc' },
    ],
    [
      'decodes bytes of a character of UTF-8',
      LINE.replace('/mnt2', String.raw`/caf\303\251`),
      { ...MOUNT, mountPoint: '/café' },
    ],
    [
      'leaves what is no octal number alone',
      LINE.replace('/mnt2', String.raw`/a\9x\777\04`),
      { ...MOUNT, mountPoint: String.raw`/a\9x\777\04` },
    ],
    ['reads an empty source', LINE.replace('/dev/root', ''), { ...MOUNT, source: '' }],
    ['is not misled by a mount point that is a hyphen', LINE.replace('/mnt2', '-'), { ...MOUNT, mountPoint: '-' }],
  ];
  test.each(cases)('%s', (_, text, expected) => {
    expect(parse(text)).toEqual({ mounts: [expected] });
  });

  test.each([
    ['that lacks the separator', LINE.replace(' - ', ' ')],
    ['that ends behind the type', '36 35 98:0 / / rw - ext3\n'],
    ['whose id is no number', LINE.replace('36', 'x')],
    ['whose device is no pair', LINE.replace('98:0', '98')],
    ['that is empty', '\n'],
    ['that was cut off', LINE.slice(0, -5)],
    ['of other bytes', '\u0000\u00ff\n'],
  ])('leaves out a line %s, and tells of it', (_, bad) => {
    const text = bad.endsWith('\n') ? `${LINE}${bad}${LINE}` : `${LINE}${bad}`;
    const { mounts, bad: told } = parse(text);
    expect(mounts).toEqual(bad.endsWith('\n') ? [MOUNT, MOUNT] : [MOUNT]);
    expect(told).toBe(JSON.stringify(bad.trimEnd() === '' ? '' : bad.replace('\n', '').slice(0, 80)));
  });

  test('parseMountinfo returns, whatever the bytes', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 30 }),
      fc.constantFrom(LINE, ' - ', '\\040', '\n', '1 2 3:4 / / rw').map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        for (const mount of visibleMounts(parseMountinfo(Buffer.concat(pieces)).mounts))
          expect(mount.device).toMatch(/^\d+:\d+$/);
      }),
    );
  });

  test('parseMountinfo reads back any path as the kernel escapes it', () => {
    const escape = (text: string): string =>
      text.replaceAll(/[ \t\n\\#]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.string({ maxLength: 10 }), (path, source) => {
        const [mount] = parse(`1 2 3:4 / ${escape(path)} rw - ext4 ${escape(source)} rw\n`).mounts;
        expect([mount.mountPoint, mount.source]).toEqual([path, source]);
      }),
    );
  });
});

describe('visibleMounts', () => {
  const mount = (id: number, parent: number, mountPoint: string): Mount => ({ ...MOUNT, id, parent, mountPoint });
  const visible = (...mounts: Mount[]): number[] => visibleMounts(mounts).map(({ id }) => id);

  test('visibleMounts keeps mounts within mounts', () => {
    expect(visible(mount(1, 0, '/'), mount(2, 1, '/a'), mount(3, 2, '/a/b'), mount(4, 1, '/ab'))).toEqual([1, 2, 3, 4]);
  });
  test('visibleMounts leaves out what a mount at the same place covers', () => {
    expect(visible(mount(1, 0, '/'), mount(2, 1, '/a'), mount(3, 2, '/a'))).toEqual([1, 3]);
  });
  test('visibleMounts leaves out what a mount further up covers', () => {
    expect(visible(mount(1, 0, '/'), mount(2, 1, '/a/b'), mount(3, 1, '/a'), mount(4, 3, '/a/c'))).toEqual([1, 3, 4]);
  });
  test('visibleMounts keeps the root of a container, whose parent is not in the list', () => {
    expect(visible(mount(600, 500, '/'), mount(601, 600, '/proc'))).toEqual([600, 601]);
  });
  test('visibleMounts is not led in circles', () => {
    expect(visible(mount(1, 2, '/a'), mount(2, 1, '/b'))).toEqual([1, 2]);
  });
});
