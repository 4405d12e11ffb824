import { expect, onTestFinished, test } from 'vitest';
import { createServe } from '../../src/api/http_server.ts';
import { runCommandLine } from '../../src/cli/program.ts';
import { alertmanagerRoutes } from '../../src/notify/alertmanager_routes.ts';
import type { Board } from '../../src/rules/board.ts';
import { boardWith } from '../notify/boards.ts';
import { alertOf } from '../notify/notifications.ts';
import { createRecordedLog } from '../support/recorded_log.ts';
import { recordedTerminal } from './terminal.ts';

type Run = (...words: readonly string[]) => Promise<{ code: number; printed: string; complained: string }>;

async function serve(board: Board | undefined): Promise<{ readonly run: Run; readonly url: string }> {
  const open = createServe({ log: createRecordedLog(), page: () => {} });
  const routes = board === undefined ? {} : alertmanagerRoutes(board);
  const { url, close } = await open({ endpoint: '127.0.0.1:0', routes });
  onTestFinished(close);
  return { url, run: (...words) => sonde(...words, '--url', url) };
}

async function sonde(...words: readonly string[]): ReturnType<Run> {
  const terminal = recordedTerminal();
  const lifetime = { onSignal() {}, onUncaught() {}, exit() {} };
  const code = await runCommandLine(words, { terminal, env: {}, lifetime });
  return { code, printed: terminal.printed, complained: terminal.complained };
}

const startsAt_ms = Date.now() - 125_000;
const sda = alertOf('firing', { labels: { device: 'sda 1' }, annotations: { summary: 'full\nsoon' }, startsAt_ms });
const sdb = alertOf('pending', { labels: { device: 'sdb' }, startsAt_ms });

test('sonde alerts shows what fires first, since when, with labels and summary', async () => {
  const { run } = await serve(boardWith(sdb, sda));
  const { code, printed } = await run('alerts');
  expect(code).toBe(0);
  const [head, first, second, , count] = printed.split('\n');
  expect(head).toMatch(/^STATE +SINCE +ALERT +LABELS +SUMMARY$/);
  expect(first).toMatch(/^firing +2 min \d+ s +DiskFull +device="sda 1" +full\\nsoon$/);
  expect(second).toMatch(/^pending +2 min \d+ s +DiskFull +device="sdb"$/);
  expect(count).toBe('2 alerts, 1 firing');
  expect(JSON.parse((await run('alerts', '--json', '--firing')).printed)).toMatchObject([
    { labels: { device: 'sda 1' } },
  ]);
  expect((await run('alerts', 'Other')).printed).toBe('No alert fires.\n');
  expect((await run('alerts', 'DiskFull', 'device=~"sd[b-z]"')).printed).toContain('1 alert, 0 firing');
});

test('sonde alerts ack acknowledges one alert by its labels, until it is resolved', async () => {
  const board = boardWith(sda, sdb);
  const { run } = await serve(board);
  const several = await run('alerts', 'ack', 'DiskFull');
  expect(several.code).toBe(1);
  expect(several.complained).toMatch(/2 match\n {2}hint: add labels, or --all/);
  expect((await run('alerts', 'ack', 'Nothing')).complained).toContain('no such alert fires or is pending');
  const { code, printed } = await run(
    'alerts',
    'ack',
    'DiskFull',
    'device=sdb',
    '--comment',
    'mine',
    '--by',
    'me',
    '--for',
    '2h',
  );
  expect(code).toBe(0);
  expect(printed).toMatch(/^[0-9a-f-]{36} {2}DiskFull device="sdb"\n$/);
  const [silence, ...others] = board.silences.list(Date.now());
  expect(others).toEqual([]);
  expect(silence).toMatchObject({ untilResolved: true, comment: 'mine', createdBy: 'me' });
  expect(silence!.endsAt_ms - silence!.startsAt_ms).toBeLessThanOrEqual(7_200_000);
  expect(board.silences.silencedBy(sdb.labels, Date.now())).toEqual([silence!.id]);
  expect(board.silences.silencedBy(sda.labels, Date.now())).toEqual([]);
  expect((await run('silence', 'list')).printed).toMatch(
    /active +until resolved, at most \d h \d+ min +me +alertname="DiskFull" device="sdb" +mine/,
  );
  expect((await run('alerts', 'ack', '--all', 'DiskFull')).code).toBe(0);
  expect((await run('alerts')).printed).toContain('silenced');
  board.silences.resolved(sdb.labels, Date.now());
  expect(board.silences.silencedBy(sdb.labels, Date.now())).toEqual([]);
});

test('sonde silence adds, lists and ends', async () => {
  const { run } = await serve(boardWith(sda));
  expect((await run('silence', 'list')).printed).toBe('Nothing is silenced.\n');
  const id = (await run('silence', 'add', 'device=~"sd.*"', '--for', '30m')).printed.trim();
  expect((await run('alerts')).printed).toContain('silenced');
  expect(JSON.parse((await run('silence', 'list', '--json')).printed)).toMatchObject([
    { id, status: { state: 'active' } },
  ]);
  expect((await run('silence', 'expire', id)).code).toBe(0);
  const again = await run('silence', 'expire', id, 'unknown');
  expect(again.code).toBe(1);
  expect(again.complained).toBe(
    `${id}: Cannot end the silence: it has ended already\nunknown: Cannot find the silence: there is none with this id\n`,
  );
  expect((await run('silence', 'list')).printed).toBe('Nothing is silenced.\n');
  expect((await run('silence', 'list', '--expired')).printed).toMatch(/expired +ended \d+ s ago/);
});

test('what is wrong is said with what to do', async () => {
  const { run, url } = await serve(boardWith());
  expect(await run('silence', 'add', 'a=~"("')).toMatchObject({
    code: 2,
    complained: expect.stringContaining('Cannot'),
  });
  expect(await run('silence', 'add', 'a=b', '--for', 'ever')).toMatchObject({
    code: 2,
    complained: expect.stringContaining('30m or 2h'),
  });
  const all = await run('silence', 'add', 'a=~".*"');
  expect(all).toMatchObject({
    code: 1,
    complained: expect.stringMatching(/^Cannot silence: its matchers match everything/),
  });
  const { run: askOther } = await serve(undefined);
  const none = await askOther('alerts');
  expect(none).toMatchObject({ code: 1, complained: expect.stringContaining('it does not answer for alerts') });
  expect(none.complained).toContain('exporters: [store]');
  expect(await sonde('alerts', '--url', `${url}/api/v2`)).toMatchObject({ code: 0, printed: 'No alert fires.\n' });
  expect(await sonde('alerts', '--url', 'http://127.0.0.1:1')).toMatchObject({
    code: 1,
    complained: expect.stringContaining('nothing listens there'),
  });
});
