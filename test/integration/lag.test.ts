/** How late each source of events is, as a whole agent publishes it; and that a source that is delayed shows. */
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { startSonde, until, type Server } from './servers.ts';

/** Stands for journalctl: an entry ten times a second, each with its time. */
const JOURNAL = `#!/usr/bin/env bash
for (( i = 1; ; i++ )); do
  printf '__CURSOR=s=ab;i=%x;b=cd;m=1;t=2;x=3\\n__REALTIME_TIMESTAMP=%s\\nMESSAGE=tick\\n\\n' $i \${EPOCHREALTIME/[.,]/} || exit 0
  sleep 0.1
done
`;

/** In a container even root may not write kernel messages, and there may be none. */
const canWriteKmsg = ((): boolean => {
  try {
    closeSync(openSync('/dev/kmsg', 'r+'));
    return true;
  } catch {
    // Whatever the reason.
    return false;
  }
})();

interface Lag {
  readonly count: number;
  /** Those of more than a second. */
  readonly late: number;
}

/** What the Prometheus endpoint says, by receiver. */
async function lags(sonde: Server): Promise<Record<string, Lag>> {
  const text = await (await fetch(`${sonde.url}/metrics`)).text();
  const found: Record<string, { count: number; prompt: number }> = {};
  for (const line of text.split('\n')) {
    const match = /^sonde_source_lag_seconds_(bucket|count)\{(.*)\} (\S+)/.exec(line);
    if (match === null) continue;
    const [, part, labels, value] = match as unknown as [string, string, string, string];
    const id = /sonde_component_id="([^"]*)"/.exec(labels)![1]!;
    const one = (found[id] ??= { count: 0, prompt: 0 });
    if (part === 'count') one.count = Number(value);
    else if (/le="1(\.0)?"/.test(labels)) one.prompt = Number(value);
  }
  return Object.fromEntries(
    Object.entries(found).map(([id, { count, prompt }]) => [id, { count, late: count - prompt }]),
  );
}

