/** The dispatcher against a real Alertmanager, and amtool against our part of its API. */
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createServe } from '../../src/api/http_server.ts';
import { alertmanagerRoutes } from '../../src/notify/alertmanager_routes.ts';
import type { Board } from '../../src/rules/board.ts';
import { boardWith } from '../notify/boards.ts';
import { alertOf, firing, makeDispatcher, resolved, type Made } from '../notify/notifications.ts';
import { createRecordedLog } from '../support/recorded_log.ts';
import { startAlertmanager, type Alertmanager, type AlertmanagerAlert } from './alertmanager_server.ts';
import { program, until } from './servers.ts';

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
    tell(firing({ labels: { alertname: 'Killed' }, endsAt_ms: Date.now() + 2000 }));
    await until('it appears', async () => (await named('Killed')) !== undefined);
    await until('it is gone', async () => (await named('Killed')) === undefined);
    await until('the web hook hears that it is over', async () => hookedOf('Killed', 'resolved').length > 0);
    expect(hookedOf('Killed', 'firing')).toHaveLength(1);
  });

  test('a replica that is down keeps nothing from the other, and is told what was resolved meanwhile', async () => {
    const second = await startAlertmanager('http://127.0.0.1:1/');
    onTestFinished(async () => void (await second.stop()));
    const way = createWay(second.url);
    await way.open();
    const { tell, log } = start(`http://127.0.0.1:${way.port()}`, alertmanager.url);
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
    await until('the other knows, too', async () => (await second.alerts()).length === 0);
  }, 60_000);
});

/** A way to a server that can be cut. */
function createWay(url: string): { port(): number; open(): Promise<void>; close(): void } {
  const { port } = new URL(url);
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    const onward = connect(Number(port), '127.0.0.1');
    for (const each of [socket, onward]) {
      sockets.add(each);
      each.on('error', () => {});
    }
    socket.pipe(onward).pipe(socket);
  });
  let taken = 0;
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  onTestFinished(close);
  return {
    port: () => taken,
    async open() {
      await new Promise<void>((resolve) => server.listen(taken, '127.0.0.1', resolve));
      taken = (server.address() as AddressInfo).port;
    },
    close,
  };
}

describe('alertmanagerRoutes with amtool', () => {
  async function serve(board: Board): Promise<(...words: readonly string[]) => Promise<string>> {
    const amtool = await program('amtool').catch(async () =>
      (await program('alertmanager')).replace(/[^/]+$/, 'amtool'),
    );
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
