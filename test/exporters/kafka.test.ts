import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsOptions } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import kafka from '../../exporters/kafka.ts';
import { PermanentError, RetryableError, TooLargeError } from '../../src/errors.ts';
import type { Batch } from '../../src/model/batch.ts';
import { decodeLogsJson } from '../../src/model/otlp/json.ts';
import { encodeLogs } from '../../src/model/otlp/encode_logs.ts';
import { lazyLogBatch } from '../../src/model/otlp/lazy_batch.ts';
import { countItems } from '../../src/model/otlp/requests.ts';
import { createCertificates, type Certificates } from '../support/certificates.ts';
import { runExporter, type ExporterRun } from '../support/exporter.ts';
import { freePort } from '../support/free_port.ts';
import { COMPRESSIONS } from '../support/kafka/records.ts';
import { startKafkaBroker, type BrokerOptions, type KafkaBroker } from '../support/kafka_broker.ts';
import { logBatch, logRecord } from '../support/processor.ts';
import { asRequest } from '../support/request.ts';
import { createLogs, createSpans, createSums } from '../support/telemetry.ts';

const soon = (): AbortSignal => AbortSignal.timeout(20_000);
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function startBroker(options: Partial<BrokerOptions> = {}): Promise<KafkaBroker> {
  const broker = await startKafkaBroker({ topics: { otlp_metrics: 2, otlp_logs: 2, otlp_spans: 1 }, ...options });
  ends.push(() => broker[Symbol.asyncDispose]());
  return broker;
}

async function start(brokers: string[], config: Readonly<Record<string, unknown>> = {}): Promise<ExporterRun> {
  const run = runExporter(kafka, { brokers, ...config });
  ends.push(() => run.exporter.stop!());
  await run.exporter.start!();
  return run;
}

async function sendAll({ exporter }: ExporterRun, batch: Batch, abort = soon()): Promise<void> {
  for (const payload of exporter.encode(batch)) await exporter.send(asRequest(payload), batch.signal, abort);
}

const failureOf = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => new Error('it was sent'),
    (error: Error) => error,
  );

