/**
 * A real systemd-journald, which writes a journal of its own in a private folder: it runs without being process 1, in a
 * mount namespace whose /run is that folder. That needs root; without it the receiver is shown by the streams of
 * test/receivers/journald.test.ts alone, and this test fails rather than shows nothing.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import journald from '../../receivers/journald/index.ts';
import type { LogRecord } from '../../src/model/batch.ts';
import { runReceiver, valuesOf, type ReceiverRun } from '../support/collect.ts';
import { createDatagramSender } from '../support/unix_datagram.ts';
import { startSonde, until } from './servers.ts';
import { unpackSystemd } from './systemd_package.ts';

interface Journal {
  /** The folder with the journal files. */
  readonly directory: string;
  /** Writes an entry by the native protocol. */
  write(fields: Readonly<Record<string, string | Uint8Array>>): Promise<void>;
  /** Lines of syslog(3). */
  log(text: string): Promise<void>;
  rotate(): void;
  files(): string[];
}

const INSTALLED = '/lib/systemd/systemd-journald';

/** Where systemd is not installed: of its package, with journalctl of the same version for this process's children. */
async function unpackJournald(): Promise<string> {
  const { root, libraries } = await unpackSystemd();
  process.env['PATH'] = `${join(root, 'bin')}:${process.env['PATH']}`;
  process.env['LD_LIBRARY_PATH'] = libraries;
  return join(root, 'lib/systemd/systemd-journald');
}

async function startJournald(): Promise<Journal> {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-journald-'));
  chmodSync(folder, 0o755);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const path of ['systemd/journal', 'log/journal']) mkdirSync(join(folder, path), { recursive: true });
  writeFileSync(
    join(folder, 'journald.conf'),
    // However full the volume is, what is archived stays.
    '[Journal]\nStorage=volatile\nReadKMsg=no\nRateLimitIntervalSec=0\nForwardToWall=no\nRuntimeMaxUse=1G\nRuntimeKeepFree=1M\n',
  );
  const daemon = existsSync(INSTALLED) ? INSTALLED : await unpackJournald();
  mkdirSync(join(folder, 'systemd/journald.conf.d'), { recursive: true });
  writeFileSync(join(folder, 'systemd/journald.conf.d/test.conf'), readFileSync(join(folder, 'journald.conf')));
  const child: ChildProcess = spawn(
    'unshare',
    ['-m', 'sh', '-c', 'mount --bind "$0" /run && exec "$1"', folder, daemon],
    {
      stdio: 'ignore',
    },
  );
  onTestFinished(async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    if (child.exitCode === null && child.kill('SIGKILL')) await ended;
  });
  const socket = join(folder, 'systemd/journal/socket');
  await until(
    'journald listens',
    async () => existsSync(socket) && existsSync(join(folder, 'systemd/journal/dev-log')),
  );
  const native = createDatagramSender(socket);
  const devLog = createDatagramSender(join(folder, 'systemd/journal/dev-log'));
  onTestFinished(() => {
    native.close();
    devLog.close();
  });
  const send = async (sender: typeof native, bytes: Uint8Array): Promise<void> => {
    while (!sender.send(bytes)) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  const root = join(folder, 'log/journal');
  const files = (): string[] =>
    readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.journal'));
  return {
    directory: root,
    write: (fields) => send(native, encodeNative(fields)),
    log: (text) => send(devLog, Buffer.from(text)),
    // systemd-journald(8): SIGUSR2 asks for rotation.
    rotate: () => void child.kill('SIGUSR2'),
    files,
  };
}

/** https://systemd.io/JOURNAL_NATIVE_PROTOCOL: what holds a line feed goes with its length. */
function encodeNative(fields: Readonly<Record<string, string | Uint8Array>>): Buffer {
  return Buffer.concat(
    Object.entries(fields).flatMap(([name, value]) => {
      const bytes = Buffer.from(value as string);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(bytes.length));
      return [Buffer.from(`${name}\n`), length, bytes, Buffer.from('\n')];
    }),
  );
}

const recordsOf = (run: ReceiverRun): LogRecord[] =>
  run.handedOver.flatMap((batch) => (batch.signal === 'logs' ? batch.records : []));
const numbers = (run: ReceiverRun): number[] =>
  recordsOf(run).flatMap(({ body }) => (/^n\d+$/.test(String(body)) ? [Number(String(body).slice(1))] : []));
