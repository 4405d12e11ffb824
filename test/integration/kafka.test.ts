/**
 * OTLP from agent to agent over Kafka. No broker can be had as a package: it is the one of the tests, which speaks the
 * real protocol and checks it strictly (test/support/kafka_broker.ts).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import kafkaExporter from '../../exporters/kafka.ts';
import kafkaReceiver from '../../receivers/kafka.ts';
import { createStage, makeAgent, records } from '../support/agent.ts';
import { startKafkaBroker, type KafkaBroker } from '../support/kafka_broker.ts';
import { freePort } from '../support/free_port.ts';
import { oddLogs, oddMetrics, oddTraces } from './odd_telemetry.ts';
import { startSonde, until } from './servers.ts';

async function startBroker(): Promise<KafkaBroker> {
  const broker = await startKafkaBroker({ topics: { otlp_metrics: 2, otlp_logs: 3, otlp_spans: 1 } });
  onTestFinished(() => broker[Symbol.asyncDispose]());
  return broker;
}

test.each([
  ['otlp_proto', 'zstd'],
  ['otlp_json', 'lz4'],
])(
  '%s with %s: every signal arrives as it was sent, by the command as users run it',
  async (encoding, compression) => {
    const broker = await startBroker();
    const files =
      'file/metrics: { path: metrics.jsonl }, file/logs: { path: logs.jsonl }, file/traces: { path: traces.jsonl }';
    const pipelines = (receiver: string, exporter: (signal: string) => string): string =>
      ['metrics', 'logs', 'traces']
        .map((signal) => `    ${signal}: { receivers: [${receiver}], exporters: [${exporter(signal)}] }`)
        .join('\n');
    const page = 'metrics/page: { receivers: [self], exporters: [prometheus] }';
    const taker = await startSonde(`
receivers: { self: {}, kafka: { brokers: ['${broker.address}'], encoding: ${encoding} } }
exporters: { prometheus: { endpoint: 127.0.0.1:PORT }, ${files} }
service:
  pipelines:
    ${page}
${pipelines('kafka', (signal) => `file/${signal}`)}
`);
    onTestFinished(async () => void (await taker.stop('SIGKILL')));
    const port = await freePort();
    const options = `brokers: ['${broker.address}'], encoding: ${encoding}, compression: ${compression}`;
    const sender = await startSonde(`
receivers: { self: {}, otlp: { protocols: { http: { endpoint: 127.0.0.1:${port} } } } }
exporters: { prometheus: { endpoint: 127.0.0.1:PORT }, kafka: { ${options} }, ${files} }
service:
  pipelines:
    ${page}
${pipelines('otlp', (signal) => `kafka, file/${signal}`)}
`);
    onTestFinished(async () => void (await sender.stop('SIGKILL')));
    for (const [path, body] of [
      ['metrics', oddMetrics()],
      ['logs', oddLogs()],
      ['traces', oddTraces()],
    ] as const) {
      const response = await fetch(`http://127.0.0.1:${port}/v1/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-protobuf' },
        body: Buffer.from(body),
      });
      expect(response.status).toBe(200);
      const read = (folder: string): string => readFileSync(join(folder, `${path}.jsonl`), 'utf8');
      // The sender writes its file beside what it sends: either may be there first.
      await until(`${path} have arrived`, async () =>
        [taker, sender].every(({ folder }) => read(folder).endsWith('\n')),
      );
      expect(read(taker.folder)).toBe(read(sender.folder));
      expect(read(taker.folder).length).toBeGreaterThan(500);
    }
    expect(await sender.stop()).toBe(0);
    expect(await taker.stop()).toBe(0);
  },
  120_000,
);

test('connections that are cut all the time cost nothing, and the books balance', async () => {
  const broker = await startBroker();
  const brokers = [broker.address];
  const source = createStage();
  const sender = makeAgent(
    {
      receivers: { pushed: {} },
      exporters: { kafka: { brokers, retry: { initial: '50ms', max: '200ms' } } },
      pipelines: { logs: { receivers: ['pushed'], exporters: ['kafka'] } },
    },
    { receivers: source.receivers, processors: [], exporters: [kafkaExporter] },
  );
  await sender.agent.start();
  const target = createStage();
  const taker = makeAgent(
    {
      receivers: { kafka: { brokers, heartbeat_interval: '200ms', session_timeout: '5s', rebalance_timeout: '5s' } },
      exporters: { sink: {} },
      pipelines: { logs: { receivers: ['kafka'], exporters: ['sink'] } },
    },
    { receivers: [kafkaReceiver], processors: [], exporters: target.exporters },
  );
  await taker.agent.start();
  const { logs } = source.pushed.get('pushed')!.next;
  const arrived = (): Set<string> => new Set(target.arrived.get('sink')!);
  for (let sent = 0; sent < 300; sent += 50) {
    for (let i = sent; i < sent + 50; i++) await logs!.consume(records(i));
    broker.cut();
    await until('some have arrived', async () => arrived().size > sent, 30_000);
  }
  await until('all have arrived', async () => arrived().size === 300, 30_000);
  await until('all is sent', async () => sender.figures('kafka').sent === 300);
  const { accepted, dropped, queued } = sender.figures('kafka');
  expect([accepted, queued, [...dropped]]).toEqual([300, 0, []]);
  // What was cut off comes again, and may still be on its way.
  await until(
    'all that was taken is handed on',
    async () => taker.figures('kafka', 'logs').accepted === taker.figures('sink', 'logs').accepted,
  );
  expect([...taker.figures('kafka', 'logs').dropped]).toEqual([]);
}, 120_000);
