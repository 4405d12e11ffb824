/** What all notifiers without an Alertmanager have in common, seen at a web hook. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { startHttpBackEnd, type HttpBackEnd } from '../support/http_back_end.ts';
import { firing, makeDispatcher, resolved, type Made } from './notifications.ts';

interface Body {
  readonly status: string;
  readonly receiver: string;
  readonly overtaken?: number;
  readonly alerts: readonly { readonly status: string; readonly labels: Readonly<Record<string, string>> }[];
}

interface Hook extends Made {
  readonly backEnd: HttpBackEnd;
  bodies(): Body[];
  /** Each alert of each message, as `firing a`. */
  told(): string[];
}

async function start(config: Readonly<Record<string, unknown>> = {}): Promise<Hook> {
  const backEnd = await startHttpBackEnd();
  const made = makeDispatcher({ hook: { webhook: { url: `${backEnd.url}/secret-path`, group_wait: '0', ...config } } });
  made.dispatcher.start();
  onTestFinished(async () => {
    await made.dispatcher.stop();
    await backEnd[Symbol.asyncDispose]();
  });
  const bodies = (): Body[] => backEnd.requests.map(({ body }) => JSON.parse(body.toString()) as Body);
  return {
    ...made,
    backEnd,
    bodies,
    told: () => bodies().flatMap(({ alerts }) => alerts.map(({ status, labels }) => `${status} ${labels['name']}`)),
  };
}

const named = (name: string, more: Readonly<Record<string, string>> = {}) => ({ labels: { name, ...more } });
const startsAt_ms = Date.now() - 10_000;

test('a notifier tells once that an alert fires and once that it is over, however often that is repeated', async () => {
  const { tell, told } = await start();
  for (let i = 0; i < 3; i++) tell(firing({ ...named('a'), startsAt_ms }));
  await expect.poll(told).toEqual(['firing a']);
  tell(firing({ ...named('a'), startsAt_ms }));
  tell(resolved({ ...named('a'), startsAt_ms }));
  await expect.poll(told).toEqual(['firing a', 'resolved a']);
  tell(
    resolved({ ...named('a'), startsAt_ms }),
    resolved({ ...named('never fired'), startsAt_ms: Date.now() + 1000, endsAt_ms: Date.now() + 2000 }),
  );
  tell(firing(named('a')));
  await expect.poll(told).toEqual(['firing a', 'resolved a', 'firing a']);
});

test('alerts of one moment are one message', async () => {
  const { tell, bodies, told } = await start({ group_wait: '50ms' });
  tell(firing(named('a')));
  tell(firing(named('b')), firing(named('c')));
  await expect.poll(told).toEqual(['firing a', 'firing b', 'firing c']);
  expect(bodies()).toHaveLength(1);
});

test('send_resolved: false tells of beginnings alone', async () => {
  const { tell, told } = await start({ send_resolved: false });
  tell(firing(named('a')));
  await expect.poll(told).toEqual(['firing a']);
  tell(resolved(named('a')));
  tell(firing(named('b')));
  await expect.poll(told).toEqual(['firing a', 'firing b']);
});

test('min_severity and matchers choose, and a severity of an unknown word is let through', async () => {
  const { tell, told } = await start({ min_severity: 'error', matchers: ['team=~"a|b"', 'name!=skipped'] });
  tell(
    firing(named('low', { team: 'a', severity: 'warning' })),
    firing(named('skipped', { team: 'a', severity: 'critical' })),
    firing(named('other', { team: 'abc', severity: 'critical' })),
    firing(named('high', { team: 'b', severity: 'PAGE' })),
    firing(named('odd', { team: 'a', severity: 'apocalyptic' })),
  );
  await expect.poll(() => told().toSorted()).toEqual(['firing high', 'firing odd']);
});

test('what is over the rate limit waits and becomes one message with the latest of each alert', async () => {
  const { tell, told, bodies } = await start({ rate_limit: { messages: 1, per: '3s' } });
  tell(firing(named('a')));
  await expect.poll(told).toEqual(['firing a']);
  for (const name of ['b', 'c', 'd']) {
    tell(firing(named(name)));
    tell(resolved(named('b')));
  }
  await expect.poll(() => bodies().length).toBe(2);
  expect(told().slice(1).toSorted()).toEqual(['firing c', 'firing d', 'resolved b']);
  expect(bodies()[1]!.overtaken).toBe(1);
});

test('an attempt that failed is made again while it is true, and says the latest then', async () => {
  const { tell, told, backEnd, log } = await start();
  backEnd.answer = (_, response) => void response.writeHead(503).end('busy');
  tell(firing({ ...named('a'), startsAt_ms }));
  await expect.poll(() => backEnd.requests.length).toBe(1);
  await expect.poll(() => log.lines.length).toBe(1);
  backEnd.requests.length = 0;
  backEnd.answer = (_, response) => void response.end();
  tell(resolved({ ...named('a'), startsAt_ms }), firing(named('b')));
  await expect.poll(told).toEqual(['firing b', 'resolved a']);
  await expect.poll(() => log.lines.length).toBe(2);
  const texts = log.lines.map(({ message }) => message);
  expect(texts[0]).toMatch(
    /^Notifier "hook" \(webhook at 127\.0\.0\.1:\d+\) does not get through: .*503.*busy; it is tried again$/,
  );
  expect(texts[1]).toMatch(/gets through again$/);
  expect(JSON.stringify(log.lines)).not.toContain('secret-path');
});

