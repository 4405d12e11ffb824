import { afterEach, expect, test } from 'vitest';
import { createServe } from '../../src/api/http_server.ts';
import type { Listener } from '../../src/component.ts';
import { createReloadHandler } from '../../src/api/reload.ts';
import { ConfigError } from '../../src/errors.ts';

let listener: Listener | undefined;
afterEach(async () => {
  await listener?.close();
});

async function listen(reload: () => Promise<object>, hasPage = true): Promise<string> {
  const serve = createServe({
    page: (_, response) => void response.end('page'),
    reload: createReloadHandler(reload),
    log: { info: () => {}, warn: () => {}, error: () => {} },
  });
  listener = await serve({ endpoint: '127.0.0.1:0', routes: {}, hasPage });
  return `${listener.url}/-/reload`;
}

test('POST /-/reload answers with what was restarted and what was kept', async () => {
  const url = await listen(async () => ({ started: ['cpu'], stopped: [], kept: 3 }));
  const response = await fetch(url, { method: 'POST' });
  expect([response.status, await response.json()]).toEqual([200, { started: ['cpu'], stopped: [], kept: 3 }]);
});

test('POST /-/reload answers 400 with the problems of a configuration, and 409 if it cannot be started', async () => {
  const problem = { message: 'Cannot use key "cpus"', path: 'receivers.cpus', hint: 'did you mean "cpu"?' };
  const failures = [new ConfigError([problem]), new Error('Cannot listen on 127.0.0.1:1')];
  const url = await listen(async () => {
    throw failures.shift()!;
  });
  const broken = await fetch(url, { method: 'POST' });
  expect(broken.status).toBe(400);
  expect(await broken.text()).toMatch(/Cannot use key "cpus"[^]*did you mean "cpu"[^]*The old configuration runs on/);
  const taken = await fetch(url, { method: 'POST' });
  expect([taken.status, await taken.text()]).toEqual([
    409,
    'Cannot reload: Cannot listen on 127.0.0.1:1\nThe old configuration runs on.\n',
  ]);
});

test('/-/reload does nothing for another method, nor for a page of another site', async () => {
  let reloads = 0;
  const url = await listen(async () => ({ reloads: ++reloads }));
  expect((await fetch(url)).status).toBe(405);
  expect((await fetch(url, { method: 'POST', headers: { origin: 'https://evil.example' } })).status).toBe(403);
  expect((await fetch(url, { method: 'POST', headers: { origin: new URL(url).origin } })).status).toBe(200);
  expect(reloads).toBe(1);
});

test('/-/reload is only where the page is', async () => {
  const url = await listen(async () => ({}), false);
  expect((await fetch(url, { method: 'POST' })).status).toBe(404);
});
