/**
 * The agent is killed, again and again, while its back ends come and go: what it has acknowledged arrives all the same.
 * `SONDE_KILL_ROUNDS` says how often, `SONDE_KILL_SEED` repeats the choices of a run that failed; its moments are others.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readBooks, startLife, untilUp, type AgentLife } from './oracle/agent_life.ts';
import { startBackEnd, type BackEnd, type Mood } from './oracle/back_end.ts';
import { flipBit, segmentsIn, tearTail } from './oracle/damage.ts';
import { post, startGenerator } from './oracle/generator.ts';
import { encodeProtobuf, NUMBERED_SIGNALS } from './oracle/numbered.ts';
import { createObligations, discrepancies, type Obligations } from './oracle/obligations.ts';
import { createRandom, type Random } from './oracle/random.ts';
import { freePort } from '../support/free_port.ts';
import { until } from './servers.ts';

const ROUNDS = Number(process.env['SONDE_KILL_ROUNDS'] ?? 30);
const SEED = Number(process.env['SONDE_KILL_SEED'] ?? Date.now() % 1_000_000);
const EXPORTERS = { 'otlp/always': 1, 'otlp/group': 4 };
const IDS = Object.keys(EXPORTERS) as (keyof typeof EXPORTERS)[];
const MOODS: readonly Mood[] = ['taking', 'taking', 'flaky', 'flaky', 'flaky', 'late', 'hanging', 'away'];

/** What one life is like. */
interface Setup {
  readonly isBatched: boolean;
  readonly protocol: 'http/protobuf' | 'grpc';
  readonly order: 'fifo' | 'fresh_first';
  readonly timeout_s: number;
}

interface Site {
  readonly random: Random;
  readonly folder: string;
  readonly ports: Readonly<
    Record<'receiver' | 'page' | 'alwaysHttp' | 'alwaysGrpc' | 'groupHttp' | 'groupGrpc', number>
  >;
  readonly obligations: Obligations;
  readonly backEnds: Readonly<Record<keyof typeof EXPORTERS, BackEnd>>;
  /** What happened, for whoever has to find out why. */
  readonly diary: string[];
  readonly done: Record<string, number>;
  /** The latest. */
  life: AgentLife | undefined;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
const pageOf = ({ ports }: Site): string => `http://127.0.0.1:${ports.page}/metrics`;
const queueFolder = ({ folder }: Site, id: string, signal: string): string =>
  join(folder, 'queue', encodeURIComponent(id), signal);

test(
  `What was acknowledged arrives, whole, through ${ROUNDS} rounds of kill -9, outages and damage (seed ${SEED})`,
  { timeout: 120_000 + ROUNDS * 20_000 },
  async () => {
    const site = await createSite();
    try {
      for (let round = 0; (site.done['kill'] ?? 0) < ROUNDS; round++) await live(site, round);
      await liveToTheEnd(site);
    } catch (error) {
      const diary = [...site.diary.slice(-40), site.life?.output()].join('\n');
      throw new Error(`SONDE_KILL_SEED=${SEED}: ${(error as Error).message}\n${diary}`, { cause: error });
    }
    const { obligations, backEnds, done } = site;
    for (const queue of obligations.queues) expect(obligations.missing(queue), queue.key).toEqual([]);
    const { items } = obligations.repeats();
    const refusals = IDS.reduce((sum, id) => sum + backEnds[id].refusals, 0);
    const owed = obligations.owed('metrics') + obligations.owed('logs');
    process.stdout.write(
      `kill oracle, seed ${SEED}: ${JSON.stringify(done)}, ${owed} items owed to two back ends, ` +
        `${refusals} requests refused, ${items} items came twice\n`,
    );
  },
);

async function createSite(): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-kill-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const ports = {
    receiver: await freePort(),
    page: await freePort(),
    alwaysHttp: await freePort(),
    alwaysGrpc: await freePort(),
    groupHttp: await freePort(),
    groupGrpc: await freePort(),
  };
  const random = createRandom(SEED);
  const obligations = createObligations(EXPORTERS);
  const start = async (id: keyof typeof EXPORTERS, httpPort: number, grpcPort: number): Promise<BackEnd> => {
    const backEnd = await startBackEnd({
      httpPort,
      grpcPort,
      random,
      onTaken: (signal, numbers) => obligations.arrive(id, signal, numbers),
      onUnanswered: (signal, numbers) => obligations.unanswered(id, signal, numbers.length),
    });
    onTestFinished(() => backEnd[Symbol.asyncDispose]());
    return backEnd;
  };
  const backEnds = {
    'otlp/always': await start('otlp/always', ports.alwaysHttp, ports.alwaysGrpc),
    'otlp/group': await start('otlp/group', ports.groupHttp, ports.groupGrpc),
  };
  return { random, folder, ports, obligations, backEnds, diary: [], done: {}, life: undefined };
}

