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
  // By one query, so that all is of one scrape: the next may have other series. A busy machine may let one run out of time.
  const names = 'up|scrape_samples_scraped|scrape_samples_post_metric_relabeling';
  let found = new Map<string, number>();
  await until(
    'Prometheus has scraped',
    async () => {
      const rows = await query(`{__name__=~"${names}",job="sonde"}`);
      found = new Map(rows.map(({ metric, value }) => [metric['__name__']!, Number(value[1])]));
      return found.get('up') === 1;
    },
    60_000,
  ).catch(async (error: Error) => {
    const targets = await (await fetch(`${prometheus.url}/api/v1/targets`)).text();
    throw new Error(`${error.message}\n${targets}`, { cause: error });
  });
  expect(found.get('scrape_samples_scraped')).toBeGreaterThan(50);
  expect(found.get('scrape_samples_post_metric_relabeling')).toBe(found.get('scrape_samples_scraped'));
}, 120_000);

test('Prometheus holds the values that the kernel gives in the same second', async () => {
  const total_kib = Number(/^MemTotal:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1]);
  const byName = 'sum by (__name__) ({__name__=~"system.memory.usage.*"})';
  // None where the last scrape ran out of time.
  let sums = await query(byName);
  await until('Prometheus has scraped', async () => (sums = await query(byName)).length > 0, 60_000);
  expect(sums.map(({ value }) => Number(value[1]))).toEqual([total_kib * 1024]);
}, 120_000);
