/** How the exporter says who it is, and which way it goes: the same options over HTTP and gRPC. */
import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import otlp from '../../../exporters/otlp.ts';
import { ConfigError, RetryableError } from '../../../src/errors.ts';
import { runExporter } from '../../support/exporter.ts';
import { startForwardProxy } from '../../support/forward_proxy.ts';
import { startHttpBackEnd } from '../../support/http_back_end.ts';
import { asRequest } from '../../support/request.ts';
import { createSums } from '../../support/telemetry.ts';

const never = new AbortController().signal;
const stops: (() => unknown)[] = [];
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sonde-auth-'));
});
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
  rmSync(folder, { recursive: true });
});

/** A back end that keeps the headers it was shown. */
interface BackEnd {
  readonly endpoint: string;
  readonly seen: Readonly<Record<string, unknown>>[];
}

async function startHttp(): Promise<BackEnd> {
  const backEnd = await startHttpBackEnd();
  stops.push(() => backEnd[Symbol.asyncDispose]());
  const seen: BackEnd['seen'] = [];
  backEnd.answer = ({ headers }, response) => {
    seen.push(headers);
    response.end();
  };
  return { endpoint: backEnd.url, seen };
}

async function startGrpc(): Promise<BackEnd> {
  const seen: BackEnd['seen'] = [];
  const server = new Server();
  const identity = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
  const serializers = { requestSerialize: identity, requestDeserialize: identity };
  const method = {
    ...serializers,
    path: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
    requestStream: false,
    responseStream: false,
    responseSerialize: identity,
    responseDeserialize: identity,
  };
  server.addService(
    { Export: method },
    {
      Export(call: ServerUnaryCall<Uint8Array, Uint8Array>, reply: sendUnaryData<Uint8Array>) {
        seen.push(call.metadata.getMap());
        reply(null, new Uint8Array());
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  stops.push(() => server.forceShutdown());
  return { endpoint: `http://127.0.0.1:${port}`, seen };
}

function run(config: Readonly<Record<string, unknown>>) {
  const { exporter } = runExporter(otlp, config);
  stops.push(() => exporter.stop?.());
  const send = async () => exporter.send(asRequest(exporter.encode(createSums([1]))[0]!), 'metrics', never);
  return { exporter, send };
}

const tokenFile = (text: string): string => {
  const path = join(folder, 'token');
  writeFileSync(path, text);
  return path;
};

describe.each([
  ['http/protobuf', startHttp],
  ['http/json', startHttp],
  ['grpc', startGrpc],
] as const)('otlp over %s', (protocol, startBackEnd) => {
  test.each([
    [{ basic: { username: 'me', password: 'pw' } }, 'authorization', 'Basic bWU6cHc='],
    [{ bearer: { token: 'abc' } }, 'authorization', 'Bearer abc'],
    [{ header: { name: 'X-API-Key', value: 'k' } }, 'x-api-key', 'k'],
    [{ header: { name: 'Authorization', value: 'k', prefix: 'Api-Key ' } }, 'authorization', 'Api-Key k'],
  ])('shows %j', async (auth, name, value) => {
    const { endpoint, seen } = await startBackEnd();
    const { exporter, send } = run({ endpoint, protocol, auth, headers: { 'x-tenant': 'a' } });
    await exporter.start?.();
    await send();
    expect(seen).toMatchObject([{ [name]: value, 'x-tenant': 'a' }]);
  });

  test('reads the file of a token again when it changes', async () => {
    const { endpoint, seen } = await startBackEnd();
    const { send } = run({ endpoint, protocol, auth: { bearer: { token_file: tokenFile('first\n') } } });
    await send();
    tokenFile('the second\n');
    await send();
    expect(seen.map(({ authorization }) => authorization)).toEqual(['Bearer first', 'Bearer the second']);
  });

  test('encodes nothing of it: what waits on disk holds no secret', async () => {
    const { endpoint } = await startBackEnd();
    const { exporter } = run({ endpoint, protocol, auth: { bearer: { token: 'hunter2' } }, headers: { a: 'hunter3' } });
    const bodies = exporter.encode(createSums([1])).map(({ body }) => Buffer.from(body).toString('latin1'));
    expect(bodies.join()).not.toMatch(/hunter/);
  });

  test.each([
    [{ bearer: { token_file: '/does/not/exist' } }, /^Cannot read "\/does\/not\/exist": ENOENT/],
    [{ bearer: { token: 'hunter2\n' } }, /^Cannot use auth\.bearer\.token: it is no header value$/],
    [
      { basic: { username: 'me', password: 'hunter2' }, bearer: { token: 'hunter2' } },
      /^Cannot use auth: it names 2 of/,
    ],
    [{}, /^Cannot use auth: it names 0 of/],
  ])('is not made with %j', (auth, message) => {
    expect(() => run({ protocol, auth })).toThrow(message);
  });
});

test('otlp over HTTP goes through its proxy, and with none past that of the environment', async () => {
  const { endpoint, seen } = await startHttp();
  await using proxy = await startForwardProxy();
  await run({ endpoint, proxy: proxy.url, auth: { bearer: { token: 'abc' } } }).send();
  expect(proxy.asked.map(({ what }) => what)).toEqual([`POST ${endpoint}/v1/metrics`]);
  await run({ endpoint, proxy: 'none' }).send();
  expect([proxy.asked.length, seen.length]).toEqual([1, 2]);
});

test.each(['http://proxy:3128', 'none'])('otlp over gRPC with proxy %s is an error of the configuration', (proxy) => {
  const make = (): unknown => run({ protocol: 'grpc', proxy });
  expect(make).toThrow(ConfigError);
  expect(make).toThrow('Cannot use a proxy: gRPC takes the one of the environment only');
});

test('otlp over gRPC does not start with a token that gRPC does not take, and waits while a renewed one is such', async () => {
  const { endpoint, seen } = await startGrpc();
  const inWords = 'Cannot use header "authorization": gRPC takes only printable ASCII';
  const french = run({ endpoint, protocol: 'grpc', auth: { bearer: { token: 'sésame' } } });
  await expect(french.exporter.start?.()).rejects.toThrow(inWords);
  const { exporter, send } = run({ endpoint, protocol: 'grpc', auth: { bearer: { token_file: tokenFile('sesame') } } });
  await exporter.start?.();
  tokenFile('sésame');
  const error = await send().then(
    () => undefined,
    (thrown: unknown) => thrown as Error,
  );
  expect(error).toBeInstanceOf(RetryableError);
  expect(error!.message).toBe(inWords);
  tokenFile('open sesame');
  await send();
  expect(seen.map(({ authorization }) => authorization)).toEqual(['Bearer open sesame']);
});
