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
import { startSonde, until, type Server } from './servers.ts';

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

/** By series: what does not lie between the two readings, or is in one of the lists alone. */
function disagreements(measured: ReadonlyMap<string, number>, before: Readings, after: Readings): Map<string, string> {
  const problems = new Map<string, string>();
  for (const [series, { value, tolerance }] of before) {
    const other = after.get(series)?.value;
    const own = measured.get(series);
    // What came or went in between is neither's fault.
    if (other === undefined) continue;
    const [least, most] = [Math.min(value, other) - tolerance, Math.max(value, other) + tolerance];
    // A double that was divided another way differs in its last bit.
    const slack = Math.abs(most) * 1e-12;
    if (own === undefined) problems.set(series, `${series} is not measured`);
    else if (own < least - slack || own > most + slack) {
      problems.set(series, `${series} is ${own}, not in ${least}…${most}`);
    }
  }
  for (const series of measured.keys()) {
    if (!before.has(series) && !after.has(series) && !series.startsWith('system_filesystem_')) {
      problems.set(series, `${series} has no other reading`);
    }
  }
  return problems;
}

/**
 * What was found each time. Levels rise and fall between two readings, with all that the machine does, and in a container
 * its neighbours too: where the agent is wrong it is so again and again.
 */
async function foundEachTime(find: () => Promise<ReadonlyMap<string, string>>): Promise<string[]> {
  let found = await find();
  for (let time = 1; time < 20 && found.size > 0; time++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const again = await find();
    found = new Map([...again].filter(([what]) => found.has(what)));
  }
  return [...found.values()];
}

test('Every default metric agrees with another reading in the same second, and none is missing', async () => {
  const ofCounters: string[] = [];
  const ofLevels = await foundEachTime(async () => {
    const before = readKernel();
    const measured = await measure();
    const after = readKernel();
    expect(measured.size).toBeGreaterThan(60);
    const problems = disagreements(measured, before, after);
    const isLevel = (series: string): boolean => (before.get(series)?.tolerance ?? 0) > 0;
    ofCounters.push(...[...problems].filter(([series]) => !isLevel(series)).map(([, text]) => text));
    return new Map([...problems].filter(([series]) => isLevel(series)));
  });
  expect(ofCounters).toEqual([]);
  expect(ofLevels).toEqual([]);
});

test('States of memory sum to what there is', async () => {
  const measured = await measure();
  const states = [...measured].filter(([series]) => series.startsWith('system_memory_usage_bytes{'));
  const sum = states.reduce((total, [, bytes]) => total + bytes, 0);
  const total_kib = Number(/^MemTotal:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1]);
  expect(sum).toBe(total_kib * 1024);
});

test('File systems agree with df, and each one on a device is reported once', async () => {
  expect(await foundEachTime(compareFileSystems)).toEqual([]);
});

async function compareFileSystems(): Promise<ReadonlyMap<string, string>> {
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
  const problems = new Map<string, string>();
  const isNear = (own: number | undefined, one: number, other: number, tolerance: number): boolean =>
    own !== undefined && own >= Math.min(one, other) - tolerance && own <= Math.max(one, other) + tolerance;
  for (const [mountPoint, { labels, values }] of reported) {
    const [one, other] = [before.get(mountPoint), after.get(mountPoint)];
    if (one === undefined || other === undefined) {
      problems.set(mountPoint, `df knows nothing of ${mountPoint}`);
      continue;
    }
    if (labels['device'] !== one.source || labels['type'] !== one.type) {
      problems.set(mountPoint, `${mountPoint} is another's`);
    }
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
      const own = `${what} of ${mountPoint}`;
      problems.set(own, `${own} is ${values[what]}, df says ${first} and ${second}`);
    }
    if (Object.keys(values).length !== checks.length) {
      problems.set(`values of ${mountPoint}`, `${mountPoint} has ${Object.keys(values)}`);
    }
  }
  const devices = [...reported.values()]
    .map(({ labels }) => labels['device']!)
    .filter((device) => device.startsWith('/'));
  const once = new Set(devices);
  if (once.size < devices.length) problems.set('twice', `one of ${devices.toSorted()} is reported twice`);
  const expected = new Set([...before.values()].filter(isOnDevice).map(({ source }) => source));
  for (const device of expected.difference(once)) problems.set(device, `${device} is not reported`);
  return problems;
}

const BUSY = 'for (;;) {}';
const BUSY_S = 0.5;

test('A busy loop pinned to one CPU shows on that CPU alone', async () => {
  const cpu = String(allowedCpus().at(-1));
  const userTime = (values: ReadonlyMap<string, number>, of: string): number =>
    values.get(seriesOf('system_cpu_time_seconds_total', { cpu_logical_number: of, cpu_mode: 'user' }))!;
  const [kernelBefore, before, kernelBetween] = [readUserSeconds(), await measure(), readUserSeconds()];
  const child = spawn('taskset', ['--cpu-list', cpu, process.execPath, '-e', BUSY], { stdio: 'ignore' });
  try {
    const isBusy = async (): Promise<boolean> =>
      userSecondsOf(child.pid!) > BUSY_S && readUserSeconds().get(cpu)! > kernelBetween.get(cpu)! + BUSY_S;
    await until('the loop had its share of the CPU', isBusy, 50_000);
  } finally {
    child.kill('SIGKILL');
  }
  const [kernelAfter, after, kernelLast] = [readUserSeconds(), await measure(), readUserSeconds()];

  // It is there,
  expect(userTime(after, cpu) - userTime(before, cpu)).toBeGreaterThan(BUSY_S - 0.001);
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
