/** The receiver `journald` with a command in the place of journalctl that replays a stream. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import journald from '../../receivers/journald/index.ts';
import { journalctlArguments } from '../../receivers/journald/options.ts';
import { PermanentError, RetryableError } from '../../src/errors.ts';
import type { LogBatch, LogRecord } from '../../src/model/batch.ts';
import * as v from 'valibot';
import { lagsOf } from '../support/lag.ts';
import { runReceiver, valuesOf, type ReceiverRun, type RunOptions } from '../support/collect.ts';

vi.setConfig({ testTimeout: 30_000 });

const REPLAY = join(import.meta.dirname, '../data/journald/replay');
const cursor = (index: number): string => `s=ab;i=${index.toString(16)};b=cd;m=1;t=2;x=3`;
const entry = (index: number, more = ''): string => `__CURSOR=${cursor(index)}\nMESSAGE=m${index}\n${more}\n`;

interface Site {
  readonly folder: string;
  readonly stream: string;
  readonly position: string;
  start(config?: Readonly<Record<string, unknown>>, options?: RunOptions): Promise<ReceiverRun>;
  /** Arguments of each journalctl that was started. */
  started(): string[];
}

function createSite(stream: string, then: 'end' | 'stay' = 'stay'): Site {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-journald-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'stream');
  writeFileSync(file, stream);
  vi.stubEnv('SONDE_TEST_STREAM', file);
  vi.stubEnv('SONDE_TEST_THEN', then);
  onTestFinished(() => void vi.unstubAllEnvs());
  const position = join(folder, 'positions/journald.json');
  return {
    folder,
    stream: file,
    position,
    async start(config = {}, options = {}) {
      const own = { journalctl: REPLAY, position_file: position, restart_delay: '20ms', ...config };
      const run = await runReceiver(journald, { ...options, config: own });
      onTestFinished(() => run.stop());
      return run;
    },
    started: () => (existsSync(`${file}.arguments`) ? linesOf(`${file}.arguments`) : []),
  };
}

const linesOf = (file: string): string[] => readFileSync(file, 'utf8').split('\n').slice(0, -1);
const recordsOf = (run: ReceiverRun): LogRecord[] =>
  run.handedOver.flatMap((batch) => (batch.signal === 'logs' ? batch.records : []));
const bodies = (run: ReceiverRun): unknown[] => recordsOf(run).map(({ body }) => body);
const kept = (site: Site): unknown => JSON.parse(readFileSync(site.position, 'utf8'));

async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end && !(await check());)
    await new Promise((r) => setTimeout(r, 10));
  expect(await check()).toBe(true);
}

const next = (consume: (batch: LogBatch) => Promise<void>): RunOptions => ({
  next: { metrics: undefined, logs: { consume }, traces: undefined },
});

