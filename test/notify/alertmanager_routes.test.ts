import { request as sendRequest } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { createServe } from '../../src/api/http_server.ts';
import { alertmanagerRoutes } from '../../src/notify/alertmanager_routes.ts';
import type { Board } from '../../src/rules/board.ts';
import { createRecordedLog } from '../support/recorded_log.ts';
import { boardWith } from './boards.ts';
import { alertOf } from './notifications.ts';

interface Answer {
  readonly status: number;
  readonly value: unknown;
}

type Ask = (method: string, path: string, body?: string, headers?: Readonly<Record<string, string>>) => Promise<Answer>;

async function serve(board: Board): Promise<{ readonly ask: Ask; readonly origin: string }> {
  const open = createServe({ log: createRecordedLog(), page: () => {} });
  const { url, close } = await open({ endpoint: '127.0.0.1:0', routes: alertmanagerRoutes(board) });
  onTestFinished(close);
  const ask: Ask = async (method, path, body, headers) => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const request = sendRequest(
      `${url}/api/v2/${path}`,
      { method, agent: false, headers: { ...JSON_TYPE, ...headers } },
      async (response) => {
        const text = Buffer.concat(await response.toArray()).toString();
        resolve({ status: response.statusCode!, value: text === '' ? undefined : JSON.parse(text) });
      },
    );
    request.on('error', reject);
    request.end(body);
    return promise;
  };
  return { ask, origin: url };
}

const JSON_TYPE = { 'Content-Type': 'application/json' };

const silence = (overrides: object = {}): string =>
  JSON.stringify({
    matchers: [{ name: 'device', value: 'sda', isRegex: false }],
    startsAt: new Date().toISOString(),
    endsAt: new Date(Date.now() + 60_000).toISOString(),
    createdBy: 'me',
    comment: 'why',
    ...overrides,
  });

const firing = alertOf('firing', { labels: { device: 'sda' }, annotations: { summary: 's' }, startsAt_ms: 1000 });
const pending = alertOf('pending', { labels: { device: 'sdb' }, startsAt_ms: 2000 });

test('GET /api/v2/alerts lists what fires, and what is pending for who asks for it', async () => {
  const { ask } = await serve(boardWith(firing, pending, alertOf('resolved', { labels: { device: 'sdc' } })));
  const { status, value } = await ask('GET', 'alerts');
  expect(status).toBe(200);
  expect(value).toEqual([
    {
      labels: { alertname: 'DiskFull', device: 'sda' },
      annotations: { summary: 's' },
      startsAt: '1970-01-01T00:00:01.000Z',
      endsAt: expect.stringMatching(/Z$/),
      updatedAt: expect.stringMatching(/Z$/),
      fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
      generatorURL: '',
      receivers: [{ name: 'sonde' }],
      status: { state: 'active', silencedBy: [], inhibitedBy: [], mutedBy: [] },
    },
  ]);
  const all = await ask('GET', 'alerts?pending=true&filter=device%3D~%22sd.%22');
  expect(all.value).toMatchObject([{ status: { state: 'active' } }, { status: { state: 'unprocessed' } }]);
  expect((await ask('GET', 'alerts?filter=device!%3D%22sda%22')).value).toEqual([]);
  expect(await ask('GET', 'alerts?filter=%7B')).toMatchObject({
    status: 400,
    value: expect.stringContaining('matcher'),
  });
  expect((await ask('GET', 'alerts/groups')).value).toEqual([
    {
      labels: {},
      receiver: { name: 'sonde' },
      alerts: expect.arrayContaining([expect.objectContaining({ labels: { alertname: 'DiskFull', device: 'sda' } })]),
    },
  ]);
});

