/** Reported plus remainder is the host, while real processes start and end by the hundred. */
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { parseCpuTotals } from '../../../receivers/process/host_totals.ts';
import process_ from '../../../receivers/process/index.ts';
import type { MetricBatch, Series } from '../../../src/model/batch.ts';
import { createHost } from '../../../src/procfs/host.ts';
import { runReceiver } from '../../support/collect.ts';

const ONE_TICK_s = 0.01;

/** Four at a time, each of some hundredths of a second, until it is ended. */
const CHURN = `
  trap 'exit 0' TERM
  while :; do
    for worker in 1 2 3 4; do
      sh -c 'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done' &
    done
    wait
  done`;

/** Adds up increases as a reader of the series would. */
function createReader() {
  let before = new Map<string, number>();
  const increases = { user: 0, system: 0 };
  /** How much of the last increases is the remainder's. */
  const remainders = { user: 0, system: 0 };
  return {
    increases,
    remainders,
    /** @param isNewborn whether a series' process was not there at the collection before */
    read(batch: MetricBatch, isNewborn: (series: Series) => boolean): void {
      const now = new Map<string, number>();
      batch.series.forEach((series, row) => {
        if (series.metric.name !== 'process.cpu.time') return;
        const value = batch.values[row];
        const last = before.get(series.key);
        now.set(series.key, value);
        const mode = series.attributes['cpu.mode'] as 'user' | 'system';
        if (last !== undefined) expect(value).toBeGreaterThanOrEqual(last);
        if (last !== undefined) increases[mode] += value - last;
        else if (isNewborn(series)) increases[mode] += value;
        if (series.attributes['process.remainder'] !== undefined) remainders[mode] = value - (last ?? value);
      });
      before = now;
    },
  };
}

test.each(['none', 'executable', 'owner'] as const)(
  'process reports, grouped by %s, with the remainder what the host spent, to a tick, while hundreds of processes start and end',
  async (group_by) => {
    const shell = spawn('sh', ['-c', CHURN], { stdio: 'ignore' });
    onTestFinished(() => void shell.kill('SIGTERM'));
    const host = createHost();
    let pids = new Set<string>();
    let pidsBefore = pids;
    let total = { user: NaN, system: NaN };
    const run = await runReceiver(process_, {
      config: { group_by, top: { cpu: 4, memory: 2 }, min_stay: '0s' },
      host: {
        list(path) {
          const names = host.list(path);
          if (path === '/proc') [pidsBefore, pids] = [pids, new Set(names)];
          return names;
        },
        read(path) {
          const file = host.read(path);
          if (path === '/proc/stat') total = parseCpuTotals(file);
          return file;
        },
      },
    });
    const reader = createReader();
    let [begunAt, begunBefore] = [0n, 0n];
    const isNewborn = ({ attributes, startTime }: Series): boolean => {
      if (pidsBefore.size === 0 || attributes['process.remainder'] !== undefined) return false;
      const pid = attributes['process.pid'];
      // A group says when it was met first.
      return pid === undefined ? startTime >= begunBefore : !pidsBefore.has(String(pid));
    };
    const members = new Set<unknown>();
    let first: typeof total | undefined;
    /** Modes of which a reader has added up what the host spent, and no more, at a collection since this was empty. */
    const equal = new Set<string>();
    const collect = async (): Promise<void> => {
      [begunBefore, begunAt] = [begunAt, BigInt(Date.now()) * 1_000_000n];
      const [batch] = await run.collect();
      reader.read(batch, isNewborn);
      for (const { attributes } of batch.series) members.add(attributes['process.pid']);
      first ??= total;
      for (const mode of ['user', 'system'] as const) {
        const excess_s = reader.increases[mode] - (total[mode] - first[mode]) / 100;
        expect(excess_s).toBeGreaterThanOrEqual(-ONE_TICK_s - 1e-6);
        if (excess_s <= ONE_TICK_s + 1e-6) equal.add(mode);
        // The kernel's own sampling may leave the host behind; the remainder stands still until it has made up for it.
        else expect(reader.remainders[mode]).toBeLessThan(1e-6);
      }
    };
    await collect();
    const created = () => Number(/^processes (\d+)$/m.exec(host.readText('/proc/stat'))![1]);
    const createdBefore = created();
    for (let i = 0; i < 20 || (i < 200 && created() - createdBefore <= 200); i++) {
      await sleep(60);
      await collect();
    }
    expect(created() - createdBefore).toBeGreaterThan(200);
    equal.clear();
    for (let i = 0; i < 500 && equal.size < 2; i++) {
      await sleep(60);
      await collect();
    }
    expect(equal).toEqual(new Set(['user', 'system']));
    if (group_by === 'none') expect(members.size).toBeGreaterThan(6);
    await run.stop();
    host.close();
  },
  // On a machine that has other things to do.
  120_000,
);
