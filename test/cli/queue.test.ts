import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { decodeBody, indentJson } from '../../src/cli/queue_body.ts';
import { ageText, bytesText } from '../../src/cli/queue_units.ts';
import { createDeadLetters } from '../../src/delivery/dead_letters.ts';
import { createFolderLock } from '../../src/folder_lock.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordedLog } from '../support/recorded_log.ts';
import { createQueueRoot, openStore, otlpLogs, type QueueRoot } from './queue_folder.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const golden = (name: string): string => `../golden/cli/queue_${name}.txt`;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW });
});
afterEach(() => {
  vi.useRealTimers();
});

function configOf(root: QueueRoot): void {
  root.write(
    'a.yaml',
    `
receivers: { load: , otlp: }
exporters:
  otlp: { queue: &disk { storage: disk, directory: ${root.path}, max_bytes: 1GiB } }
  otlp/cloud: { endpoint: "http://127.0.0.1:1", queue: { <<: *disk, dead_letters: { max_bytes: 0 } } }
  otlp/quick: { endpoint: "http://127.0.0.1:2" }
service:
  pipelines:
    logs: { receivers: [otlp], exporters: [otlp, otlp/quick] }
    metrics: { receivers: [load], exporters: [otlp/cloud] }
`,
  );
}

/** Queues of every kind: one with a backlog, one that nobody uses, one that is not there yet, one in memory. */
async function populate(): Promise<QueueRoot> {
  const root = createQueueRoot();
  configOf(root);
  vi.setSystemTime(NOW - 2 * 3_600_000);
  await root.fill('otlp', 'logs', [otlpLogs('first', 'second'), otlpLogs('third'), otlpLogs('fourth', 'fifth')], 1);
  await root.fill('influxdb/old', 'metrics', [Buffer.from('load,host=a value=1 1000\n')]);
  vi.setSystemTime(NOW - 60_000);
  const body = otlpLogs('said "no"\u001b[2J');
  await root.bury('otlp', 'logs', { body, why: 'Cannot send: it answered 400: \u001b[31mno\nno', count: 1 });
  vi.setSystemTime(NOW - 30_000);
  await root.bury('influxdb/old', 'metrics', { id: 'q-8', reason: 'retry_exhausted', why: 'gave up', count: 1 });
  vi.setSystemTime(NOW);
  return root;
}

test('queue status says of each queue what waits, where, and since when', async () => {
  const root = await populate();
  const before = readdirSync(root.path, { recursive: true });
  const { code, printed, complained } = await root.sonde('status -c @/a.yaml --check');
  expect([code, complained]).toEqual([0, '']);
  await expect(printed).toMatchFileSnapshot(golden('status'));
  expect(readdirSync(root.path, { recursive: true })).toEqual(before);
});

test('queue status --json tells machines the same', async () => {
  const root = await populate();
  const { printed } = await root.sonde('status -c @/a.yaml --json');
  const [cloud, logs, quick, old] = JSON.parse(printed).toSorted((a: never, b: never) => order(a) - order(b));
  expect(logs).toMatchObject({
    exporter: 'otlp',
    signal: 'logs',
    storage: 'disk',
    folder: '@/otlp/logs',
    configured: true,
    max_bytes: 2 ** 30,
    segments: 1,
    waiting_items: 3,
    oldest_age_seconds: 7200,
    position: { record: 1, records: 3, settled_items: 2, items: 5 },
    dead_letters: { count: 1 },
  });
  expect(logs).not.toHaveProperty('damaged');
  expect(cloud).toEqual({
    exporter: 'otlp/cloud',
    signal: 'metrics',
    storage: 'disk',
    folder: '@/otlp%2Fcloud/metrics',
    configured: true,
    max_bytes: 2 ** 30,
  });
  expect(quick).toEqual({ exporter: 'otlp/quick', signal: 'logs', storage: 'memory', configured: true });
  expect(old).toMatchObject({ exporter: 'influxdb/old', configured: false, waiting_items: 1 });
});

function order({ exporter }: { exporter: string }): number {
  return ['otlp/cloud', 'otlp', 'otlp/quick', 'influxdb/old'].indexOf(exporter);
}

test.each(['@', '@/otlp', '@/otlp/logs'])(
  'queue status --directory looks at %s without a configuration',
  async (directory) => {
    const root = await populate();
    const { code, printed } = await root.sonde(`status --directory ${directory} --exporter otlp --json`);
    expect(code).toBe(0);
    expect(JSON.parse(printed)).toMatchObject([
      { exporter: 'otlp', signal: 'logs', waiting_items: 3, configured: true },
    ]);
  },
);

