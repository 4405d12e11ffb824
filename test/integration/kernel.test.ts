/**
 * Every default metric of this machine, against the kernel as other ways read it. The agent is asked between two such
 * readings, so a counter must lie between them; levels may differ by what `kernel_readings.ts` says.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseExposition } from '../exporters/prometheus/grammar.ts';
import {
  allowedCpus,
  isOnDevice,
  readFileSystems,
  readKernel,
  readUserSeconds,
  seriesOf,
  type Readings,
} from './kernel_readings.ts';
import { startSonde, type Server } from './servers.ts';

const RECEIVERS = ['cpu', 'load', 'memory', 'paging', 'disk', 'filesystem', 'network', 'system', 'processes'];

let sonde: Server;
beforeAll(async () => {
  sonde = await startSonde(`
receivers: { ${RECEIVERS.map((type) => `${type}: {}`).join(', ')} }
exporters: { prometheus: { endpoint: 127.0.0.1:PORT, max_age: "0", target_info: false } }
service: { pipelines: { metrics: { receivers: [${RECEIVERS}], exporters: [prometheus] } } }
`);
});
afterAll(async () => {
  await sonde?.stop();
});

/** Values by series, read now. */
async function measure(): Promise<Map<string, number>> {
  const text = await (await fetch(`${sonde.url}/metrics`)).text();
  const values = new Map<string, number>();
  for (const { samples } of parseExposition(text, 'text').values()) {
    for (const { name, labels, value } of samples) values.set(seriesOf(name, Object.fromEntries(labels)), value);
  }
  return values;
}

/** What does not lie between the two readings, or is in one of the lists alone. */
function disagreements(measured: ReadonlyMap<string, number>, before: Readings, after: Readings): string[] {
  const problems: string[] = [];
  for (const [series, { value, tolerance }] of before) {
    const other = after.get(series)?.value;
    const own = measured.get(series);
    // What came or went in between is neither's fault.
    if (other === undefined) continue;
    const [least, most] = [Math.min(value, other) - tolerance, Math.max(value, other) + tolerance];
    // A double that was divided another way differs in its last bit.
    const slack = Math.abs(most) * 1e-12;
    if (own === undefined) problems.push(`${series} is not measured`);
    else if (own < least - slack || own > most + slack) problems.push(`${series} is ${own}, not in ${least}…${most}`);
  }
  for (const series of measured.keys()) {
    if (!before.has(series) && !after.has(series) && !series.startsWith('system_filesystem_')) {
      problems.push(`${series} has no other reading`);
    }
  }
  return problems;
}

test('Every default metric agrees with another reading in the same second, and none is missing', async () => {
  const before = readKernel();
  const measured = await measure();
  const after = readKernel();
  expect(measured.size).toBeGreaterThan(60);
  expect(disagreements(measured, before, after)).toEqual([]);
});

test('States of memory sum to what there is', async () => {
  const measured = await measure();
  const states = [...measured].filter(([series]) => series.startsWith('system_memory_usage_bytes{'));
  const sum = states.reduce((total, [, bytes]) => total + bytes, 0);
  const total_kib = Number(/^MemTotal:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1]);
  expect(sum).toBe(total_kib * 1024);
});

