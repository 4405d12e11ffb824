/**
 * Passing on what applications send: OTLP over HTTP in, batched, and out, Sonde beside a real Collector, in turn, with
 * the same settings of `batch` and the same compression. Each Sonde comes twice: bytes pass through, or an attribute is
 * added, for which they are decoded and encoded again, as the Collector does in any case.
 * Usage: node bench/otlp.ts [bodies a turn] [milliseconds between two bodies of points] [turns]
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Signal } from '../src/model/batch.ts';
import { program, until } from '../test/integration/servers.ts';
import { freePort } from '../test/support/free_port.ts';
import { copyBundle } from './copied_bundle.ts';
import { temporaryFolder } from './agents.ts';
import { median, mib, table, target } from './measure.ts';
import { ITEMS } from './otlp_bodies.ts';
import { startSender, type Burst, type Sender } from './otlp_sender.ts';
import { startSink, type Sink } from './otlp_sink.ts';
import { cpuTime_us, memory, sleep, start, type Measured, type Memory } from './process.ts';

const [perTurn = 250, gap_ms = 4, turns = 9] = process.argv.slice(2).map(Number);
/** To decode and encode a record takes several times as much as a point: an agent that cannot keep up drops the oldest. */
const LOGS_SLOWER = 2;
/** Longer than the launcher takes to notice that the agent is busy; all are at that time, as they are in life. */
const WARM_UP_S = 40;
const WARM_UP_GAP_MS = 12;
/** What a batch holds at the end of a burst is sent within this time. */
const DRAIN_MS = 500;
/** A machine that others use, too, takes its time. */
const LONGEST_DRAIN_MS = 10_000;
const MOST_PASSING = 0.25;
const MOST_DECODING = 1;
const MOST_MEMORY_KIB = 40 * 1024;

type Compression = 'none' | 'gzip';

interface Gateway {
  readonly name: string;
  readonly program: Measured;
  /** Where it takes OTLP. */
  readonly port: number;
  readonly sink: Sink;
  readonly memories: Memory[];
}

/** One way in and out, and what it cost each gateway, turn by turn. */
interface Case {
  readonly signal: Signal;
  readonly incoming: Compression;
  readonly outgoing: Compression;
  readonly samples: readonly number[][];
  readonly sent: { requests: number; bytes: number }[];
}

const PASSING = 'Sonde, bytes pass through';
const DECODING = 'Sonde, decoded and encoded';
const COLLECTOR = 'the Collector';
const NAMES = [PASSING, DECODING, COLLECTOR];
const COMPRESSIONS: readonly Compression[] = ['none', 'gzip'];

const folder = temporaryFolder();
const bundle = await copyBundle();
const sender = startSender();
const gateways = new Map<Compression, readonly Gateway[]>();
try {
  for (const compression of COMPRESSIONS) gateways.set(compression, await startGateways(compression));
  const cases = [
    createCase('metrics', 'none', 'none'),
    createCase('metrics', 'none', 'gzip'),
    createCase('metrics', 'gzip', 'gzip'),
    createCase('logs', 'none', 'none'),
    createCase('logs', 'none', 'gzip'),
    createCase('logs', 'gzip', 'gzip'),
  ];
  await warmUp();
  for (let turn = 0; turn < turns; turn++) {
    for (const one of cases) await takeTurn(one);
  }
  print(cases);
} finally {
  const all = [...gateways.values()].flat();
  await Promise.all(all.map(({ program: one }) => one.stop()));
  for (const { sink } of all) sink.stop();
  sender.stop();
  bundle.remove();
  folder.remove();
}

function createCase(signal: Signal, incoming: Compression, outgoing: Compression): Case {
  return { signal, incoming, outgoing, samples: NAMES.map(() => []), sent: [] };
}

async function warmUp(): Promise<void> {
  const all = [...gateways.values()].flat();
  const until = performance.now() + WARM_UP_S * 1000;
  const senders = all.map(() => startSender());
  const warm = async ({ port }: Gateway, { send }: Sender): Promise<void> => {
    while (performance.now() < until) {
      for (const signal of ['metrics', 'logs'] as const) {
        await send({ port, signal, compression: 'none', bodies: 100, gap_ms: WARM_UP_GAP_MS });
      }
    }
  };
  try {
    await Promise.all(all.map((gateway, at) => warm(gateway, senders[at]!)));
  } finally {
    for (const { stop } of senders) stop();
  }
  await sleep(DRAIN_MS);
  for (const { sink } of all) await sink.received();
}

async function takeTurn({ signal, incoming, outgoing, samples, sent }: Case): Promise<void> {
  for (const [at, { program: one, port, sink, memories }] of gateways.get(outgoing)!.entries()) {
    const gap = signal === 'logs' ? LOGS_SLOWER * gap_ms : gap_ms;
    const burst: Burst = { port, signal, compression: incoming, bodies: perTurn, gap_ms: gap };
    const before = cpuTime_us(one.pid);
    await sender.send(burst);
    if (signal === 'metrics' && incoming === 'none') memories.push(memory(one.pid));
    await sleep(DRAIN_MS);
    samples[at]!.push((cpuTime_us(one.pid) - before) / perTurn / ITEMS);
    const sum = { requests: 0, items: 0, bytes: 0 };
    for (let wait = 0; wait < LONGEST_DRAIN_MS && sum.items < perTurn * ITEMS; wait += DRAIN_MS) {
      if (wait > 0) await sleep(DRAIN_MS);
      const { requests, items, bytes } = await sink.received();
      sum.requests += requests;
      sum.items += items;
      sum.bytes += bytes;
    }
    if (sum.items !== perTurn * ITEMS) {
      const what = `${signal} in ${incoming} out ${outgoing}`;
      throw new Error(`Cannot measure ${one.name}, ${what}: it handed on ${sum.items} of ${perTurn * ITEMS} items`);
    }
    sent[at] = sum;
  }
}

