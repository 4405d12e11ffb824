/** The volume of a queue is full: the agent lives, says so once, counts, sends on, and takes again when there is room. */
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readBooks, type Ledger } from './oracle/agent_life.ts';
import { startBackEnd, type BackEnd } from './oracle/back_end.ts';
import { post } from './oracle/generator.ts';
import { encodeProtobuf } from './oracle/numbered.ts';
import { createRandom } from './oracle/random.ts';
import { createSmallVolume } from './oracle/small_volume.ts';
import { freePort } from '../support/free_port.ts';
import { AGENT_RUNS, sondeCommand, startServer, until, type Server } from './servers.ts';

const volume = createSmallVolume();
process.stdout.write(`full disk: on ${volume.what}\n`);
const ID = 'otlp logs';

interface Site {
  readonly sonde: Server;
  readonly backEnd: BackEnd;
  /** In the order of their arrival. */
  readonly arrived: number[];
  readonly acknowledged: number[];
  /** Sends 20 log records, some 15 KB; true if the agent took them. */
  send(): Promise<boolean>;
  fill(): void;
  empty(): void;
  books(): Promise<Ledger>;
  /** Lines of its log that match, at least one: what it has said may be on its way to us. */
  lines(pattern: RegExp): Promise<string[]>;
}

async function createSite(on_full: string, isFullAtStart = false): Promise<Site> {
  const [http, grpc, receiver, page] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const arrived: number[] = [];
  const backEnd = await startBackEnd({
    httpPort: http,
    grpcPort: grpc,
    random: createRandom(1),
    onTaken: (_, numbers) => arrived.push(...numbers),
    onUnanswered: () => {},
  });
  onTestFinished(() => backEnd[Symbol.asyncDispose]());
  await backEnd.become('away');
  const [...command] = sondeCommand();
  const queueOf = (folder: string): string => join(folder, 'queue');
  const sonde = await startServer({
    command: volume.wrap([], '', false)[0]!,
    args: (folder) => {
      const whole = [...command, 'run', '--config', join(folder, 'sonde.yaml')];
      return volume.wrap(whole, queueOf(folder), isFullAtStart).slice(1);
    },
    files: {
      'sonde.yaml': `
receivers:
  otlp: { protocols: { http: { endpoint: 127.0.0.1:${receiver} } } }
  self: {}
exporters:
  prometheus: { endpoint: 127.0.0.1:${page}, max_age: 0s }
  otlp:
    endpoint: http://127.0.0.1:${http}
    retry: { initial: 20ms, max: 50ms }
    queue: { storage: disk, directory: queue, max_bytes: 1800KiB, min_free: ${volume.min_free}, on_full: ${on_full} }
service:
  pipelines:
    logs: { receivers: [otlp], exporters: [otlp] }
    metrics/self: { receivers: [self], exporters: [prometheus] }
`,
    },
    url: `http://127.0.0.1:${page}`,
    ready: `http://127.0.0.1:${page}/metrics`,
    says: AGENT_RUNS,
  });
  onTestFinished(async () => void (await sonde.stop('SIGKILL')));
  const seen = volume.seen(sonde.pid, queueOf(sonde.folder));
  const acknowledged: number[] = [];
  let last = 0;
  return {
    sonde,
    backEnd,
    arrived,
    acknowledged,
    async send() {
      const numbers = Array.from({ length: 20 }, () => last++);
      const status = await post(receiver, '/v1/logs', encodeProtobuf('logs', numbers), false);
      if (status === 200) acknowledged.push(...numbers);
      else expect(status).toBe(503);
      return status === 200;
    },
    fill: () => volume.fill(seen),
    empty: () => volume.empty(seen),
    async books() {
      return (await readBooks(`http://127.0.0.1:${page}/metrics`)).get(ID)!;
    },
    async lines(pattern) {
      const found = (): string[] =>
        sonde
          .output()
          .split('\n')
          .filter((line) => pattern.test(line));
      await until(`it says ${pattern}`, async () => found().length > 0);
      return found();
    },
  };
}

