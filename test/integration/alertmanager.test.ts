/** The dispatcher against a real Alertmanager, and amtool against our part of its API. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createServe } from '../../src/api/http_server.ts';
import { alertmanagerRoutes } from '../../src/notify/alertmanager_routes.ts';
import type { Board } from '../../src/rules/board.ts';
import { boardWith } from '../notify/boards.ts';
import { alertOf, firing, makeDispatcher, resolved, type Made } from '../notify/notifications.ts';
import { createRecordedLog } from '../support/recorded_log.ts';
import { freePort } from '../support/free_port.ts';
import { startAlertmanager, type Alertmanager, type AlertmanagerAlert } from './alertmanager_server.ts';
import { program, startSonde, until } from './servers.ts';

const run = promisify(execFile);

interface Hooked {
  readonly status: string;
  readonly alerts: readonly AlertmanagerAlert[];
}

let alertmanager: Alertmanager;
/** What Alertmanager told its web hook. */
const hooked: Hooked[] = [];
let hook: ReturnType<typeof createServer>;

beforeAll(async () => {
  hook = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      hooked.push(JSON.parse(body) as Hooked);
      response.end();
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
  alertmanager = await startAlertmanager(`http://127.0.0.1:${(hook.address() as AddressInfo).port}/`);
}, 120_000);
afterAll(async () => {
  await alertmanager?.stop();
  hook.close();
});

function start(...endpoints: readonly string[]): Made {
  const made = makeDispatcher({ central: { alertmanager: { endpoints } } });
  made.dispatcher.start();
  onTestFinished(() => made.dispatcher.stop());
  return made;
}

const named = async (name: string): Promise<AlertmanagerAlert | undefined> =>
  (await alertmanager.alerts()).find(({ labels }) => labels['alertname'] === name);

const hookedOf = (name: string, status: string): readonly AlertmanagerAlert[] =>
  hooked.flatMap(({ alerts }) =>
    alerts.filter(({ labels, status: found }) => labels['alertname'] === name && (found as unknown) === status),
  );