test('a silence is added, shown, holds, is changed and is ended', async () => {
  const { ask } = await serve(boardWith(firing));
  const added = await ask('POST', 'silences', silence());
  const { silenceID } = added.value as { silenceID: string };
  expect(added.status).toBe(200);
  expect((await ask('GET', 'alerts')).value).toMatchObject([
    { status: { state: 'suppressed', silencedBy: [silenceID] } },
  ]);
  expect((await ask('GET', 'alerts?silenced=false')).value).toEqual([]);
  const shown = (await ask('GET', `silence/${silenceID}`)).value as { startsAt: string };
  expect(shown).toMatchObject({
    id: silenceID,
    status: { state: 'active' },
    comment: 'why',
    createdBy: 'me',
    matchers: [{ name: 'device', value: 'sda', isRegex: false, isEqual: true }],
  });
  const changed = await ask('POST', 'silences', silence({ id: silenceID, startsAt: shown.startsAt, comment: 'more' }));
  expect(changed.value).toEqual({ silenceID });
  expect((await ask('GET', 'silences?filter=device%3Dsda')).value).toMatchObject([{ id: silenceID, comment: 'more' }]);
  expect((await ask('GET', 'silences?filter=device%3Dsdb')).value).toEqual([]);
  expect(await ask('DELETE', `silence/${silenceID}`)).toEqual({ status: 200, value: undefined });
  expect((await ask('DELETE', `silence/${silenceID}`)).status).toBe(409);
  expect((await ask('GET', 'alerts')).value).toMatchObject([{ status: { state: 'active' } }]);
});

test.each([
  ['no JSON', '{', 400],
  ['no object', '[]', 400],
  ['no matchers', silence({ matchers: [] }), 400],
  ['a pattern that is none', silence({ matchers: [{ name: 'a', value: '(', isRegex: true }] }), 400],
  ['a time that is none', silence({ endsAt: 'tomorrow' }), 400],
  ['an end in the past', silence({ startsAt: '2001-01-01T00:00:00Z', endsAt: '2001-01-02T00:00:00Z' }), 400],
  ['the id of none', silence({ id: 'x' }), 400],
  ['a body over 64 KiB', silence({ comment: 'x'.repeat(65_536) }), 413],
])('POST /api/v2/silences refuses %s', async (_, body, status) => {
  const board = boardWith(firing);
  const { ask } = await serve(board);
  expect(await ask('POST', 'silences', body)).toMatchObject({ status, value: expect.stringMatching(/^Cannot /) });
  expect(board.silences.list(Date.now())).toEqual([]);
});

test('pages of other sites, forms and other methods change nothing', async () => {
  const board = boardWith(firing);
  const { ask, origin } = await serve(board);
  expect((await ask('POST', 'silences', silence(), { 'Content-Type': 'text/plain' })).status).toBe(415);
  expect((await ask('POST', 'silences', silence(), { Origin: 'https://evil.example' })).status).toBe(403);
  expect((await ask('POST', 'silences', silence(), { Origin: 'null' })).status).toBe(403);
  expect((await ask('POST', 'silences', silence(), { 'Sec-Fetch-Site': 'cross-site' })).status).toBe(403);
  expect((await ask('PUT', 'silences', silence())).status).toBe(405);
  expect(board.silences.list(Date.now())).toEqual([]);
  const { value } = await ask('POST', 'silences', silence(), { Origin: origin });
  const { silenceID } = value as { silenceID: string };
  expect((await ask('DELETE', `silence/${silenceID}`, undefined, { Origin: 'https://evil.example' })).status).toBe(403);
  expect(board.silences.silencedBy(firing.labels, Date.now())).toEqual([silenceID]);
});

test('GET /api/v2/status and receivers have what Grafana looks for', async () => {
  const { ask } = await serve(boardWith());
  expect((await ask('GET', 'status')).value).toMatchObject({
    cluster: { status: 'disabled', peers: [] },
    config: { original: expect.stringContaining('receiver: sonde') },
    versionInfo: { version: expect.any(String) },
  });
  expect((await ask('GET', 'receivers')).value).toEqual([{ name: 'sonde' }]);
  expect((await ask('GET', 'silence/unknown')).status).toBe(404);
});
