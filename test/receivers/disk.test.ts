import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import disk, { parseDiskstats } from '../../receivers/disk.ts';
import { collectReceiver, renderBatches, runReceiver, valuesOf } from '../support/collect.ts';

const FIXTURES = 'test/fixtures';
const VDA = ' 254       0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n';

function disksOf(text: string | Uint8Array): Record<string, number[]> {
  const disks: [string, number[]][] = [];
  const file = typeof text === 'string' ? Buffer.from(text) : text;
  parseDiskstats(file, (bytes, start, end, fields) => {
    disks.push([Buffer.from(bytes.subarray(start, end)).toString('latin1'), Array.from(fields)]);
  });
  return Object.fromEntries(disks);
}

describe('parseDiskstats', () => {
  const first11 = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
  const cases: [string, string, Record<string, number[]>][] = [
    ['reads all 17 numbers', VDA, { vda: [...first11, 12, 13, 14, 15, 16, 17] }],
    [
      'takes columns that a kernel of 2013 lacks for unknown',
      '8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n',
      { sda: [...first11, ...Array(6).fill(NaN)] },
    ],
    [
      'leaves columns of a newer kernel alone',
      '8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x\n',
      { sda: [...first11, 12, 13, 14, 15, 16, 17] },
    ],
    [
      'reads a name with a slash',
      '104 0 cciss/c0d0 1 2 3 4 5 6 7 8 9 10 11\n',
      { 'cciss/c0d0': [...first11, ...Array(6).fill(NaN)] },
    ],
    [
      'reads a name of strange bytes',
      '8 0 __proto__ 1 2 3 4 5 6 7 8 9 10 11\n',
      Object.fromEntries([['__proto__', [...first11, ...Array(6).fill(NaN)]]]),
    ],
    ['finds nothing in an empty file', '', {}],
    ['skips an empty line', `\n${VDA}`, { vda: [...first11, 12, 13, 14, 15, 16, 17] }],
  ];
  test.each(cases)('%s', (_, text, expected) => {
    expect(disksOf(text)).toEqual(expected);
  });

  test.each([
    ['a line with too few numbers', '8 0 sda 1 2 3 4 5 6 7 8 9 10\n'],
    ['a line of the partitions of Linux 2.6.24', '8 1 sda1 1 2 3 4\n'],
    ['a line with a word among the numbers', '8 0 sda 1 2 3 4 5 6 seven 8 9 10 11\n'],
    ['a word behind the first eleven numbers', '8 0 sda 1 2 3 4 5 6 7 8 9 10 11 twelve\n'],
    ['a negative number', '8 0 sda 1 2 3 4 5 6 7 8 -9 10 11\n'],
    ['a line without a name', '8 0\n'],
    ['a last line that was cut off', '8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12'],
    ['bytes that are no text', '\u0000\u00ff\u0001\n'],
  ])('refuses %s, but not the lines around it', (_, bad) => {
    const seen: string[] = [];
    const text = bad.endsWith('\n') ? `${VDA}${bad}${VDA.replace('vda', 'vdb')}` : `${VDA}${bad}`;
    const parse = (): void =>
      parseDiskstats(
        Buffer.from(text),
        (bytes, start, end) => void seen.push(Buffer.from(bytes.subarray(start, end)).toString()),
      );
    expect(parse).toThrow(SyntaxError);
    expect(seen).toEqual(bad.endsWith('\n') ? ['vda', 'vdb'] : ['vda']);
  });

  test('parseDiskstats returns or throws a SyntaxError, whatever the bytes', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.constantFrom(VDA, ' ', '\n', '9 9 sda', ' 4').map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        try {
          for (const fields of Object.values(disksOf(Buffer.concat(pieces)))) expect(fields).toHaveLength(17);
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
        }
      }),
    );
  });

  test('parseDiskstats reads back what was written', () => {
    const numbers = fc.array(fc.nat(), { minLength: 11, maxLength: 24 });
    const names = fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9/!-]{0,12}$/), { maxLength: 20 });
    fc.assert(
      fc.property(names, numbers, (all, fields) => {
        const text = all.map((name) => `   8       0 ${name} ${fields.join(' ')}\n`).join('');
        const known = fields.slice(0, 17);
        const expected = [...known, ...Array<number>(17 - known.length).fill(NaN)];
        expect(disksOf(text)).toEqual(Object.fromEntries(all.map((name) => [name, expected])));
      }),
    );
  });
});

