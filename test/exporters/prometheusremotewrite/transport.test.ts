import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import prometheusremotewrite from '../../../exporters/prometheusremotewrite.ts';
import { createTransport, type Version } from '../../../exporters/prometheusremotewrite/transport.ts';
import type { Payload, SendResult } from '../../../src/component.ts';
import { createHttpSender } from '../../../src/delivery/http_sender.ts';
import { PermanentError, RefusedError, RetryableError, TooLargeError } from '../../../src/errors.ts';
import { Series } from '../../../src/model/batch.ts';
import { runExporter } from '../../support/exporter.ts';
import { startHttpBackEnd, type HttpBackEnd, type ReceivedRequest } from '../../support/http_back_end.ts';
import { metric, metricBatch, RESOURCE, SCOPE } from '../../support/processor.ts';
import { createRecordedLog } from '../../support/recorded_log.ts';
import { asRequest } from '../../support/request.ts';
import { readVersion1, readVersion2, uncompress } from './oracle.ts';

const never = new AbortController().signal;
let backEnd: HttpBackEnd;
const stops: (() => unknown)[] = [];
beforeEach(async () => {
  backEnd = await startHttpBackEnd();
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await backEnd[Symbol.asyncDispose]();
});

const layout = Array.from(
  { length: 10 },
  (_, n) => new Series(RESOURCE, SCOPE, metric('g', { kind: 'gauge' }), { n }, 0n),
);
const batch = metricBatch(
  layout,
  layout.map((_, n) => n),
);

function payloadOf(): Payload {
  return runExporter(prometheusremotewrite, { target_info: false }, ['metrics']).exporter.encode(batch)[0]!;
}

const isVersion2 = ({ headers }: ReceivedRequest): boolean => headers['content-type']!.includes('v2.Request');

const wrote = (samples: number, histograms = 0) => ({
  'x-prometheus-remote-write-samples-written': String(samples),
  'x-prometheus-remote-write-histograms-written': String(histograms),
});

/** How a back end behaves: one that knows 2.0, one that says no to it, and one that takes it for an empty 1.0. */
const BACK_ENDS: Readonly<Record<string, (request: ReceivedRequest, response: ServerResponse) => void>> = {
  new: (request, response) => response.writeHead(204, isVersion2(request) ? wrote(10) : {}).end(),
  'says 415': (request, response) => response.writeHead(isVersion2(request) ? 415 : 204).end(),
  'says 400': (request, response) => response.writeHead(isVersion2(request) ? 400 : 204).end(),
  'says nothing': (_, response) => response.writeHead(204).end(),
};

function create({
  protocol = 'auto',
  max_request_bytes = 1e6,
}: { protocol?: 'auto' | Version; max_request_bytes?: number } = {}) {
  const log = createRecordedLog();
  const clock = { now: 0 };
  const sender = () => createHttpSender({ compression: 'snappy', headers: {}, retriesServerErrors: true });
  const transport = createTransport({
    url: `${backEnd.url}/api/v1/write`,
    protocol,
    senders: { '2.0': sender(), '1.0': sender() },
    hasMetadata: true,
    max_request_bytes,
    log,
    now: () => clock.now,
  });
  stops.push(() => transport.stop());
  return {
    log,
    clock,
    send: (payload = payloadOf()) => transport.send(asRequest(payload), never),
    /** Versions of the requests since the last time. */
    versions: () => backEnd.requests.splice(0).map((request) => (isVersion2(request) ? '2.0' : '1.0')),
  };
}

const failure = (sent: Promise<SendResult>): Promise<unknown> => sent.catch((error: unknown) => error);

