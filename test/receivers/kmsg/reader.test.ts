/** The reader of kernel messages over a kernel that does as a test tells it. */
import { expect, onTestFinished, test } from 'vitest';
import type { Moment } from '../../../receivers/kmsg/clock.ts';
import { createKernelClock, createKernelLag, uncertainty, wallTime } from '../../../receivers/kmsg/clock.ts';
import { createReader, type Position, type Reader, type ReaderOptions } from '../../../receivers/kmsg/reader.ts';
import type { KmsgSource } from '../../../receivers/kmsg/source.ts';
import type { LogRecord } from '../../../src/model/batch.ts';
import { createRecordedLog } from '../../support/recorded_log.ts';

interface Kernel {
  /** Messages by sequence that are still there. */
  readonly ring: Map<number, string>;
  readonly taken: LogRecord[];
  kept: Position | undefined;
  moment: Moment;
  boot: string;
  log: ReturnType<typeof createRecordedLog>;
  opened: number;
  denied: NodeJS.ErrnoException | undefined;
  isPaused: boolean;
  print(text: string): void;
  overwrite(count: number): void;
  start(options?: Partial<ReaderOptions>): Reader;
}

function createKernel(): Kernel {
  let newest = -1;
  let wake: (() => void) | undefined;
  const kernel: Kernel = {
    ring: new Map(),
    taken: [],
    kept: undefined,
    moment: { wall_ns: 1_000_000_000_000_000n, uptime_us: 1_000_000, suspended_s: 0 },
    boot: 'one',
    log: createRecordedLog(),
    opened: 0,
    denied: undefined,
    isPaused: false,
    print(text) {
      kernel.ring.set(++newest, `6,${newest},${1000 * newest},-;${text}\n`);
      if (!kernel.isPaused) wake?.();
    },
    overwrite(count) {
      for (const sequence of [...kernel.ring.keys()].slice(0, count)) kernel.ring.delete(sequence);
    },
    start(options = {}) {
      const reader = createReader({
        open,
        bootId: () => kernel.boot,
        clock: { now: () => kernel.moment },
        position: { path: '', load: () => kernel.kept, save: (position) => void (kernel.kept = position) },
        startAt: 'beginning',
        severity: 7,
        resource: { attributes: {}, schemaUrl: '' },
        scope: { name: '', version: '', attributes: {}, schemaUrl: '' },
        next: { consume: ({ records }) => void kernel.taken.push(...records) },
        log: kernel.log,
        drop: () => {},
        retryInterval_ms: 10,
        ...options,
      });
      onTestFinished(() => reader.stop(0));
      reader.start();
      return reader;
    },
  };
  function open(onReadable: () => void): KmsgSource {
    kernel.opened++;
    if (kernel.denied !== undefined) throw kernel.denied;
    wake = onReadable;
    let at = [...kernel.ring.keys()][0] ?? newest + 1;
    return {
      next() {
        if (at > newest) return 'empty';
        const oldest = [...kernel.ring.keys()][0]!;
        if (at < oldest) {
          at = oldest;
          return 'overrun';
        }
        return Buffer.from(kernel.ring.get(at++)!);
      },
      pause: () => void (kernel.isPaused = true),
      resume: () => void (kernel.isPaused = false),
      close: () => void (wake = undefined),
    };
  }
  return kernel;
}

const bodies = ({ taken }: Kernel): unknown[] => taken.map(({ body }) => body);

async function until(check: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; Date.now() < end && !check();) await new Promise((r) => setTimeout(r, 5));
  expect(check()).toBe(true);
}

test('createReader reads what there is and what comes, and goes on behind what was taken', async () => {
  const kernel = createKernel();
  kernel.print('a');
  const reader = kernel.start();
  kernel.print('b');
  await until(() => kernel.taken.length === 2);
  await reader.stop(1000);
  expect(kernel.kept).toEqual({ boot: 'one', sequence: 1, suspended_s: 0 });
  kernel.print('c');
  kernel.start();
  await until(() => kernel.taken.length === 3);
  expect(bodies(kernel)).toEqual(['a', 'b', 'c']);
});

test('createReader begins with the next message where told to, and with the oldest after a boot', async () => {
  const kernel = createKernel();
  kernel.print('old');
  const reader = kernel.start({ startAt: 'end' });
  kernel.print('new');
  await until(() => kernel.taken.length === 1);
  await reader.stop(1000);
  kernel.boot = 'two';
  kernel.start({ startAt: 'end' });
  await until(() => kernel.taken.length === 3);
  expect(bodies(kernel)).toEqual(['new', 'old', 'new']);
});

test('createReader that begins with the next message has it, however many were there before', async () => {
  const kernel = createKernel();
  for (let i = 0; i < 3000; i++) kernel.print('old');
  kernel.start({ startAt: 'end' });
  kernel.print('new');
  await until(() => kernel.taken.length === 1);
  expect(bodies(kernel)).toEqual(['new']);
});

test('createReader tells how many messages were overwritten, while it runs and while it did not', async () => {
  const kernel = createKernel();
  kernel.print('a');
  const reader = kernel.start();
  await until(() => kernel.taken.length === 1);
  kernel.isPaused = true;
  for (let i = 0; i < 10; i++) kernel.print(`b${i}`);
  kernel.overwrite(9);
  kernel.isPaused = false;
  kernel.print('c');
  await until(() => kernel.taken.length === 5);
  expect(bodies(kernel)).toEqual([
    'a',
    '8 kernel messages were overwritten before they could be read',
    'b8',
    'b9',
    'c',
  ]);
  expect(kernel.taken[1]).toMatchObject({
    eventName: 'kmsg.lost',
    attributes: { 'kmsg.lost.count': 8, 'kmsg.sequence': 9 },
  });
  expect(reader.figures).toMatchObject({ records: 4, lost: 8, malformed: 0 });
  await reader.stop(1000);
  kernel.print('d');
  kernel.print('e');
  kernel.overwrite(4);
  const second = kernel.start();
  await until(() => kernel.taken.length === 7);
  expect(kernel.taken[5]).toMatchObject({ attributes: { 'kmsg.lost.count': 1 } });
  expect(second.figures).toMatchObject({ records: 1, lost: 1 });
});

