/**
 * What a scrape of the default configuration is made of: the same answer from programs that do less and less of the
 * work, all scraped in turn.
 * Usage: node bench/breakdown.ts [milliseconds between two scrapes of the same program] [scrapes a turn] [turns]
 */
import {
  DEFAULT_RECEIVERS,
  overlayOf,
  QUICK_RECEIVERS,
  startBareServer,
  startFloor,
  startNodeExporter,
  startSonde,
  type Scraped,
} from './agents.ts';
import { median, ms, table } from './measure.ts';
import { cpuTime_us, sleep } from './process.ts';
import { recordReceivers } from './recording.ts';
import { scrape, type Encoding } from './scraper.ts';

const [gap_ms = 50, perTurn = 20, turns = 9] = process.argv.slice(2).map(Number);
const WARM_UP = 200;

const running: { readonly program: Scraped; readonly encoding: Encoding }[] = [];
const add = (program: Scraped, encoding: Encoding = 'identity'): void => void running.push({ program, encoding });

try {
  const sonde = await startSonde('… of all: the default configuration');
  const recorded = await recordReceivers(DEFAULT_RECEIVERS);
  const operations = recorded.flatMap((receiver) => receiver.operations);
  const ofOthers = recorded.flatMap((receiver) => (receiver.type === 'processes' ? [] : receiver.operations));
  add(await startFloor('A C program that answers with the same bytes', sonde, []));
  add(await startFloor('… after the system calls of all but processes', sonde, ofOthers));
  add(await startFloor('… after all system calls of the default configuration', sonde, operations));
  add(await startBareServer('Node.js’s HTTP server alone, with the same bytes', sonde));
  add(await startBareServer('… that compresses them', sonde), 'gzip');
  add(
    await startSonde('Sonde with the text that it has', {
      overlay: overlayOf({}).replace('max_age: 0s', 'max_age: 1h'),
    }),
  );
  add(await startSonde('Sonde with fresh values of the receiver load alone', { overlay: overlayOf({}, ['load']) }));
  add(await startSonde('… of all but processes and self', { overlay: overlayOf({}, QUICK_RECEIVERS) }));
  add(await startSonde('… of all but self', { overlay: overlayOf({}, DEFAULT_RECEIVERS) }));
  add(sonde);
  add(await startSonde('… compressed'), 'gzip');
  add(
    await startNodeExporter('node_exporter without collectors', [
      '--collector.disable-defaults',
      '--web.disable-exporter-metrics',
    ]),
  );
  add(await startNodeExporter('node_exporter'));
  add(await startNodeExporter('… with the collector processes', ['--collector.processes']));

  for (let i = 0; i < WARM_UP; i++) for (const { program, encoding } of running) await scrape(program.url, encoding);
  const samples = running.map((): number[] => []);
  for (let turn = 0; turn < turns; turn++) {
    const before = running.map(({ program }) => cpuTime_us(program.pid));
    for (let i = 0; i < perTurn; i++) {
      for (const { program, encoding } of running) {
        await scrape(program.url, encoding);
        await sleep(gap_ms / running.length);
      }
    }
    for (const [at, { program }] of running.entries()) {
      samples[at].push((cpuTime_us(program.pid) - before[at]) / perTurn);
    }
  }
  console.log(`Each is scraped every ${gap_ms} ms, ${turns} turns of ${perTurn} scrapes; medians.\n`);
  const rows = running.map(({ program }, at) => [program.name, ms(median(samples[at]))]);
  console.log(table([['', 'CPU a scrape'], ...rows]));
} finally {
  await Promise.all(running.map(({ program }) => program.stop()));
}
