import { expect, test } from 'vitest';
import { announce, formatDuration, renderBanner, type BannerFacts } from '../../src/cli/banner.ts';
import { loadWithComponents } from '../../src/config/load.ts';
import { catalog } from '../../src/cli/catalog.ts';
import { VERSION } from '../../src/model/version.ts';
import { recordedTerminal } from './terminal.ts';

const FACTS: BannerFacts = {
  measuring: ['cpu', 'memory'],
  receiving: [],
  skipped: [],
  sending: [],
  files: ['configs/sonde.yaml'],
  interval: '15s',
  runtime: 'node 26.10.0  linux/x64  uid 1000',
  sample_s: 0.3141,
  cpu_s: 0.25,
  memory: 48 * 2 ** 20,
};
const GOLDEN = `${import.meta.dirname}/../golden/cli`;

test('renderBanner tells what is measured, and how to send it', async () => {
  await expect(renderBanner(FACTS, recordedTerminal())).toMatchFileSnapshot(`${GOLDEN}/banner.txt`);
});

test('renderBanner says why something is skipped', async () => {
  const facts = {
    ...FACTS,
    receiving: ['otlp'],
    skipped: [
      ['disk', 'Cannot read /proc/diskstats: it does not exist (ENOENT)'],
      ['network', 'Cannot read /proc/net/dev: permission denied (EACCES)'],
    ] as const,
    sending: ['otlp to http://127.0.0.1:4318'],
  };
  await expect(renderBanner(facts, recordedTerminal())).toMatchFileSnapshot(`${GOLDEN}/banner_skipped.txt`);
});

test('renderBanner has at most eleven lines, however much is skipped', () => {
  const skipped = Array.from({ length: 30 }, (_, at) => [`r${at}`, 'nothing there'] as const);
  const text = renderBanner({ ...FACTS, receiving: ['otlp'], skipped }, recordedTerminal());
  expect(text.split('\n').length - 1).toBeLessThanOrEqual(11);
  expect(text).toContain('and 27 more: see "sonde check"');
});

test.each([
  [15_000, '15s'],
  [250, '250ms'],
  [1500, '1.5s'],
  [60_000, '1m'],
  [90_000, '90s'],
])('formatDuration writes %i ms as %s', (time_ms, text) => {
  expect(formatDuration(time_ms)).toBe(text);
});

test('announce names the address of the metrics first', async () => {
  const config = `exporters.prometheus={path: /m}`;
  const loaded = await loadWithComponents({ files: [], sets: [config], env: {}, catalog });
  expect(announce(['http://127.0.0.1:9464', 'http://127.0.0.1:4318'], loaded)).toBe(
    `sonde ${VERSION} listening on http://127.0.0.1:9464 (metrics: http://127.0.0.1:9464/m), and on http://127.0.0.1:4318\n`,
  );
});

test('announce says where nothing listens', async () => {
  const loaded = await loadWithComponents({ files: [], env: {}, catalog });
  expect(announce([], loaded)).toBe(`sonde ${VERSION} runs; nothing in its configuration listens\n`);
});