test('queue status finds what lies on disk of an exporter that now queues in memory', async () => {
  const root = createQueueRoot();
  await root.fill('otlp', 'metrics', [Buffer.from('x')]);
  root.write(
    'a.yaml',
    `
receivers: { load: }
exporters: { otlp: { queue: { storage: memory, directory: ${root.path} } } }
service: { pipelines: { metrics: { receivers: [load], exporters: [otlp] } } }
`,
  );
  const { printed } = await root.sonde('status -c @/a.yaml --json');
  expect(JSON.parse(printed)).toMatchObject([
    { storage: 'memory', configured: true },
    { storage: 'disk', configured: false, waiting_items: 1 },
  ]);
});

test('queue status looks on while an agent uses the queue, and says which process does', async () => {
  const root = createQueueRoot();
  const store = await openStore(root.folder('otlp', 'logs'));
  await store.put({ body: Buffer.alloc(100), count: 4, signal: 'logs', time_ms: NOW });
  const [first] = JSON.parse((await root.sonde('status --directory @ --json')).printed);
  expect(first).toMatchObject({ waiting_items: 4, process: process.pid });
  await store.settle((await store.take(false))!);
  const [second] = JSON.parse((await root.sonde('status --directory @ --json')).printed);
  expect(second).toMatchObject({ waiting_items: 0, position: { settled_items: 4 } });
  await store.close();
  const [third] = JSON.parse((await root.sonde('status --directory @ --json')).printed);
  expect(third).not.toHaveProperty('process');
});

test('queue status --check counts records that are damaged', async () => {
  const root = createQueueRoot();
  const bodies = ['a', 'b', 'c'].map((letter) => Buffer.from(letter.repeat(1000)));
  const folder = await root.fill('otlp', 'logs', bodies);
  const [segment] = readdirSync(folder).filter((name) => name.endsWith('.queue'));
  const bytes = readFileSync(join(folder, segment!));
  bytes[bytes.indexOf('bbb') + 10]! ^= 1;
  writeFileSync(join(folder, segment!), bytes);
  const { code, printed } = await root.sonde('status --directory @ --check --json');
  expect(code).toBe(1);
  expect(JSON.parse(printed)).toMatchObject([{ waiting_items: 3, damaged: [{ segment, records: 1, items: 1 }] }]);
  expect((await root.sonde('status --directory @ --check')).printed).toMatch(
    /damaged +1 record with 1 item in 0+\.queue/,
  );
});

test('queue status shows what was set aside, cannot be used or is unfinished', async () => {
  const root = createQueueRoot();
  const folder = await root.fill('otlp', 'logs', [Buffer.from('a'.repeat(100))]);
  writeFileSync(join(folder, '0000000000000007.queue.bad'), 'x'.repeat(2048));
  writeFileSync(join(folder, '0000000000000009.queue'), 'no segment');
  const [segment] = readdirSync(folder);
  appendFileSync(join(folder, segment!), 'torn');
  const { code, printed } = await root.sonde('status --directory @');
  expect(code).toBe(0);
  expect(printed).toMatch(/set aside +1 damaged file, 2.0 KiB/);
  expect(printed).toMatch(/unusable +0+9\.queue: it does not begin as a segment does/);
  expect(printed).toMatch(/unfinished +4 B at the end/);
});

test.each([
  ['status -c @/none.yaml', 78, 'none.yaml'],
  ['status --directory @/none', 1, 'Cannot look for queues: ENOENT'],
  ['status --directory @ --exporter otpl', 2, 'hint: known: influxdb/old, otlp'],
])('queue %s ends with %d', async (words, expected, says) => {
  const root = await populate();
  const { code, complained } = await root.sonde(words);
  expect(code).toBe(expected);
  expect(complained).toContain(says);
});

test('queue list shows dead letters with the words of the back end, which no terminal obeys', async () => {
  const root = await populate();
  const { code, printed } = await root.sonde('list -c @/a.yaml --records');
  expect(code).toBe(0);
  await expect(printed).toMatchFileSnapshot(golden('list'));
  expect((await root.sonde('list -c @/a.yaml', { columns: 80, isInteractive: true })).printed).not.toMatch(
    /[\0-\x09\x0b-\x1f]/,
  );
});

