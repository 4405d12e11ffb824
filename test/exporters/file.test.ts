import {
  existsSync,
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
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import fileExporter from '../../exporters/file.ts';
import { createRotatingFile, type RotatingFile } from '../../exporters/file/rotating_file.ts';
import { ConfigError, RetryableError } from '../../src/errors.ts';
import { decodeLogsJson, decodeMetricsJson, decodeTracesJson } from '../../src/model/otlp/json.ts';
import { runExporter } from '../support/exporter.ts';
import { createRecordedLog, type RecordedLog } from '../support/recorded_log.ts';
import { createLogs, createSpans, createSums } from '../support/telemetry.ts';
import { asRequest } from '../support/request.ts';

const never = new AbortController().signal;
let folder: string;
const stops: (() => unknown)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sonde-file-'));
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  rmSync(folder, { recursive: true });
});

const linesOf = (path: string): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1);

describe('file', () => {
  test('writes each batch as a line of OTLP JSON, a file for each signal', async () => {
    const { exporter } = runExporter(fileExporter, { path: join(folder, 'x-{signal}.jsonl') });
    stops.push(() => exporter.stop?.());
    await exporter.start?.();
    expect(readdirSync(folder).toSorted()).toEqual(['x-logs.jsonl', 'x-metrics.jsonl', 'x-traces.jsonl']);
    for (const batch of [createSums([1, 2]), createSums([3]), createLogs('a\nb'), createSpans('GET /')]) {
      for (const payload of exporter.encode(batch)) await exporter.send(asRequest(payload), batch.signal, never);
    }
    const metrics = linesOf(join(folder, 'x-metrics.jsonl'));
    expect(metrics.map((line) => [...decodeMetricsJson(Buffer.from(line)).values])).toEqual([[1, 2], [3]]);
    const [log, ...rest] = linesOf(join(folder, 'x-logs.jsonl'));
    expect(decodeLogsJson(Buffer.from(log!)).records[0]!.body).toBe('a\nb');
    expect(rest).toEqual([]);
    expect(decodeTracesJson(Buffer.from(linesOf(join(folder, 'x-traces.jsonl'))[0]!)).count).toBe(1);
  });

  test('refuses several signals in one file, and says what to write', () => {
    const config = { path: join(folder, 'all.jsonl') };
    expect(() => runExporter(fileExporter, config, ['metrics', 'logs'])).toThrow(ConfigError);
    expect(() => runExporter(fileExporter, config, ['metrics'])).not.toThrow();
    expect(() => runExporter(fileExporter, {}, ['metrics', 'logs'])).not.toThrow();
  });

  test('start fails where the file cannot be opened', async () => {
    const path = join(folder, 'missing', 'x.jsonl');
    const { exporter } = runExporter(fileExporter, { path }, ['logs']);
    await expect(exporter.start!()).rejects.toThrow(/^Cannot open ".*missing\/x\.jsonl": ENOENT/);
  });

  test('"-" is the standard output, and a reader that went away is retryable', async () => {
    const written: string[] = [];
    const write = vi.spyOn(process.stdout, 'write');
    write.mockImplementation(((bytes: Uint8Array, done: (error?: Error) => void) => {
      written.push(Buffer.from(bytes).toString());
      done();
      return true;
    }) as never);
    const { exporter } = runExporter(fileExporter);
    const [payload] = exporter.encode(createLogs('a'));
    await exporter.send(asRequest(payload!), 'logs', never);
    write.mockImplementation(((_: Uint8Array, done: (error?: Error) => void) => {
      done(new Error('write EPIPE'));
      return true;
    }) as never);
    const refused = Promise.resolve(exporter.send(asRequest(payload!), 'logs', never));
    await expect(refused).rejects.toThrow(RetryableError);
    write.mockRestore();
    expect(written).toHaveLength(1);
    expect(decodeLogsJson(Buffer.from(written[0]!)).count).toBe(1);
  });
});

