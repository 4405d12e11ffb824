/** What the agent finds in the folder of a queue, or cannot do there: it starts and says what it set aside, or says why not. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readBooks, startLife, type AgentLife } from './oracle/agent_life.ts';
import { startBackEnd, type BackEnd } from './oracle/back_end.ts';
import { segmentsIn } from './oracle/damage.ts';
import { post } from './oracle/generator.ts';
import { encodeProtobuf } from './oracle/numbered.ts';
import { createRandom } from './oracle/random.ts';
import { freePort } from '../support/free_port.ts';
import { until } from './servers.ts';

/** Even root is then refused what its owner may not do. */
const UNPRIVILEGED = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : [];
const EX_UNAVAILABLE = 69;

interface Site {
  readonly folder: string;
  /** Of the logs. */
  readonly queue: string;
  readonly backEnd: BackEnd;
  readonly arrived: Set<number>;
  start(options?: { readonly startup_error?: string; readonly isOther?: boolean }): Promise<AgentLife>;
  send(numbers: readonly number[]): Promise<unknown>;
  isUp(): Promise<boolean>;
  books(): ReturnType<typeof readBooks>;
}

async function createSite(): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-folder-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [http, grpc, receiver, page, other] = await Promise.all(Array.from({ length: 5 }, freePort));
  const arrived = new Set<number>();
  const backEnd = await startBackEnd({
    httpPort: http!,
    grpcPort: grpc!,
    random: createRandom(1),
    onTaken: (_, numbers) => numbers.forEach((number) => arrived.add(number)),
    onUnanswered: () => {},
  });
  onTestFinished(() => backEnd[Symbol.asyncDispose]());
  await backEnd.become('away');
  const url = `http://127.0.0.1:${page}/metrics`;
  return {
    folder,
    queue: join(folder, 'queue/otlp/logs'),
    backEnd,
    arrived,
    async start({ startup_error = 'fail', isOther = false } = {}) {
      const file = join(folder, isOther ? 'other.yaml' : 'sonde.yaml');
      writeFileSync(
        file,
        `
receivers: { self: {}, otlp: { protocols: { http: { endpoint: 127.0.0.1:${isOther ? 0 : receiver} } } } }
exporters:
  prometheus: { endpoint: 127.0.0.1:${isOther ? other : page}, max_age: 0s }
  otlp:
    endpoint: http://127.0.0.1:${http}
    startup_error: ${startup_error}
    retry: { initial: 20ms, max: 50ms }
    queue: { storage: disk, directory: '${folder}/queue', max_bytes: 1MiB, min_free: 0, on_full: block }
service:
  pipelines:
    logs: { receivers: [otlp], exporters: [otlp] }
    metrics/self: { receivers: [self], exporters: [prometheus] }
`,
      );
      const life = await startLife(file, UNPRIVILEGED);
      onTestFinished(() => life.signal('SIGKILL'));
      return life;
    },
    send: (numbers) => post(receiver!, '/v1/logs', encodeProtobuf('logs', numbers), false),
    // Its metrics are there before its receivers are; these answer to what they do not know, too.
    isUp: async () => (await fetch(url)).ok && (await fetch(`http://127.0.0.1:${receiver}/`)).status > 0,
    books: () => readBooks(url),
  };
}

const linesOf = (life: AgentLife, pattern: RegExp): string[] =>
  life
    .output()
    .split('\n')
    .filter((line) => pattern.test(line));

test('Corrupt, alien and unreadable files are set aside or left alone, said, and what is whole is delivered', async () => {
  const site = await createSite();
  const first = await site.start();
  await until('it is up', site.isUp);
  const numbers = Array.from({ length: 400 }, (_, index) => index);
  for (let at = 0; at < numbers.length; at += 20) expect(await site.send(numbers.slice(at, at + 20))).toBe(200);
  first.signal('SIGTERM');
  expect(await first.ended).toBe(0);
  expect(linesOf(first, /Leaves the logs that wait in their queue on disk.* items=400/)).toHaveLength(1);
  const [, damaged, unreadable, cut] = segmentsIn(site.queue) as [string, string, string, string];
  writeFileSync(join(site.queue, damaged), 'this is no segment');
  chmodSync(join(site.queue, unreadable), 0);
  truncateSync(join(site.queue, cut), 0);
  writeFileSync(join(site.queue, 'notes.txt'), 'mine');
  mkdirSync(join(site.queue, '0000000009999999.queue'));

  const second = await site.start();
  await until('it is up', site.isUp);
  await site.backEnd.become('taking');
  await until('all is sent', async () => (await site.books()).get('otlp logs')!.queued === 0);
  const { accepted, recovered, sent, dropped } = (await site.books()).get('otlp logs')!;
  const corrupt = dropped['corrupt']!;
  expect([accepted, recovered, sent + corrupt]).toEqual([0, 400, 400]);
  // Three segments of 64 KiB, in requests of 20 records of some 15 KB together.
  expect(corrupt).toBeGreaterThanOrEqual(3 * 3 * 20);
  expect(site.arrived.size).toBe(sent);
  expect(linesOf(second, /Queues logs on disk.* waiting_items=400/)).toHaveLength(1);
  const aside = linesOf(second, /Sets a segment aside/);
  for (const name of [damaged, unreadable, cut, '0000000009999999.queue']) {
    expect(aside.filter((line) => line.includes(`file=${name}`))).toHaveLength(1);
    expect(existsSync(join(site.queue, `${name}.bad`))).toBe(true);
  }
  expect(linesOf(second, /not its own.*notes\.txt/)).toHaveLength(1);
  expect(readFileSync(join(site.queue, 'notes.txt'), 'utf8')).toBe('mine');
  expect(await site.send([1000])).toBe(200);
  await until('what is new arrives', async () => site.arrived.has(1000));
  second.signal('SIGTERM');
  expect(await second.ended).toBe(0);
});

test('A folder that cannot be written ends the start, with a sentence that names it', async () => {
  const site = await createSite();
  mkdirSync(join(site.folder, 'queue'), { mode: 0o500 });
  const life = await site.start();
  expect(await life.ended).toBe(EX_UNAVAILABLE);
  expect(life.output()).toMatch(/Cannot start otlp: Cannot use the queue in \S+\/queue\/otlp\/logs: EACCES/);
  rmSync(join(site.folder, 'queue'), { recursive: true });
  writeFileSync(join(site.folder, 'queue'), 'a file');
  const again = await site.start();
  expect(await again.ended).toBe(EX_UNAVAILABLE);
  expect(again.output()).toMatch(/Cannot start otlp: Cannot use the queue in \S+\/queue\/otlp\/logs: \w+/);
});

test('A second agent with the folder of another ends, or waits for it if it is told to', async () => {
  const site = await createSite();
  const first = await site.start();
  await until('it is up', site.isUp);
  const refused = await site.start({ isOther: true });
  expect(await refused.ended).toBe(EX_UNAVAILABLE);
  expect(refused.output()).toMatch(/Cannot start otlp: Cannot use the queue in \S+: process \d+ uses it/);
  expect(await site.send([1])).toBe(200);
  const waiting = await site.start({ isOther: true, startup_error: 'retry' });
  await until('it says that it waits', async () => /process \d+ uses it.*will try again/.test(waiting.output()));
  first.signal('SIGKILL');
  await first.ended;
  await site.backEnd.become('taking');
  // It tries after 1 s, 2 s, 4 s and so on.
  await until('it has taken the queue over', async () => site.arrived.has(1), 90_000);
  waiting.signal('SIGTERM');
  expect(await waiting.ended).toBe(0);
}, 180_000);
