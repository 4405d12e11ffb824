/**
 * Memory and CPU time of the default configuration, scraped every 5 s for half an hour.
 * Usage: node bench/soak.ts [minutes] [file for the result as JSON]
 */
import { writeFileSync } from 'node:fs';
import { copyBundle } from './copied_bundle.ts';
import { mib, target } from './measure.ts';
import { cpuTime_us, memory, sleep, start, type Memory } from './process.ts';
import { scrape } from './scraper.ts';

interface Sample extends Memory {
  readonly minute: number;
}

const [minutes = 30] = process.argv.slice(2, 3).map(Number);
const file = process.argv[3];
const SCRAPE_EVERY_MS = 5000;

const bundle = await copyBundle();
const sonde = await start('Sonde', process.execPath, bundle.args, bundle.url);
const samples: Sample[] = [];
const began_ms = performance.now();
let cpuBefore_us = cpuTime_us(sonde.pid);
const cpuAtBegin_us = cpuBefore_us;

console.log('| minute | RSS | PSS | anonymous | CPU of one core |');
console.log('| --- | --- | --- | --- | --- |');
try {
  for (let minute = 1; minute <= minutes; minute++) {
    while (performance.now() - began_ms < minute * 60_000) {
      await scrape(bundle.url, 'gzip');
      samples.push({ minute: (performance.now() - began_ms) / 60_000, ...memory(sonde.pid) });
      const sinceScrape_ms = (performance.now() - began_ms) % SCRAPE_EVERY_MS;
      await sleep(SCRAPE_EVERY_MS - sinceScrape_ms);
    }
    const cpu_us = cpuTime_us(sonde.pid);
    const { rss_kib, pss_kib, anonymous_kib } = samples.at(-1)!;
    const cells = [minute, mib(rss_kib), mib(pss_kib), mib(anonymous_kib), percent((cpu_us - cpuBefore_us) / 60e6)];
    console.log(`| ${cells.join(' | ')} |`);
    cpuBefore_us = cpu_us;
  }
  report(cpuTime_us(sonde.pid) - cpuAtBegin_us);
} finally {
  await sonde.stop();
  bundle.remove();
}

function report(cpu_us: number): void {
  const settled = samples.filter(({ minute }) => minute > minutes / 3);
  const result = {
    minutes,
    scrapes: samples.length,
    rss_kib: samples.at(-1)!.rss_kib,
    most_rss_kib: Math.max(...samples.map(({ rss_kib }) => rss_kib)),
    pss_kib: samples.at(-1)!.pss_kib,
    anonymous_kib: samples.at(-1)!.anonymous_kib,
    rss_slope_kib_per_minute: slope(settled, 'rss_kib'),
    anonymous_slope_kib_per_minute: slope(settled, 'anonymous_kib'),
    cpu_share_of_a_core: cpu_us / (minutes * 60e6),
  };
  const { rss_kib, most_rss_kib, rss_slope_kib_per_minute, anonymous_slope_kib_per_minute, cpu_share_of_a_core } =
    result;
  console.log(
    `\nAfter ${minutes} minutes and ${samples.length} scrapes: RSS ${mib(rss_kib)} (at most ${mib(most_rss_kib)}), ` +
      `over the last two thirds ${signed(rss_slope_kib_per_minute)} KiB a minute ` +
      `(anonymous ${signed(anonymous_slope_kib_per_minute)}), CPU ${percent(cpu_share_of_a_core)} of one core.\n`,
  );
  target('MiB resident at the end', 70, rss_kib / 1024);
  if (file !== undefined) writeFileSync(file, `${JSON.stringify({ ...result, samples }, undefined, 2)}\n`);
}

/** Least squares. */
function slope(points: readonly Sample[], of: keyof Memory): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanMinute = mean(points.map(({ minute }) => minute));
  const meanSize = mean(points.map((point) => point[of]));
  let covariance = 0;
  let variance = 0;
  for (const point of points) {
    covariance += (point.minute - meanMinute) * (point[of] - meanSize);
    variance += (point.minute - meanMinute) ** 2;
  }
  return covariance / variance;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(1)}`;
}