/** That there is room again it notices after some seconds. */
const SOON_MS = 60_000;

/** What it says of the queue: one line when it is full, one when it is over. */
const FULL = /Cannot write to|is full|The volume of/;
const OVER = /Queues logs again/;

test('on_full: block refuses senders, who keep their data; what waits is sent, and it goes on when there is room', async () => {
  const site = await createSite('block');
  for (let i = 0; i < 20; i++) expect(await site.send()).toBe(true);
  site.fill();
  await until('a sender is refused', async () => !(await site.send()));
  const stored = site.acknowledged.length;
  for (let i = 0; i < 3; i++) expect(await site.send()).toBe(false);
  expect(await site.books()).toEqual({ accepted: stored, recovered: 0, sent: 0, dropped: {}, queued: stored });
  await site.backEnd.become('taking');
  await until('what waits is sent', async () => (await site.books()).queued === 0);
  expect(site.arrived).toEqual(site.acknowledged);
  expect(await site.lines(FULL)).toHaveLength(1);
  // How far it was delivered needs room, too: segments that were sent make some.
  expect(site.sonde.output().split('Cannot remember').length - 1).toBeLessThanOrEqual(1);
  site.empty();
  await until('it takes some again', () => site.send(), SOON_MS);
  await until('all is sent', async () => (await site.books()).queued === 0);
  expect(site.arrived).toEqual(site.acknowledged);
  expect(await site.lines(OVER)).toHaveLength(1);
  expect(await site.lines(FULL)).toHaveLength(1);
  expect(await site.sonde.stop()).toBe(0);
});

test.each(['drop_oldest', 'drop_newest'])(
  'on_full: %s drops with a count, and goes on when there is room',
  async (on_full) => {
    const site = await createSite(on_full);
    for (let i = 0; i < 30; i++) expect(await site.send()).toBe(true);
    site.fill();
    for (let i = 0; i < 30; i++) expect(await site.send()).toBe(true);
    const full = await site.books();
    const { queue_full = 0, ...others } = full.dropped;
    expect(others).toEqual({});
    expect(queue_full).toBeGreaterThanOrEqual(20);
    expect(full).toMatchObject({ accepted: 1200, recovered: 0, sent: 0, queued: 1200 - queue_full });
    site.empty();
    for (let i = 0; i < 5; i++) {
      await until('nothing more is dropped', async () => {
        const { dropped } = await site.books();
        await site.send();
        return (await site.books()).dropped['queue_full'] === dropped['queue_full'];
      });
    }
    await site.backEnd.become('taking');
    await until('all is sent', async () => (await site.books()).queued === 0);
    const { accepted, sent, dropped } = await site.books();
    expect(accepted).toBe(sent + dropped['queue_full']!);
    expect(site.arrived).toHaveLength(sent);
    // In order, the last ones surely, and the first ones only where new data had to give way.
    expect(site.arrived).toEqual(site.arrived.toSorted((a, b) => a - b));
    expect(site.arrived.at(-1)).toBe(site.acknowledged.at(-1));
    expect(site.arrived[0] === 0).toBe(on_full === 'drop_newest');
    expect((await site.lines(FULL)).length).toBeLessThanOrEqual(2);
    expect(await site.sonde.stop()).toBe(0);
  },
);

test('On a volume that is full from the start the agent starts, refuses, and takes when there is room', async () => {
  const site = await createSite('block', true);
  expect(await site.send()).toBe(false);
  site.empty();
  await until('it takes some', () => site.send(), SOON_MS);
  await site.backEnd.become('taking');
  await until('all is sent', async () => (await site.books()).queued === 0);
  expect(site.arrived).toEqual(site.acknowledged);
  expect(await site.lines(FULL)).toHaveLength(1);
  expect(await site.sonde.stop()).toBe(0);
});
