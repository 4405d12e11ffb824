/**
 * The queue on disk against `dd` with the same pattern of synchronisation: as many bytes in as many portions, each
 * made safe before the next. What the queue asked of the file system is recorded in each turn, counted for `dd`, and
 * repeated by a plain loop over `fs.writev` and `fs.fdatasync`. Then how fast a backlog is read back.
 * Usage: node bench/disk_queue.ts [MiB a turn] [turns] [folder]
 */
import { randomFillSync } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/delivery/clock.ts';
import { createDiskStore } from '../src/delivery/disk/disk_store.ts';
import { openFolder } from '../src/delivery/disk/folder.ts';
import type { BlockStore } from '../src/delivery/store.ts';
import { recordFolder, repeat, type FileOperation } from './disk_recording.ts';
import { median, table, target } from './measure.ts';

const [size_mib = 128, turns = 7] = process.argv.slice(2, 4).map(Number);
const parent = process.argv[4] ?? tmpdir();
const TMPFS = 0x01021994;
if (statfsSync(parent).type === TMPFS) throw new Error(`Cannot measure in ${parent}: it is in memory; name a folder`);
const place = mkdtempSync(join(parent, 'sonde-bench-'));
const QUEUE = join(place, 'queue');
const COPY = join(place, 'copy');
/** What `dd` reads: bytes that no layer below can make fewer of. In the page cache, as ours are in memory. */
const SOURCE = join(place, 'source');
/** Portions that one `dd` makes with a buffer of that size. */
const LARGEST_DD_BYTES = 2 * 2 ** 20;

type Sync = 'always' | 'group' | 'none';

interface Case {
  readonly name: string;
  readonly sync: Sync;
  readonly record_bytes: number;
  readonly total_bytes: number;
  /** Blocks that wait for their `put` at once. */
  readonly inFlight: number;
  /** A back end that keeps up takes and settles them meanwhile. */
  readonly isTaken?: true;
}

interface Cost {
  readonly wall_s: number;
  readonly cpu_s: number;
}

const WHOLE = size_mib * 2 ** 20;
const KIB_64 = 64 * 1024;
const CASES: readonly Case[] = [
  { name: 'group, 64 KiB', sync: 'group', record_bytes: KIB_64, total_bytes: WHOLE, inFlight: 16 },
  { name: 'group, 64 KiB, one at a time', sync: 'group', record_bytes: KIB_64, total_bytes: WHOLE, inFlight: 1 },
  {
    name: 'group, 64 KiB, sent meanwhile',
    sync: 'group',
    record_bytes: KIB_64,
    total_bytes: WHOLE,
    inFlight: 16,
    isTaken: true,
  },
  { name: 'always, 64 KiB', sync: 'always', record_bytes: KIB_64, total_bytes: WHOLE, inFlight: 16 },
  { name: 'always, 64 KiB, one at a time', sync: 'always', record_bytes: KIB_64, total_bytes: WHOLE / 8, inFlight: 1 },
  { name: 'none, 64 KiB', sync: 'none', record_bytes: KIB_64, total_bytes: WHOLE, inFlight: 16 },
  { name: 'group, 1 KiB', sync: 'group', record_bytes: 1024, total_bytes: WHOLE / 4, inFlight: 1024 },
  { name: 'always, 1 KiB', sync: 'always', record_bytes: 1024, total_bytes: WHOLE / 4, inFlight: 1024 },
];
const TARGETED = CASES[0]!;

const pool = randomFillSync(Buffer.allocUnsafe(16 * 2 ** 20));
writeFileSync(SOURCE, Buffer.concat(Array.from({ length: Math.ceil(WHOLE / pool.length) + 1 }, () => pool)));

try {
  await measureWriting();
  await measureReading();
} finally {
  rmSync(place, { recursive: true, force: true });
}

interface Turn {
  readonly ours: Cost;
  readonly plain: Cost;
  readonly dd: Cost;
  readonly portions: number;
  readonly portion_bytes: number;
}

