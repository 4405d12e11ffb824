/**
 * The receiver `logs` and what is done to files: rotation while the agent is killed, lines that are too long for memory,
 * volumes that go. `SONDE_LOGS_RATE` and `SONDE_LOGS_SECONDS` make the first longer and harder, as 50000 and 60.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import logs from '../../receivers/logs/index.ts';
import type { LogBatch } from '../../src/model/batch.ts';
import { decodeLogs } from '../../src/model/otlp/decode_logs.ts';
import { runReceiver, valuesOf } from '../support/collect.ts';
import { startLife, type AgentLife } from './oracle/agent_life.ts';
import { until } from './servers.ts';

const RATE = Number(process.env['SONDE_LOGS_RATE'] ?? 10_000);
const SECONDS = Number(process.env['SONDE_LOGS_SECONDS'] ?? 10);
const BATCH = 4096;
const MB = 1_000_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

function createFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-logs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Takes OTLP, and counts how often each line came. */
async function startSink(): Promise<{ url: string; seen: Map<string, number>; repeatedBodies: () => number }> {
  const seen = new Map<string, number>();
  const bodies = new Set<string>();
  let repeated = 0;
  const server = createServer((request, response) => {
    request.toArray().then(
      (chunks: Buffer[]) => {
        const bytes = Buffer.concat(chunks);
        const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes;
        const lines = decodeLogs(body).records.map((record) => String(record.body).split(' ', 2).join(' '));
        // The same request again is the queue's doing: it had no answer when the agent was killed.
        const key = `${body.length} ${lines[0]} ${lines.at(-1)}`;
        if (bodies.has(key)) repeated += 1;
        else for (const line of lines) seen.set(line, (seen.get(line) ?? 0) + 1);
        bodies.add(key);
        response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
      },
      // Whoever sent it was killed.
      () => undefined,
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, seen, repeatedBodies: () => repeated };
}

test(
  `No line of ${RATE} a second is lost, through rotation each second and kills of the agent`,
  { timeout: 120_000 + SECONDS * 4000 },
  async () => {
    const folder = createFolder();
    const logFolder = join(folder, 'log');
    mkdirSync(logFolder);
    const sink = await startSink();
    const file = join(folder, 'sonde.yaml');
    writeFileSync(
      file,
      `
receivers:
  logs: { include: ['${logFolder}/*'], start_at: beginning, format: none, directory: '${folder}/state', max_batch_records: ${BATCH} }
exporters:
  otlp: { endpoint: '${sink.url}', queue: { storage: disk, directory: '${folder}/queue', on_full: block, min_free: 0 } }
service:
  pipelines:
    logs: { receivers: [logs], exporters: [otlp] }
`,
    );
    let life: AgentLife = await startLife(file);
    onTestFinished(async () => {
      life.signal('SIGKILL');
      // It may write to its folders until it is gone.
      await life.ended;
    });
    const writer = spawn(
      process.execPath,
      [join(import.meta.dirname, 'logs_writer.ts'), logFolder, String(RATE), String(SECONDS)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    onTestFinished(() => void writer.kill('SIGKILL'));
    const written = text(writer.stdout);
    let kills = 0;
    while (writer.exitCode === null) {
      await pause(1000 + Math.random() * 3000);
      if (life.isOver()) throw new Error(`The agent ended by itself: ${life.output()}`);
      life.signal('SIGKILL');
      await life.ended;
      kills += 1;
      life = await startLife(file);
    }
    const { renamed, truncated, rotations } = JSON.parse(await written) as Record<string, number>;
    const total = renamed! + truncated!;
    await until('all lines have come', async () => sink.seen.size >= total, 60_000 + SECONDS * 2000).catch(
      // What is missing is told below.
      () => undefined,
    );
    await pause(1000);
    life.signal('SIGTERM');
    expect(await life.ended).toBe(0);
    const missing: string[] = [];
    for (const [name, count] of [
      ['renamed', renamed!],
      ['truncated', truncated!],
    ] as const) {
      for (let number = 0; number < count; number++) {
        if (!sink.seen.has(`${name} ${number}`)) missing.push(`${name} ${number}`);
      }
    }
    const doubled = [...sink.seen.values()].reduce((sum, times) => sum + times - 1, 0);
    process.stdout.write(
      `logs: ${total} lines, ${rotations} rotations of two files, ${kills} kills, ${missing.length} missing, ` +
        `${doubled} doubled, ${sink.repeatedBodies()} requests sent again by the queue\n`,
    );
    expect(rotations).toBeGreaterThan(0);
    expect(kills).toBeGreaterThan(0);
    expect({
      count: missing.length,
      some: missing.slice(0, 5),
      output: missing.length > 0 ? life.output() : '',
    }).toEqual({
      count: 0,
      some: [],
      output: '',
    });
    expect(sink.seen.size).toBe(total);
    expect(doubled).toBeLessThanOrEqual(kills * BATCH);
  },
);

test.each(['split', 'truncate'])(
  'A line of 250 MB is survived with little memory (%s)',
  async (long_lines) => {
    const folder = createFolder();
    const path = join(folder, 'long.log');
    const file = openSync(path, 'w');
    writeSync(file, 'before\n');
    const piece = Buffer.alloc(10 * MB, 'x');
    for (let written = 0; written < 25; written++) writeSync(file, piece);
    writeSync(file, '\nafter\n');
    closeSync(file);
    let bytes = 0;
    let longest = 0;
    let last = '';
    let records = 0;
    let rss = 0;
    const before = process.memoryUsage.rss();
    const consume = (batch: LogBatch): void => {
      for (const { body } of batch.records) {
        last = String(body);
        bytes += last.length;
        longest = Math.max(longest, last.length);
        records += 1;
      }
      rss = Math.max(rss, process.memoryUsage.rss());
    };
    const run = await runReceiver(logs, {
      config: { include: [path], directory: join(folder, 'state'), start_at: 'beginning', format: 'none', long_lines },
      next: { logs: { consume }, metrics: undefined, traces: undefined },
    });
    onTestFinished(() => run.stop());
    await until('the line after it has come', async () => last === 'after', 120_000);
    const MiB = 2 ** 20;
    expect(longest).toBe(MiB);
    if (long_lines === 'split') {
      expect(bytes).toBe(250 * MB + 'beforeafter'.length);
      expect(records).toBe(2 + Math.ceil((250 * MB) / MiB));
    } else {
      expect(bytes).toBe(MiB + 'beforeafter'.length);
      expect(records).toBe(3);
    }
    expect(rss - before).toBeLessThan(150 * MB);
  },
  180_000,
);

test('A volume that is taken away and comes back is read on', async () => {
  const folder = createFolder();
  const mount = join(folder, 'volume');
  const aside = join(folder, 'aside');
  mkdirSync(mount);
  // Who may not mount moves the folder away, which looks the same from where it was.
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', 'none', mount]).status === 0;
  onTestFinished(() => void (isMounted && spawnSync('umount', ['-l', mount])));
  const bodies: string[] = [];
  const consume = (batch: LogBatch): void => void bodies.push(...batch.records.map(({ body }) => String(body)));
  const path = join(mount, 'a.log');
  const other = join(folder, 'other.log');
  writeFileSync(path, 'one\n');
  writeFileSync(other, 'other one\n');
  const run = await runReceiver(logs, {
    config: {
      include: [join(mount, '*.log'), other],
      directory: join(folder, 'state'),
      start_at: 'beginning',
      format: 'none',
      poll_interval: '50ms',
      search_interval: '100ms',
      rotate_wait: '500ms',
    },
    next: { logs: { consume }, metrics: undefined, traces: undefined },
  });
  onTestFinished(() => run.stop());
  await until('both files are read', async () => bodies.length === 2);
  if (isMounted) expect(spawnSync('umount', ['-l', mount]).status).toBe(0);
  else {
    renameSync(mount, aside);
    mkdirSync(mount);
  }
  await until('its file is given up', async () => valuesOf(await run.collect())['log.file.watched{}'] === 1);
  appendFileSync(other, 'other two\n');
  await until('the other file is read on', async () => bodies.includes('other two'));
  if (isMounted) {
    expect(spawnSync('mount', ['-t', 'tmpfs', 'none', mount]).status).toBe(0);
    writeFileSync(path, 'two\n');
  } else {
    rmSync(mount, { recursive: true });
    renameSync(aside, mount);
    appendFileSync(path, 'two\n');
  }
  await until('the volume is read again', async () => bodies.includes('two'));
  expect(bodies.sort()).toEqual(['one', 'other one', 'other two', 'two']);
});
