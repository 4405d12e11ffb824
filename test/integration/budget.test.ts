/** A whole agent that is given a tenth of the CPU that its receivers take: it takes that, and says so. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { cpuTime_us } from '../../bench/process.ts';
import { writeTree } from '../../bench/trees.ts';
import { startSonde, until, type Server } from './servers.ts';

const IDS = ['cpu', 'disk', 'network', 'process', 'processes'];

/** Ten times a second all processes of a machine that has thousands: what the agent itself takes is little beside it. */
function config(root: string, budget: string): string {
  return `
agent: { root_path: '${root}', budget: ${budget} }
receivers:
  self: { collection_interval: 1s }
${IDS.map((id) => `  ${id}: { collection_interval: 100ms }`).join('\n')}
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT, max_age: 1h }
service:
  pipelines:
    metrics: { receivers: [self, ${IDS.join(', ')}], exporters: [prometheus] }
`;
}

/** Share of a processor that it takes. */
async function shareOf({ pid }: Server, seconds: number): Promise<number> {
  const [before, started] = [cpuTime_us(pid), performance.now()];
  await sleep(seconds * 1000);
  return (cpuTime_us(pid) - before) / 1000 / (performance.now() - started);
}

/** Values of a metric at the Prometheus endpoint, by component. */
async function read(sonde: Server, metric: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${sonde.url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(`${metric}{`));
  return new Map(
    lines.map((line) => [/sonde_component_id="([^"]*)"/.exec(line)?.[1] ?? '', Number(line.split(' ').at(-1))]),
  );
}

test('An agent whose receivers take ten times its budget stretches their intervals until it is kept, and says so', async () => {
  const root = mkdtempSync(join(tmpdir(), 'sonde-budget-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  writeTree(root, { cpus: 8, interfaces: 4, mounts: 4, disks: 4, processes: 3000 });
  const free = await startSonde(config(root, '{}'));
  onTestFinished(async () => void (await free.stop('SIGKILL')));
  await sleep(2000);
  const operations = async (): Promise<number> =>
    (await read(free, 'sonde_component_operations_total')).get('process') ?? 0;
  const [done, began_ms] = [await operations(), performance.now()];
  const used = await shareOf(free, 5);
  const wanted = (performance.now() - began_ms) / 100;
  // Where it was not given the CPU for all its collections, what all would take is more than it took.
  const taken = used * Math.max(1, wanted / ((await operations()) - done));
  await free.stop('SIGKILL');

  const limit = taken / 10;
  const sonde = await startSonde(config(root, `{ cpu: '${(limit * 100).toFixed(2)}%' }`));
  onTestFinished(async () => void (await sonde.stop('SIGKILL')));
  let [intervalsBefore, collected, after, intervals] = Array.from({ length: 4 }, () => new Map<string, number>());
  let kept = Infinity;
  await until(
    'the agent is within its budget, and what it takes is',
    async () => {
      // It decides every 10 s; asked all the time, it would spend its budget on answers, of which each has thousands of lines.
      await sleep(5000);
      const [utilization] = (await read(sonde, 'sonde_budget_utilization_ratio')).values();
      if (utilization === undefined || utilization > 1) return false;
      intervalsBefore = await read(sonde, 'sonde_receiver_interval_seconds');
      collected = await read(sonde, 'sonde_component_operations_total');
      kept = await shareOf(sonde, 20);
      after = await read(sonde, 'sonde_component_operations_total');
      intervals = await read(sonde, 'sonde_receiver_interval_seconds');
      // In so short a time there may be one collection more, or one less. Where others take the caches of the processor,
      // collections become dearer at once, and the agent stretches intervals again.
      return kept < limit * 1.3;
    },
    300_000,
  ).catch((error: Error) => {
    throw new Error(`${error.message}: it takes ${kept} where ${limit} is the limit\n${sonde.output()}`, {
      cause: error,
    });
  });
  process.stderr.write(
    `CPU: ${(taken * 100).toFixed(1)} % without, ${(kept * 100).toFixed(2)} % with ${(limit * 100).toFixed(2)} %; process every ${intervals.get('process')} s\n`,
  );
  for (const id of IDS) {
    // None of them has stopped; one may have got a step back meanwhile.
    const longest_s = Math.max(intervalsBefore.get(id)!, intervals.get(id)!);
    expect(after.get(id)! - collected.get(id)!, id).toBeGreaterThanOrEqual(Math.floor(18 / longest_s));
  }
  expect(intervals.get('process')).toBeGreaterThanOrEqual(1);
  expect((await read(sonde, 'sonde_receiver_stretched_total')).get('process')).toBeGreaterThan(50);
  expect(sonde.output().match(/Over its budget/g)).toHaveLength(1);
}, 420_000);
