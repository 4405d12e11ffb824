import { appendFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { valuesOf } from '../../support/collect.ts';
import { createSite, numbered, pause } from '../../support/log_site.ts';

test('logs parses lines, keeps those whole that are not of the format, and carries what was asked for', async () => {
  const site = createSite();
  writeFileSync(site.path('a.log'), '{"level":"warn","msg":"hello"}\nno json\n');
  const run = await site.start({
    format: 'json',
    include_file_position: true,
    include_original: true,
    include_file_path: true,
  });
  await site.bodies(2);
  const [parsed, whole] = site.records;
  expect(parsed).toMatchObject({
    severityNumber: 13,
    attributes: {
      'log.file.path': site.path('a.log'),
      'log.file.position': 0,
      'log.record.original': '{"level":"warn","msg":"hello"}',
    },
  });
  expect(whole).toMatchObject({ body: 'no json', attributes: { 'log.file.position': 31 } });
  expect(valuesOf(await run.collect())['log.file.unparsed_lines{}']).toBe(1);
});

test('logs joins the parts of CRI lines across reads, and names the container', async () => {
  const site = createSite();
  const path = join(site.folder, 'pods/default_web_6a3f/nginx/0.log');
  mkdirSync(dirname(path), { recursive: true });
  const time = '2024-01-01T00:00:00.123456789Z';
  writeFileSync(path, `${time} stdout P one \n${time} stderr F other\n`);
  await site.start({ include: [join(site.folder, 'pods/*/*/*.log')], format: 'cri', force_flush_period: '0s' });
  await site.bodies(1);
  appendFileSync(path, `${time} stdout F two\n`);
  await site.bodies(2);
  expect(site.records.map(({ body, attributes, time: at }) => [body, attributes['log.iostream'], at])).toEqual([
    ['other', 'stderr', 1704067200123456789n],
    ['one two', 'stdout', 1704067200123456789n],
  ]);
  expect(site.records[0]!.resource.attributes).toMatchObject({
    'host.name': 'test',
    'k8s.namespace.name': 'default',
    'k8s.pod.name': 'web',
    'k8s.container.name': 'nginx',
  });
});

test('logs joins lines of a record that comes in pieces, and gives the last one after a while', async () => {
  const site = createSite();
  await site.start({ multiline: { start_pattern: '^\\d' }, force_flush_period: '2s' });
  writeFileSync(site.path('a.log'), '1 first\n  at a\n');
  await pause(40);
  appendFileSync(site.path('a.log'), '  at b\n2 second\n');
  expect(await site.bodies(2)).toEqual(['1 first\n  at a\n  at b', '2 second']);
});

test('logs lets no large file keep others waiting', async () => {
  const site = createSite();
  writeFileSync(site.path('large.log'), numbered(0, 300_000));
  writeFileSync(site.path('small.log'), 'small 1 1\n');
  let before = 0;
  site.onBatch = ({ records }) => {
    if (!site.records.some(({ body }) => body === 'small 1 1')) before += records.length;
  };
  await site.start();
  await site.bodies(300_001);
  expect(before).toBeLessThan(50_000);
});

test('logs counts invalid UTF-8 and says nothing of it', async () => {
  const site = createSite();
  writeFileSync(site.path('a.log'), Buffer.from([0x61, 0xff, 10, 0x62, 10]));
  const run = await site.start();
  expect(await site.bodies(2)).toEqual(['a\ufffd', 'b']);
  expect(valuesOf(await run.collect())['log.file.broken_lines{}']).toBe(1);
});

test('logs reads nothing without files to read, and says so', async () => {
  const site = createSite();
  const run = await site.start({ include: [] });
  expect(run.said).toEqual(['warn Reads no log files: include names no files']);
  expect(readdirSync(site.folder)).toEqual(['log']);
});
