import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createCheckpoint, type Checkpoint } from '../../../receivers/logs/checkpoint.ts';
import { decodeLine, encodeLine, toEntry, type Entry } from '../../../receivers/logs/entries.ts';
import { createRecordedLog } from '../../support/recorded_log.ts';

function entry(id: number, offset: number, isOver = false): Entry {
  const position = { offset, emitted: offset, inLine: '' as const, check: { length: 3, crc: 7 } };
  return { id, path: `/var/log/${id}.log`, inode: `1:${id}`, head: { length: 5, digest: 'ab' }, position, isOver };
}

function createFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-checkpoint-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Opened as by another process: what is open is left as a kill leaves it. */
async function open(
  folder: string,
): Promise<{ checkpoint: Checkpoint; entries: readonly Entry[]; said: readonly string[] }> {
  const recorded = createRecordedLog();
  const checkpoint = createCheckpoint(folder, recorded);
  const entries = await checkpoint.open();
  onTestFinished(() => checkpoint.close());
  return { checkpoint, entries, said: recorded.lines.map(({ message }) => message) };
}

const journalIn = (folder: string): string =>
  join(
    folder,
    readdirSync(folder).find((name) => name.startsWith('journal.'))!,
  );

test('createCheckpoint keeps what was written, through a kill and through a stop', async () => {
  const folder = createFolder();
  const first = await open(folder);
  expect(first.entries).toEqual([]);
  await first.checkpoint.write([entry(1, 10), entry(2, 20)]);
  await first.checkpoint.write([entry(1, 11)]);
  const second = await open(folder);
  expect(second.entries).toEqual([entry(2, 20), entry(1, 11)]);
  expect(second.checkpoint.firstStart_ms).toBe(first.checkpoint.firstStart_ms);
  expect(second.checkpoint.nextId()).toBe(3);
  await second.checkpoint.write([entry(2, 21)]);
  await second.checkpoint.close();
  await second.checkpoint.write([entry(2, 99)]);
  expect((await open(folder)).entries).toEqual([entry(1, 11), entry(2, 21)]);
});

test('createCheckpoint reads a journal as far as it is whole', async () => {
  const folder = createFolder();
  const { checkpoint } = await open(folder);
  await checkpoint.write([entry(1, 10)]);
  await checkpoint.write([entry(1, 11)]);
  const journal = journalIn(folder);
  const whole = readFileSync(journal);
  truncateSync(journal, whole.length - 3);
  const torn = await open(folder);
  expect(torn.entries).toEqual([entry(1, 10)]);
  expect(torn.said).toEqual([]);
  appendFileSync(journalIn(folder), 'rubbish\n');
  const damaged = await open(folder);
  expect(damaged.entries).toEqual([entry(1, 10)]);
  expect(damaged.said).toHaveLength(1);
});

test.each(['', 'rubbish', '00000000 {}\n', encodeLine({ format: 'other', version: 1, count: 0 })])(
  'createCheckpoint sets %j aside',
  async (content) => {
    const folder = createFolder();
    writeFileSync(join(folder, 'checkpoint'), content);
    const { entries, said } = await open(folder);
    expect(entries).toEqual([]);
    expect(said).toHaveLength(1);
    const aside = readdirSync(folder).find((name) => name.startsWith('checkpoint.bad-'))!;
    expect(readFileSync(join(folder, aside), 'utf8')).toBe(content);
  },
);

test('createCheckpoint sets aside a snapshot of which any bit is another', async () => {
  const folder = createFolder();
  const { checkpoint } = await open(folder);
  await checkpoint.write([entry(1, 10)]);
  await checkpoint.close();
  const path = join(folder, 'checkpoint');
  const bytes = readFileSync(path);
  for (const at of [0, 12, bytes.length >> 1, bytes.length - 2]) {
    const changed = Buffer.from(bytes);
    changed[at] ^= 1;
    writeFileSync(path, changed);
    const { said, checkpoint: opened } = await open(folder);
    expect(said, `byte ${at}`).toHaveLength(1);
    await opened.close();
  }
});

test('createCheckpoint lets go of the oldest files that are over, and of no others', async () => {
  const folder = createFolder();
  const { checkpoint } = await open(folder);
  await checkpoint.write([entry(1, 10), ...Array.from({ length: 1200 }, (_, index) => entry(index + 2, 1, true))]);
  await checkpoint.close();
  const { entries } = await open(folder);
  expect(entries).toHaveLength(1001);
  expect(entries[0]).toEqual(entry(1, 10));
  expect(entries.at(-1)!.id).toBe(1201);
});

test('encodeLine and decodeLine are inverse, and toEntry refuses what is no entry', () => {
  expect(toEntry(decodeLine(encodeLine(entry(1, 2)).trimEnd()))).toEqual(entry(1, 2));
  expect(decodeLine('')).toBeUndefined();
  for (const wrong of [
    null,
    7,
    {},
    { ...entry(1, 2), id: -1 },
    { ...entry(1, 2), position: {} },
    { ...entry(1, 2), head: 1 },
  ]) {
    expect(toEntry(wrong)).toBeUndefined();
  }
});