const upTo = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

async function start(journal: Journal, config: Readonly<Record<string, unknown>> = {}): Promise<ReceiverRun> {
  const position_file = join(journal.directory, '../../position.json');
  const own = { directory: journal.directory, position_file, start_at: 'beginning', ...config };
  // Of a journal without entries of this boot journalctl says that there is none, and ends; the receiver starts it again.
  await until('the journal has entries', async () => {
    const { stdout } = spawnSync('journalctl', ['--directory', journal.directory, '-q', '-n', '1', '-o', 'cat']);
    return stdout.length > 0;
  });
  const run = await runReceiver(journald, { config: own });
  onTestFinished(() => run.stop());
  return run;
}

test('every field of real entries arrives, of many lines and of bytes too', async () => {
  const journal = await startJournald();
  const binary = Uint8Array.from({ length: 256 }, (_, i) => i);
  const text = 'line one\nline "two" \\ ✓ 😀\n\nline four\t=x';
  const before = BigInt(Date.now() - 1000) * 1_000_000n;
  await journal.write({
    MESSAGE: text,
    PRIORITY: '4',
    SYSLOG_IDENTIFIER: 'app',
    MY_BYTES: binary,
    EMPTY: '',
    CODE_LINE: '12',
  });
  await journal.write({ MESSAGE: binary, PRIORITY: '0', MY_FIELD: 'a=b' });
  await journal.write({ MESSAGE: `long ${'x'.repeat(150_000)}` });
  await journal.log('<35>Oct 11 22:14:15 su[99]: by syslog(3)');
  const run = await start(journal, { max_field_bytes: '64KiB' });
  await until('all are read', async () => {
    // Each way into the journal is a socket of its own, so any may be the last.
    const has = (test: (body: unknown) => boolean): boolean => recordsOf(run).some(({ body }) => test(body));
    return has((body) => body === 'by syslog(3)') && has((body) => String(body).startsWith('long x'));
  });
  const records = recordsOf(run);
  const first = records.find(({ body }) => body === text)!;
  expect(first).toMatchObject({ severityNumber: 13, severityText: 'warning' });
  expect(first.attributes).toMatchObject({
    'syslog.appname': 'app',
    'code.line.number': 12,
    'process.pid': process.pid,
    'process.user.id': process.getuid!(),
    'journald.EMPTY': '',
    'journald._TRANSPORT': 'journal',
    'journald._BOOT_ID': expect.stringMatching(/^[0-9a-f]{32}$/),
    'log.record.uid': expect.stringMatching(/^s=/),
  });
  expect([...(first.attributes['journald.MY_BYTES'] as Uint8Array)]).toEqual([...binary]);
  expect(first.time).toBeGreaterThan(before);
  const second = records.find(({ body }) => body instanceof Uint8Array)!;
  expect([...(second.body as Uint8Array)]).toEqual([...binary]);
  expect(second).toMatchObject({ severityNumber: 21, attributes: { 'journald.MY_FIELD': 'a=b' } });
  const long = records.find(({ body }) => String(body).startsWith('long x'))!;
  expect(String(long.body)).toHaveLength(64 * 1024);
  expect(long.attributes['journald.truncated_fields']).toEqual(['MESSAGE']);
  expect(records.find(({ body }) => body === 'by syslog(3)')).toMatchObject({
    severityText: 'err',
    attributes: { 'syslog.facility': 'auth', 'syslog.appname': 'su', 'journald._TRANSPORT': 'syslog' },
  });
  expect(valuesOf(await run.collect())).toMatchObject({ 'journald.malformed{}': 0, 'journald.restarts{}': 0 });
});

