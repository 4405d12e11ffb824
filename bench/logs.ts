/**
 * How fast the receiver `logs` reads a backlog of plain lines, per second of CPU of all its threads, beside `wc -l`, which
 * does nothing but read and look for newlines. `SONDE_BENCH_MB` is the size of the backlog (1024).
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import logs from '../receivers/logs/index.ts';
import type { LogBatch } from '../src/model/batch.ts';
import { encodeLogs } from '../src/model/otlp/encode_logs.ts';
import { runReceiver } from '../test/support/collect.ts';
import { table } from './measure.ts';

const MEGABYTES = Number(process.env['SONDE_BENCH_MB'] ?? 1024);
const MB = 1_000_000;

interface Outcome {
  readonly cpu_s: number;
  readonly lines: number;
  /** Largest resident memory, and how much of that came after the first tenth. */
  readonly rss_MB: number;
  readonly growth_MB: number;
}

/** Lines of some 100 bytes, one in 50 with letters that are no ASCII, where it is asked for. */
function writeBacklog(path: string, hasLetters: boolean): number {
  const file = openSync(path, 'w');
  let size = 0;
  let number = 0;
  while (size < MEGABYTES * MB) {
    let text = '';
    while (text.length < 4 * MB) {
      number += 1;
      const word = hasLetters && number % 50 === 0 ? 'größer' : 'larger';
      text += `2026-11-22T05:00:00.123Z INFO request is ${word} path=/api/v1/items status=200 duration=12ms id=${number}\n`;
    }
    size += writeSync(file, text);
  }
  closeSync(file);
  return size;
}

async function readAll(
  folder: string,
  path: string,
  format: string,
  doWork: (batch: LogBatch) => void,
): Promise<Outcome> {
  rmSync(join(folder, 'state'), { recursive: true, force: true });
  const size = MEGABYTES * MB;
  let lines = 0;
  let early_MB = 0;
  let rss_MB = 0;
  const { promise: done, resolve } = Promise.withResolvers<void>();
  const consume = (batch: LogBatch): Promise<void> => {
    lines += batch.count;
    doWork(batch);
    const now_MB = process.memoryUsage.rss() / MB;
    rss_MB = Math.max(rss_MB, now_MB);
    if (lines * 110 < size / 10) early_MB = rss_MB;
    if (lines === expected.get(path)) resolve();
    return Promise.resolve();
  };
  const before = process.cpuUsage();
  const run = await runReceiver(logs, {
    config: { include: [path], start_at: 'beginning', format, directory: join(folder, 'state') },
    next: { logs: { consume }, metrics: undefined, traces: undefined },
  });
  await done;
  const { user, system } = process.cpuUsage(before);
  await run.stop();
  return { cpu_s: (user + system) / 1e6, lines, rss_MB, growth_MB: rss_MB - early_MB };
}

function countLines(path: string): { lines: number; cpu_s: number } {
  const script = 'TIMEFORMAT="%U %S"; time wc -l < "$0"';
  const { stdout, stderr } = spawnSync('bash', ['-c', script, path], { encoding: 'utf8' });
  const [user = 0, system = 0] = stderr.trim().split(' ').map(Number);
  return { lines: Number(stdout), cpu_s: user + system };
}

const expected = new Map<string, number>();
const folder = mkdtempSync(join(tmpdir(), 'sonde-bench-logs-'));
try {
  const rows: (string | number)[][] = [
    ['what', 'MB per CPU second', 'lines per CPU second', 'largest RSS, MB', 'of it after a tenth'],
  ];
  const add = (what: string, size: number, { cpu_s, lines, rss_MB, growth_MB }: Outcome): void => {
    const rates = [(size / MB / cpu_s).toFixed(0), (lines / cpu_s).toFixed(0)];
    rows.push([
      what,
      ...rates,
      Number.isNaN(rss_MB) ? '' : rss_MB.toFixed(0),
      Number.isNaN(rss_MB) ? '' : growth_MB.toFixed(0),
    ]);
  };
  for (const hasLetters of [false, true]) {
    const path = join(folder, `${hasLetters ? 'utf8' : 'ascii'}.log`);
    const size = writeBacklog(path, hasLetters);
    const floor = countLines(path);
    expected.set(path, floor.lines);
    const name = hasLetters ? 'UTF-8' : 'ASCII';
    add(`wc -l, ${name}`, size, { ...floor, rss_MB: NaN, growth_MB: NaN });
    add(`logs, ${name}, lines as they are`, size, await readAll(folder, path, 'none', () => undefined));
    if (!hasLetters) {
      add(
        'logs, ASCII, and encoded as OTLP',
        size,
        await readAll(folder, path, 'none', (batch) => void encodeLogs(batch)),
      );
      add('logs, ASCII, format auto', size, await readAll(folder, path, 'auto', () => undefined));
    }
    rmSync(path);
  }
  process.stdout.write(`${table(rows)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