test('a clock that is set back does not put the next attempt off', async () => {
  const { tell, told, backEnd, log } = await start();
  backEnd.answer = (_, response) => void response.writeHead(503).end();
  tell(firing(named('a')));
  await expect.poll(() => log.lines.length).toBe(1);
  const now_ms = Date.now();
  const clock = vi.spyOn(Date, 'now').mockReturnValue(now_ms - 3_600_000);
  onTestFinished(() => clock.mockRestore());
  backEnd.answer = (_, response) => void response.end();
  await expect.poll(() => log.lines.at(-1)!.message).toMatch(/gets through again$/);
  expect(new Set(told())).toEqual(new Set(['firing a']));
});

test('a message that is refused for good is dropped and counted, and later ones are sent', async () => {
  const { tell, told, backEnd, log } = await start();
  backEnd.answer = ({ body }, response) => {
    const isBad = body.toString().includes('"bad"');
    response.writeHead(isBad ? 400 : 200).end('no path /secret-path');
  };
  tell(firing(named('bad')));
  await expect.poll(() => log.lines.length).toBe(1);
  expect(log.lines[0]!.message).toMatch(/is refused: .* 400: no path \[REDACTED\]; check its url and auth$/);
  tell(firing({ ...named('bad'), startsAt_ms }), firing(named('b')));
  await expect.poll(() => told().filter((text) => text !== 'firing bad')).toEqual(['firing b']);
});

test('a silenced alert is not told of until the silence ends, and what was told is ended though silenced', async () => {
  const { tell, told, board } = await start();
  const now_ms = Date.now();
  const matchers = [{ name: 'name', op: '=', value: 'a' }] as const;
  const draft = {
    matchers,
    startsAt_ms: now_ms,
    endsAt_ms: now_ms + 60_000,
    createdBy: 'me',
    comment: '',
    untilResolved: false,
  };
  const { id } = board.silences.set(draft, now_ms);
  tell(firing({ ...named('a'), startsAt_ms }), firing(named('b')));
  await expect.poll(told).toEqual(['firing b']);
  board.silences.expire(id, Date.now());
  tell(firing({ ...named('a'), startsAt_ms }));
  await expect.poll(told).toEqual(['firing b', 'firing a']);
  board.silences.set({ ...draft, startsAt_ms: Date.now() }, Date.now());
  tell(resolved({ ...named('a'), startsAt_ms }));
  await expect.poll(told).toEqual(['firing b', 'firing a', 'resolved a']);
});

test('an acknowledgement ends with its alert', async () => {
  const { tell, board } = await start();
  const now_ms = Date.now();
  const about = { ...named('a'), startsAt_ms };
  const matchers = [...firing(about).alert.labels].map(([name, value]) => ({ name, op: '=', value }) as const);
  const draft = {
    matchers,
    startsAt_ms: now_ms,
    endsAt_ms: now_ms + 60_000,
    createdBy: 'me',
    comment: '',
    untilResolved: true,
  };
  board.silences.set(draft, now_ms);
  expect(board.silences.silencedBy(firing(about).alert.labels, now_ms)).toHaveLength(1);
  expect(board.silences.silencedBy(firing(named('a', { more: 'x' })).alert.labels, now_ms)).toEqual([]);
  tell(resolved(about));
  expect(board.silences.silencedBy(firing(about).alert.labels, Date.now())).toEqual([]);
});

test('a notifier that takes over tells again of nothing, goes on with what waits, and leaves what is not wanted any more', async () => {
  const before = await start();
  before.tell(firing({ ...named('told'), startsAt_ms }), firing({ ...named('over'), startsAt_ms }));
  before.tell(firing({ ...named('unwanted'), startsAt_ms }));
  await expect.poll(() => before.told().length).toBe(3);
  await expect.poll(() => before.dispatcher.channels.get('hook webhook')!.figures.sent).toBe(3);
  before.backEnd.answer = (_, response) => void response.writeHead(503).end();
  before.tell(firing({ ...named('waiting'), startsAt_ms }));
  await expect.poll(() => before.log.lines.length).toBe(1);
  const after = await start({ matchers: ['name!=unwanted'] });
  after.dispatcher.takeOver(before.dispatcher);
  await before.dispatcher.stop();
  // It may have been tried more than once.
  expect(new Set(before.told().slice(3))).toEqual(new Set(['firing waiting']));
  after.tell(...['told', 'over', 'unwanted'].map((name) => firing({ ...named(name), startsAt_ms })));
  const over = resolved({ ...named('over'), startsAt_ms, endsAt_ms: Date.now() + 1000 });
  after.tell(over);
  await expect.poll(after.told).toEqual(['firing waiting', 'resolved over']);
  await expect.poll(() => after.dispatcher.channels.get('hook webhook')!.figures.sent).toBe(2);
  after.tell(over);
  after.tell(firing(named('new')));
  await expect.poll(after.told).toEqual(['firing waiting', 'resolved over', 'firing new']);
});

test('stop sends what waits, and what was never started sends nothing', async () => {
  const { tell, told, dispatcher } = await start({ group_wait: '1h' });
  tell(firing(named('a')), firing(named('b')));
  await dispatcher.stop();
  expect(told()).toEqual(['firing a', 'firing b']);
  const idle = makeDispatcher({ hook: { webhook: { url: 'http://127.0.0.1:1/' } } });
  idle.tell(firing());
  await idle.dispatcher.stop();
  expect(idle.log.lines.map(({ message }) => message)).toEqual([
    'Notifier "hook" (webhook at 127.0.0.1:1) ends with untold changes of alerts',
  ]);
});
