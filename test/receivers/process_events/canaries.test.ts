/** Processes that are started to be told of: real ones. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createCanaries, withoutCanaries } from '../../../receivers/process_events/canaries.ts';
import process_events from '../../../receivers/process_events/index.ts';
import type { Report } from '../../../receivers/process_events/report.ts';
import type { Tracked } from '../../../receivers/process_events/tracked.ts';
import type { LogBatch, LogRecord } from '../../../src/model/batch.ts';
import { runReceiver, type ReceiverRun } from '../../support/collect.ts';
import { lagsOf } from '../../support/lag.ts';

vi.setConfig({ testTimeout: 60_000 });

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end && !(await check());) await pause(10);
  expect(await check()).toBe(true);
}

/** When someone last looked at the clock. */
let looked_ns = 0;
const clock = {
  now_ns: () => (looked_ns = Number(process.hrtime.bigint())),
  monotonic: (ticks: number) => ticks * 1e7,
};

/** Children of this process whose arguments hold `token`. */
function pidsOf(token: string): number[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
  return children
    .filter((pid) => pid !== '' && existsSync(`/proc/${pid}/cmdline`))
    .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(token))
    .map(Number);
}

describe.runIf(process.platform === 'linux')('createCanaries', () => {
  test('starts a process that carries the token until it was seen, and no other of its pid', async () => {
    const canaries = createCanaries(clock, 60_000);
    onTestFinished(() => canaries.stop());
    await canaries.release('sonde-canary-0123456789abcdef-1');
    const forked_ns = looked_ns;
    const [pid] = pidsOf('sonde-canary-0123456789abcdef-1');
    const identity = { pid: pid!, forked_ns, startTicks: NaN };
    expect(canaries.tokenOf(identity)).toBe('sonde-canary-0123456789abcdef-1');
    expect(canaries.tokenOf({ ...identity, forked_ns: NaN })).toBe('sonde-canary-0123456789abcdef-1');
    expect(canaries.tokenOf({ ...identity, forked_ns: NaN, startTicks: forked_ns / 1e7 })).toBeDefined();
    // The pid was given again.
    expect(canaries.tokenOf({ ...identity, forked_ns: forked_ns + 1e9 })).toBeUndefined();
    expect(canaries.tokenOf({ ...identity, pid: process.pid })).toBeUndefined();
    // Another receiver knows it, but does not end it.
    const other = createCanaries(clock, 60_000);
    expect(other.tokenOf(identity)).toBeDefined();
    other.end(identity);
    other.stop();
    await pause(100);
    expect(pidsOf('sonde-canary-0123456789abcdef-1')).toEqual([pid]);
    canaries.end(identity);
    await until(() => pidsOf('sonde-canary-0123456789abcdef-1').length === 0);
    // Its exit may be told later.
    expect(canaries.tokenOf(identity)).toBeDefined();
  });

  test('ends those that nobody saw, when their time is over and at a stop', async () => {
    const hasty = createCanaries(clock, 50);
    onTestFinished(() => hasty.stop());
    await hasty.release('sonde-canary-1123456789abcdef-1');
    await until(() => pidsOf('sonde-canary-1123456789abcdef-1').length === 0);
    const patient = createCanaries(clock, 60_000);
    await patient.release('sonde-canary-2123456789abcdef-1');
    expect(pidsOf('sonde-canary-2123456789abcdef-1')).toHaveLength(1);
    patient.stop();
    await until(() => pidsOf('sonde-canary-2123456789abcdef-1').length === 0);
  });
});

test('withoutCanaries tells and counts everything but canaries', () => {
  const told: string[] = [];
  const tell = (kind: string) => (process: Pick<Tracked, 'pid'>) => void told.push(`${kind} ${process.pid}`);
  const report = {
    told: { start: 0, fork: 0, exit: 0, setuid: 0, setgid: 0, oom_kill: 0 },
    start: tell('start'),
    fork: tell('fork'),
    exit: tell('exit'),
    owner: (_: string, process: Pick<Tracked, 'pid'>) => tell('owner')(process),
    oomKill: tell('oom'),
    notice: () => {},
  } as unknown as Report;
  const arrived: string[] = [];
  const ended: number[] = [];
  const wrapped = withoutCanaries(
    report,
    { tokenOf: ({ pid }) => (pid === 7 ? 'token' : undefined), end: ({ pid }) => void ended.push(pid) },
    { arrived: (token) => arrived.push(token) > 0 },
  );
  for (const pid of [7, 8]) {
    const process = { pid } as Tracked;
    const cause = { time: 0n, source: 'netlink' } as const;
    wrapped.fork(process, 'parent', cause);
    wrapped.start(process, cause);
    wrapped.owner('setuid', process, 0, 0, cause);
    wrapped.oomKill(process, 0, cause);
    wrapped.exit(process, { status: 0, lifetime_s: 0, user_s: 0, system_s: 0, peak_bytes: 0 }, cause);
  }
  expect(told).toEqual(['fork 8', 'start 8', 'owner 8', 'oom 8', 'exit 8']);
  expect([arrived, ended]).toEqual([['token'], [7]]);
});

describe.runIf(process.platform === 'linux')('process_events measures its own lag:', () => {
  async function watch(consume: (batch: LogBatch) => Promise<void> | void, config = {}): Promise<ReceiverRun> {
    const next = { metrics: undefined, logs: { consume }, traces: undefined };
    const probing = { source: 'scan', scan_interval: '100ms', lag_probe: { interval: '150ms', timeout: '20s' } };
    const run = await runReceiver(process_events, { next, config: { ...probing, ...config } });
    onTestFinished(() => run.stop());
    return run;
  }

  test('canaries arrive, nobody is told of them, and none is left', async () => {
    const records: LogRecord[] = [];
    const run = await watch(({ records: more }) => void records.push(...more));
    await until(async () => (await lagsOf(run)).count > 2);
    await run.stop();
    expect(records.filter(({ attributes }) => attributes['process.parent_pid'] === process.pid)).toEqual([]);
    await until(() => pidsOf('sonde-canary-').length === 0);
    expect(run.said.filter((line) => line.includes('anar'))).toEqual([]);
  });

  test('rare looks make them late', async () => {
    const run = await watch(() => {}, { scan_interval: '1s', lag_probe: { interval: '30ms' } });
    await until(async () => (await lagsOf(run)).count > 0);
    const { sum, count } = await lagsOf(run);
    // Released evenly over the second between two looks, they wait for half of it.
    expect(sum / count).toBeGreaterThan(0.2);
  });

  test('without it no process is started', async () => {
    const run = await watch(() => {}, { lag_probe: { enabled: false } });
    await pause(300);
    expect(pidsOf('sonde-canary-')).toEqual([]);
    expect((await lagsOf(run)).count).toBe(0);
  });
});
