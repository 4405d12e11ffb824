/** OTLP from agent to agent over a real JetStream, which is killed meanwhile, shared, filled up and protected. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import natsExporter from '../../exporters/nats.ts';
import natsReceiver from '../../receivers/nats.ts';
import { RetryableError, TooLargeError } from '../../src/errors.ts';
import { createStage, makeAgent, records, type AgentRun, type Stage } from '../support/agent.ts';
import { createCertificates, type Certificates } from '../support/certificates.ts';
import { runReceiver } from '../support/collect.ts';
import { runExporter } from '../support/exporter.ts';
import { asRequest } from '../support/request.ts';
import { createLogs, createSums } from '../support/telemetry.ts';
import { freePort } from '../support/free_port.ts';
import {
  administrate,
  createNatsPlace,
  removeNatsPlace,
  startNats,
  type NatsAdministrator,
  type NatsPlace,
  type NatsServer,
} from './nats_server.ts';
import { oddLogs, oddMetrics, oddTraces } from './odd_telemetry.ts';
import { startSonde, until, type Server } from './servers.ts';

let place: NatsPlace;
let server: NatsServer;
let admin: NatsAdministrator;
beforeEach(async () => {
  place = await createNatsPlace();
});
afterEach(async () => {
  await admin?.connection.close();
  await server?.stop('SIGKILL');
  removeNatsPlace(place);
});

async function start(settings = ''): Promise<void> {
  server = await startNats(place, settings);
  admin = await administrate(server);
}

const soon = (): AbortSignal => AbortSignal.timeout(20_000);
const quick = { retry: { initial: '50ms', max: '200ms' } };

/** An agent that publishes the records that its receiver `pushed` is handed. */
async function startSender(
  config: object = {},
): Promise<{ run: AgentRun; push: (...bodies: number[]) => Promise<void> }> {
  const stage = createStage();
  const run = makeAgent(
    {
      receivers: { pushed: {} },
      exporters: { nats: { servers: [server.url], create_stream: {}, ...quick, ...config } },
      pipelines: { logs: { receivers: ['pushed'], exporters: ['nats'] } },
    },
    { receivers: stage.receivers, processors: [], exporters: [natsExporter] },
  );
  await run.agent.start();
  const { logs } = stage.pushed.get('pushed')!.next;
  return { run, push: async (...bodies) => logs!.consume(records(...bodies)) };
}

interface Taker {
  readonly run: AgentRun;
  readonly stage: Stage;
  arrived(): string[];
}

/** An agent that takes records from the stream and hands them to the exporter `sink`. */
async function startTaker(config: object = {}): Promise<Taker> {
  const stage = createStage();
  const run = makeAgent(
    {
      receivers: { nats: { servers: [server.url], ...config } },
      exporters: { sink: {} },
      pipelines: { logs: { receivers: ['nats'], exporters: ['sink'] } },
    },
    { receivers: [natsReceiver], processors: [], exporters: stage.exporters },
  );
  await run.agent.start();
  return { run, stage, arrived: () => stage.arrived.get('sink')! };
}

const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => String(from + index));
const sorted = (texts: readonly string[]): string[] => texts.toSorted((a, b) => Number(a) - Number(b));
const hasAll =
  (count: number, ...takers: readonly Taker[]) =>
  async (): Promise<boolean> =>
    new Set(takers.flatMap((taker) => taker.arrived())).size >= count;