describe('disk', () => {
  test.each(['debian12-kvm', 'server-64cpu', 'linux-3.10', 'arm-board', 'container-lxcfs'])(
    'disk measures %s',
    async (machine) => {
      const batches = await collectReceiver(disk, { rootPath: join(FIXTURES, machine), everything: true });
      await expect(renderBatches(batches)).toMatchFileSnapshot(`../golden/receivers/disk.${machine}.txt`);
    },
  );

  test.each(['darwin', 'win32'] as const)('disk measures what the library knows on %s', async (platform) => {
    const recorded = JSON.parse(readFileSync(`${FIXTURES}/systeminformation/fs-${platform}.json`, 'utf8'));
    const library = { fsStats: async () => recorded.fsStats, disksIO: async () => recorded.disksIO };
    const batches = await collectReceiver(disk, {
      platform,
      host: { systeminformation: async () => library as never },
    });
    await expect(renderBatches(batches)).toMatchFileSnapshot(`../golden/receivers/disk.${platform}.txt`);
  });

  test('disk reports partitions if asked to, and what include and exclude leave', async () => {
    const devices = async (config: Record<string, unknown>): Promise<unknown[]> => {
      const [batch] = await collectReceiver(disk, { rootPath: `${FIXTURES}/server-64cpu`, config });
      return [...new Set(batch.series.map(({ attributes }) => attributes['system.device']))];
    };
    expect(await devices({})).toEqual(['sda', 'nvme0n1', 'md127', 'dm-0', 'cciss/c0d0', 'sr0']);
    expect(await devices({ partitions: true, include: ['sd*'] })).toEqual(['sda', 'sda1', 'sda2']);
    expect(await devices({ exclude: ['{dm-,md,sr,cciss}*'] })).toEqual(['sda', 'nvme0n1', 'loop0']);
  });

  test('disk refuses a glob that is none, in the configuration', async () => {
    await expect(collectReceiver(disk, { config: { exclude: ['[a'] } })).rejects.toThrow('Cannot parse the glob "[a"');
  });
});

describe('disk on a machine that changes', () => {
  const folders: string[] = [];
  afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true })));

  function machine(): { rootPath: string; write: (text: string) => void } {
    const rootPath = mkdtempSync(join(tmpdir(), 'disk-'));
    folders.push(rootPath);
    cpSync(`${FIXTURES}/linux-3.10/proc`, join(rootPath, 'proc'), { recursive: true });
    return { rootPath, write: (text) => writeFileSync(join(rootPath, 'proc/diskstats'), text) };
  }

  test('a counter of milliseconds that wrapped begins a new run, on that series alone', async () => {
    const { rootPath, write } = machine();
    write('8 0 sda 1 0 8 4294967290 1 0 8 10 0 4294967295 100\n');
    const run = await runReceiver(disk, { rootPath });
    const [before] = await run.collect();
    write('8 0 sda 2 0 16 500 2 0 16 20 0 700 200\n');
    const [after] = await run.collect();
    await run.stop();
    const restarted = after.series.filter((series, row) => series !== before.series[row]);
    expect(restarted.map(({ metric, attributes }) => [metric.name, attributes['disk.io.direction']])).toEqual([
      ['system.disk.io_time', undefined],
      ['system.disk.operation_time', 'read'],
    ]);
    expect(restarted.every(({ startTime }) => startTime === before.time)).toBe(true);
    expect(valuesOf([after])['system.disk.io_time{"system.device"="sda"}']).toBe(0.7);
  });

  test('a device that vanished ends its series, and the others go on', async () => {
    const { rootPath, write } = machine();
    const [sda, sdb] = ['8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n', '8 16 sdb 1 2 3 4 5 6 7 8 9 10 11\n'];
    write(sda + sdb);
    const run = await runReceiver(disk, { rootPath });
    const [both] = await run.collect();
    write(sda);
    const [left, ended] = await run.collect();
    expect(left.series.map(({ attributes }) => attributes['system.device'])).toEqual(Array(11).fill('sda'));
    expect(left.series).toEqual(both.series.slice(0, 11));
    expect(ended.count).toBe(11);
    expect(ended.series.every(({ attributes }) => attributes['system.device'] === 'sdb')).toBe(true);
    write(`${sda}8 16 sdb 0 0 0 0 0 0 0 0 0 0 0\n`);
    const [again] = await run.collect();
    await run.stop();
    expect(again.count).toBe(22);
    expect(again.series[11].startTime).toBe(left.time);
  });

  test('a file that was cut off costs its last line, and is said once', async () => {
    const { rootPath, write } = machine();
    write('8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n8 16 sdb 1 2 3 4 5');
    const run = await runReceiver(disk, { rootPath });
    const [batch] = await run.collect();
    await run.collect();
    expect(batch.count).toBe(11);
    expect(run.said).toEqual([
      'once /proc/diskstats: Cannot parse /proc/diskstats: found the line "8 16 sdb 1 2 3 4 5"',
    ]);
    write('8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n');
    await run.collect();
    await run.stop();
    expect(run.said.at(-1)).toBe('over /proc/diskstats: Reading /proc/diskstats works again');
  });

  test('a file that is denied or not there costs the receiver its values, not the collection', async () => {
    const { rootPath, write } = machine();
    rmSync(join(rootPath, 'proc/diskstats'));
    const run = await runReceiver(disk, { rootPath });
    expect((await run.collect())[0].count).toBe(0);
    write('8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n');
    expect((await run.collect())[0].count).toBe(11);
    await run.stop();
    const denied = await runReceiver(disk, {
      host: {
        read: () => {
          throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
        },
      },
    });
    expect((await denied.collect())[0].count).toBe(0);
    expect(denied.said).toEqual(['once /proc/diskstats: Cannot read /proc/diskstats: permission denied (EACCES)']);
    await denied.stop();
  });

  test('a disk whose size is denied has no limit, and all the rest', async () => {
    const { rootPath, write } = machine();
    write('8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n');
    const [batch] = await collectReceiver(disk, { rootPath, everything: true });
    expect(batch.series.map(({ metric }) => metric.name)).not.toContain('system.disk.limit');
    expect(batch.count).toBe(11);
  });
});
