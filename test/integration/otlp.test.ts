/** The same metrics in a real Collector by each protocol, and in VictoriaMetrics; applications' data through Sonde. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../support/free_port.ts';
import { documentsIn, pointsOf } from './otlp_documents.ts';
import {
  startCollector,
  startSonde,
  startVictoriaMetrics,
  until,
  type CollectorServer,
  type Server,
} from './servers.ts';

let collector: CollectorServer;
let victoria: Server;
beforeAll(async () => {
  collector = await startCollector();
  victoria = await startVictoriaMetrics();
});
afterAll(async () => {
  await collector?.stop();
  await victoria?.stop();
});

const HOST_RECEIVERS = ['cpu', 'disk', 'filesystem', 'load', 'memory', 'network', 'paging', 'processes', 'system'];

test('A Collector gets the same points, value for value, by gRPC, by HTTP protobuf and by HTTP JSON', async () => {
  const ways = ['grpc', 'protobuf', 'json', 'file'];
  const pipeline = (way: string, exporter: string): string =>
    `    metrics/${way}: { receivers: [${HOST_RECEIVERS}], processors: [resource/${way}], exporters: [${exporter}] }`;
  const sonde = await startSonde(`
agent: { collection_interval: 1s }
receivers: { ${HOST_RECEIVERS.map((type) => `${type}: {}`).join(', ')} }
processors:
${ways.map((way) => `  resource/${way}: { attributes: [{ key: way, action: insert, value: ${way} }] }`).join('\n')}
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT }
  otlp/grpc: { endpoint: '${collector.grpcEndpoint}', protocol: grpc, insecure: true }
  otlp/protobuf: { endpoint: '${collector.httpEndpoint}', protocol: http/protobuf }
  otlp/json: { endpoint: '${collector.httpEndpoint}', protocol: http/json, compression: none }
  file: { path: sent.jsonl }
service:
  pipelines:
    metrics: { receivers: [memory], exporters: [prometheus] }
${['grpc', 'protobuf', 'json'].map((way) => pipeline(way, `otlp/${way}`)).join('\n')}
${pipeline('file', 'file')}
`);
  onTestFinished(async () => void (await sonde.stop('SIGKILL')));
  const sentFile = join(sonde.folder, 'sent.jsonl');
  const sent = () => documentsIn(sentFile);
  await until('three collections were sent', async () => pointsOf(sent(), 'file').size > 300, 60_000);
  const expected = pointsOf(sent(), 'file');
  for (const way of ['grpc', 'protobuf', 'json']) {
    await until(`the Collector has all points by ${way}`, async () => {
      const got = pointsOf(collector.received(), way);
      return [...expected.keys()].every((key) => got.has(key));
    });
    const got = pointsOf(collector.received(), way);
    const different = [...expected].filter(([key, value]) => got.get(key) !== value);
    expect(different, way).toEqual([]);
  }
  expect(await sonde.stop()).toBe(0);
}, 120_000);

test('VictoriaMetrics holds the points that were sent to it by OTLP', async () => {
  const sonde = await startSonde(`
agent: { collection_interval: 1s }
receivers: { memory: {} }
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT }
  otlp: { metrics_endpoint: '${victoria.url}/opentelemetry/v1/metrics' }
  file: { path: sent.jsonl }
processors:
  resource: { attributes: [{ key: way, action: insert, value: victoria }] }
service:
  pipelines:
    metrics: { receivers: [memory], processors: [resource], exporters: [prometheus, otlp, file] }
`);
  onTestFinished(async () => void (await sonde.stop('SIGKILL')));
  const readSent = (): [string, string][] => {
    const documents = documentsIn(join(sonde.folder, 'sent.jsonl'));
    return [...pointsOf(documents, 'victoria')].filter(([key]) => key.includes('"system.memory.usage"'));
  };
  await until('there are some collections', async () => readSent().length >= 12);
  const expected = new Set(
    readSent().map(([key, value]) => {
      const [, , , , , , attributes, , time] = JSON.parse(key) as [
        never,
        never,
        never,
        never,
        never,
        never,
        string[],
        never,
        string,
      ];
      const state = /"stringValue":"(\w+)"/.exec(attributes[0]!)![1];
      return `${state} ${BigInt(time) / 1_000_000n} ${value.split(' ')[1]}`;
    }),
  );
  await until('VictoriaMetrics holds them', async () => {
    await fetch(`${victoria.url}/internal/force_flush`);
    const response = await fetch(`${victoria.url}/api/v1/export?match[]={__name__="system.memory.usage"}`);
    const held = new Set(
      (await response.text())
        .split('\n')
        .filter((line) => line !== '')
        .flatMap((line) => {
          const { metric, values, timestamps } = JSON.parse(line) as {
            metric: Record<string, string>;
            values: number[];
            timestamps: number[];
          };
          return timestamps.map((time, i) => `${metric['system.memory.state']} ${time} ${values[i]}`);
        }),
    );
    return expected.isSubsetOf(held);
  });
}, 120_000);

test('What an application sends to the otlp receiver arrives in the Collector unchanged, by each protocol', async () => {
  const [grpc, http] = [await freePort(), await freePort()];
  const sonde = await startSonde(`
receivers:
  memory: {}
  otlp: { protocols: { grpc: { endpoint: 127.0.0.1:${grpc} }, http: { endpoint: 127.0.0.1:${http} } } }
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT }
  otlp: { endpoint: '${collector.httpEndpoint}' }
service:
  pipelines:
    metrics/own: { receivers: [memory], exporters: [prometheus] }
    metrics: { receivers: [otlp], exporters: [otlp] }
    logs: { receivers: [otlp], exporters: [otlp] }
    traces: { receivers: [otlp], exporters: [otlp] }
`);
  onTestFinished(async () => void (await sonde.stop('SIGKILL')));
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'application' } }] };
  const scope = { name: 'library', version: '1.2.3' };
  const attributes = [
    { key: 'text', value: { stringValue: 'a "b"\n☃' } },
    { key: 'int', value: { intValue: '9007199254740993' } },
    { key: 'double', value: { doubleValue: 1 } },
    { key: 'list', value: { arrayValue: { values: [{ boolValue: true }, {}] } } },
  ];
  const time = `${BigInt(Date.now()) * 1_000_000n}`;
  const metrics = {
    resourceMetrics: [
      {
        resource,
        scopeMetrics: [
          {
            scope,
            metrics: [
              {
                name: 'big',
                unit: 'By',
                sum: {
                  dataPoints: [
                    { startTimeUnixNano: '1', timeUnixNano: time, asInt: '9223372036854775807', attributes },
                  ],
                  aggregationTemporality: 2,
                  isMonotonic: true,
                },
              },
              {
                name: 'latency',
                unit: 's',
                histogram: {
                  dataPoints: [
                    {
                      startTimeUnixNano: '1',
                      timeUnixNano: time,
                      count: '3',
                      sum: 6,
                      bucketCounts: ['1', '1', '1'],
                      explicitBounds: [1, 2],
                      attributes,
                    },
                  ],
                  aggregationTemporality: 1,
                },
              },
            ],
          },
        ],
      },
    ],
  };
  const logs = {
    resourceLogs: [
      {
        resource,
        scopeLogs: [
          {
            scope,
            logRecords: [
              {
                timeUnixNano: time,
                observedTimeUnixNano: time,
                severityNumber: 9,
                severityText: 'INFO',
                body: { stringValue: 'hello' },
                attributes,
                eventName: 'greeting',
              },
            ],
          },
        ],
      },
    ],
  };
  const traces = {
    resourceSpans: [
      {
        resource,
        scopeSpans: [
          {
            scope,
            spans: [
              {
                traceId: '0af7651916cd43dd8448eb211c80319c',
                spanId: 'b7ad6b7169203331',
                name: 'work',
                kind: 1,
                startTimeUnixNano: time,
                endTimeUnixNano: time,
                attributes,
                status: {},
              },
            ],
          },
        ],
      },
    ],
  };
  const before = collector.received().length;
  for (const [signal, body] of Object.entries({ metrics, logs, traces })) {
    const response = await fetch(`http://127.0.0.1:${http}/v1/${signal}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(response.status, await response.text()).toBe(200);
  }
  await until('all three have arrived', async () => collector.received().length >= before + 3);
  const arrived = collector.received().slice(before);
  for (const body of [metrics, logs, traces]) {
    const key = Object.keys(body)[0]!;
    expect(arrived.find((document) => key in document)).toEqual(body);
  }
}, 120_000);