describe('journald', () => {
  test('hands over every entry, keeps the cursor of the last one taken, and goes on there', async () => {
    const site = createSite(entry(1) + entry(2) + entry(3));
    const first = await site.start();
    await until(() => recordsOf(first).length === 3);
    expect(bodies(first)).toEqual(['m1', 'm2', 'm3']);
    expect(valuesOf(await first.collect())).toMatchObject({ 'journald.records{}': 3, 'journald.malformed{}': 0 });
    await first.stop();
    expect(kept(site)).toEqual({ cursor: cursor(3) });
    // From the entry of the cursor on, which was told already.
    writeFileSync(site.stream, entry(3) + entry(4));
    const second = await site.start();
    await until(() => recordsOf(second).length === 1);
    expect(bodies(second)).toEqual(['m4']);
    expect(site.started()[0]).toContain('--no-tail --since=@');
    expect(site.started()[1]).toContain(`--no-tail --cursor=${cursor(3)}`);
  });

  test('begins with what is written from its start on, where it is told to begin at the end', async () => {
    const at = (time_ms: number): string => `__REALTIME_TIMESTAMP=${time_ms * 1000}\n`;
    const stream = entry(1, at(Date.now() - 300)) + entry(2, at(Date.now() + 60_000)) + entry(3, at(Date.now() - 300));
    const run = await createSite(stream).start();
    await until(() => recordsOf(run).length === 2);
    expect(bodies(run)).toEqual(['m2', 'm3']);
    const folder = createSite(entry(1, at(0)));
    const other = await folder.start({ directory: '/mnt/journal' });
    await until(() => recordsOf(other).length === 1);
    expect(folder.started()[0]).toContain('--lines=0');
  });

  test('measures how late entries of its time are, and no others', async () => {
    const at = (time_ms: number): string => `__REALTIME_TIMESTAMP=${time_ms * 1000}\n`;
    const live = await createSite(entry(1, at(Date.now() + 60_000)) + entry(2, at(Date.now() + 60_000))).start();
    await until(() => recordsOf(live).length === 2);
    expect(await lagsOf(live)).toEqual({ count: 2, sum: 0 });
    const old = await createSite(entry(1, at(Date.now() - 5000)) + entry(2)).start({ start_at: 'beginning' });
    await until(() => recordsOf(old).length === 2);
    expect((await lagsOf(old)).count).toBe(0);
    // By whose clock they are in a folder, nobody knows.
    const other = await createSite(entry(1, at(Date.now() + 60_000))).start({ directory: '/mnt/journal' });
    await until(() => recordsOf(other).length === 1);
    expect((await lagsOf(other)).count).toBe(0);
  });

  test('goes on with the entry after one that was deleted meanwhile', async () => {
    const site = createSite(entry(1));
    const first = await site.start();
    await until(() => recordsOf(first).length === 1);
    await first.stop();
    writeFileSync(site.stream, entry(5) + entry(6));
    const second = await site.start();
    await until(() => recordsOf(second).length === 2);
    expect(bodies(second)).toEqual(['m5', 'm6']);
  });

  test('keeps no position that the pipelines have not taken, and tries until they do', async () => {
    const site = createSite(entry(1) + entry(2));
    let isOpen = false;
    const taken: unknown[] = [];
    const run = await site.start(
      {},
      next(async ({ records }) => {
        if (!isOpen) throw new RetryableError('full', { retryAfter_ms: 20 });
        taken.push(...records.map(({ body }) => body));
      }),
    );
    await until(() => run.said.some((line) => line.includes('Cannot hand over events: full')));
    expect(existsSync(site.position)).toBe(false);
    isOpen = true;
    await until(() => taken.length === 2);
    expect(taken).toEqual(['m1', 'm2']);
    await expect.poll(() => kept(site)).toEqual({ cursor: cursor(2) });
  });

  test('counts nothing as dropped at a stop that comes again', async () => {
    const site = createSite(entry(1));
    const run = await site.start(
      {},
      next(() => Promise.reject(new RetryableError('full'))),
    );
    await until(() => run.said.some((line) => line.includes('Cannot hand over')));
    await run.stop();
    expect([...run.dropped]).toEqual([]);
    expect(existsSync(site.position)).toBe(false);
  });

  test('goes on behind what the pipelines will never take, and counts it', async () => {
    const site = createSite(entry(1) + entry(2));
    const run = await site.start(
      {},
      next(() => Promise.reject(new PermanentError('no'))),
    );
    await until(() => run.dropped.get('rejected') === 2);
    await expect.poll(() => kept(site)).toEqual({ cursor: cursor(2) });
  });

  test('starts journalctl again where it was, and says why it ended', async () => {
    const site = createSite(entry(1) + entry(2), 'end');
    const run = await site.start();
    await until(() => site.started().length >= 3);
    expect(bodies(run)).toEqual(['m1', 'm2']);
    expect(site.started()[2]).toContain(`--cursor=${cursor(2)}`);
    expect(run.said.filter((line) => line.startsWith('once journalctl'))).toEqual([
      'once journalctl: Cannot follow the journal: journalctl ended with code 1: Failed to go on; starts journalctl again',
    ]);
    expect(run.said).toContain('once said: journalctl says: Failed to go on');
    expect(valuesOf(await run.collect())['journald.restarts{}']).toBeGreaterThanOrEqual(2);
  });

  test('begins anew with a damaged position, sets it aside and says so', async () => {
    const site = createSite(entry(1));
    const first = await site.start();
    await until(() => recordsOf(first).length === 1);
    await first.stop();
    writeFileSync(site.position, '{"cursor":"--vacuum-size=1"}');
    const second = await site.start({ start_at: 'beginning' });
    await until(() => recordsOf(second).length === 1);
    expect(second.said.filter((line) => line.startsWith('warn'))).toEqual([
      'warn Cannot use the kept position: the file is damaged; it is set aside, and start_at decides',
    ]);
    expect(readFileSync(`${site.position}.bad`, 'utf8')).toContain('--vacuum');
    expect(site.started()[1]).not.toContain('cursor');
  });

  test('refuses to start without journalctl, and says what to do', async () => {
    const site = createSite('');
    await expect(site.start({ journalctl: '/nowhere/journalctl' })).rejects.toThrow(
      'Cannot read the journal: there is no command "/nowhere/journalctl" (install systemd, or set journalctl to where it is)',
    );
    const denied = join(site.folder, 'denied');
    writeFileSync(denied, '');
    chmodSync(denied, 0o600);
    await expect(site.start({ journalctl: denied })).rejects.toThrow(/^Cannot read the journal: .*EACCES/);
  });

  test('leaves out messages of the kernel where told to', async () => {
    const site = createSite(entry(1, '_TRANSPORT=kernel\n') + entry(2, '_TRANSPORT=syslog\n'));
    const run = await site.start({ kernel: 'exclude' });
    await until(() => recordsOf(run).length === 1);
    expect(bodies(run)).toEqual(['m2']);
  });

  test('counts fields that it cuts and leaves out', async () => {
    const site = createSite(entry(1, `LONG=${'x'.repeat(5000)}\n${'A=1234567890\n'.repeat(400)}`));
    const run = await site.start({ max_field_bytes: 2000, max_record_bytes: 4096 });
    await until(() => recordsOf(run).length === 1);
    expect(recordsOf(run)[0]!.attributes['journald.LONG']).toBe('x'.repeat(2000));
    const values = valuesOf(await run.collect());
    expect(values['journald.dropped{"journald.drop.reason"="field_too_large"}']).toBe(1);
    expect(values['journald.dropped{"journald.drop.reason"="record_too_large"}']).toBe(
      recordsOf(run)[0]!.droppedAttributesCount,
    );
    expect(recordsOf(run)[0]!.droppedAttributesCount).toBeGreaterThan(100);
  });

  test('reads no more than there is room for while the pipelines stand still', async () => {
    const total = 20_000;
    const site = createSite(Array.from({ length: total }, (_, i) => entry(i + 1)).join(''));
    const open = Promise.withResolvers<void>();
    let count = 0;
    const run = await site.start(
      {},
      next(async (batch) => {
        await open.promise;
        count += batch.count;
      }),
    );
    const read = async (): Promise<number> => valuesOf(await run.collect())['journald.records{}']!;
    await until(async () => (await read()) > 1000);
    // Time enough for what should not come.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await read()).toBeLessThan(10_000);
    open.resolve();
    await until(() => count === total);
  });
});

