import {
  Metadata,
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServiceError,
} from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import otlpExporter from '../../../exporters/otlp.ts';
import otlpReceiver from '../../../receivers/otlp.ts';
import { PermanentError, RetryableError, TooLargeError } from '../../../src/errors.ts';
import { encodeResponse, encodeStatus } from '../../../src/model/otlp/responses.ts';
import { createCertificates, type Certificates } from '../../support/certificates.ts';
import { runReceiver } from '../../support/collect.ts';
import { runExporter } from '../../support/exporter.ts';
import { createLogs, createSpans, createSums } from '../../support/telemetry.ts';
import { asRequest } from '../../support/request.ts';

const never = new AbortController().signal;
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

/** A receiver `otlp` that listens for gRPC on a free port. */
async function startBackEnd(options: Readonly<Record<string, unknown>> = {}) {
  const config = { protocols: { grpc: { endpoint: '127.0.0.1:0', ...options } } };
  const run = await runReceiver(otlpReceiver, { config });
  stops.push(() => run.stop());
  return { run, address: /[^ ]+$/.exec(run.said[0]!)![0] };
}

/** A server whose MetricsService answers as told. */
async function startAnswering(
  answer: (metadata: Metadata) => Uint8Array | Partial<ServiceError> | undefined,
): Promise<string> {
  const server = new Server();
  const identity = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
  const path = '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export';
  server.addService(
    {
      Export: {
        path,
        requestStream: false,
        responseStream: false,
        requestSerialize: identity,
        requestDeserialize: identity,
        responseSerialize: identity,
        responseDeserialize: identity,
      },
    },
    {
      Export(call: ServerUnaryCall<Uint8Array, Uint8Array>, reply: sendUnaryData<Uint8Array>) {
        const given = answer(call.metadata);
        if (given instanceof Uint8Array) reply(null, given);
        else if (given !== undefined) reply(given);
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  stops.push(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

function run(endpoint: string, config: Readonly<Record<string, unknown>> = {}) {
  const made = runExporter(otlpExporter, { endpoint, protocol: 'grpc', ...config });
  stops.push(() => made.exporter.stop?.());
  const send = async () =>
    made.exporter.send(asRequest(made.exporter.encode(createSums([1, 2]))[0]!), 'metrics', never);
  return { ...made, send };
}

async function errorOf(sending: Promise<unknown>): Promise<Error> {
  return await sending.then(
    () => expect.unreachable('the request succeeded'),
    (error: unknown) => error as Error,
  );
}

describe('otlp over gRPC', () => {
  test.each(['gzip', 'none'])('sends every signal with compression %s', async (compression) => {
    const { run: receiver, address } = await startBackEnd();
    const { exporter } = run(`http://${address}`, { compression });
    await exporter.start?.();
    const payloads = [createSums([1, 2]), createLogs('a'), createSpans('GET /')].map((batch) => ({
      signal: batch.signal,
      payload: exporter.encode(batch)[0]!,
    }));
    for (const { signal, payload } of payloads) await exporter.send(asRequest(payload), signal, never);
    expect(receiver.handedOver.map(({ signal, count }) => [signal, count])).toEqual([
      ['metrics', 2],
      ['logs', 1],
      ['traces', 1],
    ]);
    for (const [index, { payload }] of payloads.entries()) {
      expect(Buffer.from(receiver.handedOver[index]!.otlp!).equals(payload.body)).toBe(true);
    }
  });

  test('an endpoint without a scheme is without TLS where insecure is written', async () => {
    const { address } = await startBackEnd();
    expect(await run(address, { insecure: true }).send()).toEqual({});
  });

  test('headers and user agent go as metadata', async () => {
    let seen: Metadata | undefined;
    const address = await startAnswering((metadata) => {
      seen = metadata;
      return encodeResponse({ rejected: 0, message: '' });
    });
    const data = Buffer.from([1, 2, 255]);
    const headers = { 'X-Token': 'abc', 'x-data-bin': data.toString('base64') };
    await run(`http://${address}`, { headers }).send();
    expect(seen!.get('x-token')).toEqual(['abc']);
    expect(seen!.get('x-data-bin')).toEqual([data]);
    expect(seen!.get('user-agent')[0]).toMatch(/^sonde\/\S+ OTel-OTLP-Exporter-JavaScript\/\S+ grpc-node-js/);
  });

  test('start refuses a header that is none, without showing its value', async () => {
    const { exporter } = run('http://127.0.0.1:1', { headers: { 'x-key': 'hunter2\n' } });
    await expect(exporter.start!()).rejects.toThrow(/^Cannot use header "x-key": gRPC takes only printable ASCII$/);
  });

  test('reads a partial success, and takes an odd answer for success', async () => {
    const answers = [encodeResponse({ rejected: 2, message: 'too old' }), Buffer.from([0xff, 0xff])];
    const { send } = run(`http://${await startAnswering(() => answers.shift())}`);
    expect(await send()).toEqual({ rejected: 2, message: 'too old' });
    expect(await send()).toEqual({});
  });

  test('throws what a status means, with the wait of RetryInfo', async () => {
    const metadata = new Metadata();
    const details = encodeStatus({ code: status.RESOURCE_EXHAUSTED, message: '', retryAfter_ms: 1500 });
    metadata.set('grpc-status-details-bin', Buffer.from(details));
    const answers: Partial<ServiceError>[] = [
      { code: status.RESOURCE_EXHAUSTED, details: 'slow down', metadata },
      { code: status.RESOURCE_EXHAUSTED, details: 'quota' },
      { code: status.UNAUTHENTICATED, details: 'who?' },
    ];
    const { send } = run(`http://${await startAnswering(() => answers.shift())}`);
    expect(await errorOf(send())).toMatchObject({ name: 'RetryableError', retryAfter_ms: 1500 });
    expect(await errorOf(send())).toBeInstanceOf(PermanentError);
    expect(await errorOf(send())).toMatchObject({ name: 'PermanentError', message: expect.stringContaining('who?') });
  });

  test('a request over the limit of the server asks to be split', async () => {
    const { address } = await startBackEnd({ max_request_bytes: 50 });
    expect(await errorOf(run(`http://${address}`).send())).toBeInstanceOf(TooLargeError);
  });

  test('a server that is not there is retryable', async () => {
    const error = await errorOf(run('http://127.0.0.1:1').send());
    expect(error).toBeInstanceOf(RetryableError);
    expect(error.message).toContain('ECONNREFUSED');
  });

  test('an abort ends the call', async () => {
    const controller = new AbortController();
    const abort = (): undefined => {
      controller.abort();
    };
    const { exporter } = run(`http://${await startAnswering(abort)}`);
    const sending = exporter.send(asRequest(exporter.encode(createSums([1]))[0]!), 'metrics', controller.signal);
    expect(await errorOf(sending)).toBeInstanceOf(RetryableError);
    expect(
      await errorOf(exporter.send(asRequest({ body: new Uint8Array(), count: 0 }), 'metrics', controller.signal)),
    ).toBeInstanceOf(RetryableError);
  });
});

describe('otlp over gRPC with TLS', () => {
  let certificates: Certificates;
  beforeAll(() => {
    certificates = createCertificates();
  });
  afterAll(() => certificates.remove());

  test('trusts the authority it is given, for names and IP addresses, and no other', async () => {
    const { ca: ca_file, server, stranger } = certificates;
    const { address } = await startBackEnd({ tls: server });
    await run(`https://${address}`, { tls: { ca_file } }).send();
    await run(address.replace('127.0.0.1', 'localhost'), { tls: { ca_file } }).send();
    expect(await errorOf(run(`https://${address}`).send())).toBeInstanceOf(RetryableError);
    const imposter = await startBackEnd({ tls: stranger });
    expect(await errorOf(run(`https://${imposter.address}`, { tls: { ca_file } }).send())).toBeInstanceOf(
      RetryableError,
    );
    await run(`https://${imposter.address}`, { tls: { insecure_skip_verify: true } }).send();
  });

  test('refuses a certificate for another name or address', async () => {
    const { ca: ca_file, server } = certificates;
    const { address } = await startBackEnd({ tls: server });
    const named = run(`https://${address}`, { tls: { ca_file, server_name: 'example.com' } });
    expect((await errorOf(named.send())).message).toContain('example.com');
    await run(`https://${address}`, { tls: { ca_file, server_name: 'localhost' } }).send();
    const other = run(`https://${address.replace('127.0.0.1', '127.0.0.2')}`, { tls: { ca_file } });
    expect(await errorOf(other.send())).toBeInstanceOf(RetryableError);
  });

  test('shows its certificate where one is demanded', async () => {
    const { ca: ca_file, server, client, stranger } = certificates;
    const { address } = await startBackEnd({ tls: { ...server, client_ca_file: ca_file } });
    await run(`https://${address}`, { tls: { ca_file, ...client } }).send();
    expect(await errorOf(run(`https://${address}`, { tls: { ca_file } }).send())).toBeInstanceOf(RetryableError);
    expect(await errorOf(run(`https://${address}`, { tls: { ca_file, ...stranger } }).send())).toBeInstanceOf(
      RetryableError,
    );
  });
});