function writeConfig({ folder, ports }: Site, { isBatched, protocol, order, timeout_s }: Setup): string {
  const file = join(folder, 'sonde.yaml');
  const processors = isBatched ? 'processors: [batch], ' : '';
  const common = `timeout: ${timeout_s}s, retry: { initial: 5ms, max: 40ms }`;
  const queue = `storage: disk, directory: '${folder}/queue', max_bytes: 4MiB, on_full: block, min_free: 0, order: ${order}`;
  const isGrpc = protocol === 'grpc';
  const at = (http: number, rpc: number): string => `http://127.0.0.1:${isGrpc ? rpc : http}`;
  writeFileSync(
    file,
    `
agent: { shutdown_timeout: 5s }
receivers:
  otlp: { protocols: { http: { endpoint: 127.0.0.1:${ports.receiver} } } }
  self: {}
processors: { batch: { timeout: 15ms, send_batch_max_size: 200, send_batch_size: 100 } }
exporters:
  prometheus: { endpoint: 127.0.0.1:${ports.page}, max_age: 0s }
  otlp/always:
    { endpoint: '${at(ports.alwaysHttp, ports.alwaysGrpc)}', protocol: ${protocol}, ${common}, queue: { ${queue}, sync: always } }
  otlp/group:
    { endpoint: '${at(ports.groupHttp, ports.groupGrpc)}', protocol: ${protocol}, ${common}, queue: { ${queue}, sync: group, group_ms: 5, concurrency: ${EXPORTERS['otlp/group']} } }
service:
  pipelines:
    metrics: { receivers: [otlp], ${processors}exporters: [otlp/always, otlp/group] }
    logs: { receivers: [otlp], ${processors}exporters: [otlp/always, otlp/group] }
    metrics/self: { receivers: [self], exporters: [prometheus] }
`,
  );
  return file;
}

const setupOf = (random: Random): Setup => ({
  isBatched: random.chance(0.3),
  protocol: random.chance(0.25) ? 'grpc' : 'http/protobuf',
  order: random.chance(0.3) ? 'fresh_first' : 'fifo',
  timeout_s: 10,
});

/** One life of the agent, what happens in it, and how it ends. */
async function live(site: Site, round: number): Promise<void> {
  const { random, obligations, backEnds, diary, done } = site;
  const setup = setupOf(random);
  // Damage has to be counted by whoever finds it, so that life has to be long enough.
  const isDamaged = obligations.queues.some(({ corrupt }) => corrupt[1] > 0);
  const ending = isDamaged ? 'drain' : random.pick(['kill', 'kill', 'kill', 'kill', 'kill', 'kill', 'drain', 'keep']);
  const tell = (what: string): void => void diary.push(`round ${round}: ${what}`);
  tell(`${JSON.stringify(setup)}, ends with ${ending}`);
  obligations.beginLife();
  const recoverable = new Map(obligations.queues.map((queue) => [queue.key, obligations.waiting(queue)]));
  const file = writeConfig(site, setup);
  const life = (site.life = await startLife(file));
  onTestFinished(() => life.signal('SIGKILL'));
  const moods = changeMoods(site);
  const generator = startGenerator(site.ports.receiver, obligations, random);
  const check = async (isQuiet = false): Promise<void> => {
    const { acknowledged } = obligations.lives.at(-1)!;
    const before = { ...acknowledged };
    const books = await readBooks(pageOf(site));
    tell(JSON.stringify(Object.fromEntries(books)));
    expect(discrepancies(books, obligations, before, recoverable, isQuiet)).toEqual([]);
    done['books'] = (done['books'] ?? 0) + 1;
  };
  if (ending !== 'kill' || random.chance(0.6)) {
    await untilUp(pageOf(site), IDS, life);
    // An exporter that is exchanged takes its count of the damage with it.
    if (!isDamaged && random.chance(0.2)) {
      writeConfig(site, { ...setup, timeout_s: 11 });
      obligations.reloaded();
      life.signal('SIGHUP');
      done['reload'] = (done['reload'] ?? 0) + 1;
      if (ending !== 'kill') await until('it has reloaded', async () => life.output().includes('Reloaded the conf'));
    }
    await pause(random.int(0, 200));
    if (random.chance(0.5)) await check();
  } else {
    // Anywhere in its start, or soon behind it.
    await pause(random.int(20, 400));
  }
  if (life.isOver()) throw new Error(`The agent ended by itself: ${life.output()}`);
  done[ending] = (done[ending] ?? 0) + 1;
  if (ending === 'kill') {
    await moods.stop();
    life.signal('SIGKILL');
    await life.ended;
    await generator.stop();
    // What it has sent is all in our sockets, and belongs to this life: some turns of the event loop read it.
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  } else if (ending === 'drain') {
    await moods.stop();
    await Promise.all(IDS.map((id) => backEnds[id].become('taking')));
    // Its queues get room, so it answers all: what a sender gave up it might still take at any time.
    const isAnswered = await generator.stop(60_000);
    await untilDrained(site, isAnswered);
    await check(true);
    life.signal('SIGTERM');
    expect(await life.ended).toBe(0);
    for (const queue of obligations.queues) {
      expect(segmentsIn(queueFolder(site, queue.exporter, queue.signal))).toEqual([]);
      queue.corrupt = [0, 0];
    }
  } else {
    await moods.stop();
    await Promise.all(IDS.map((id) => backEnds[id].become('away')));
    await generator.stop();
    await check();
    life.signal('SIGTERM');
    expect(await life.ended).toBe(0);
  }
  checkOutput(life);
  expect(obligations.repeats().tooMany).toEqual([]);
  if (ending !== 'drain') await damageQueues(site, tell);
}