test('Every source of events publishes its lag, tells no one of its canaries, and shows when it is delayed', async () => {
  const site = mkdtempSync(join(tmpdir(), 'sonde-lag-'));
  onTestFinished(() => rmSync(site, { recursive: true, force: true }));
  mkdirSync(join(site, 'watched'));
  writeFileSync(join(site, 'app.log'), '');
  writeFileSync(join(site, 'journalctl'), JOURNAL, { mode: 0o755 });
  const sent = join(site, 'sent.jsonl');
  const probe = 'lag_probe: { interval: 500ms }';
  const receivers = {
    files: `paths: ['${site}/watched']`,
    process_events: '',
    // Whatever the rights, this one works.
    'process_events/scan': 'source: scan, scan_interval: 200ms',
    logs: `include: ['${site}/app.log'], directory: '${site}/checkpoints', poll_interval: 50ms, encoding: utf-16be`,
    syslog: 'udp: { endpoint: 127.0.0.1:0 }, allowed_sources: [10.0.0.0/8]',
    'syslog/tcp': 'tcp: { endpoint: 127.0.0.1:0 }',
    'syslog/stream': `unix_stream: { path: '${site}/stream' }`,
    'syslog/datagram': `unix_datagram: { path: '${site}/datagram' }`,
    connections: 'exclude: { loopback: true }',
    'connections/proc': 'source: proc',
  };
  const passive = [`journald: { journalctl: '${site}/journalctl', position_file: '${site}/journald.json' }`];
  if (canWriteKmsg) passive.push(`kmsg: { position_file: '${site}/kmsg.json' }`);
  else process.stderr.write('kmsg is left out: this machine lets no one write to /dev/kmsg\n');
  const ids = [...Object.keys(receivers), 'journald', ...(canWriteKmsg ? ['kmsg'] : [])];
  const sonde = await startSonde(`
agent: { collection_interval: 300ms }
receivers:
${Object.entries(receivers)
  .map(([id, options]) => `  ${id}: { ${[options, probe].filter(Boolean).join(', ')} }`)
  .join('\n')}
${passive.map((line) => `  ${line}`).join('\n')}
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT }
  file: { path: '${sent}' }
service:
  pipelines:
    metrics: { receivers: [${ids.join(', ')}], exporters: [prometheus] }
    logs: { receivers: [${ids.join(', ')}], exporters: [file] }
`);
  onTestFinished(async () => void (await sonde.stop('SIGKILL')));
  const writeKmsg = (text: string): void => {
    if (canWriteKmsg) appendFileSync('/dev/kmsg', `<14>sonde-test ${text}\n`);
  };
  await until(
    'each source has told its lag more than once',
    async () => {
      writeKmsg('prompt');
      const found = await lags(sonde);
      return ids.every((id) => (found[id]?.count ?? 0) > 1);
    },
    60_000,
  );

  const before = await lags(sonde);
  process.kill(sonde.pid, 'SIGSTOP');
  writeKmsg('late');
  // Long enough that the journal has a turn on a busy machine, too, more than a second before the end.
  await sleep(5000);
  process.kill(sonde.pid, 'SIGCONT');
  // Sources that are told of by others, and what was under way where a look takes a while.
  const delayed = ['journald', ...(canWriteKmsg ? ['kmsg'] : [])];
  await until(
    'the delay shows',
    async () => {
      const after = await lags(sonde);
      return delayed.every((id) => after[id]!.late > before[id]!.late);
    },
    60_000,
  );

  const metrics = await (await fetch(`${sonde.url}/metrics`)).text();
  const lost = metrics.split('\n').filter((line) => line.startsWith('sonde_canary_lost_total{'));
  expect(lost.map((line) => line.replace(/^.*sonde_component_id="([^"]*)".* (\d+).*$/, '$1 $2')).toSorted()).toEqual(
    Object.keys(receivers)
      .map((id) => `${id} 0`)
      .toSorted(),
  );
  expect(await sonde.stop()).toBe(0);
  expect(existsSync(sent)).toBe(true);
  const told = readFileSync(sent, 'utf8');
  expect(told).toContain('tick');
  expect(told).not.toContain('sonde-canary-');
  const events = recordsIn(told);
  const canaries = events.filter(
    ({ body, values }) =>
      values.get('process.parent_pid') === String(sonde.pid) && /^(sh|dash|bash|busybox)\[/.test(body),
  );
  expect(canaries.filter(({ values }) => values.get('process.args_count') === '4')).toEqual([]);
  // Scrapes are connections of the agent, and so is what a syslog receiver sends itself over TCP.
  const ports = [new URL(sonde.url).port, /over TCP on 127\.0\.0\.1:(\d+)/.exec(sonde.output())![1]!];
  const connections = events.filter(
    ({ name, values }) =>
      name.startsWith('network.') &&
      values.get('process.pid') === String(sonde.pid) &&
      !ports.includes(values.get('network.local.port')!) &&
      !ports.includes(values.get('network.peer.port')!),
  );
  expect(connections).toEqual([]);
}, 240_000);

interface Told {
  readonly name: string;
  readonly body: string;
  /** Attributes that are numbers. */
  readonly values: ReadonlyMap<string, string | undefined>;
}

interface WireRecord {
  readonly eventName?: string;
  readonly body?: { readonly stringValue?: string };
  readonly attributes?: readonly { readonly key: string; readonly value: { readonly intValue?: string } }[];
}

function recordsIn(lines: string): Told[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      const { resourceLogs = [] } = JSON.parse(line) as {
        resourceLogs?: readonly { readonly scopeLogs: readonly { readonly logRecords: readonly WireRecord[] }[] }[];
      };
      return resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords));
    })
    .map(({ eventName = '', body, attributes = [] }) => ({
      name: eventName,
      body: body?.stringValue ?? '',
      values: new Map(attributes.map(({ key, value }) => [key, value.intValue])),
    }));
}