test('nothing is lost and nothing comes twice: rotation while it reads, restarts, a journalctl that is killed', async () => {
  const journal = await startJournald();
  let written = 0;
  const write = async (count: number): Promise<void> => {
    for (const end = written + count; written < end; written++) await journal.write({ MESSAGE: `n${written}` });
  };
  await write(500);
  const first = await start(journal);
  await until('the first are read', async () => numbers(first).length === 500);
  for (let i = 0; i < 3; i++) {
    const before = journal.files().length;
    journal.rotate();
    await write(300);
    await until('the journal is rotated', async () => journal.files().length > before);
  }
  await until('all are read', async () => numbers(first).length === written, 60_000);
  expect(numbers(first)).toEqual(upTo(0, written));
  await first.stop();
  const stopped = written;
  await write(200);
  journal.rotate();
  await write(200);

  const second = await start(journal, { restart_delay: '50ms' });
  await until('what was written meanwhile is read', async () => numbers(second).length === written - stopped, 60_000);
  const children = spawnSync('pgrep', ['-P', String(process.pid), 'journalctl'], { encoding: 'utf8' });
  for (const pid of children.stdout.split('\n').filter((line) => line !== '')) process.kill(Number(pid), 'SIGKILL');
  expect(children.stdout).not.toBe('');
  await write(200);
  await until(
    'it goes on after journalctl was killed',
    async () => numbers(second).length === written - stopped,
    60_000,
  );
  expect(numbers(second)).toEqual(upTo(stopped, written));
  expect(valuesOf(await second.collect())['journald.restarts{}']).toBe(1);
}, 120_000);

test('journalctl selects what the options say', async () => {
  const journal = await startJournald();
  await journal.write({ MESSAGE: 'one', PRIORITY: '6', SYSLOG_IDENTIFIER: 'a', KIND: 'x' });
  await journal.write({ MESSAGE: 'two', PRIORITY: '3', SYSLOG_IDENTIFIER: 'a', KIND: 'y' });
  await journal.write({ MESSAGE: 'three', PRIORITY: '3', SYSLOG_IDENTIFIER: 'b', KIND: 'z' });
  const chosen = async (config: Readonly<Record<string, unknown>>): Promise<unknown[]> => {
    const run = await start(journal, {
      ...config,
      position_file: join(journal.directory, `../../${Math.random()}.json`),
    });
    await until('the last is read', async () => {
      // journalctl takes a moment to find where to begin.
      await journal.write({ MESSAGE: 'last', PRIORITY: '0', SYSLOG_IDENTIFIER: 'a', KIND: 'y' });
      return recordsOf(run).some(({ body }) => body === 'last');
    });
    await run.stop();
    return [...new Set(recordsOf(run).map(({ body }) => body))].filter((body) =>
      /^(one|two|three)$/.test(String(body)),
    );
  };
  expect(await chosen({})).toEqual(['one', 'two', 'three']);
  expect(await chosen({ priority: 'err' })).toEqual(['two', 'three']);
  expect(await chosen({ identifiers: ['a'], priority: 'err' })).toEqual(['two']);
  expect(await chosen({ matches: [{ KIND: 'x', SYSLOG_IDENTIFIER: 'a' }, { KIND: 'y' }] })).toEqual(['one', 'two']);
  expect(await chosen({ start_at: 'end' })).toEqual([]);
});

test('the child ends with an agent that is killed, and the next one goes on', async () => {
  const journal = await startJournald();
  const events = join(journal.directory, '../../events.jsonl');
  const config = `
receivers: { journald: { directory: '${journal.directory}', start_at: beginning, position_file: '${events}.position' } }
exporters: { prometheus: { endpoint: 127.0.0.1:PORT }, file: { path: '${events}' } }
service:
  pipelines:
    logs: { receivers: [journald], exporters: [file] }
    metrics: { receivers: [journald], exporters: [prometheus] }
`;
  const read = (): number[] =>
    existsSync(events)
      ? [...readFileSync(events, 'utf8').matchAll(/"n(\d+)"/g)].map(([, number]) => Number(number))
      : [];
  const childrenOf = (pid: number): string[] =>
    spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
      .stdout.split('\n')
      .filter((line) => line !== '');
  for (let i = 0; i < 100; i++) await journal.write({ MESSAGE: `n${i}` });
  const first = await startSonde(config);
  onTestFinished(async () => void (await first.stop('SIGKILL')));
  await until('all are written', async () => read().length === 100 && existsSync(`${events}.position`));
  const [child] = childrenOf(first.pid);
  expect(child).toBeDefined();
  await first.stop('SIGKILL');
  for (let i = 100; i < 200; i++) await journal.write({ MESSAGE: `n${i}` });
  await until('journalctl has ended', async () => !existsSync(`/proc/${child}/exe`));
  const second = await startSonde(config);
  onTestFinished(async () => void (await second.stop('SIGKILL')));
  await until('the rest is written', async () => new Set(read()).size === 200);
  expect([...new Set(read())]).toEqual(upTo(0, 200));
  expect(read().length).toBeLessThanOrEqual(300);
  expect(await second.stop()).toBe(0);
}, 120_000);