describe('the exporter', () => {
  test.each([
    ['2.0', 'application/x-protobuf;proto=io.prometheus.write.v2.Request', '2.0.0'],
    ['1.0', 'application/x-protobuf', '0.1.0'],
  ])('posts what %s demands', async (protocol, contentType, version) => {
    backEnd.answer = BACK_ENDS['new']!;
    const config = { protocol, endpoint: `${backEnd.url}/api/v1/write`, headers: { 'x-scope-orgid': 'me' } };
    const { exporter } = runExporter(prometheusremotewrite, config, ['metrics']);
    stops.push(() => exporter.stop!());
    for (const payload of exporter.encode(batch)) await exporter.send(asRequest(payload), 'metrics', never);
    const [request] = backEnd.requests;
    expect(request).toMatchObject({
      path: '/api/v1/write',
      headers: {
        'content-type': contentType,
        'content-encoding': 'snappy',
        'x-prometheus-remote-write-version': version,
        'user-agent': expect.stringMatching(/^sonde\//),
        'x-scope-orgid': 'me',
      },
    });
    const body = uncompress(request!.body);
    const read = protocol === '2.0' ? readVersion2(body) : readVersion1(body).series;
    expect(read.map(({ samples }) => samples[0]![0])).toEqual(layout.map((_, n) => n));
  });
});

describe('auto', () => {
  test('sends 2.0 to who knows it', async () => {
    backEnd.answer = BACK_ENDS['new']!;
    const { send, versions, log } = create();
    expect(await send()).toEqual({});
    expect(versions()).toEqual(['2.0']);
    expect(log.lines).toEqual([]);
  });

  test.each(['says 415', 'says 400', 'says nothing'])(
    'sends the same again as 1.0 to a back end that %s, remembers it, and tries 2.0 after ten minutes',
    async (behaviour) => {
      backEnd.answer = BACK_ENDS[behaviour]!;
      const { send, versions, log, clock } = create();
      expect(await send()).toEqual({});
      const [first, second] = backEnd.requests;
      const expected = readVersion2(uncompress(first!.body)).map(({ name, samples }) => [name, samples]);
      expect(readVersion1(uncompress(second!.body)).series.map(({ name, samples }) => [name, samples])).toEqual(
        expected,
      );
      expect(versions()).toEqual(['2.0', '1.0']);
      await send();
      clock.now = 599_999;
      await send();
      expect(versions()).toEqual(['1.0', '1.0']);
      clock.now = 600_000;
      await send();
      expect(versions()).toEqual(['2.0', '1.0']);
      backEnd.answer = BACK_ENDS['new']!;
      clock.now = 1_200_000;
      await send();
      expect(versions()).toEqual(['2.0']);
      expect(log.lines.map(({ message }) => message.replace(/:.*/, ''))).toEqual([
        'Sends by remote write 1.0, for the back end does not know 2.0',
        'Sends by remote write 2.0 again',
      ]);
    },
  );

  test('takes 400 from who knows 2.0 for what it is', async () => {
    backEnd.answer = BACK_ENDS['new']!;
    const { send, versions } = create();
    await send();
    backEnd.answer = (_, response) => response.writeHead(400).end('no');
    expect(await failure(send())).toBeInstanceOf(RefusedError);
    expect(versions()).toEqual(['2.0', '2.0']);
  });

  test('with 400 to both versions keeps to 2.0, and says what was said of 1.0', async () => {
    backEnd.answer = (request, response) => response.writeHead(400).end(isVersion2(request) ? 'two' : 'one');
    const { send, versions } = create();
    for (let turn = 0; turn < 2; turn++)
      expect(await failure(send())).toMatchObject({ message: expect.stringContaining('one') });
    expect(versions()).toEqual(['2.0', '1.0', '2.0', '1.0']);
  });

  test('repeats as 1.0 what could not be sent as that', async () => {
    let isDown = true;
    backEnd.answer = (request, response) => response.writeHead(isVersion2(request) ? 415 : isDown ? 503 : 204).end();
    const { send, versions } = create();
    expect(await failure(send())).toBeInstanceOf(RetryableError);
    isDown = false;
    await send();
    expect(versions()).toEqual(['2.0', '1.0', '1.0']);
  });
});

describe('2.0 alone', () => {
  test.each(['says 415', 'says nothing'])('is refused for good by a back end that %s', async (behaviour) => {
    backEnd.answer = BACK_ENDS[behaviour]!;
    const { send, versions } = create({ protocol: '2.0' });
    expect(await failure(send())).toBeInstanceOf(PermanentError);
    expect(versions()).toEqual(['2.0']);
  });
});

describe('an answer', () => {
  test.each([500, 501, 503, 599, 429])('%d means to try again', async (status) => {
    backEnd.answer = (_, response) => response.writeHead(status, { 'retry-after': '7' }).end();
    for (const protocol of ['2.0', '1.0'] as const) {
      const error = await failure(create({ protocol }).send());
      expect(error).toBeInstanceOf(RetryableError);
      expect((error as RetryableError).retryAfter_ms).toBe(7000);
    }
  });

  test.each([400, 401, 404, 409, 422])('%d means never, with the server’s words', async (status) => {
    backEnd.answer = (_, response) => response.writeHead(status).end('out of order sample');
    for (const protocol of ['2.0', '1.0'] as const) {
      const error = await failure(create({ protocol }).send());
      expect(error).toBeInstanceOf(RefusedError);
      expect((error as Error).message).toContain('out of order sample');
    }
  });

  test('that refuses what counts no points is only told', async () => {
    backEnd.answer = (_, response) => response.writeHead(400).end('out of order sample');
    const { body } = payloadOf();
    for (const protocol of ['2.0', '1.0'] as const) {
      const result = await create({ protocol }).send({ body, count: 0 });
      expect(result).toEqual({ message: expect.stringContaining('out of order sample') });
    }
  });

  test('413 means to send it in parts', async () => {
    backEnd.answer = (_, response) => response.writeHead(413).end();
    for (const protocol of ['2.0', '1.0'] as const) {
      expect(await failure(create({ protocol }).send())).toBeInstanceOf(TooLargeError);
    }
  });

  test.each([204, 400])('%d that says it wrote less means that the rest was refused', async (status) => {
    backEnd.answer = (_, response) => response.writeHead(status, wrote(7)).end('some are too old');
    expect(await create().send()).toEqual({
      rejected: 3,
      message: expect.stringContaining(status === 400 ? 'some are too old' : 'it wrote 7 of 10 samples'),
    });
  });

  test('400 that says it wrote all means that exemplars were refused', async () => {
    backEnd.answer = (_, response) => response.writeHead(400, wrote(10)).end('out of order exemplar');
    expect(await create().send()).toEqual({ message: expect.stringContaining('out of order exemplar') });
  });

  test('400 that says it wrote nothing is a refusal, not the sign of an old back end', async () => {
    backEnd.answer = (_, response) => response.writeHead(400, wrote(0)).end('no');
    const { send, versions } = create();
    expect(await failure(send())).toBeInstanceOf(RefusedError);
    expect(versions()).toEqual(['2.0']);
  });

  test('with numbers that are none counts as zero', async () => {
    backEnd.answer = (_, response) =>
      response.writeHead(204, { 'x-prometheus-remote-write-samples-written': 'many' }).end();
    expect(await create().send()).toMatchObject({ rejected: 10 });
  });

  test('of points that are several samples means the like share, and at least one', async () => {
    const of = new Series(RESOURCE, SCOPE, metric('h', { kind: 'histogram' }), {}, 0n);
    const point = { type: 'histogram', count: 1n, sum: 1, explicitBounds: [1, 2], bucketCounts: [1n, 0n, 0n] } as const;
    const { exporter } = runExporter(prometheusremotewrite, { target_info: false }, ['metrics']);
    const [payload] = exporter.encode(metricBatch([of], [NaN], { points: [point] }));
    backEnd.answer = (_, response) => response.writeHead(204, wrote(4)).end();
    expect(await create().send(payload)).toMatchObject({ rejected: 1 });
    backEnd.answer = (_, response) => response.writeHead(204, wrote(5)).end();
    expect(await create().send(payload)).toEqual({});
  });
});

describe.each(['2.0', '1.0'] as const)('a back end without native histograms, by %s,', (protocol) => {
  const none = { offset: 0, bucketCounts: [] };
  const native = new Series(RESOURCE, SCOPE, metric('native', { kind: 'exponential_histogram' }), {}, 0n);
  const point = {
    type: 'exponential_histogram',
    count: 1n,
    sum: 1,
    scale: 0,
    zeroCount: 1n,
    zeroThreshold: 0,
    positive: none,
    negative: none,
  } as const;
  const readAny = (body: Uint8Array) => (protocol === '2.0' ? readVersion2(body) : readVersion1(body).series);
  const encode = (of: typeof batch): Payload =>
    runExporter(prometheusremotewrite, { target_info: false }, ['metrics']).exporter.encode(of)[0]!;
  beforeEach(() => {
    backEnd.answer = ({ body }, response) => {
      const all = readAny(uncompress(body));
      if (all.some(({ histograms }) => histograms.length > 0)) {
        response.writeHead(500).end('native histograms are disabled');
      } else response.writeHead(204, wrote(all.length)).end();
    };
  });

  test('gets the rest, and the histograms are refused', async () => {
    const mixed = metricBatch([native, ...layout.slice(0, 2)], [NaN, 1, 2], { points: [point, undefined, undefined] });
    const result = await create({ protocol }).send(encode(mixed));
    expect(result.message).toContain('native histograms are disabled');
    expect(result.refused!.count).toBe(1);
    expect(readVersion2(result.refused!.body).map(({ labels }) => labels['__name__'])).toEqual(['native']);
    expect(readAny(uncompress(backEnd.requests.at(-1)!.body)).map(({ samples }) => samples[0]![0])).toEqual([1, 2]);
  });

  test('refuses what is nothing else for good', async () => {
    const alone = encode(metricBatch([native], [NaN], { points: [point] }));
    expect(await failure(create({ protocol }).send(alone))).toBeInstanceOf(PermanentError);
    expect(await create({ protocol }).send({ ...alone, count: 0 })).toEqual({
      message: expect.stringContaining('native_histograms: none'),
    });
  });
});

test('a request of 1.0, which is larger, is split to max_request_bytes', async () => {
  backEnd.answer = BACK_ENDS['says nothing']!;
  const whole = payloadOf();
  const { send } = create({ protocol: '1.0', max_request_bytes: whole.body.byteLength });
  expect(await failure(send(whole))).toBeInstanceOf(TooLargeError);
  const { exporter } = runExporter(prometheusremotewrite, {}, ['metrics']);
  for (const part of exporter.split!(whole, 'metrics')) expect(await send(part)).toEqual({});
});

test.each(['1.0', '2.0'] as const)(
  'a body that is no request is dropped, whatever the answer (%s)',
  async (protocol) => {
    backEnd.answer = (_, response) => response.writeHead(204, wrote(0)).end();
    const error = await failure(create({ protocol }).send({ body: Buffer.from('garbage'), count: 1 }));
    expect(error).toBeInstanceOf(PermanentError);
  },
);