function print(cases: readonly Case[]): void {
  console.log(
    `Bodies of ${ITEMS} points or records, one every ${gap_ms} ms (records: ${LOGS_SLOWER * gap_ms}) whether the last was answered or not; ${turns} turns ` +
      `of ${perTurn} bodies, medians. \`batch\` with its defaults, the same in both: 8,192 items or 200 ms.\n`,
  );
  const rows = [['signal', 'in', 'out', '', 'CPU an item', 'ratio', 'requests sent', 'bytes sent a body']];
  for (const one of cases) {
    const { signal, incoming, outgoing, samples, sent } = one;
    for (const [at, name] of NAMES.entries()) {
      rows.push([
        signal,
        incoming,
        outgoing,
        name,
        `${median(samples[at]!).toFixed(3)} µs`,
        ratio(one, at).toFixed(2),
        String(sent[at]!.requests),
        String(Math.round(sent[at]!.bytes / perTurn)),
      ]);
    }
  }
  console.log(table(rows));
  console.log(`\nMemory at the end of a burst of metrics, not compressed when it came:\n`);
  const all = [...gateways].flatMap(([compression, some]) => some.map((one) => ({ compression, ...one })));
  const resident = (memories: readonly Memory[]): number => median(memories.map(({ rss_kib }) => rss_kib));
  console.log(
    table([
      ['out', '', 'RSS', 'PSS', 'anonymous'],
      ...all.map(({ compression, name, memories }) => [
        compression,
        name,
        mib(resident(memories)),
        mib(median(memories.map(({ pss_kib }) => pss_kib))),
        mib(median(memories.map(({ anonymous_kib }) => anonymous_kib))),
      ]),
    ]),
  );
  console.log();
  for (const one of cases) {
    const { signal, incoming, outgoing } = one;
    const way = `of ${signal}, ${incoming} in, ${outgoing} out, of the Collector’s`;
    target(`CPU of passing through ${way}`, MOST_PASSING, ratio(one, 0));
    target(`CPU of decoding and encoding ${way}`, MOST_DECODING, ratio(one, 1));
  }
  for (const [compression, [passing, decoding, collector]] of gateways) {
    for (const { name, memories } of [passing!, decoding!]) {
      const more_kib = resident(memories) - resident(collector!.memories);
      target(`MiB beyond the Collector’s, ${name}, ${compression} out`, MOST_MEMORY_KIB / 1024, more_kib / 1024);
    }
  }
}

function ratio({ samples }: Case, at: number): number {
  const reference = samples.at(-1)!;
  return median(samples[at]!.map((sample, turn) => sample / reference[turn]!));
}

async function startGateways(compression: Compression): Promise<Gateway[]> {
  const begin = [startPassing(''), startPassing('attributes, '), startCollector];
  const started: Gateway[] = [];
  for (const [at, name] of NAMES.entries()) {
    const [port, sink] = [await freePort(), await startSink()];
    started.push({ name, program: await begin[at]!(name, port, sink.url, compression), port, sink, memories: [] });
  }
  return started;
}

function startPassing(processors: string) {
  return async (name: string, port: number, sink: string, compression: Compression): Promise<Measured> => {
    const pipeline = `{ receivers: [otlp], processors: [${processors}batch], exporters: [otlp] }`;
    const config = `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:${port} } } } }
processors:
  batch: { send_batch_size: 8192, timeout: 200ms }
  attributes: { actions: [{ key: deployment.environment.name, action: upsert, value: production }] }
exporters: { otlp: { endpoint: '${sink}', compression: ${compression} } }
service: { pipelines: { metrics: ${pipeline}, logs: ${pipeline} } }
`;
    const file = join(folder.path, `${port}.yaml`);
    writeFileSync(file, config);
    const started = await start(name, process.execPath, bundle.argsFor(file));
    await until(`${name} listens`, () => fetch(`http://127.0.0.1:${port}/`).then(() => true));
    return started;
  };
}

async function startCollector(name: string, port: number, sink: string, compression: Compression): Promise<Measured> {
  const zpages = await freePort();
  const pipeline = '{ receivers: [otlp], processors: [batch], exporters: [otlp_http] }';
  const config = `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:${port} } } } }
processors: { batch: { send_batch_size: 8192, timeout: 200ms } }
exporters: { otlp_http: { endpoint: '${sink}', compression: ${compression} } }
extensions: { zpages: { endpoint: 127.0.0.1:${zpages} } }
service:
  extensions: [zpages]
  telemetry: { metrics: { level: none } }
  pipelines: { metrics: ${pipeline}, logs: ${pipeline} }
`;
  const file = join(folder.path, `${zpages}.yaml`);
  writeFileSync(file, config);
  const ready = `http://127.0.0.1:${zpages}/debug/servicez`;
  return start(name, await program('otelcol'), ['--config', file], ready);
}
