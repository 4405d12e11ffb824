import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDeadLetters, decodeLetter, type DeadLetter, type DeadLetters } from '../../src/delivery/dead_letters.ts';
import type { NewBlock } from '../../src/delivery/store.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordedLog, type RecordedLog } from '../support/recorded_log.ts';

let path: string;
let log: RecordedLog;
const open: DeadLetters[] = [];

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'sonde-test-'));
  log = createRecordedLog();
});

afterEach(() => {
  for (const letters of open.splice(0)) letters.close();
  rmSync(path, { recursive: true });
});

function createLetters(max_bytes = 10_000): DeadLetters {
  const letters = createDeadLetters(path, max_bytes, log);
  open.push(letters);
  return letters;
}

const letter = (id: string, size = 100): DeadLetter => ({
  id,
  body: Buffer.alloc(size, id),
  count: 3,
  signal: 'logs',
  time_ms: 1_800_000_000_000,
  reason: 'rejected',
  why: 'Cannot send: 400 "Bad\nRequest"',
});

const names = (folder: string): string[] => readdirSync(join(path, folder)).toSorted();
const bodies = (folder: string): string[] =>
  names(folder).map((name) => decodeLetter(readFileSync(join(path, folder, name))).body.toString('utf8', 0, 1));
const messages = (): string[] => log.lines.map(({ message }) => message);

test('keep writes the request and why it died, readable by its owner alone', async () => {
  await createLetters().keep(letter('a'));
  const [name] = names('dead');
  const { header, body } = decodeLetter(readFileSync(join(path, 'dead', name!)));
  expect(body).toEqual(Buffer.alloc(100, 'a'));
  expect(statSync(join(path, 'dead', name!)).mode & 0o777).toBe(0o600);
  expect(header).toMatchObject({ id: 'a', count: 3, reason: 'rejected', why: 'Cannot send: 400 "Bad\nRequest"' });
});

test('keep makes a name of any identifier', async () => {
  await createLetters().keep(letter('../../etc/a b'));
  expect(names('dead')).toEqual([expect.stringMatching(/^\d{13}-\.\._\.\._etc_a_b\.letter$/)]);
});

test('keep removes the oldest letters that there is no room for, and says so once', async () => {
  const letters = createLetters(1500);
  for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) {
    await letters.keep(letter(id, 200));
    // Names hold the millisecond.
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  expect(bodies('dead')).toEqual(['d', 'e', 'f']);
  expect(messages().filter((message) => message.startsWith('Removes the oldest dead letters'))).toHaveLength(1);
});

test('keep takes several letters at once', async () => {
  const letters = createLetters();
  await Promise.all(['a', 'b', 'c'].map((id) => letters.keep(letter(id))));
  expect(bodies('dead').toSorted()).toEqual(['a', 'b', 'c']);
});

test('keep counts what lay there before it', async () => {
  await createLetters(1500).keep(letter('a', 800));
  await new Promise((resolve) => setTimeout(resolve, 2));
  await createLetters(1500).keep(letter('b', 800));
  expect(bodies('dead')).toEqual(['b']);
});

test('keep leaves the others alone for a letter that never fits', async () => {
  const letters = createLetters(1500);
  await letters.keep(letter('a', 200));
  await letters.keep(letter('b', 2000));
  expect(bodies('dead')).toEqual(['a']);
  expect(messages().at(-1)).toMatch(/^Cannot keep a request that will never be taken: its \d+ bytes are more than/);
});

test('keep removes what a crash left half written', async () => {
  mkdirSync(join(path, 'dead'));
  writeFileSync(join(path, 'dead', '1800000000000-x.letter.new'), 'half');
  await createLetters().keep(letter('a'));
  expect(names('dead')).toEqual([expect.stringMatching(/-a\.letter$/)]);
});

test('onReplay hands over what lies in the folder replay, and what is put there later', async () => {
  const letters = createLetters();
  for (const id of ['a', 'b']) await letters.keep(letter(id));
  mkdirSync(join(path, 'replay'));
  const move = (name: string): void => renameSync(join(path, 'dead', name), join(path, 'replay', name));
  const [first, second] = names('dead');
  move(first!);
  const taken: NewBlock[] = [];
  letters.onReplay((block) => void taken.push(block));
  await eventually(() => expect(taken).toHaveLength(1));
  move(second!);
  await eventually(() => expect(names('replay')).toEqual([]));
  expect(taken.map(({ body, count, signal }) => [Buffer.from(body).toString('utf8', 0, 1), count, signal])).toEqual([
    ['a', 3, 'logs'],
    ['b', 3, 'logs'],
  ]);
});

test('onReplay leaves a letter that the queue refuses, and one that is damaged, and says so', async () => {
  const letters = createLetters();
  for (const id of ['a', 'b']) await letters.keep(letter(id));
  renameSync(join(path, 'dead'), join(path, 'replay'));
  const [damaged] = names('replay');
  const file = join(path, 'replay', damaged!);
  const bytes = readFileSync(file);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(file, bytes);
  letters.onReplay(() => Promise.reject(new Error('the exporter is stopping')));
  await eventually(() => expect(messages()).toHaveLength(3));
  expect(names('replay')).toHaveLength(2);
  expect(messages().slice(1).toSorted()).toEqual([
    'Cannot queue a dead letter again: Cannot read the dead letter: its body is damaged',
    'Cannot queue a dead letter again: the exporter is stopping',
  ]);
});
