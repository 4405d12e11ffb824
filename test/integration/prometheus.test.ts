/** The default configuration, scraped by a real Prometheus and read by promtool. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkMetrics, startPrometheus, startSonde, until, type Server } from './servers.ts';

const FORMATS = [
  'text/plain;version=0.0.4',
  'text/plain;version=1.0.0;escaping=allow-utf-8',
  'text/plain;version=1.0.0;escaping=underscores',
  'application/openmetrics-text;version=1.0.0',
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8',
];

let sonde: Server;
let prometheus: Server;
beforeAll(async () => {
  const place = '{ endpoint: 127.0.0.1:PORT }';
  sonde = await startSonde(`exporters: { prometheus: ${place}, store: ${place} }`, { isOverlay: true });
  prometheus = await startPrometheus(sonde.url.replace('http://', ''));
});
afterAll(async () => {
  await prometheus?.stop();
  await sonde?.stop();
});

async function query(expression: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> {
  const response = await fetch(`${prometheus.url}/api/v1/query?query=${encodeURIComponent(expression)}`);
  const answer = (await response.json()) as {
    data: { result: { metric: Record<string, string>; value: [number, string] }[] };
  };
  return answer.data.result;
}

test.each(FORMATS)('promtool parses the default output in %s, with fewer than ten findings', async (accept) => {
  const response = await fetch(`${sonde.url}/metrics`, { headers: { accept } });
  const type = response.headers.get('content-type')!;
  const body = await response.text();
  expect(type.startsWith(accept.split(';')[0]!)).toBe(true);
  // promtool reads the text format; OpenMetrics has its own parser in Prometheus, which scrapes below.
  if (type.startsWith('text/plain')) {
    const { code, findings } = await checkMetrics(body);
    expect(findings.length, findings.join('\n')).toBeLessThan(10);
    expect([0, 3]).toContain(code);
  } else {
    expect(body.endsWith('# EOF\n')).toBe(true);
  }
});

test('Prometheus scrapes the agent: up is 1, and no sample is left out', async () => {
  await until('Prometheus has scraped', async () => (await query('up{job="sonde"}'))[0]?.value[1] === '1', 60_000);
  const [post] = await query('scrape_samples_post_metric_relabeling{job="sonde"}');
  const [scraped] = await query('scrape_samples_scraped{job="sonde"}');
  expect(Number(scraped!.value[1])).toBeGreaterThan(50);
  expect(post!.value[1]).toBe(scraped!.value[1]);
  const targets = (await (await fetch(`${prometheus.url}/api/v1/targets`)).json()) as {
    data: { activeTargets: { lastError: string; health: string }[] };
  };
  expect(targets.data.activeTargets.map(({ lastError, health }) => [health, lastError])).toEqual([['up', '']]);
});

test('Prometheus holds the values that the kernel gives in the same second', async () => {
  const total_kib = Number(/^MemTotal:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1]);
  const name = (await query('count by (__name__) ({__name__=~"system.memory.usage.*"})'))[0]!.metric['__name__']!;
  const [sum] = await query(`sum({__name__="${name}"})`);
  expect(Number(sum!.value[1])).toBe(total_kib * 1024);
});