/** The back ends change until it is stopped. */
function changeMoods({ random, backEnds, diary }: Site): { stop(): Promise<void> } {
  let isOver = false;
  const changing = (async () => {
    while (!isOver) {
      const id = random.pick(IDS);
      const mood = random.pick(MOODS);
      diary.push(`  ${id} is ${mood}`);
      await backEnds[id].become(mood);
      await pause(random.int(10, 80));
    }
  })();
  return {
    stop() {
      isOver = true;
      return changing;
    },
  };
}

async function untilDrained(site: Site, isAnswered: boolean): Promise<void> {
  await until(
    'all queues are empty',
    async () => {
      const books = await readBooks(pageOf(site));
      return books.size > 0 && [...books.values()].every(({ queued }) => queued === 0);
    },
    60_000,
  );
  // What its sender gave up the agent may still take.
  if (!isAnswered) await pause(200);
}

async function damageQueues(site: Site, tell: (what: string) => void): Promise<void> {
  const { random, obligations, done } = site;
  for (const queue of obligations.queues) {
    const folder = queueFolder(site, queue.exporter, queue.signal);
    if (random.chance(0.1)) {
      const flipped = await flipBit(folder, queue.signal, random);
      if (flipped === undefined) continue;
      const { numbers, isSettled, countable, what } = flipped;
      tell(`${queue.key}: flips a bit in ${what}, ${isSettled ? 'which was settled' : 'which waits'}`);
      done['flipped'] = (done['flipped'] ?? 0) + 1;
      if (isSettled) continue;
      for (const number of numbers) queue.excused.add(number);
      queue.corrupt = countable;
    } else if (random.chance(0.15) && (await tearTail(folder, random))) {
      tell(`${queue.key}: has a torn tail`);
      done['torn'] = (done['torn'] ?? 0) + 1;
    }
  }
}

function checkOutput(life: AgentLife): void {
  expect(
    life
      .output()
      .split('\n')
      .filter((line) => /level=error|Nobody handled|A bug/.test(line)),
  ).toEqual([]);
}

/** No more faults: everything arrives, what is new as well. */
async function liveToTheEnd(site: Site): Promise<void> {
  const { obligations, backEnds, random, diary } = site;
  diary.push('the end');
  await Promise.all(IDS.map((id) => backEnds[id].become('taking')));
  obligations.beginLife();
  const recoverable = new Map(obligations.queues.map((queue) => [queue.key, obligations.waiting(queue)]));
  const life = (site.life = await startLife(writeConfig(site, setupOf(random))));
  onTestFinished(() => life.signal('SIGKILL'));
  await untilUp(pageOf(site), IDS, life);
  for (const signal of NUMBERED_SIGNALS) {
    const numbers = obligations.offer(signal, 5);
    const body = encodeProtobuf(signal, numbers);
    expect(await post(site.ports.receiver, `/v1/${signal}`, body, false)).toBe(200);
    obligations.owe(signal, numbers);
  }
  await untilDrained(site, true);
  const { acknowledged } = obligations.lives.at(-1)!;
  const books = await readBooks(pageOf(site));
  expect(discrepancies(books, obligations, acknowledged, recoverable, true)).toEqual([]);
  life.signal('SIGTERM');
  expect(await life.ended).toBe(0);
  checkOutput(life);
  expect(obligations.repeats().tooMany).toEqual([]);
}