describe('createDispatcher with Alertmanager', () => {
  test('an alert appears with all it says, keeps startsAt over repetitions, and is over when it is resolved', async () => {
    const { tell } = start(alertmanager.url);
    const startsAt_ms = Date.now() - 5000;
    const odd = '"q" \\ \n\té 😀 <b>&';
    const about = {
      labels: { alertname: 'Odd', device: odd, 'a.dotted name': 'x' },
      annotations: { summary: odd },
      generatorURL: 'http://localhost/graph?g0.expr=up',
      startsAt_ms,
    };
    tell(firing({ ...about, endsAt_ms: Date.now() + 60_000 }));
    await until('it appears', async () => (await named('Odd')) !== undefined);
    const first = (await named('Odd'))!;
    expect(first.labels).toEqual(about.labels);
    expect(first.annotations).toEqual({ summary: odd });
    expect(first.generatorURL).toBe(about.generatorURL);
    for (let repetition = 1; repetition <= 3; repetition++) {
      const endsAt_ms = Date.now() + 60_000 + repetition * 1000;
      tell(firing({ ...about, endsAt_ms }));
      const expected = new Date(endsAt_ms).toISOString();
      await until('it holds longer', async () => (await named('Odd'))?.endsAt === expected);
      expect(Date.parse((await named('Odd'))!.startsAt)).toBe(startsAt_ms);
    }
    await until('the web hook hears of it', async () => hookedOf('Odd', 'firing').length > 0);
    tell(resolved({ ...about, endsAt_ms: Date.now() }));
    await until('it is gone', async () => (await named('Odd')) === undefined);
    await until('the web hook hears that it is over', async () => hookedOf('Odd', 'resolved').length > 0);
    expect(Date.parse(hookedOf('Odd', 'resolved')[0]!.startsAt)).toBe(startsAt_ms);
  });

  test('an alert of which nothing more is heard is over at its endsAt', async () => {
    const { tell } = start(alertmanager.url);
    const endsAt_ms = Date.now() + 10_000;
    tell(firing({ labels: { alertname: 'Killed' }, endsAt_ms }));
    await until('the web hook hears of it', async () => hookedOf('Killed', 'firing').length > 0);
    await until('it is gone', async () => (await named('Killed')) === undefined, 60_000);
    await until('the web hook hears that it is over', async () => hookedOf('Killed', 'resolved').length > 0);
    // Alertmanager says a thing again whose answer came late.
    expect(new Set(hookedOf('Killed', 'firing').map(({ startsAt }) => startsAt)).size).toBe(1);
    expect(Date.parse(hookedOf('Killed', 'resolved')[0]!.endsAt)).toBe(endsAt_ms);
  }, 120_000);

  test('a replica that is down keeps nothing from the other, and is told what was resolved meanwhile', async () => {
    const second = await startAlertmanager('http://127.0.0.1:1/');
    onTestFinished(async () => void (await second.stop()));
    const way = await createWay(second.url);
    await way.open();
    const { tell, log } = start(`http://127.0.0.1:${way.port}`, alertmanager.url);
    const about = { labels: { alertname: 'Both' }, startsAt_ms: Date.now() - 1000 };
    tell(firing({ ...about, endsAt_ms: Date.now() + 3_600_000 }));
    await until(
      'both have it',
      async () => (await second.alerts()).length === 1 && (await named('Both')) !== undefined,
    );
    expect((await second.alerts())[0]!.startsAt).toBe((await named('Both'))!.startsAt);
    way.close();
    // Told to one alone; the other would hold it to be true for an hour.
    tell(resolved({ ...about, endsAt_ms: Date.now() }));
    await until('the one that runs knows', async () => (await named('Both')) === undefined);
    await until('the other is found to be down', async () => log.lines.some(({ level }) => level === 'warn'));
    expect(await second.alerts()).toHaveLength(1);
    await way.open();
    // The longer it was away, the longer it is left in peace.
    await until('the other knows, too', async () => (await second.alerts()).length === 0, 60_000);
  }, 180_000);
});