describe('createRotatingFile', () => {
  let path: string;
  let log: RecordedLog;
  let now_ms: number;
  beforeEach(() => {
    path = join(folder, 'out.jsonl');
    log = createRecordedLog();
    now_ms = Date.parse('2030-01-01T00:00:00Z');
  });

  function make(options: Partial<Parameters<typeof createRotatingFile>[0]> = {}): RotatingFile {
    const file = createRotatingFile({
      path,
      max_bytes: Infinity,
      maxAge_ms: Infinity,
      max_files: 10,
      isCompressed: false,
      log,
      now: () => now_ms,
      ...options,
    });
    stops.push(() => file.close());
    return file;
  }
  const append = (file: RotatingFile, text: string) => file.append(Buffer.from(text));
  const aside = () =>
    readdirSync(folder)
      .filter((name) => name !== 'out.jsonl')
      .toSorted();

  test('appends to what is there, and others of the group may read', async () => {
    writeFileSync(path, 'old\n');
    const fresh = make({ path: join(folder, 'fresh.jsonl') });
    await fresh.open();
    expect(statSync(join(folder, 'fresh.jsonl')).mode & 0o137).toBe(0);
    await append(make(), 'new\n');
    expect(linesOf(path)).toEqual(['old', 'new']);
  });

  test('ends a line that a killed process left behind', async () => {
    writeFileSync(path, 'whole\nhal');
    await append(make(), 'new\n');
    expect(linesOf(path)).toEqual(['whole', 'hal', 'new']);
  });

  test('keeps appends at the same time apart', async () => {
    const file = make();
    await Promise.all(Array.from({ length: 50 }, (_, index) => append(file, `${String(index).repeat(500)}\n`)));
    expect(linesOf(path)).toEqual(Array.from({ length: 50 }, (_, index) => String(index).repeat(500)));
  });

  test('sets the file aside before it would be larger than max_bytes, and keeps max_files', async () => {
    const file = make({ max_bytes: 10, max_files: 2 });
    writeFileSync(join(folder, 'out-of-this.jsonl'), 'another file');
    for (const text of ['aaaaaa\n', 'bb\n', 'cccc\n', 'dddddddd\n', 'much longer than ten bytes\n', 'e\n']) {
      await append(file, text);
      now_ms += 1000;
    }
    await file.close();
    expect(linesOf(path)).toEqual(['e']);
    expect(aside()).toEqual(['out-20300101T000004.000Z.jsonl', 'out-20300101T000005.000Z.jsonl', 'out-of-this.jsonl']);
    expect(linesOf(join(folder, 'out-20300101T000004.000Z.jsonl'))).toEqual(['dddddddd']);
  });

  test('files set aside in the same millisecond are all kept', async () => {
    const file = make({ max_bytes: 1 });
    for (const text of ['a\n', 'b\n', 'c\n']) await append(file, text);
    expect(aside()).toHaveLength(2);
  });

  test('sets the file aside when it is older than max_age', async () => {
    const file = make({ maxAge_ms: 60_000 });
    await append(file, 'a\n');
    now_ms += 59_999;
    await append(file, 'b\n');
    now_ms += 1;
    await append(file, 'c\n');
    expect(linesOf(path)).toEqual(['c']);
    expect(linesOf(join(folder, aside()[0]!))).toEqual(['a', 'b']);
  });

  test('compresses what was set aside', async () => {
    const file = make({ max_bytes: 3, isCompressed: true, max_files: 1 });
    for (const text of ['a\n', 'bb\n', 'c\n']) {
      await append(file, text);
      now_ms += 1000;
    }
    await file.close();
    expect(aside()).toEqual(['out-20300101T000002.000Z.jsonl.gz']);
    expect(gunzipSync(readFileSync(join(folder, aside()[0]!))).toString()).toBe('bb\n');
  });

  test('follows its path when another process renamed or removed the file', async () => {
    const file = make();
    await append(file, 'a\n');
    renameSync(path, join(folder, 'out.jsonl.1'));
    await append(file, 'b\n');
    rmSync(path);
    await append(file, 'c\n');
    expect(linesOf(join(folder, 'out.jsonl.1'))).toEqual(['a']);
    expect(linesOf(path)).toEqual(['c']);
  });

  test('an error is retryable, and the next append succeeds', async () => {
    const file = make();
    await append(file, 'a\n');
    rmSync(path);
    writeFileSync(join(folder, 'is-a-file'), '');
    const blocked = make({ path: join(folder, 'is-a-file', 'x.jsonl') });
    await expect(append(blocked, 'x\n')).rejects.toThrow(RetryableError);
    rmSync(join(folder, 'is-a-file'));
    await expect(append(blocked, 'x\n')).rejects.toThrow(/^Cannot write to ".*x\.jsonl": ENOENT/);
    await append(file, 'b\n');
    expect(linesOf(path)).toEqual(['b']);
  });

  test.runIf(existsSync('/dev/full'))('a full disk is retryable', async () => {
    await expect(append(make({ path: '/dev/full' }), 'a\n')).rejects.toThrow(/ENOSPC/);
    await expect(append(make({ path: '/dev/full' }), 'a\n')).rejects.toThrow(RetryableError);
  });

  test('a folder in the place of the file is retryable', async () => {
    await expect(append(make({ path: folder }), 'a\n')).rejects.toThrow(/EISDIR/);
  });
});