describe('nats, from agent to agent', () => {
  test('every signal arrives as it was sent, odd names and values too, by the command as users run it', async () => {
    await start();
    const files =
      'file/metrics: { path: metrics.jsonl }, file/logs: { path: logs.jsonl }, file/traces: { path: traces.jsonl }';
    const pipelines = (receiver: string, exporter: (signal: string) => string): string =>
      ['metrics', 'logs', 'traces']
        .map((signal) => `    ${signal}: { receivers: [${receiver}], exporters: [${exporter(signal)}] }`)
        .join('\n');
    const page = 'metrics/page: { receivers: [self], exporters: [prometheus] }';
    const taker = await startSonde(`
receivers: { self: {}, nats: { servers: ['${server.url}'] } }
exporters: { prometheus: { endpoint: 127.0.0.1:PORT }, ${files} }
service:
  pipelines:
    ${page}
${pipelines('nats', (signal) => `file/${signal}`)}
`);
    onTestFinished(async () => void (await taker.stop('SIGKILL')));
    const port = await freePort();
    const sender = await startSonde(`
receivers: { self: {}, otlp: { protocols: { http: { endpoint: 127.0.0.1:${port} } } } }
exporters: { prometheus: { endpoint: 127.0.0.1:PORT }, nats: { servers: ['${server.url}'], create_stream: {} }, ${files} }
service:
  pipelines:
    ${page}
${pipelines('otlp', (signal) => `nats, file/${signal}`)}
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
      // The sender's own file is written beside what it publishes, in no order with it.
      await until(`${path} have arrived`, async () =>
        [sender, taker].every(({ folder }) => read(folder).endsWith('\n')),
      );
      expect(read(taker.folder)).toBe(read(sender.folder));
      expect(read(taker.folder).length).toBeGreaterThan(500);
    }
    expect(await sender.stop()).toBe(0);
    expect(await taker.stop()).toBe(0);
  }, 120_000);

  test('a server that is killed in the middle, twice, costs nothing', async () => {
    await start();
    const sender = await startSender();
    const taker = await startTaker({ ack_wait: '2s' });
    let sent = 0;
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 100; i++) await sender.push(sent++);
      if (round === 2) break;
      await until('some have arrived', async () => taker.arrived().length > sent - 100);
      await admin.connection.close();
      await server.stop('SIGKILL');
      for (let i = 0; i < 20; i++) await sender.push(sent++);
      await start();
    }
    await until('all have arrived', hasAll(sent, taker), 60_000);
    expect(sorted([...new Set(taker.arrived())])).toEqual(numbers(0, sent));
    await until('all is sent', async () => sender.run.figures('nats').sent === sent);
    const { accepted, dropped, queued } = sender.run.figures('nats');
    expect([accepted, queued, [...dropped]]).toEqual([sent, 0, []]);
    // Each publication has its id: none is in the stream twice, though a kill may have swallowed its acknowledgement.
    const { state } = await admin.manager.streams.info('OTEL');
    expect(state.messages).toBe(sent);
    await until(
      'all is acknowledged',
      async () => (await admin.manager.consumers.info('OTEL', 'sonde')).num_ack_pending === 0,
    );
    const figures = taker.run.figures('nats', 'logs');
    expect(figures.accepted).toBe(taker.run.figures('sink', 'logs').accepted);
    expect([...figures.dropped]).toEqual([]);
  }, 120_000);

  test('a server that was killed and forgot what it delivered is told again, and the messages are taken once', async () => {
    await start();
    const sender = await startSender();
    const held = Promise.withResolvers<void>();
    let taken = 0;
    const next = { consume: async ({ count }: { count: number }) => ((taken += count), held.promise) };
    const run = await runReceiver(natsReceiver, {
      config: { servers: [server.url], batch: 8 },
      next: { metrics: undefined, logs: next, traces: undefined },
    });
    onTestFinished(() => run.stop());
    for (let i = 0; i < 20; i++) await sender.push(i);
    await until('as many as may be are under way', async () => taken === 8);
    await admin.connection.close();
    await server.stop('SIGKILL');
    // The server writes the state of a consumer some time after it has changed; so it is where it wrote none yet.
    rmSync(join(place.store, 'jetstream', '$G', 'streams', 'OTEL', 'obs', 'sonde', 'o.dat'), { force: true });
    await start();
    expect((await admin.manager.consumers.info('OTEL', 'sonde')).delivered.stream_seq).toBe(0);
    held.resolve();
    const done = async (): Promise<boolean> =>
      (await admin.manager.consumers.info('OTEL', 'sonde')).ack_floor.stream_seq === 20;
    // What the server forgot it does not confirm: that is given up after 5 s, and told anew when it is delivered again.
    await until('all are acknowledged', done, 60_000);
    expect(taken).toBe(20);
  }, 120_000);

  test('a receiving agent that is killed, with its queue on disk, loses nothing that it has acknowledged', async () => {
    await start();
    const folder = mkdtempSync(join(tmpdir(), 'sonde-taker-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const sender = await startSender();
    const file = join(folder, 'taken.jsonl');
    const arrived = (): string[] =>
      [...(existsSync(file) ? readFileSync(file, 'utf8') : '').matchAll(/"body":\{"stringValue":"(\d+)"\}/g)].map(
        ([, number]) => number,
      );
    const startKilled = (): Promise<Server> =>
      startSonde(`
receivers: { self: {}, nats: { servers: ['${server.url}'], ack_wait: 1s } }
exporters:
  prometheus: { endpoint: 127.0.0.1:PORT }
  file: { path: '${file}', queue: { storage: disk, directory: '${folder}/queue' } }
service:
  pipelines:
    metrics: { receivers: [self], exporters: [prometheus] }
    logs: { receivers: [nats], exporters: [file] }
`);
    let sent = 0;
    for (let round = 0; round < 4; round++) {
      const taker = await startKilled();
      onTestFinished(async () => void (await taker.stop('SIGKILL')));
      const target = arrived().length;
      for (let i = 0; i < 200; i++) await sender.push(sent++);
      if (round === 3) break;
      await until('some have arrived', async () => arrived().length > target + 20);
      await taker.stop('SIGKILL');
    }
    await until('all have arrived', async () => new Set(arrived()).size === sent, 60_000);
    expect(sorted([...new Set(arrived())])).toEqual(numbers(0, sent));
  }, 120_000);

  test('the stream drops what is published again', async () => {
    await start();
    const { exporter } = runExporter(natsExporter, { servers: [server.url], create_stream: {} });
    onTestFinished(() => exporter.stop!());
    await exporter.start!();
    const request = asRequest(exporter.encode(createLogs('a'))[0]);
    for (let i = 0; i < 3; i++) await exporter.send(request, 'logs', soon());
    expect((await admin.manager.streams.info('OTEL')).state.messages).toBe(1);
    const again = await admin.client.publish('otel.logs', 'x', { msgID: request.id });
    expect(again.duplicate).toBe(true);
  });

  test('a receiver that is started again goes on where it was; nothing arrives twice', async () => {
    await start();
    const sender = await startSender();
    const first = await startTaker();
    for (let i = 0; i < 50; i++) await sender.push(i);
    await until('half has arrived', hasAll(25, first));
    await first.run.agent.stop();
    for (let i = 50; i < 100; i++) await sender.push(i);
    const second = await startTaker();
    await until('all have arrived', hasAll(100, first, second));
    expect(sorted([...first.arrived(), ...second.arrived()])).toEqual(numbers(0, 100));
  });

  test('a receiver that is stopped while messages flow gives back those on their way: they need not wait for ack_wait', async () => {
    await start();
    const sender = await startSender();
    const takers: Taker[] = [];
    let sent = 0;
    for (let round = 0; round < 10; round++) {
      const taker = await startTaker({ ack_wait: '10m' });
      takers.push(taker);
      const pushing = (async () => {
        for (let i = 0; i < 100; i++) await sender.push(sent++);
      })();
      await until('more have arrived', async () => taker.arrived().length > 20);
      await taker.run.agent.stop();
      await pushing;
    }
    takers.push(await startTaker({ ack_wait: '10m' }));
    await until('all have arrived', hasAll(sent, ...takers));
    expect(sorted(takers.flatMap((taker) => taker.arrived()))).toEqual(numbers(0, sent));
  });

  test('receivers of one consumer share the messages; those of another have them all', async () => {
    await start();
    const sender = await startSender();
    await until('the stream is there', async () => (await admin.manager.streams.info('OTEL')) !== undefined);
    const [a, b] = [await startTaker({ batch: 4 }), await startTaker({ batch: 4 })];
    const alone = await startTaker({ durable: 'other' });
    // They connect behind their start; who comes too late finds nothing left to share.
    await until(
      'both wait for messages',
      async () => (await admin.manager.consumers.info('OTEL', 'sonde')).num_waiting === 2,
    );
    for (let i = 0; i < 200; i++) await sender.push(i);
    await until('all have arrived', async () => (await hasAll(200, a, b)()) && (await hasAll(200, alone)()));
    expect(sorted([...a.arrived(), ...b.arrived()])).toEqual(numbers(0, 200));
    expect(alone.arrived()).toEqual(numbers(0, 200));
    expect(Math.min(a.arrived().length, b.arrived().length)).toBeGreaterThan(20);
  });

  test('a pipeline that is slower than ack_wait gets each message once', async () => {
    await start();
    const sender = await startSender();
    const held = Promise.withResolvers<void>();
    const taken: number[] = [];
    const next = { consume: async ({ count }: { count: number }) => (taken.push(count), held.promise) };
    const config = { servers: [server.url], ack_wait: '3s' };
    const run = await runReceiver(natsReceiver, {
      config,
      next: { metrics: undefined, logs: next, traces: undefined },
    });
    onTestFinished(() => run.stop());
    await sender.push(1, 2);
    await until('it is there', async () => taken.length > 0);
    // Three times the wait, of which a process that gets no time for 2 s takes none: the server gives it to nobody else, and
    // not again.
    const seen = (await admin.manager.consumers.info('OTEL', 'sonde')).delivered.consumer_seq;
    await new Promise((resolve) => setTimeout(resolve, 9000));
    const meanwhile = await admin.manager.consumers.info('OTEL', 'sonde');
    expect([meanwhile.delivered.consumer_seq, meanwhile.num_ack_pending]).toEqual([seen, 1]);
    held.resolve();
    await until(
      'it is acknowledged',
      async () => (await admin.manager.consumers.info('OTEL', 'sonde')).num_ack_pending === 0,
    );
    expect(taken).toEqual([2]);
  });

  test('a message that a pipeline cannot take comes again, one that is nonsense never', async () => {
    await start();
    const sender = await startSender();
    let calls = 0;
    const next = {
      consume: () => (++calls < 3 ? Promise.reject(new RetryableError('full', { retryAfter_ms: 50 })) : undefined),
    };
    const config = { servers: [server.url] };
    const run = await runReceiver(natsReceiver, {
      config,
      next: { metrics: undefined, logs: next, traces: undefined },
    });
    onTestFinished(() => run.stop());
    await sender.push(1);
    await until('it was taken at last', async () => calls === 3);
    await admin.client.publish('otel.logs', 'nonsense');
    await until('it is refused', async () => run.dropped.get('undecodable') === 1);
    await until(
      'nothing is open',
      async () => (await admin.manager.consumers.info('OTEL', 'sonde')).num_ack_pending === 0,
    );
    expect(calls).toBe(3);
  });
});

describe('nats, at the limits of a server', () => {
  test('what is over max_payload is split until it fits', async () => {
    await start('max_payload: 4096');
    const sender = await startSender({ compression: 'none' });
    const taker = await startTaker();
    await sender.push(...Array.from({ length: 500 }, (_, index) => index));
    await until('all have arrived', hasAll(500, taker));
    expect(taker.arrived()).toEqual(numbers(0, 500));
    expect((await admin.manager.streams.info('OTEL')).state.messages).toBeGreaterThan(3);
  });

  test('a full stream refuses, and takes again when there is room; its own limit of a message asks to be split', async () => {
    await start();
    await admin.manager.streams.add({
      name: 'OTEL',
      subjects: ['otel.>'],
      max_msgs: 1,
      discard: 'new',
      max_msg_size: 1000,
    });
    const { exporter } = runExporter(natsExporter, { servers: [server.url], compression: 'none' });
    onTestFinished(() => exporter.stop!());
    await exporter.start!();
    const send = async (text: string): Promise<void> =>
      void (await exporter.send(asRequest(exporter.encode(createLogs(text))[0]), 'logs', soon()));
    await send('a');
    await expect(send('b')).rejects.toThrow(
      new RetryableError('Cannot publish to "otel.logs": maximum messages exceeded (10077)'),
    );
    await expect(send('x'.repeat(1000))).rejects.toThrow(TooLargeError);
    await admin.manager.streams.purge('OTEL');
    await send('b');
  });

  test('no stream, another stream, no JetStream: each may be tried again, and the words say what is wrong', async () => {
    await start(`accounts: { NONE: { users: [{ user: none, password: none }] }, ALL: { jetstream: enabled, users: [{ user: all, password: all }] } }
      no_auth_user: all`);
    const failure = async (config: object): Promise<Error> => {
      const { exporter } = runExporter(natsExporter, { servers: [server.url], ...config });
      onTestFinished(() => exporter.stop!());
      await exporter.start!();
      const sent = exporter.send(asRequest(exporter.encode(createSums([1]))[0]), 'metrics', soon());
      return Promise.resolve(sent).then(
        () => new Error('it was sent'),
        (error: Error) => error,
      );
    };
    const nobody = new RetryableError(
      'Cannot publish to "otel.metrics": no stream takes this subject, or the account has no JetStream',
    );
    expect(await failure({})).toEqual(nobody);
    expect(await failure({ auth: { user: { username: 'none', password: 'none' } } })).toEqual(nobody);
    await admin.manager.streams.add({ name: 'OTHER', subjects: ['otel.>'] });
    expect(await failure({})).toEqual(
      new RetryableError('Cannot publish to "otel.metrics": another stream than "OTEL" takes it (10060)'),
    );
  });
});

describe('nats, to a server that asks who is there', () => {
  let certificates: Certificates;
  beforeAll(() => {
    certificates = createCertificates();
  });
  afterAll(() => certificates.remove());

  /** Undefined where it was sent. */
  async function send(config: object): Promise<string | undefined> {
    const { exporter, log } = runExporter(natsExporter, { servers: [server.url], ...config });
    onTestFinished(() => exporter.stop!());
    await exporter.start!();
    const over = new AbortController();
    const sent = Promise.resolve(
      exporter.send(asRequest(exporter.encode(createSums([1]))[0]), 'metrics', over.signal),
    ).finally(() => over.abort());
    const [result] = await Promise.allSettled([
      sent,
      // It tries to connect for ever: once it has said why it cannot, nothing else is waited for.
      until(
        'it was sent or says why not',
        async () => over.signal.aborted || log.lines.some(({ message }) => message.startsWith('Cannot connect')),
      ).finally(() => over.abort()),
    ]);
    if (result.status === 'fulfilled') return undefined;
    return `${(result.reason as Error).message} ${log.lines.map(({ message }) => message).join(' ')}`;
  }

  const tls = (more = ''): string =>
    `tls { cert_file: "${certificates.server.cert_file}", key_file: "${certificates.server.key_file}"${more} }`;

  test('by name, key or JWT, and with the rights of each', async () => {
    const user = nkeys.createUser();
    const allow = 'permissions: { publish: { deny: ["otel.metrics"] } }';
    server = await startNats(
      place,
      `authorization: { users: [
        { user: admin, password: admin },
        { user: me, password: "s3cret w" },
        { user: barred, password: b, ${allow} },
        { nkey: ${user.getPublicKey()} } ] }`,
    );
    admin = await administrate(server, { user: 'admin', pass: 'admin' });
    await admin.manager.streams.add({ name: 'OTEL', subjects: ['otel.>'] });
    const seed_file = join(place.store, 'seed');
    writeFileSync(seed_file, user.getSeed());
    expect(await send({ auth: { user: { username: 'me', password: 's3cret w' } } })).toBeUndefined();
    expect(await send({ auth: { nkey: { seed_file } } })).toBeUndefined();
    expect(await send({ auth: { user: { username: 'me', password: 'wrong' } } })).toMatch(
      /Cannot connect to .*Authorization/,
    );
    expect(await send({})).toMatch(/Cannot connect to .*Authorization/);
    const barred = await send({ auth: { user: { username: 'barred', password: 'b' } } });
    expect(barred).toMatch(
      /^Cannot publish to "otel.metrics": the server does not permit it \('?Permissions Violation/i,
    );
  });

  test('the rights that the documents name are enough', async () => {
    const sending = 'publish: ["otel.>", "$JS.API.STREAM.INFO.OTEL", "$JS.API.STREAM.CREATE.OTEL"]';
    const taking = `publish: ["$JS.API.CONSUMER.*.OTEL.>", "$JS.API.CONSUMER.DURABLE.CREATE.OTEL.>",
      "$JS.API.CONSUMER.MSG.NEXT.OTEL.>", "$JS.ACK.OTEL.>"]`;
    server = await startNats(
      place,
      `authorization: { users: [
        { user: sender, password: s, permissions: { ${sending}, subscribe: "mine.>" } },
        { user: taker, password: t, permissions: { ${taking}, subscribe: "_INBOX.>" } } ] }`,
    );
    const auth = (username: string, password: string) => ({ auth: { user: { username, password } } });
    expect(await send({ ...auth('sender', 's'), create_stream: {}, inbox_prefix: 'mine.inbox' })).toBeUndefined();
    const config = { servers: [server.url], ...auth('taker', 't') };
    const one = await runReceiver(natsReceiver, { config });
    onTestFinished(() => one.stop());
    await until('it has arrived', async () => one.handedOver.length === 1);
    const metrics = { consume: () => undefined };
    const next = { metrics, logs: undefined, traces: undefined };
    const again = await runReceiver(natsReceiver, { config: { ...config, durable: 'other', ack_wait: '5s' }, next });
    onTestFinished(() => again.stop());
    await until('nothing is complained of', async () => again.said.length > 0);
    expect([...one.said, ...again.said].filter((said) => !said.startsWith('info Connected'))).toEqual([]);
  });

  test('by a file of credentials', async () => {
    const { settings, credentials } = createOperator();
    server = await startNats(place, settings);
    const file = join(place.store, 'user.creds');
    writeFileSync(file, credentials);
    expect(await send({ auth: { credentials: { file } }, create_stream: {} })).toBeUndefined();
    expect(await send({ create_stream: {} })).toMatch(/Cannot connect to .*Authorization/);
  });

  test('by TLS, on both sides, and first', async () => {
    const { ca, client, stranger } = certificates;
    const mutual = { ca_file: ca, ...client };
    const options = { tls: { caFile: ca, certFile: client.cert_file, keyFile: client.key_file } };
    server = await startNats(place, tls(`, ca_file: "${ca}", verify: true`));
    admin = await administrate(server, options);
    await admin.manager.streams.add({ name: 'OTEL', subjects: ['otel.>'] });
    expect(await send({ tls: mutual })).toBeUndefined();
    expect(await send({ tls: { ...mutual, server_name: 'localhost' } })).toBeUndefined();
    expect(await send({ tls: { ...mutual, server_name: 'elsewhere' } })).toMatch(/Cannot connect to .*altnames/);
    expect(await send({ tls: { ca_file: ca, ...stranger } })).toMatch(/Cannot connect to /);
    expect(await send({ tls: { ca_file: ca } })).toMatch(/Cannot connect to /);
    expect(await send({ tls: client })).toMatch(/Cannot connect to .*(unable to verify|self-signed|issuer)/);
    await admin.connection.close();
    await server.stop('SIGKILL');

    server = await startNats(place, tls(', handshake_first: true'));
    expect(await send({ tls: { ca_file: ca }, tls_first: true })).toBeUndefined();
    await server.stop('SIGKILL');

    // The certificate is for localhost and 127.0.0.1: nothing is believed that comes from elsewhere.
    server = await startNats({ ...place, host: '127.0.0.2' }, tls());
    expect(await send({ tls: { ca_file: ca } })).toMatch(/Cannot connect to .*127\.0\.0\.2 is not in the cert/);
    await server.stop('SIGKILL');

    server = await startNats(place);
    expect(await send({ tls: { ca_file: ca } })).toMatch(/Cannot connect to .*does not support 'tls'/);
    expect(await send({ servers: [server.url.replace('nats:', 'tls:')] })).toMatch(/does not support 'tls'/);
    expect(await send({})).toBeUndefined();
  });
});

/** An operator with an account that has JetStream, and a user of it (nats-docs, "JWT"). */
function createOperator(): { readonly settings: string; readonly credentials: string } {
  const operator = nkeys.createOperator();
  const account = nkeys.createAccount();
  const system = nkeys.createAccount();
  const user = nkeys.createUser();
  const text = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const jwt = (issuer: typeof operator, subject: typeof operator, type: string, limits: object): string => {
    const about = { jti: type, iat: 1, iss: issuer.getPublicKey(), sub: subject.getPublicKey(), name: type };
    const body = `${text({ typ: 'JWT', alg: 'ed25519-nkey' })}.${text({ ...about, nats: { type, version: 2, ...limits } })}`;
    return `${body}.${Buffer.from(issuer.sign(Buffer.from(body))).toString('base64url')}`;
  };
  const unlimited = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, conn: -1, leaf: -1, wildcards: true };
  const jetStream = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const settings = `
operator: ${jwt(operator, operator, 'operator', {})}
resolver: MEMORY
system_account: ${system.getPublicKey()}
resolver_preload: {
  ${account.getPublicKey()}: ${jwt(operator, account, 'account', { limits: { ...unlimited, ...jetStream } })}
  ${system.getPublicKey()}: ${jwt(operator, system, 'account', { limits: unlimited })}
}
`;
  const credentials = `-----BEGIN NATS USER JWT-----
${jwt(account, user, 'user', { subs: -1, data: -1, payload: -1 })}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${Buffer.from(user.getSeed()).toString()}
------END USER NKEY SEED------
`;
  return { settings, credentials };
}