async function measureWriting(): Promise<void> {
  const results = new Map<Case, Turn[]>(CASES.map((one) => [one, []]));
  for (let turn = -1; turn < turns; turn++) {
    for (const one of CASES) {
      const measured = await measureCase(one);
      // The first turn compiles.
      if (turn >= 0) results.get(one)!.push(measured);
    }
  }
  console.log(
    `${turns} turns of up to ${size_mib} MiB of payload; medians. Portions are what one fdatasync made safe.\n`,
  );
  console.log(
    table([
      [
        '',
        'portions',
        'queue',
        'its CPU',
        'writev',
        'its CPU',
        'dd',
        'its CPU',
        'time ÷ dd',
        'CPU ÷ dd',
        'time ÷ writev',
        'CPU ÷ writev',
      ],
      ...CASES.map((one) => {
        const all = results.get(one)!;
        const cells = (of: (turn: Turn) => Cost): string[] => {
          const wall_s = median(all.map((turn) => of(turn).wall_s));
          const cpu_s = median(all.map((turn) => of(turn).cpu_s));
          return [`${(one.total_bytes / wall_s / 1e6).toFixed(0)} MB/s`, perMegabyte(cpu_s, one)];
        };
        const ratio = (of: (turn: Turn) => number): string => median(all.map(of)).toFixed(2);
        const count = median(all.map(({ portions }) => portions));
        return [
          one.name,
          `${count.toFixed(0)} × ${(median(all.map(({ portion_bytes }) => portion_bytes)) / 1024).toFixed(0)} KiB`,
          ...cells(({ ours }) => ours),
          ...cells(({ plain }) => plain),
          ...cells(({ dd }) => dd),
          ratio(({ ours, dd }) => ours.wall_s / dd.wall_s),
          ratio(({ ours, dd }) => ours.cpu_s / dd.cpu_s),
          ratio(({ ours, plain }) => ours.wall_s / plain.wall_s),
          ratio(({ ours, plain }) => ours.cpu_s / plain.cpu_s),
        ];
      }),
    ]),
  );
  const all = results.get(TARGETED)!;
  const seconds = median(all.map(({ ours }) => (ours.wall_s / TARGETED.total_bytes) * 100e6));
  console.log();
  target('Seconds for 100 MB of payload in records of 64 KiB, sync: group', 1, seconds);
  target(
    'Time of dd with the same synchronisation, group, 64 KiB',
    1.5,
    median(all.map(({ ours, dd }) => ours.wall_s / dd.wall_s)),
  );
  target(
    'CPU of dd with the same synchronisation, group, 64 KiB',
    1.5,
    median(all.map(({ ours, dd }) => ours.cpu_s / dd.cpu_s)),
  );
  console.log();
}

function perMegabyte(cpu_s: number, { total_bytes }: Case): string {
  return `${((cpu_s * 1e6) / (total_bytes / 1e6)).toFixed(0)} µs/MB`;
}

async function measureCase(one: Case): Promise<Turn> {
  const operations: FileOperation[] = [];
  const ours = await cost(() => fill(one, operations));
  settle();
  const plain = await cost(() => repeat(operations, COPY, pool));
  settle();
  const written = operations.reduce((sum, { is, lengths }) => (is === 'write' ? sum + total(lengths) : sum), 0);
  const syncs = operations.filter(({ is }) => is === 'sync').length;
  const portions = one.sync === 'none' ? operations.filter(({ is }) => is === 'write').length : syncs;
  const portion_bytes = Math.ceil(written / portions);
  const dd = copy(portions, portion_bytes, one.sync !== 'none');
  settle();
  return { ours, plain, dd, portions: syncs, portion_bytes };
}

/** Puts all blocks of a case, and closes the queue, which makes the last of them safe. */
async function fill(one: Case, operations: FileOperation[]): Promise<void> {
  const { record_bytes, total_bytes, inFlight, isTaken = false } = one;
  const store = await open(one, operations);
  let left = total_bytes / record_bytes;
  let at = 0;
  const put = async (): Promise<void> => {
    while (left-- > 0) {
      at = (at + record_bytes) % (pool.length - record_bytes);
      const body = pool.subarray(at, at + record_bytes);
      await store.put({ body, count: 1, signal: 'metrics', time_ms: Date.now() });
      const taken = isTaken ? await store.take(false) : undefined;
      if (taken !== undefined) await store.settle(taken);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, put));
  await store.close();
}

async function open({ sync, total_bytes }: Case, operations: FileOperation[] = []): Promise<BlockStore> {
  const store = createDiskStore({
    place: QUEUE,
    folder: async () => recordFolder(await openFolder(QUEUE), operations),
    lock: { isHeldHere: () => false, acquire: () => Promise.resolve(), release() {} },
    capacity_bytes: Math.max(4 * total_bytes, 2 ** 28),
    maxAge_ms: 0,
    sync,
    group_ms: 10,
    minFree_bytes: 0,
    order: 'fifo',
    clock: systemClock,
    tell: (message, fields) => console.error(message, fields),
  });
  await store.open!({ opened() {}, lost: (reason, count) => console.error(`lost ${count}: ${reason}`), onRoom() {} });
  return store;
}