describe('kafka', () => {
  test('sends each signal to the topic that the Collector would, with the id of the request', async () => {
    const broker = await startBroker();
    const run = await start([broker.address]);
    for (const batch of [createSums([1, 2]), createLogs('a'), createSpans('GET /')]) await sendAll(run, batch);
    const found = (['metrics', 'logs', 'spans'] as const).map((name) => broker.records(`otlp_${name}`));
    expect(found.map(({ length }) => length)).toEqual([1, 1, 1]);
    expect(found.flat().map(({ key }) => key)).toEqual([null, null, null]);
    for (const [{ headers }] of found) expect(headers['message-id']).toMatch(/^test-\d+$/);
    expect(found[1][0].value!.equals(encodeLogs(createLogs('a')))).toBe(true);
    expect(countItems(found[2][0].value!, 'traces')).toBe(1);
  });

  test.each(COMPRESSIONS)('a batch compressed with %s is read by others, checksum and all', async (compression) => {
    const broker = await startBroker();
    const run = await start([broker.address], { compression, topics: { logs: 'otlp_spans' } });
    const texts = ['a'.repeat(70_000), 'grüße 東京 🎉', '', ...Array.from({ length: 50 }, (_, i) => `line ${i % 7}`)];
    await sendAll(run, createLogs(...texts));
    const { batches } = broker.log('otlp_spans');
    expect(batches.map((batch) => batch.compression)).toEqual([compression]);
    expect(batches[0].records[0].value!.equals(encodeLogs(createLogs(...texts)))).toBe(true);
  });

  test('otlp_json sends JSON; what waits is protobuf, byte for byte as it came', async () => {
    const broker = await startBroker();
    const run = await start([broker.address], { encoding: 'otlp_json' });
    const bytes = encodeLogs(createLogs('a', 'b'));
    const [payload] = run.exporter.encode(lazyLogBatch(bytes, 2));
    expect(payload.body).toBe(bytes);
    await run.exporter.send(asRequest(payload), 'logs', soon());
    expect(decodeLogsJson(broker.records('otlp_logs')[0].value!).records.map(({ body }) => body)).toEqual(['a', 'b']);
  });

  test('one producer numbers its messages in each partition, which take turns', async () => {
    const broker = await startBroker();
    const run = await start([broker.address]);
    for (let i = 0; i < 4; i++) await sendAll(run, createSums([i]));
    const sequences = [0, 1].map((index) => broker.log('otlp_metrics', index).batches.map((one) => one.firstSequence));
    expect(sequences).toEqual([
      [0, 1],
      [0, 1],
    ]);
    expect(broker.requests.filter((api) => api === 'InitProducerId')).toHaveLength(1);
  });

  test('key splits by resource, and keeps a resource in one partition', async () => {
    const broker = await startBroker({ topics: { otlp_logs: 8 } });
    const run = await start([broker.address], { key: 'host.id' });
    const record = (host: string | undefined, body: string) =>
      logRecord(body, { resource: { attributes: host === undefined ? {} : { 'host.id': host }, schemaUrl: '' } });
    for (let round = 0; round < 3; round++) {
      await sendAll(run, logBatch([record('a', 'a'), record('b', 'b'), record(undefined, 'none'), record('a', 'a')]));
    }
    const keys = broker.records('otlp_logs').map(({ key }) => key);
    expect(Map.groupBy(keys, String)).toEqual(
      new Map([
        ['a', ['a', 'a', 'a']],
        ['b', ['b', 'b', 'b']],
        ['null', [null, null, null]],
      ]),
    );
    for (const key of ['a', 'b']) {
      const having = [...Array(8).keys()].filter((index) =>
        broker.log('otlp_logs', index).batches.some(({ records }) => records.some((one) => one.key === key)),
      );
      expect(having).toHaveLength(1);
    }
  });

  test('splits what is over max_request_bytes, and counts an item that alone is over it', async () => {
    const broker = await startBroker();
    const { exporter, dropped } = await start([broker.address], { max_request_bytes: 600 });
    const payloads = exporter.encode(createLogs('a', 'x'.repeat(1000), 'b'));
    expect(payloads.reduce((sum, { count }) => sum + count, 0)).toBe(2);
    expect([...dropped]).toEqual([['too_large', 1]]);
    expect(exporter.split!(payloads[0], 'logs').map(({ count }) => count)).toEqual([
      1,
      ...(payloads.length > 1 ? [] : [1]),
    ]);
  });

  test.each([
    [10, TooLargeError, 'MESSAGE_TOO_LARGE'],
    [18, TooLargeError, 'RECORD_LIST_TOO_LARGE'],
    [87, PermanentError, 'INVALID_RECORD'],
    [32, PermanentError, 'INVALID_TIMESTAMP'],
    [19, RetryableError, 'NOT_ENOUGH_REPLICAS'],
    [29, RetryableError, 'TOPIC_AUTHORIZATION_FAILED'],
    [76, RetryableError, 'UNSUPPORTED_COMPRESSION_TYPE'],
    [56, RetryableError, 'KAFKA_STORAGE_ERROR'],
  ])('the error code %d of a broker is a %o', async (code, kind, id) => {
    const broker = await startBroker();
    broker.fault = (api) => (api === 'Produce' ? code : undefined);
    const run = await start([broker.address]);
    const error = await failureOf(sendAll(run, createSums([1])));
    expect(error.constructor).toBe(kind);
    expect(error.message).toMatch(new RegExp(`^Cannot send to the topic "otlp_metrics": .+ \\(${id}\\)$`));
    broker.fault = () => undefined;
    await sendAll(run, createSums([1]));
    expect(broker.records('otlp_metrics')).toHaveLength(1);
  });

  test('a topic that is missing may be tried again, and is created where that was asked for', async () => {
    const broker = await startBroker({ topics: {} });
    broker.createsTopics = true;
    const run = await start([broker.address]);
    const error = await failureOf(sendAll(run, createSums([1])));
    expect(error).toBeInstanceOf(RetryableError);
    expect(error.message).toBe('Cannot send to the topic "otlp_metrics": Unknown topic otlp_metrics');
    await sendAll(await start([broker.address], { create_topics: true }), createSums([1]));
    expect(broker.records('otlp_metrics')).toHaveLength(1);
  });

  test('a message whose answer was lost is repeated with its number, and stored once', async () => {
    const broker = await startBroker({ topics: { otlp_metrics: 1 } });
    let losses = 1;
    broker.fault = (api, topic) => (api === 'Produce' && topic === 'answer' && losses-- > 0 ? 'cut after' : undefined);
    await sendAll(await start([broker.address]), createSums([1]));
    expect(broker.requests.filter((api) => api === 'Produce')).toHaveLength(2);
    expect(broker.records('otlp_metrics')).toHaveLength(1);
  });

  test('no answer in time may be tried again, by a new producer', async () => {
    const broker = await startBroker();
    broker.fault = (api) => (api === 'Produce' ? 'silent' : undefined);
    const run = await start([broker.address]);
    const abort = new AbortController();
    const failed = failureOf(sendAll(run, createSums([1]), abort.signal));
    await expect.poll(() => broker.requests).toContain('Produce');
    abort.abort();
    const error = await failed;
    expect(error).toEqual(new RetryableError('Cannot send to the topic "otlp_metrics": no answer in time'));
    broker.fault = () => undefined;
    await sendAll(run, createSums([2]));
    expect(broker.requests.filter((api) => api === 'InitProducerId')).toHaveLength(2);
    expect(run.log.lines.map(({ message }) => message)).toEqual([
      'No broker answers: no answer in time',
      'The brokers answer again',
    ]);
  });

  test('a broker that is away may be tried again, and is found when it is back', async () => {
    const port = await freePort();
    const run = await start([`127.0.0.1:${port}`]);
    const error = await failureOf(sendAll(run, createSums([1])));
    expect(error).toBeInstanceOf(RetryableError);
    expect(error.message).toMatch(/^Cannot send to the topic "otlp_metrics": connect ECONNREFUSED /);
    const back = await startBroker({ port });
    await sendAll(run, createSums([1]));
    back.cut();
    await sendAll(run, createSums([2]));
    expect(back.records('otlp_metrics')).toHaveLength(2);
  });

  test.each([
    { brokers: [] },
    { brokers: ['localhost'] },
    { topics: { metrics: 'a b' } },
    { topics: { metrics: '..' } },
    { topics: { spans: 'x' } },
    { compression: 'brotli' },
    { key: '' },
    { auth: {} },
    { auth: { plain: { username: 'a', password: 'b' }, oauthbearer: { token: 'c' } } },
  ])('refuses the options %j', (config) => {
    expect(() => runExporter(kafka, config)).toThrow();
  });
});

