import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { createServe } from '../../src/api/http_server.ts';
import { createStatusPage, renderStatusPage, type StatusInfo } from '../../src/api/status_page.ts';
import { createBooks, createFigures } from '../../src/pipeline.ts';
import type { AgentFigures, ComponentFigures, Listener } from '../../src/component.ts';

const INFO: StatusInfo = {
  version: '1.2.3',
  hostName: 'web-1',
  links: [{ href: '/metrics', text: '/metrics' }],
  now_ms: 1_732_203_723_000,
  cpu_s: 37.23,
  memory_bytes: 60 * 2 ** 20,
};

function component(id: string, kind: ComponentFigures['kind'], over: Partial<ComponentFigures> = {}): ComponentFigures {
  return {
    ...createFigures({ id, kind, signal: 'metrics', pipeline: undefined }),
    state: 'running',
    ...over,
  };
}

function figures(components: readonly ComponentFigures[]): AgentFigures {
  const ids = (kind: string) => components.filter((one) => one.kind === kind).map(({ id }) => id);
  const pipeline = {
    name: 'metrics/host',
    signal: 'metrics',
    receivers: ids('receiver'),
    processors: ids('processor'),
    exporters: ids('exporter'),
    books: { ...createBooks(), accepted: 12, sent: 5, gone: 7, filtered: new Map([['noise', 7]]) },
  } as const;
  return { startTime: 1_732_200_000_000_000_000n, components, pipelines: [pipeline] };
}

const listeners: Listener[] = [];
afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.close();
});

test('renderStatusPage shows each component with its counters, and why it failed', () => {
  const html = renderStatusPage(
    figures([
      component('cpu', 'receiver', { accepted: 1_234_567 }),
      component('filter', 'processor', { pipeline: 'metrics/host', dropped: new Map([['filtered', 7]]) }),
      component('otlp', 'exporter', {
        state: 'failed',
        reason: 'Cannot connect',
        dropped: new Map([['queue_full', 9]]),
      }),
    ]),
    INFO,
  );
  for (const text of [
    'Sonde <small>1.2.3',
    'metrics/host',
    '1 h 2 min',
    '1.00 %',
    '60.0 MiB',
    '1,234,567',
    'failed: Cannot connect',
  ]) {
    expect(html).toContain(text);
  }
  expect(html).toMatch(/<div><dt>dropped: filtered<\/dt><dd>7</);
  expect(html).toMatch(/<div class="bad"><dt>dropped: queue full<\/dt><dd>9</);
  expect(html).toContain('1 component has failed');
  expect(html).not.toMatch(/<script|https?:/);
});

test('renderStatusPage shows figures of the right signal and pipeline', () => {
  const html = renderStatusPage(
    figures([
      component('cpu', 'receiver', { signal: 'logs', accepted: 1111111 }),
      component('batch', 'processor', { pipeline: 'metrics/other', accepted: 2222222 }),
    ]),
    INFO,
  );
  expect(html).not.toMatch(/1,111,111|2,222,222/);
});

test('renderStatusPage lets no text become markup', () => {
  const texts = fc.oneof(
    fc.string(),
    fc.constantFrom('<script>alert(1)</script>', '"><img src=x onerror=y>', "'", '&lt;'),
  );
  const tagsOf = (html: string) => html.match(/<\/?[a-z!][^>]*>/gi)!.map((tag) => tag.replace(/"[^"]*"/g, '""'));
  const page = (text: string) =>
    tagsOf(
      renderStatusPage(figures([component(text, 'receiver', { reason: `${text}!`, dropped: new Map([[text, 1]]) })]), {
        ...INFO,
        hostName: text,
        version: text,
        links: [{ href: text, text }],
      }),
    );
  const expected = page('plain');
  fc.assert(
    fc.property(texts, (text) => {
      expect(page(text)).toEqual(expected);
    }),
  );
});

test('createStatusPage answers browsers with HTML that may load nothing, and programs with JSON', async () => {
  const current = figures([component('cpu', 'receiver', { accepted: 5, dropped: new Map([['timeout', 2]]) })]);
  const page = createStatusPage({ figures: () => current, version: '1.2.3', hostName: 'web-1' });
  const serve = createServe({ page, log: { info() {}, warn() {}, error() {} } });
  const routes = { '/metrics': () => {}, '/api/v1/query': () => {} };
  const listener = await serve({ endpoint: '127.0.0.1:0', routes, hasPage: true });
  listeners.push(listener);
  const html = await fetch(listener.url, { headers: { accept: 'text/html,*/*;q=0.8' } });
  expect(html.headers.get('content-security-policy')).toContain("default-src 'none'");
  const text = await html.text();
  expect(text).toContain('href="/metrics"');
  expect(text).not.toContain('href="/api/v1/query"');
  const json = await fetch(listener.url, { headers: { accept: 'application/json' } });
  expect(json.headers.get('content-type')).toBe('application/json');
  expect(await json.json()).toMatchObject({
    agent: { version: '1.2.3', host: 'web-1' },
    pipelines: [
      {
        name: 'metrics/host',
        accepted: 12,
        sent: 5,
        filtered: { noise: 7 },
        dropped: {},
        waiting: 0,
        receivers: [{ id: 'cpu', state: 'running', accepted: 5, dropped: { timeout: 2 } }],
      },
    ],
  });
  expect((await fetch(listener.url, { method: 'POST' })).status).toBe(405);
  const head = await fetch(listener.url, { method: 'HEAD' });
  expect(head.status).toBe(200);
  expect(await head.text()).toBe('');
});