describe('journalctlArguments', () => {
  const config = (written: Readonly<Record<string, unknown>>) => v.parse(journald.config, written);

  test('makes of options what journalctl understands', () => {
    const written = {
      units: ['a.service', 'b*'],
      identifiers: ['sudo'],
      priority: 'warning',
      matches: [{ _UID: '0', _COMM: 'x y' }, { _UID: '1' }],
      kernel: 'only',
      directory: '/mnt/journal',
      namespace: '*',
      start_at: 'beginning',
    };
    expect(journalctlArguments(config(written), { at: 'beginning' }, '/')).toEqual([
      '--output=export',
      '--follow',
      '--no-pager',
      '--directory=/mnt/journal',
      '--namespace=*',
      '--unit=a.service',
      '--unit=b*',
      '--identifier=sudo',
      '--priority=warning',
      '--no-tail',
      '_UID=0',
      '_COMM=x y',
      '_TRANSPORT=kernel',
      '+',
      '_UID=1',
      '_TRANSPORT=kernel',
    ]);
  });

  test('reads the journal of the measured machine', () => {
    expect(journalctlArguments(config({}), { since_s: 5 }, '/hostfs')).toEqual(
      expect.arrayContaining(['--root=/hostfs', '--no-tail', '--since=@5']),
    );
  });

  test.each([{ matches: [{ '--rotate': 'x' }] }, { matches: [{}] }, { units: ['a\nb'] }, { priority: '3' }])(
    'is not asked for %j',
    (written) => {
      expect(v.safeParse(journald.config, written).success).toBe(false);
    },
  );
});