/** A backlog of a process that has ended, delivered to a back end that takes everything at once. */
async function measureReading(): Promise<void> {
  const rows: string[][] = [];
  for (const one of [TARGETED, CASES.find(({ record_bytes, sync }) => record_bytes === 1024 && sync === 'group')!]) {
    const samples: { readonly drained: Cost; readonly dd: Cost }[] = [];
    for (let turn = -1; turn < turns; turn++) {
      await fill(one, []);
      const files = readdirSync(QUEUE).filter((name) => name.endsWith('.queue'));
      const dd = read(files.map((name) => join(QUEUE, name)));
      const drained = await cost(() => drain(one));
      settle();
      if (turn >= 0) samples.push({ drained, dd });
    }
    const cells = (of: (sample: (typeof samples)[number]) => Cost): string[] => [
      `${(one.total_bytes / median(samples.map((sample) => of(sample).wall_s)) / 1e6).toFixed(0)} MB/s`,
      perMegabyte(median(samples.map((sample) => of(sample).cpu_s)), one),
    ];
    const name = `${one.record_bytes / 1024} KiB`;
    const ratio = median(samples.map(({ drained, dd }) => drained.cpu_s / dd.cpu_s)).toFixed(2);
    rows.push([name, ...cells(({ drained }) => drained), ...cells(({ dd }) => dd), ratio]);
  }
  console.log('A backlog read back, each record settled, from files that the kernel still has in memory.\n');
  console.log(table([['records', 'queue', 'its CPU', 'dd to /dev/null', 'its CPU', 'CPU ÷ dd'], ...rows]));
}

async function drain(one: Case): Promise<void> {
  const store = await open(one);
  let count = 0;
  for (let next = await store.take(false); next !== undefined; next = await store.take(false)) {
    count += next.count;
    await store.settle(next);
  }
  await store.close();
  if (count !== one.total_bytes / one.record_bytes) throw new Error(`Cannot drain the queue: it gave ${count} records`);
}

async function cost(work: () => Promise<unknown>): Promise<Cost> {
  const before = process.cpuUsage();
  const began_ms = performance.now();
  await work();
  const wall_s = (performance.now() - began_ms) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { wall_s, cpu_s: (user + system) / 1e6 };
}

/**
 * `dd` in its cheapest form for the pattern: one for all portions that fit its buffer well; beyond that, where its buffer
 * would leave the CPU's caches, one for each portion, in writes of 1 MiB.
 */
function copy(portions: number, portion_bytes: number, isSynced: boolean): Cost {
  mkdirSync(COPY, { recursive: true });
  const fixed = `if=${SOURCE} of=${join(COPY, 'dd')} status=none`;
  if (!isSynced) return timed(`dd ${fixed} bs=${portion_bytes} count=${portions}`);
  if (portion_bytes <= LARGEST_DD_BYTES) return timed(`dd ${fixed} bs=${portion_bytes} count=${portions} oflag=dsync`);
  const inPortion = Math.ceil(portion_bytes / 2 ** 20);
  const each = `dd ${fixed} bs=${Math.ceil(portion_bytes / inPortion)} count=${inPortion}`;
  const place = `seek=$((i * ${inPortion})) skip=$((i * ${inPortion}))`;
  return timed(`for ((i = 0; i < ${portions}; i++)); do ${each} ${place} conv=notrunc,fdatasync; done`);
}

function read(files: readonly string[]): Cost {
  return timed(`for file in ${files.join(' ')}; do dd if=$file of=/dev/null bs=256k status=none; done`);
}

/** By the shell, which knows of its children what they cost, to the millisecond. */
function timed(command: string): Cost {
  const text = execFileSync('bash', ['-c', `TIMEFORMAT='%3R %3U %3S'; { time { ${command}; } ; } 2>&1`], {
    encoding: 'utf8',
  });
  const [wall_s, user_s, system_s] = text.trim().split(' ').map(Number) as [number, number, number];
  return { wall_s, cpu_s: user_s + system_s };
}

/** What one contestant left for the disk to do is not the next one's. */
function settle(): void {
  for (const folder of [QUEUE, COPY]) rmSync(folder, { recursive: true, force: true });
  execFileSync('sync', ['-f', place]);
}

function total(lengths: readonly number[]): number {
  return lengths.reduce((sum, length) => sum + length, 0);
}
