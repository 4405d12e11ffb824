/** An exporter of the OpenTelemetry SDK, run by the exporter `sdk`, against the real Collector. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { documentsIn, pointsIn } from './otlp_documents.ts';
import { startCollector, startSonde, until, type CollectorServer } from './servers.ts';

let collector: CollectorServer;
beforeAll(async () => {
  collector = await startCollector();
});
afterAll(async () => {
  await collector?.stop();
});

test('@opentelemetry/exporter-metrics-otlp-grpc brings every value to the Collector', async () => {
  const sonde = await startSonde(`
agent: { collection_interval: 500ms }
receivers: { cpu: {}, load: {}, memory: {} }
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT }
  sdk:
    package: '@opentelemetry/exporter-metrics-otlp-grpc'
    export: OTLPMetricExporter
    options: { url: '${collector.grpcEndpoint}' }
  file: { path: sent.jsonl }
service:
  pipelines:
    metrics: { receivers: [cpu, load, memory], exporters: [sdk, file] }
    metrics/page: { receivers: [load], exporters: [prometheus] }
`);
  try {
    const sent = () => pointsIn(documentsIn(join(sonde.folder, 'sent.jsonl')));
    await until('three collections were sent', async () => sent().length > 60, 60_000);
    const expected = sent();
    const arrived = () => new Map(pointsIn(collector.received()).map(({ key, value }) => [key, value]));
    await until('all have arrived', async () => expected.every(({ key }) => arrived().has(key)));
    const got = arrived();
    expect(expected.filter(({ key, value }) => got.get(key) !== value)).toEqual([]);
    expect(await sonde.stop()).toBe(0);
  } finally {
    await sonde.stop('SIGKILL');
  }
}, 120_000);
