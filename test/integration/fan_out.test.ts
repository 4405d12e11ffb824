/** One dead back end delays no other: neither what waits for it, nor its queue when that is full. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readBooks, startLife } from './oracle/agent_life.ts';
import { startBackEnd, type BackEnd, type Mood } from './oracle/back_end.ts';
import { post } from './oracle/generator.ts';
import { encodeProtobuf } from './oracle/numbered.ts';
import { createRandom } from './oracle/random.ts';
import { freePort } from '../support/free_port.ts';
import { AGENT_RUNS, until } from './servers.ts';

const REQUESTS = 200;
const RECORDS = 10;

async function startAt(httpPort: number, onTaken: (numbers: readonly number[]) => void): Promise<BackEnd> {
  const backEnd = await startBackEnd({
    httpPort,
    grpcPort: await freePort(),
    random: createRandom(1),
    onTaken: (_, numbers) => onTaken(numbers),
    onUnanswered: () => {},
  });
  onTestFinished(() => backEnd[Symbol.asyncDispose]());
  return backEnd;
}

test.each<Mood>(['away', 'hanging'])(
  'While two back ends are %s and their queues fill up, every request reaches the third before the next is sent',
  async (mood) => {
    const folder = mkdtempSync(join(tmpdir(), 'sonde-fan-out-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const [receiver, page, living, dead] = await Promise.all(Array.from({ length: 4 }, freePort));
    let arrived = 0;
    let atDead = 0;
    await startAt(living!, (numbers) => (arrived += numbers.length));
    const deadBackEnd = await startAt(dead!, (numbers) => (atDead += numbers.length));
    await deadBackEnd.become(mood);
    const file = join(folder, 'sonde.yaml');
    // Were the third to wait for a time-out or a repetition of the others, the test would take an hour.
    const patience = 'timeout: 20s, retry: { initial: 20s, max: 20s }';
    const onDisk = `storage: disk, directory: '${folder}/queue', max_bytes: 512KiB, min_free: 0`;
    writeFileSync(
      file,
      `
receivers: { self: {}, otlp: { protocols: { http: { endpoint: 127.0.0.1:${receiver} } } } }
exporters:
  prometheus: { endpoint: 127.0.0.1:${page}, max_age: 0s }
  otlp/living: { endpoint: http://127.0.0.1:${living} }
  otlp/memory: { endpoint: http://127.0.0.1:${dead}, ${patience}, queue: { max_bytes: 256KiB } }
  otlp/disk: { endpoint: http://127.0.0.1:${dead}, ${patience}, queue: { ${onDisk} } }
service:
  pipelines:
    logs: { receivers: [otlp], exporters: [otlp/living, otlp/memory, otlp/disk] }
    metrics/self: { receivers: [self], exporters: [prometheus] }
`,
    );
    const life = await startLife(file);
    onTestFinished(async () => {
      life.signal('SIGKILL');
      // It may write to its queue until it is gone.
      await life.ended;
    });
    const url = `http://127.0.0.1:${page}/metrics`;
    await until('it is up', async () => AGENT_RUNS.test(life.output()));
    for (let request = 0; request < REQUESTS; request++) {
      const numbers = Array.from({ length: RECORDS }, (_, index) => request * RECORDS + index);
      expect(await post(receiver!, '/v1/logs', encodeProtobuf('logs', numbers), false)).toBe(200);
      await until('it has arrived', async () => arrived === (request + 1) * RECORDS);
    }
    const total = REQUESTS * RECORDS;
    // The last request counts as sent when its answer has come.
    let books = await readBooks(url);
    await until('its answer has come', async () => {
      books = await readBooks(url);
      return books.get('otlp/living logs')?.sent === total;
    });
    expect(books.get('otlp/living logs')).toEqual({
      accepted: total,
      recovered: 0,
      sent: total,
      dropped: {},
      queued: 0,
    });
    for (const id of ['memory', 'disk']) {
      const { accepted, sent, dropped, queued } = books.get(`otlp/${id} logs`)!;
      expect(dropped['queue_full'], id).toBeGreaterThan(0);
      expect([accepted, sent, queued], id).toEqual([total, 0, total - dropped['queue_full']!]);
    }
    expect(atDead).toBe(0);
  },
  300_000,
);