test('queue list --json tells machines the same', async () => {
  const root = await populate();
  const { letters, records } = JSON.parse((await root.sonde('list --directory @ --records --json')).printed);
  expect(letters).toMatchObject([
    { exporter: 'otlp', signal: 'logs', items: 1, reason: 'rejected', time: '2026-11-22T11:59:00Z', request: 'q-7' },
    { exporter: 'influxdb/old', signal: 'metrics', items: 1, reason: 'retry_exhausted', message: 'gave up' },
  ]);
  expect(records.filter(({ exporter }: never) => exporter === 'otlp')).toMatchObject([
    { record: 0, items: 2, settled: true },
    { record: 1, items: 1, settled: false },
    { record: 2, items: 2, settled: false },
  ]);
});

test('queue list leaves out letters of other reasons, and shows those that are damaged', async () => {
  const root = await populate();
  const names = async (words: string) =>
    JSON.parse((await root.sonde(`list --directory @ --json ${words}`)).printed).letters.map(
      (one: never) => one['letter'],
    );
  expect(await names('--reason rejected')).toEqual(['1795348740000-q-7']);
  expect(await names('--reason expired')).toEqual([]);
  appendFileSync(join(root.folder('otlp', 'logs'), 'dead', '1795348740000-q-7.letter'), 'x');
  expect((await root.sonde('list --directory @')).printed).toMatch(
    /unreadable +Cannot read the dead letter: its body is damaged/,
  );
});

test('queue inspect shows a letter that holds OTLP as JSON', async () => {
  const root = await populate();
  const { code, printed } = await root.sonde('inspect 17953487 --directory @ --exporter otlp');
  expect(code).toBe(0);
  await expect(printed).toMatchFileSnapshot(golden('inspect_letter'));
});

test('queue inspect shows text as it is', async () => {
  const root = await populate();
  const { printed } = await root.sonde('inspect 1795348770000-q-8 --directory @');
  await expect(printed).toMatchFileSnapshot(golden('inspect_text'));
  const { text, format } = JSON.parse((await root.sonde('inspect 1795348770000-q-8 --directory @ --json')).printed);
  expect([text, format]).toEqual(['a 1\n', 'text']);
});

test('queue inspect --raw writes the body alone, and never to a terminal', async () => {
  const root = await populate();
  const path = '@/otlp/logs/dead/1795348740000-q-7.letter';
  const { printed } = await root.sonde(`inspect ${path} --raw`);
  expect(printed).toBe(Buffer.from(otlpLogs('said "no"\u001b[2J')).toString('latin1'));
  const { code, printed: shown } = await root.sonde(`inspect ${path} --raw`, { isInteractive: true });
  expect([code, shown]).toEqual([2, '']);
});

test('queue inspect shows a segment, and one of its records', async () => {
  const root = await populate();
  const name = readdirSync(root.folder('otlp', 'logs')).find((one) => one.endsWith('.queue'))!;
  const { printed } = await root.sonde(`inspect ${name} -c @/a.yaml --exporter otlp`);
  await expect(printed).toMatchFileSnapshot(golden('inspect_segment'));
  const record = await root.sonde(`inspect ${name} --record 1 -c @/a.yaml --exporter otlp --json`);
  const { record: number, items, format, body } = JSON.parse(record.printed);
  expect([number, items, format]).toEqual([1, 1, 'OTLP']);
  expect(body.resourceLogs[0].scopeLogs[0].logRecords[0].body).toEqual({ stringValue: 'third' });
});

test.each([
  ['inspect 99 --directory @', 2, 'Cannot find "99": no dead letter has a name that begins so'],
  ['inspect 1795 --directory @', 2, 'Cannot tell which letter "1795" is: 2 names begin so'],
  [
    'inspect 0000000000000000.queue --directory @',
    2,
    'Cannot tell which segment "0000000000000000.queue" is: name one of @',
  ],
  ['inspect 0000000000000000 --directory @ --exporter otlp --raw', 2, 'say of which record, with --record'],
  ['inspect 0000000000000000 --directory @ --exporter otlp --record 9', 2, 'Cannot find record "9"'],
  ['inspect @/a.yaml', 1, 'Cannot inspect @/a.yaml: Cannot read the dead letter: its first line is no JSON'],
  ['inspect @/none.letter', 1, 'Cannot inspect @/none.letter: ENOENT'],
  ['replay --directory @', 2, 'Cannot replay: name letters, or say --all'],
  ['replay --all 17 --directory @', 2, 'Cannot replay: name letters, or say --all'],
  ['replay 99 --directory @', 2, 'Cannot find "99"'],
  ['purge --directory @', 1, 'Cannot purge: there is nobody to ask'],
  ['purge 17 --waiting --directory @', 2, 'Cannot purge: --waiting is about whole queues'],
])('queue %s ends with %d', async (words, expected, says) => {
  const root = await populate();
  const before = readdirSync(root.path, { recursive: true });
  const { code, printed, complained } = await root.sonde(words);
  expect([code, printed]).toEqual([expected, '']);
  expect(complained).toContain(says);
  expect(readdirSync(root.path, { recursive: true })).toEqual(before);
});