describe('the whole agent with Alertmanager', () => {
  const RULES = `
groups:
- name: host
  interval: 1s
  rules:
  - alert: AgentHigh
    expr: test_value > 10
    labels: { severity: critical }
    annotations: { summary: 'it is {{ $value }}' }
  - alert: AgentSlow
    expr: test_value > 10
    for: 30m
  - alert: AgentLate
    expr: test_value > 100
`;

  test('alerts keep startsAt through kill -9 and a restart, a pending one goes on, and all are over on recovery or without the agent', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sonde-alerts-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(join(folder, 'rules.yaml'), RULES);
    const port = await freePort();
    const config = `
agent: { instance_id: test }
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:${port} } } } }
processors:
  alert_rules:
    rule_files: ['${folder}/rules.yaml']
    state_file: '${folder}/state/alerts.json'
    external_labels: { host: db1 }
    resend_delay: 5s
    notifiers:
      central: { alertmanager: { endpoints: ['${alertmanager.url}'] } }
      record: { log: { path: '${folder}/alerts.jsonl' } }
exporters: { prometheus: { endpoint: 127.0.0.1:PORT } }
service: { pipelines: { metrics: { receivers: [otlp], processors: [alert_rules], exporters: [prometheus] } } }
`;
    let value = 42;
    const clock = setInterval(() => {
      // Nobody listens while the agent is down.
      send(port, value).catch(() => {});
    }, 500);
    onTestFinished(() => clearInterval(clock));

    const first = await startSonde(config);
    onTestFinished(async () => void (await first.stop()));
    await until('it fires', async () => (await named('AgentHigh')) !== undefined);
    const before = (await named('AgentHigh'))!;
    const startsAt_ms = Date.parse(before.startsAt);
    expect(before.labels).toEqual({ alertname: 'AgentHigh', host: 'db1', severity: 'critical' });
    expect(before.annotations).toEqual({ summary: 'it is 42' });
    await until(
      'it was sent again',
      async () => Date.parse((await named('AgentHigh'))!.endsAt) > Date.parse(before.endsAt),
    );
    const pendingBefore = await pendingSince(first.url);
    // Longer than the agent is down, or a beginning anew could be taken for it.
    await until('time passes', async () => Date.now() / 1000 - pendingBefore > 20, 60_000);
    value = 1000;
    await until('another fires', async () => (await named('AgentLate')) !== undefined);
    await first.stop('SIGKILL');
    const killedAt_s = Date.now() / 1000;
    const toldBefore = Date.parse((await named('AgentHigh'))?.endsAt ?? before.endsAt);

    const second = await startSonde(config);
    onTestFinished(async () => void (await second.stop()));
    const again = await holdingBeyond(toldBefore);
    expect(Date.parse(again.startsAt)).toBe(startsAt_ms);
    let pendingAfter = 0;
    await until('the other is pending', async () => (pendingAfter = await pendingSince(second.url)) > 0);
    expect(pendingAfter).toBeGreaterThanOrEqual(pendingBefore);
    // Of the time that it was pending it has all but what passed since its state was written last, whatever the restart took.
    expect(Date.now() / 1000 - pendingAfter).toBeGreaterThan(killedAt_s - pendingBefore - 12);
    // What the first has left is held for two minutes if the second has not found it again: until there were data.
    value = 1001;
    await until('the second finds it', async () => (await named('AgentHigh'))?.annotations['summary'] === 'it is 1001');
    // Of an agent that is long in starting again Alertmanager has thought it over already.
    const overBefore = hookedOf('AgentHigh', 'resolved').length;
    value = 1;
    await until('it is over', async () => (await named('AgentHigh')) === undefined);
    await until('the web hook hears of it', async () => hookedOf('AgentHigh', 'resolved').length > overBefore);
    for (const { startsAt } of hookedOf('AgentHigh', 'resolved')) expect(Date.parse(startsAt)).toBe(startsAt_ms);
    const lines = (): { state: string; rule: string }[] =>
      readFileSync(join(folder, 'alerts.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { state: string; rule: string });
    await until('the file says so', async () => lines().filter(({ state }) => state === 'resolved').length === 2);
    await until('the other is over, too', async () => (await named('AgentLate')) === undefined);
    expect(await named('AgentSlow')).toBeUndefined();

    value = 42;
    const holdsUntil = Date.parse((await holdingBeyond(0)).endsAt);
    await second.stop('SIGKILL');
    await until(
      'an agent that is gone says nothing more, and its alert is over',
      async () => (await named('AgentHigh')) === undefined,
      60_000,
    );
    // By the time that it was to hold, and not by a word of the agent.
    await until('the web hook hears of it', async () =>
      hookedOf('AgentHigh', 'resolved').some(({ endsAt }) => Date.parse(endsAt) >= holdsUntil),
    );
  }, 300_000);

  /** The alert, once it is said to hold longer than until then. */
  async function holdingBeyond(endsAt_ms: number): Promise<AlertmanagerAlert> {
    let found: AlertmanagerAlert | undefined;
    await until('it is sent', async () => {
      found = await named('AgentHigh');
      return Date.parse(found!.endsAt) > endsAt_ms;
    });
    return found!;
  }

  async function send(port: number, value: number): Promise<void> {
    const dataPoints = [{ timeUnixNano: String(BigInt(Date.now()) * 1_000_000n), asDouble: value }];
    const metrics = [{ name: 'test_value', gauge: { dataPoints } }];
    await fetch(`http://127.0.0.1:${port}/v1/metrics`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ resourceMetrics: [{ resource: {}, scopeMetrics: [{ scope: {}, metrics }] }] }),
    });
  }

  /** Unix seconds; 0 where it is not pending. */
  async function pendingSince(url: string): Promise<number> {
    const text = await (await fetch(`${url}/metrics`)).text();
    const line = text.split('\n').find((each) => each.startsWith('ALERTS_FOR_STATE{') && each.includes('AgentSlow'));
    return Number(line?.split('} ')[1]?.split(' ')[0] ?? 0);
  }
});