test('createReader says nothing was lost of what it read and was not asked for', async () => {
  const kernel = createKernel();
  kernel.print('info');
  const reader = kernel.start({ severity: 4 });
  await reader.stop(1000);
  expect(reader.figures).toMatchObject({ records: 1, lost: 0 });
  expect(kernel.taken).toEqual([]);
  kernel.print('info');
  kernel.overwrite(1);
  expect(kernel.start().figures.lost).toBe(0);
});

test('createReader reads no more than there is room for, and loses nothing that the kernel still has', async () => {
  const kernel = createKernel();
  for (let i = 0; i < 12_000; i++) kernel.print(String(i));
  const open = Promise.withResolvers<void>();
  const reader = kernel.start({
    next: {
      async consume({ records }) {
        await open.promise;
        kernel.taken.push(...records);
      },
    },
  });
  await until(() => kernel.isPaused && reader.figures.records >= 4000);
  expect(reader.figures.records).toBeLessThan(6000);
  expect(kernel.kept).toBeUndefined();
  open.resolve();
  await until(() => kernel.taken.length === 12_000);
  expect(bodies(kernel)).toEqual(Array.from({ length: 12_000 }, (_, i) => String(i)));
});

test('createReader says once what is missing, and reads when it is there', async () => {
  const kernel = createKernel();
  kernel.denied = Object.assign(new Error("EPERM: operation not permitted, open '/dev/kmsg'"), { code: 'EPERM' });
  kernel.print('a');
  kernel.start();
  await until(() => kernel.opened > 3);
  expect(kernel.log.lines.map(({ message }) => message)).toEqual([
    "Cannot read kernel messages: EPERM: operation not permitted, open '/dev/kmsg' (CAP_SYSLOG is needed, or sysctl kernel.dmesg_restrict=0 and a readable /dev/kmsg); tries again",
  ]);
  kernel.denied = undefined;
  await until(() => kernel.taken.length === 1);
  expect(kernel.log.lines.at(-1)!.message).toBe('Reads kernel messages');
});

test('createReader says by how much a time may be wrong when the machine was suspended since', async () => {
  const kernel = createKernel();
  kernel.print('before any suspend');
  kernel.start();
  await until(() => kernel.taken.length === 1);
  kernel.moment = { wall_ns: 5_000_000_000_000_000n, uptime_us: 2_000_000, suspended_s: 3600.25 };
  kernel.print('on the way to sleep, or after');
  kernel.print('read with it');
  await until(() => kernel.taken.length === 3);
  kernel.print('live again');
  await until(() => kernel.taken.length === 4);
  expect(kernel.taken.map(({ attributes }) => attributes['kmsg.time.uncertainty'])).toEqual([
    undefined,
    3600.25,
    undefined,
    undefined,
  ]);
});

test('wallTime is as long before now as the kernel says, and never in the future', () => {
  const now = { wall_ns: 10_000_000_000n, uptime_us: 5_000_000, suspended_s: 0 };
  expect(wallTime(4_000_000, now)).toBe(9_000_000_000n);
  expect(wallTime(6_000_000, now)).toBe(10_000_000_000n);
});

test('createKernelClock knows how long the machine was suspended', () => {
  const uptime_s = Number(process.hrtime.bigint()) / 1e9;
  const now = createKernelClock({ readText: () => `${uptime_s + 500} 1.0\n` }).now();
  expect(now.suspended_s).toBeGreaterThan(490);
  expect(now.suspended_s).toBeLessThan(501);
  expect(uncertainty(0, now)).toBeCloseTo(now.suspended_s, 2);
  expect(uncertainty(now.suspended_s, now)).toBe(0);
  expect(createKernelClock({ readText: () => '5.0 1.0\n' }).now().suspended_s).toBe(0);
});

test('createReader tells how late records are, but for those that were there before', async () => {
  const kernel = createKernel();
  const lags: number[] = [];
  kernel.print('old');
  kernel.start({ onLag: (lag_s) => lags.push(lag_s) });
  kernel.moment = { ...kernel.moment, uptime_us: 2000 };
  kernel.print('prompt');
  kernel.moment = { ...kernel.moment, uptime_us: 2_500_000 };
  kernel.print('late');
  await until(() => kernel.taken.length === 3);
  expect(lags.map((lag_s) => Math.round(lag_s * 10) / 10)).toEqual([0, 2.5]);
});

test('createKernelLag measures against the promptest record of the last hour or two, as the clocks drift', () => {
  const lag = createKernelLag();
  const second = 1e6;
  const hour = 3600 * second;
  // The kernel's clock of messages is behind by 7 s.
  expect(lag.of(3 * second, 10 * second)).toBe(0);
  expect(lag.of(13 * second, 22 * second)).toBe(2);
  expect(lag.of(22 * second, 28 * second)).toBe(0);
  expect(lag.of(hour, hour + 9 * second)).toBe(3);
  expect(lag.of(2 * hour, 2 * hour + 30 * second)).toBe(24);
  // By now it is behind by 9 s.
  expect(lag.of(4 * hour, 4 * hour + 9 * second)).toBe(0);
  expect(lag.of(4 * hour + second, 4 * hour + 11 * second)).toBe(1);
});