test('queue replay hands a letter to the agent that runs, or to the next one', async () => {
  const root = await populate();
  const folder = root.folder('otlp', 'logs');
  const { code, printed } = await root.sonde('replay --all -c @/a.yaml --exporter otlp --reason rejected');
  expect([code, printed]).toEqual([0, 'Replays 1 letter with 1 item: an agent takes them when it starts.\n']);
  expect(readdirSync(join(folder, 'dead'))).toEqual([]);
  expect((await root.sonde('status --directory @ --exporter otlp')).printed).toMatch(/to replay +1 letter, /);
  const letters = createDeadLetters(folder, 2 ** 20, createRecordedLog());
  const taken = await new Promise<{ count: number }>((resolve) => letters.onReplay(resolve));
  expect(taken.count).toBe(1);
  await eventually(() => expect(readdirSync(join(folder, 'replay'))).toEqual([]));
  letters.close();
});

test('queue replay is heard by an agent that runs', async () => {
  const root = await populate();
  const folder = root.folder('otlp', 'logs');
  const letters = createDeadLetters(folder, 2 ** 20, createRecordedLog());
  const lock = createFolderLock(folder);
  await lock.acquire();
  const taken: number[] = [];
  letters.onReplay(({ count }) => void taken.push(count));
  await eventually(() => expect(existsSync(join(folder, 'replay'))).toBe(true));
  const { printed } = await root.sonde('replay 179534874 --directory @');
  expect(printed).toBe('Replays 1 letter with 1 item: the running agent takes them now.\n');
  await eventually(() => expect(taken).toEqual([1]));
  letters.close();
  lock.release();
});

test('queue replay moves nothing that nobody would send, and says so', async () => {
  const root = await populate();
  const all = await root.sonde('replay --all -c @/a.yaml');
  expect(all.code).toBe(1);
  expect(all.printed).toMatch(/^Replays 1 letter/);
  expect(all.complained).toMatch(
    /^Cannot replay 1795348770000-q-8: no exporter of the configuration uses @\/influxdb%2Fold\/metrics\n$/,
  );
  await root.bury('otlp/cloud', 'metrics', { id: 'q-9' });
  const deaf = await root.sonde('replay --all -c @/a.yaml --exporter otlp/cloud --json');
  expect(deaf.code).toBe(1);
  expect(JSON.parse(deaf.printed)).toEqual({
    replayed: [],
    problems: [
      expect.stringContaining('with dead_letters.max_bytes: 0 the exporter "otlp/cloud" does not look for letters'),
    ],
  });
});

test('queue purge asks, and removes dead letters and what was set aside', async () => {
  const root = await populate();
  const folder = root.folder('otlp', 'logs');
  writeFileSync(join(folder, '0000000000000007.queue.bad'), 'x'.repeat(2048));
  const asked: string[] = [];
  const answer = (text: string) => async (question: string) => {
    asked.push(question);
    return text;
  };
  const no = await root.sonde('purge -c @/a.yaml --exporter otlp', { ask: answer('n') });
  expect([no.code, no.printed]).toEqual([1, '']);
  expect(readdirSync(join(folder, 'dead'))).toHaveLength(1);
  const yes = await root.sonde('purge -c @/a.yaml --exporter otlp', { ask: answer('Y') });
  expect(asked[1]).toMatch(/^Remove 1 dead letter \(\d+ B\), 1 damaged file \(2\.0 KiB\)\? \[y\/N\] $/);
  expect(yes.code).toBe(0);
  expect(yes.printed).toMatch(/^Removed 1 dead letter \(\d+ B\), 1 damaged file \(2\.0 KiB\)\.\n$/);
  expect(readdirSync(folder).filter((name) => name.endsWith('.bad'))).toEqual([]);
  expect(readdirSync(join(folder, 'dead'))).toEqual([]);
  expect((await root.sonde('status --directory @ --exporter otlp')).printed).toContain('waiting       3 items');
});