/** A way to a server that can be cut. */
async function createWay(url: string): Promise<{ readonly port: number; open(): Promise<void>; close(): void }> {
  const { port } = new URL(url);
  // One of those that the kernel gives to connections might be another's when it is opened again.
  const own = await freePort();
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    const onward = connect(Number(port), '127.0.0.1');
    for (const each of [socket, onward]) {
      sockets.add(each);
      each.on('error', () => {});
    }
    socket.pipe(onward).pipe(socket);
  });
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  onTestFinished(close);
  return {
    port: own,
    open: () => new Promise((resolve) => server.listen(own, '127.0.0.1', () => resolve())),
    close,
  };
}

describe('alertmanagerRoutes with amtool', () => {
  async function serve(board: Board): Promise<(...words: readonly string[]) => Promise<string>> {
    const amtool = join(dirname(await program('alertmanager')), 'amtool');
    const listener = await createServe({ log: createRecordedLog(), page: () => {} })({
      endpoint: '127.0.0.1:0',
      routes: alertmanagerRoutes(board),
    });
    onTestFinished(() => listener.close());
    return async (...words) => (await run(amtool, [`--alertmanager.url=${listener.url}`, ...words])).stdout;
  }

  test('amtool lists alerts, adds a silence that holds, lists it and ends it', async () => {
    const alert = alertOf('firing', { labels: { device: 'sda "1"' }, annotations: { summary: 'full' } });
    const amtool = await serve(boardWith(alert, alertOf('firing', { labels: { alertname: 'Other' } })));
    const [one, ...others] = JSON.parse(
      await amtool('-o', 'json', 'alert', 'query', 'alertname=DiskFull'),
    ) as AlertmanagerAlert[];
    expect(others).toEqual([]);
    expect(one).toMatchObject({ labels: { alertname: 'DiskFull', device: 'sda "1"' }, status: { state: 'active' } });
    const id = (await amtool('silence', 'add', '--comment=new disk', '--duration=1h', 'device=~sda.*')).trim();
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    const silences = JSON.parse(await amtool('-o', 'json', 'silence', 'query')) as { id: string; comment: string }[];
    expect(silences).toMatchObject([{ id, comment: 'new disk', status: { state: 'active' } }]);
    const silenced = JSON.parse(await amtool('-o', 'json', 'alert', 'query', '--silenced')) as AlertmanagerAlert[];
    expect(silenced).toMatchObject([
      { labels: { alertname: 'DiskFull' }, status: { state: 'suppressed', silencedBy: [id] } },
    ]);
    const active = JSON.parse(await amtool('-o', 'json', 'alert', 'query')) as AlertmanagerAlert[];
    expect(active.map(({ labels }) => labels['alertname'])).toEqual(['Other']);
    await amtool('silence', 'expire', id);
    expect(JSON.parse(await amtool('-o', 'json', 'silence', 'query'))).toEqual([]);
    expect(await amtool('config', 'show')).toContain('receiver: sonde');
  });

  test('what is counted as the fingerprint of an alert is what Alertmanager counts', async () => {
    const { tell } = start(alertmanager.url);
    const labels = { alertname: 'Printed', host: 'db1', path: 'é/😀 "x"', 'a.b': '\n' };
    tell(firing({ labels }));
    await until('it appears', async () => (await named('Printed')) !== undefined);
    const amtool = await serve(boardWith(alertOf('firing', { labels })));
    const [ours] = JSON.parse(await amtool('-o', 'json', 'alert', 'query')) as AlertmanagerAlert[];
    expect(ours!.fingerprint).toBe((await named('Printed'))!.fingerprint);
  });
});
