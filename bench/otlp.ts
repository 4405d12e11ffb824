/**
 * Passing on what applications send: OTLP over HTTP in and out, Sonde beside a real Collector, in turn. Bodies are of
 * 1,000 points each; both send compressed, as they do unless told otherwise.
 * Usage: node bench/otlp.ts [bodies a turn] [milliseconds between two bodies] [turns]
 */
import { writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { encodeMetrics } from '../src/model/otlp/encode_metrics.ts';
import { ObservableMeter } from '../src/otel/meter.ts';
import { createTimeLimit } from '../src/time_limit.ts';
import { freePort, program, until } from '../test/integration/servers.ts';
import { startSonde, temporaryFolder } from './agents.ts';
import { median, mib, table } from './measure.ts';
import { cpuTime_us, memory, sleep, start, type Measured } from './process.ts';

const [perTurn = 100, gap_ms = 25, turns = 7] = process.argv.slice(2).map(Number);
const POINTS = 1000;
const WARM_UP_TURNS = 2;

interface Gateway {
  readonly program: Measured;
  /** Where it takes OTLP. */
  readonly port: number;
  readonly sink: Sink;
}

/** A back end that takes everything and keeps nothing. */
interface Sink {
  readonly url: string;
  bytes: number;
  requests: number;
  close(): void;
}

const folder = temporaryFolder();
const connections = new Agent({ keepAlive: true });
const gateways: Gateway[] = [];
try {
  gateways.push(
    await startGateway('Sonde, no processors: the bytes pass through', startPassing('')),
    await startGateway('Sonde, batch', startPassing('batch')),
    await startGateway('Sonde, no processors, not compressed', startPassing('', 'none')),
    await startGateway('the Collector, batch', startCollector),
  );
  const body = await createBody();
  for (const { port, program: one } of gateways) await until(`${one.name} takes OTLP`, () => post(port, body));
  const samples = gateways.map((): number[] => []);
  for (let turn = -WARM_UP_TURNS; turn < turns; turn++) {
    for (const [at, { program: one, port, sink }] of gateways.entries()) {
      const before = cpuTime_us(one.pid);
      Object.assign(sink, { bytes: 0, requests: 0 });
      const answers: Promise<boolean>[] = [];
      for (let i = 0; i < perTurn; i++) {
        answers.push(post(port, body));
        await sleep(gap_ms);
      }
      if ((await Promise.all(answers)).includes(false)) throw new Error(`Cannot measure ${one.name}: it refused`);
      // What it still holds is sent within this time.
      await sleep(500);
      if (turn >= 0) samples[at].push((cpuTime_us(one.pid) - before) / perTurn / POINTS);
    }
  }
  console.log(
    `Bodies of ${POINTS} points (${body.length} bytes), one every ${gap_ms} ms, ${turns} turns of ${perTurn}; medians.\n`,
  );
  const reference = samples.at(-1)!;
  const rows = gateways.map(({ program: one, sink }, at) => {
    const ratio = median(samples[at].map((sample, turn) => sample / reference[turn]));
    const { rss_kib, pss_kib } = memory(one.pid);
    const sent = [sink.requests, Math.round(sink.bytes / perTurn)];
    return [one.name, `${median(samples[at]).toFixed(3)} µs`, ratio.toFixed(2), ...sent, mib(rss_kib), mib(pss_kib)];
  });
  const head = ['', 'CPU a point', 'ratio', 'requests sent', 'bytes sent a body', 'RSS', 'PSS'];
  console.log(table([head, ...rows]));
} finally {
  await Promise.all(gateways.map(({ program: one }) => one.stop()));
  for (const { sink } of gateways) sink.close();
  connections.destroy();
  folder.remove();
}

async function startGateway(
  name: string,
  begin: (name: string, port: number, sink: string) => Promise<Measured>,
): Promise<Gateway> {
  const [port, sink] = [await freePort(), await openSink()];
  return { program: await begin(name, port, sink.url), port, sink };
}

function startPassing(processors: string, compression = 'gzip') {
  return (name: string, port: number, sink: string): Promise<Measured> =>
    startSonde(name, {
      isPulled: false,
      overlay: `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:${port} } } } }
processors: { batch: {} }
exporters: { otlp: { endpoint: '${sink}', compression: ${compression} } }
service: { pipelines: { metrics: { receivers: !replace [otlp], processors: [${processors}], exporters: !replace [otlp] } } }
`,
    });
}

async function startCollector(name: string, port: number, sink: string): Promise<Measured> {
  const zpages = await freePort();
  const config = `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:${port} } } } }
processors: { batch: {} }
exporters: { otlp_http: { endpoint: '${sink}' } }
extensions: { zpages: { endpoint: 127.0.0.1:${zpages} } }
service:
  extensions: [zpages]
  telemetry: { metrics: { level: none } }
  pipelines: { metrics: { receivers: [otlp], processors: [batch], exporters: [otlp_http] } }
`;
  const file = join(folder.path, 'otelcol.yaml');
  writeFileSync(file, config);
  const ready = `http://127.0.0.1:${zpages}/debug/servicez`;
  return start(name, await program('otelcol'), ['--config', file], ready);
}

async function openSink(): Promise<Sink> {
  const server = createServer((incoming, response) => {
    sink.requests++;
    incoming.on('data', (chunk: Buffer) => (sink.bytes += chunk.length));
    incoming.on('end', () => response.writeHead(200, { 'Content-Type': 'application/x-protobuf' }).end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  const sink: Sink = { url: `http://127.0.0.1:${port}`, bytes: 0, requests: 0, close };
  return sink;
}

/** Whether it was taken. */
function post(port: number, body: Uint8Array): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const headers = { 'content-type': 'application/x-protobuf', 'content-length': body.length };
  const options = { host: '127.0.0.1', port, path: '/v1/metrics', method: 'POST', headers, agent: connections };
  request(options, (response) => {
    response.resume();
    response.on('end', () => resolve(response.statusCode === 200));
  })
    .on('error', reject)
    .end(body);
  return promise;
}

/** As an application's SDK would send it: ten metrics of a hundred series. */
async function createBody(): Promise<Uint8Array> {
  const scope = { name: 'bench', version: '1', attributes: {}, schemaUrl: '' };
  const resource = { attributes: { 'service.name': 'shop', 'service.instance.id': '4711' }, schemaUrl: '' };
  const meter = new ObservableMeter({ resource, scope, bootTime: 1n, agentStartTime: 1n });
  const routes = Array.from({ length: POINTS / 10 }, (_, i) => ({
    'http.route': `/things/${i}`,
    'http.request.method': 'GET',
    'http.response.status_code': 200,
  }));
  for (let i = 0; i < 10; i++) {
    meter.createObservableCounter(`shop.requests.${i}`, { unit: '{request}' }).addCallback((result) => {
      for (const [row, route] of routes.entries()) result.observe(1000 * i + row, route);
    });
  }
  const time = BigInt(Date.now()) * 1_000_000n;
  const { batches } = await meter.collect({ time, receiver: 'bench', onDemand: false, limit: createTimeLimit() });
  return encodeMetrics(batches);
}
