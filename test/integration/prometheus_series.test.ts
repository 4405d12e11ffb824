/** Series that come and go, several scrapers, and names in UTF-8: as a real Prometheus sees them. */
import { closeSync, cpSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { rootOf } from '../support/machines.ts';
import { startPrometheus, startSonde, until, type Server } from './servers.ts';

interface Result {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [time_s: number, value: string];
}

async function query(prometheus: Server, expression: string): Promise<Result[]> {
  const response = await fetch(`${prometheus.url}/api/v1/query?query=${encodeURIComponent(expression)}`);
  const answer = (await response.json()) as { data: { result: Result[] }; error?: string };
  expect(answer.error).toBeUndefined();
  return answer.data.result;
}

async function start(config: string): Promise<Server> {
  const sonde = await startSonde(config);
  onTestFinished(async () => void (await sonde.stop('SIGKILL')));
  return sonde;
}

async function scrapeWith(sonde: Server, interval_s?: number): Promise<Server> {
  const prometheus = await startPrometheus(sonde.url.replace('http://', ''), interval_s);
  onTestFinished(async () => void (await prometheus.stop('SIGKILL')));
  return prometheus;
}

test('A series that vanished is gone at the next scrape, and stale in Prometheus at once', async () => {
  const machine = mkdtempSync(join(tmpdir(), 'sonde-machine-'));
  onTestFinished(() => rmSync(machine, { recursive: true, force: true }));
  cpSync(rootOf('debian12-kvm'), machine, { recursive: true });
  const sonde = await start(`
agent: { root_path: '${machine}' }
receivers: { network: {} }
exporters: { prometheus: { endpoint: 127.0.0.1:PORT, max_age: "0" } }
service: { pipelines: { metrics: { receivers: [network], exporters: [prometheus] } } }
`);
  const prometheus = await scrapeWith(sonde);
  const interfaces = async (): Promise<string[]> => {
    const found = await query(prometheus, 'system_network_io_bytes_total{network_io_direction="receive"}');
    return found.map(({ metric }) => metric['network_interface_name']!).toSorted();
  };
  // One that runs out of time on a busy machine leaves none for the moment.
  const untilThere = async (...wanted: string[]): Promise<void> => {
    let found: string[] = [];
    const isThere = async (): Promise<boolean> => String((found = await interfaces())) === String(wanted);
    await until(`Prometheus has ${wanted.join()}`, isThere, 60_000).catch((error: Error) => {
      throw new Error(`${error.message}, but ${found.join()}`, { cause: error });
    });
  };
  await untilThere('eth0', 'ifb0', 'ifb1', 'lo');

  const file = join(machine, 'proc/1/net/dev');
  const before = readFileSync(file, 'utf8');
  const [line] = /^ *ifb1:.*\n/m.exec(before)!;
  // As long as it was, so that one write does it: no scrape finds half of it. The receiver keeps the file open.
  const open = openSync(file, 'r+');
  writeSync(open, before.replace(line, '').replace('\n', `${' '.repeat(line.length)}\n`), 0);
  closeSync(open);
  // A scrape joins a collection that is under way, which may have begun before: this one begins behind it.
  await (await fetch(`${sonde.url}/metrics`)).text();
  expect(await (await fetch(`${sonde.url}/metrics`)).text()).not.toContain('ifb1');
  // Without a marker the last value would hold for five minutes.
  await untilThere('eth0', 'ifb0', 'lo');
}, 180_000);

test('Two Prometheus at once are both answered, and what each has agrees', async () => {
  // Of this machine's interfaces only the one that every machine has, and has for ever.
  const sonde = await start(`
receivers: { cpu: {}, memory: {}, network: { include: [lo] }, system: {} }
exporters: { prometheus: { endpoint: 127.0.0.1:PORT } }
service: { pipelines: { metrics: { receivers: [cpu, memory, network, system], exporters: [prometheus] } } }
`);
  // Seldom, so that a scrape has more time than any machine is busy for: none of them may fail.
  const both = await Promise.all([scrapeWith(sonde, 4), scrapeWith(sonde, 4)]);
  const samples: number[] = [];
  for (const prometheus of both) {
    const hasScraped = async (): Promise<boolean> =>
      Number((await query(prometheus, 'count_over_time(up[1m])'))[0]?.value[1]) >= 4;
    await until('Prometheus has scraped four times', hasScraped, 60_000);
    expect((await query(prometheus, 'min_over_time(up[1m])'))[0]!.value[1]).toBe('1');
    samples.push(Number((await query(prometheus, 'scrape_samples_scraped'))[0]!.value[1]));
    // Counters only rise, whoever asks how often.
    expect(await query(prometheus, 'resets(system_cpu_time_seconds_total[1m]) > 0')).toEqual([]);
  }
  expect(samples[0]).toBeGreaterThan(30);
  expect(samples[1]).toBe(samples[0]);
}, 180_000);

test('Names with dots, untranslated, can be queried in Prometheus', async () => {
  const sonde = await start(`
receivers: { cpu: {}, memory: {} }
exporters: { prometheus: { endpoint: 127.0.0.1:PORT, translation_strategy: NoTranslation } }
service: { pipelines: { metrics: { receivers: [cpu, memory], exporters: [prometheus] } } }
`);
  const prometheus = await scrapeWith(sonde);
  const states = async (): Promise<Result[]> => query(prometheus, '{"system.memory.usage"}');
  let found: Result[] = [];
  await until('Prometheus has scraped', async () => (found = await states()).length > 0, 60_000);
  expect(found.map(({ metric }) => metric['system.memory.state']).toSorted()).toEqual([
    'buffers',
    'cached',
    'free',
    'used',
  ]);
  // Over a minute, for the last scrape of a busy machine may have run out of time.
  const user = await query(
    prometheus,
    'last_over_time({"system.cpu.time", "cpu.mode"="user", "cpu.logical_number"="0"}[1m])',
  );
  expect(user.map(({ metric }) => metric['__name__'])).toEqual(['system.cpu.time']);
  expect(await query(prometheus, 'system_memory_usage_bytes')).toEqual([]);
}, 120_000);