test('queue purge with names or a reason removes only those letters', async () => {
  const root = await populate();
  writeFileSync(join(root.folder('otlp', 'logs'), '0000000000000007.queue.bad'), 'x');
  const { printed } = await root.sonde('purge --directory @ --reason retry_exhausted --yes --json');
  expect(JSON.parse(printed).removed).toMatchObject({
    letters: [{ bytes: expect.any(Number) }],
    set_aside: [],
    segments: [],
  });
  expect((await root.sonde('purge 17953487 --directory @ --yes')).code).toBe(0);
  expect((await root.sonde('list --directory @')).printed).toBe('There are no dead letters.\n');
  expect(existsSync(join(root.folder('otlp', 'logs'), '0000000000000007.queue.bad'))).toBe(true);
  expect((await root.sonde('purge --directory @ --yes')).printed).toMatch(/^Removed 1 damaged file/);
  expect((await root.sonde('purge --directory @')).printed).toBe('Removed nothing.\n');
});

test('queue purge --waiting empties a queue, and the agent goes on behind its last number', async () => {
  const root = await populate();
  const asked: string[] = [];
  const ask = async (question: string) => {
    asked.push(question);
    return 'yes';
  };
  const { code } = await root.sonde('purge --directory @ --exporter otlp --waiting', { ask });
  expect(code).toBe(0);
  expect(asked[0]).toMatch(/1 segment \(.*\)\? 3 items would never be sent\. \[y\/N\] $/);
  const store = await openStore(root.folder('otlp', 'logs'));
  expect(await store.take(false)).toBeUndefined();
  await store.close();
  expect((await root.sonde('status --directory @ --exporter otlp --json')).printed).toContain('"waiting_items": 0');
});

test('queue purge --waiting leaves a queue alone that another process uses', async () => {
  const root = await populate();
  const folder = root.folder('otlp', 'logs');
  // The process that runs this one has a lock of its own there.
  const stat = readFileSync(`/proc/${process.ppid}/stat`, 'latin1');
  const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  writeFileSync(join(folder, 'lock'), `${process.ppid} ${start}`);
  const { code, complained } = await root.sonde('purge --directory @ --exporter otlp --waiting --yes');
  expect(code).toBe(1);
  expect(complained).toContain(`process ${process.ppid} uses it`);
  expect((await root.sonde('status --directory @ --exporter otlp --json')).printed).toContain('"waiting_items": 3');
  rmSync(join(folder, 'lock'));
});

test('decodeBody shows what is neither OTLP nor text in hexadecimal digits, and not too much of it', () => {
  const { is, text } = decodeBody(Buffer.from([0, 1, 2, 0x41, 0xff]), 'metrics', 1);
  expect([is, text]).toEqual(['binary', '00000000  0001 0241 ff                             ...A.\n']);
  const long = decodeBody(Buffer.alloc(5000, 1), 'metrics', 1).text.split('\n');
  expect(long).toHaveLength(4096 / 16 + 2);
  expect(long.at(-2)).toBe('… and 904 bytes more: --raw writes them all');
});

test('decodeBody takes for OTLP only what holds as many items as the queue says', () => {
  const body = otlpLogs('a', 'b');
  expect(decodeBody(body, 'logs', 2).is).toBe('OTLP');
  expect(decodeBody(body, 'logs', 3).is).toBe('binary');
  expect(decodeBody(body, 'metrics', 2).is).toBe('binary');
  expect(decodeBody(Buffer.alloc(0), 'logs', 0).is).toBe('text');
});

test('indentJson is what JSON.stringify makes of any JSON, without touching a digit', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(indentJson(JSON.stringify(value))).toBe(JSON.stringify(value, null, 2));
    }),
  );
  expect(indentJson('{"a":[-0,1e400,9007199254740993]}')).toBe(
    '{\n  "a": [\n    -0,\n    1e400,\n    9007199254740993\n  ]\n}',
  );
});

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [16 * 2 ** 20, '16.0 MiB'],
  [3 * 2 ** 29, '1.50 GiB'],
])('bytesText(%d) is %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});

test.each([
  [-5, '0 s'],
  [59_999, '59 s'],
  [61_000, '1 min 1 s'],
  [7_380_000, '2 h 3 min'],
  [90_000_000, '1 d 1 h'],
])('ageText(%d) is %s', (age_ms, text) => {
  expect(ageText(age_ms)).toBe(text);
});
