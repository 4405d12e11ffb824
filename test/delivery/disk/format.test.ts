import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decodeLetter } from '../../../src/delivery/dead_letters.ts';
import { openFolder } from '../../../src/delivery/disk/folder.ts';
import {
  decodeRecordHeader,
  decodeSegmentHeader,
  encodeRecordHeader,
  encodeSegmentHeader,
  intactRecord,
  segmentSum,
  type RecordHeader,
} from '../../../src/delivery/disk/format.ts';
import { createBlocks, drain, openQueue, SETTLED } from './queue_folders.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures/queue');

let path: string;
beforeEach(() => void (path = mkdtempSync(join(tmpdir(), 'sonde-test-'))));
afterEach(() => rmSync(path, { recursive: true }));

interface WaitingBlock {
  readonly id: string;
  readonly count: number;
  readonly signal: string;
  readonly time_ms: number;
  /** In base64. */
  readonly body: string;
}

test.each(readdirSync(FIXTURES))('createDiskStore opens a queue that was written in format %s', async (version) => {
  cpSync(join(FIXTURES, version, 'folder'), path, { recursive: true });
  const waiting = JSON.parse(readFileSync(join(FIXTURES, version, 'waiting.json'), 'utf8')) as WaitingBlock[];
  const queue = await openQueue(await openFolder(path));
  const blocks = await drain(queue);
  const found = blocks.map(({ id, count, signal, time_ms, body }) => ({
    id,
    count,
    signal,
    time_ms,
    body: Buffer.from(body).toString('base64'),
  }));
  expect(found).toEqual(waiting);
  expect(queue.opened).toBe(waiting.reduce((sum, { count }) => sum + count, 0));
  expect(queue.lost).toEqual([]);
  expect(queue.told.map(({ message }) => message)).toEqual(['Cuts off what a crash left unfinished']);
  await queue.store.close();
  expect(readdirSync(path).toSorted()).toEqual(['cursor', 'dead']);
});

test('a queue in format v1 holds the blocks that were put, but for those that were settled', () => {
  const waiting = JSON.parse(readFileSync(join(FIXTURES, 'v1/waiting.json'), 'utf8')) as WaitingBlock[];
  const blocks = createBlocks(40, 1).filter((_, number) => !SETTLED.includes(number));
  expect(waiting).toEqual(
    blocks.map((block) => ({ ...block, id: expect.any(String), body: Buffer.from(block.body).toString('base64') })),
  );
});

test('decodeLetter reads a dead letter of format v1', () => {
  const dead = join(FIXTURES, 'v1/folder/dead');
  const [name] = readdirSync(dead);
  const { header, body } = decodeLetter(readFileSync(join(dead, name!)));
  expect(body.toString()).toBe('refused');
  expect(header).toMatchObject({
    format: 1,
    id: 'a-7',
    count: 3,
    signal: 'logs',
    time_ms: 1_800_000_000_000,
    reason: 'rejected',
    why: 'Cannot send: 400 Bad Request',
  });
});

const SEGMENT = { seq: 2 ** 40 + 7, item: 2 ** 52 + 1, queue: '00112233445566778899aabbccddeeff' };
const RECORD = {
  seq: 2 ** 40 + 9,
  item: 2 ** 53 - 1,
  count: 2 ** 32 - 1,
  time_ms: 1_800_000_000_123,
  signal: 'traces',
};

test('encodeSegmentHeader writes the bytes of docs/queue_format.md', () => {
  const bytes = encodeSegmentHeader(SEGMENT);
  expect(bytes.toString('hex')).toBe(
    [
      '534f4e444551310a', // SONDEQ1\n
      '01000000', // version
      bytes.toString('hex', 12, 16), // sum
      '0700000000010000', // seq
      '0100000000001000', // item
      '00112233445566778899aabbccddeeff', // queue
      '00'.repeat(16),
    ].join(''),
  );
  expect(decodeSegmentHeader(bytes)).toEqual({ ...SEGMENT, sum: segmentSum(bytes) });
});

test.each([
  ['is too short', (bytes: Buffer) => bytes.subarray(0, 63), 'does not begin as a segment does'],
  ['begins with something else', (bytes: Buffer) => bytes.fill(0, 0, 1), 'does not begin as a segment does'],
  ['is of the future', (bytes: Buffer) => bytes.fill(2, 8, 9), 'is of format 2, and this agent knows 1'],
  ['has a flipped bit', (bytes: Buffer) => bytes.fill(0x10, 63), 'has a damaged header'],
])('decodeSegmentHeader refuses a header that %s', (_, change, message) => {
  expect(() => decodeSegmentHeader(change(encodeSegmentHeader(SEGMENT)))).toThrow(message);
});

test('encodeRecordHeader writes the bytes of docs/queue_format.md, and intactRecord reads them', () => {
  const body = Buffer.from('body');
  const header = encodeRecordHeader(RECORD as RecordHeader, body, 0x1234);
  expect(header.toString('hex')).toBe(
    [
      '53515231', // SQR1
      header.toString('hex', 4, 8), // sum
      '04000000', // length
      'ffffffff', // count
      '0900000000010000', // seq
      'ffffffffffff1f00', // item
      '7b505c18a3010000', // time
      '02', // signal
      '00'.repeat(7),
    ].join(''),
  );
  const bytes = Buffer.concat([Buffer.from('abc'), header, body]);
  expect(intactRecord(bytes, 3, 0x1234)).toEqual({ ...RECORD, length: 4, sum: header.readUInt32LE(4) });
});

test('intactRecord refuses a record of another segment', () => {
  const body = Buffer.from('body');
  const bytes = Buffer.concat([encodeRecordHeader(RECORD as RecordHeader, body, 1), body]);
  expect([intactRecord(bytes, 0, 1) !== undefined, intactRecord(bytes, 0, 2)]).toEqual([true, undefined]);
});

test('decodeRecordHeader refuses a length that no record has, and a signal that there is not', () => {
  const header = encodeRecordHeader(RECORD as RecordHeader, Buffer.alloc(0), 0);
  const long = Buffer.from(header);
  long.writeUInt32LE(2 ** 30 + 1, 8);
  const strange = Buffer.from(header);
  strange[40] = 3;
  expect([decodeRecordHeader(long, 0), decodeRecordHeader(strange, 0), decodeRecordHeader(header, 1)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