test('File systems agree with df, and each one on a device is reported once', async () => {
  const before = readFileSystems();
  const measured = await measure();
  const after = readFileSystems();
  interface Reported {
    readonly labels: Readonly<Record<string, string>>;
    readonly values: Record<string, number>;
  }
  const reported = new Map<string, Reported>();
  for (const [series, value] of measured) {
    const [, name, list] = /^system_filesystem_(\w+)\{(.*)\}$/.exec(series) ?? [];
    if (name === undefined) continue;
    const labels = Object.fromEntries(
      [...list!.matchAll(/system_(?:filesystem_)?(\w+)=("(?:[^"\\]|\\.)*")/g)].map(([, key, text]) => [
        key,
        JSON.parse(text!) as string,
      ]),
    );
    const entry = reported.get(labels['mountpoint']!) ?? { labels, values: {} };
    entry.values[`${name} ${labels['state']}`] = value;
    reported.set(labels['mountpoint']!, entry);
  }
  const problems: string[] = [];
  const isNear = (own: number | undefined, one: number, other: number, tolerance: number): boolean =>
    own !== undefined && own >= Math.min(one, other) - tolerance && own <= Math.max(one, other) + tolerance;
  for (const [mountPoint, { labels, values }] of reported) {
    const [one, other] = [before.get(mountPoint), after.get(mountPoint)];
    if (one === undefined || other === undefined) {
      problems.push(`df knows nothing of ${mountPoint}`);
      continue;
    }
    if (labels['device'] !== one.source || labels['type'] !== one.type) problems.push(`${mountPoint} is another's`);
    const bytes = 64 * 2 ** 20;
    const reserved = (of: typeof one): number => of.size - of.used - of.available;
    const checks: [string, number, number, number][] = [
      ['usage_bytes used', one.used, other.used, bytes],
      ['usage_bytes free', one.available, other.available, bytes],
      ['usage_bytes reserved', reserved(one), reserved(other), 0],
      ['utilization_ratio used', one.used / one.size, other.used / other.size, 0.01],
    ];
    if (one.inodes > 0) {
      checks.push(['inodes_usage used', one.usedInodes, other.usedInodes, 2000]);
      checks.push(['inodes_usage free', one.inodes - one.usedInodes, other.inodes - other.usedInodes, 2000]);
    }
    for (const [what, first, second, tolerance] of checks) {
      if (isNear(values[what], first, second, tolerance)) continue;
      problems.push(`${what} of ${mountPoint} is ${values[what]}, df says ${first} and ${second}`);
    }
    if (Object.keys(values).length !== checks.length) problems.push(`${mountPoint} has ${Object.keys(values)}`);
  }
  expect(problems).toEqual([]);
  const devices = [...reported.values()]
    .map(({ labels }) => labels['device']!)
    .filter((device) => device.startsWith('/'));
  expect(devices.toSorted()).toEqual([...new Set(devices)].toSorted());
  const expected = new Set([...before.values()].filter(isOnDevice).map(({ source }) => source));
  expect(expected.difference(new Set(devices))).toEqual(new Set());
});

const BUSY = 'for (;;) {}';
const BUSY_MS = 1500;

test('A busy loop pinned to one CPU shows on that CPU alone', async () => {
  const cpu = String(allowedCpus().at(-1));
  const userTime = (values: ReadonlyMap<string, number>, of: string): number =>
    values.get(seriesOf('system_cpu_time_seconds_total', { cpu_logical_number: of, cpu_mode: 'user' }))!;
  const [kernelBefore, before, kernelBetween] = [readUserSeconds(), await measure(), readUserSeconds()];
  const child = spawn('taskset', ['--cpu-list', cpu, process.execPath, '-e', BUSY], { stdio: 'ignore' });
  let own_s: number;
  try {
    await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
    own_s = userSecondsOf(child.pid!);
  } finally {
    child.kill('SIGKILL');
  }
  const [kernelAfter, after, kernelLast] = [readUserSeconds(), await measure(), readUserSeconds()];

  // It is there, with nearly all that the loop itself was given,
  expect(own_s).toBeGreaterThan(0.3);
  expect(userTime(after, cpu) - userTime(before, cpu)).toBeGreaterThan(own_s * 0.9);
  // and nothing of it is elsewhere: each CPU rose by what the kernel says of that CPU, whatever else is running here.
  for (const [number, least] of kernelBefore) {
    const rise = userTime(after, number) - userTime(before, number);
    expect(rise).toBeGreaterThanOrEqual(kernelAfter.get(number)! - kernelBetween.get(number)! - 0.001);
    expect(rise).toBeLessThanOrEqual(kernelLast.get(number)! - least + 0.001);
  }
});

/** The 14th column of `/proc/PID/stat`, behind a name that may hold anything. */
function userSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[11]) / 100;
}