describe('kafka, to a broker that asks who is there', () => {
  const MECHANISMS = [
    ['PLAIN', 'plain'],
    ['SCRAM-SHA-256', 'scram_sha_256'],
    ['SCRAM-SHA-512', 'scram_sha_512'],
  ] as const;
  const login = (mechanism: string) => ({ mechanism, name: 'me', password: 'pässword, with=signs' });

  test.each(MECHANISMS)('%s with the right password, and with a wrong one', async (mechanism, way) => {
    const broker = await startBroker({ sasl: login(mechanism) });
    const withPassword = (password: string) =>
      start([broker.address], { auth: { [way]: { username: 'me', password } } });
    await sendAll(await withPassword('pässword, with=signs'), createSums([1]));
    expect(broker.records('otlp_metrics')).toHaveLength(1);
    const error = await failureOf(sendAll(await withPassword('wrong'), createSums([1])));
    expect(error).toBeInstanceOf(RetryableError);
    expect(error.message).toMatch(/SASL_AUTHENTICATION_FAILED|SASL authentication failed/);
    expect(error.message).not.toContain('wrong');
  });

  test('OAUTHBEARER shows the token that its file holds then', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sonde-kafka-'));
    ends.push(() => rmSync(folder, { recursive: true }));
    const token_file = join(folder, 'token');
    writeFileSync(token_file, 'old');
    const broker = await startBroker({ sasl: { mechanism: 'OAUTHBEARER', name: 'lkc-1', password: 'e.y.J' } });
    const run = await start([broker.address], {
      auth: { oauthbearer: { token_file, extensions: { logicalCluster: 'lkc-1' } } },
    });
    expect(await failureOf(sendAll(run, createSums([1])))).toBeInstanceOf(RetryableError);
    writeFileSync(token_file, 'e.y.J\n');
    await sendAll(run, createSums([1]));
    expect(broker.records('otlp_metrics')).toHaveLength(1);
  });

  test('a mechanism that the broker does not have may be tried again', async () => {
    const broker = await startBroker({ sasl: login('SCRAM-SHA-512') });
    const run = await start([broker.address], { auth: { plain: { username: 'me', password: 'x' } } });
    const error = await failureOf(sendAll(run, createSums([1])));
    expect(error).toBeInstanceOf(RetryableError);
    expect(error.message).toContain('UNSUPPORTED_SASL_MECHANISM');
  });

  describe('by TLS', () => {
    let certificates: Certificates;
    beforeAll(() => {
      certificates = createCertificates();
    });
    afterAll(() => certificates.remove());
    /** Names that were asked for in handshakes (SNI). */
    const asked: string[] = [];
    const startTls = (isMutual: boolean): Promise<KafkaBroker> => {
      asked.length = 0;
      const SNICallback: TlsOptions['SNICallback'] = (name, use) => (asked.push(name), use(null));
      const { ca, server } = certificates;
      const own = { cert: readFileSync(server.cert_file), key: readFileSync(server.key_file), SNICallback };
      return startBroker({
        tls: { ...own, ca: readFileSync(ca), requestCert: isMutual, rejectUnauthorized: isMutual },
      });
    };

    test('knows the broker by its authority and its name', async () => {
      const broker = await startTls(false);
      const { ca } = certificates;
      const send = async (tls: object | undefined, address = broker.address) =>
        failureOf(sendAll(await start([address], { tls }), createSums([1])));
      expect((await send({ ca_file: ca })).message).toBe('it was sent');
      expect((await send({ ca_file: ca }, broker.address.replace('127.0.0.1', 'localhost'))).message).toBe(
        'it was sent',
      );
      expect((await send({ ca_file: ca, server_name: 'localhost' })).message).toBe('it was sent');
      expect((await send({ ca_file: ca, server_name: 'elsewhere' })).message).toMatch(/altnames/);
      expect((await send({})).message).toMatch(/unable to verify|self-signed|issuer/);
      expect((await send(undefined)).message).toMatch(/TLS|closed/);
      expect((await send({ insecure_skip_verify: true })).message).toBe('it was sent');
      expect(broker.records('otlp_metrics')).toHaveLength(4);
      // An address is never asked for, though the broker tells its address.
      expect(new Set(asked)).toEqual(new Set(['localhost', 'elsewhere']));
    }, 20_000);

    test('reads its certificate anew for each connection, and uses the old one where the files are half written', async () => {
      const broker = await startTls(true);
      const { ca, client, stranger, folder } = certificates;
      const files = { cert_file: join(folder, 'changing.pem'), key_file: join(folder, 'changing.key') };
      const use = ({ cert_file, key_file }: typeof files): void => {
        writeFileSync(files.cert_file, readFileSync(cert_file));
        writeFileSync(files.key_file, readFileSync(key_file));
      };
      use(stranger);
      const run = await start([broker.address], { tls: { ca_file: ca, ...files } });
      expect(await failureOf(sendAll(run, createSums([1])))).toBeInstanceOf(RetryableError);
      use(client);
      await sendAll(run, createSums([2]));
      writeFileSync(files.cert_file, '-----BEGIN CERTIFICATE-----\nhalf');
      broker.cut();
      await sendAll(run, createSums([3]));
      expect(broker.records('otlp_metrics')).toHaveLength(2);
    });

    test('is known by its own certificate', async () => {
      const broker = await startTls(true);
      const { ca, client, stranger } = certificates;
      await sendAll(await start([broker.address], { tls: { ca_file: ca, ...client } }), createSums([1]));
      const refused = await failureOf(
        sendAll(await start([broker.address], { tls: { ca_file: ca, ...stranger } }), createSums([1])),
      );
      expect(refused).toBeInstanceOf(RetryableError);
      expect(broker.records('otlp_metrics')).toHaveLength(1);
      await expect(start([broker.address], { tls: { ca_file: join(certificates.folder, 'none') } })).rejects.toThrow(
        /^Cannot read /,
      );
    });
  });
});
