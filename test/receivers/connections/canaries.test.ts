/** Connections of the receiver with itself: real ones, and what it makes of sightings. */
import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createCanaries } from '../../../receivers/connections/canaries.ts';
import connections from '../../../receivers/connections/index.ts';
import { IPV4, LOCAL, PEER, PORTS, Sighting, TCP, UDP } from '../../../receivers/connections/sighting.ts';
import type { LogBatch, LogRecord } from '../../../src/model/batch.ts';
import { runReceiver, valuesOf, type ReceiverRun } from '../../support/collect.ts';
import { lagsOf } from '../../support/lag.ts';

vi.setConfig({ testTimeout: 60_000 });

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end && !(await check());) await pause(10);
  expect(await check()).toBe(true);
}

const swapped = (port: number): number => ((port & 0xff) << 8) | (port >>> 8);
const LOOPBACK = 0x0100_007f;

function sighting(local: number, peer: number, more: Partial<Sighting> = {}, address = LOOPBACK): Sighting {
  const seen = Object.assign(new Sighting(), { transport: TCP, family: IPV4, state: 1, ...more });
  seen.words[PORTS] = swapped(local) | (swapped(peer) << 16);
  seen.words[LOCAL] = address;
  seen.words[PEER] = address;
  return seen;
}

test('createCanaries knows its listener and both ends of its connections, and tells those that were seen', async () => {
  const arrived: string[] = [];
  const canaries = createCanaries((token) => void arrived.push(token), 60_000);
  onTestFinished(() => canaries.close());
  const ports: [number, number][] = [];
  const { connect } = process.getBuiltinModule('node:net');
  const spy = vi.spyOn(process.getBuiltinModule('node:net'), 'connect').mockImplementation(((options: object) => {
    const socket = connect(options as never);
    socket.once('connect', () => ports.push([socket.localPort!, socket.remotePort!]));
    return socket;
  }) as never);
  onTestFinished(() => spy.mockRestore());
  expect(canaries.isOurs(sighting(1, 2))).toBe(false);
  await canaries.open();
  await canaries.release('one');
  await canaries.release('two');
  const [[first, listener], [second]] = ports as [[number, number], [number, number]];
  canaries.told();
  expect(arrived).toEqual([]);
  expect(canaries.isOurs(sighting(listener, 0, { state: 10 }))).toBe(true);
  expect(canaries.isOurs(sighting(listener, first, { isTimeWait: true }))).toBe(true);
  canaries.told();
  expect(arrived).toEqual([]);
  expect(canaries.isOurs(sighting(second, listener))).toBe(true);
  canaries.told();
  expect(arrived).toEqual(['two']);
  expect(canaries.isOurs(sighting(listener, first))).toBe(true);
  canaries.told();
  canaries.told();
  expect(arrived).toEqual(['two', 'one']);
  expect(canaries.opened).toBe(4);
  // The same number elsewhere is another port.
  expect(canaries.isOurs(sighting(first, listener, {}, 0x0100_000a))).toBe(false);
  expect(canaries.isOurs(sighting(listener, 0, { transport: UDP }))).toBe(false);
  // Another receiver of this agent does not tell of it either.
  const other = createCanaries(() => void arrived.push('wrong'), 60_000);
  expect(other.isOurs(sighting(first, listener))).toBe(true);
  other.told();
  canaries.close();
  // Of its end they are told later.
  expect(other.isOurs(sighting(first, listener))).toBe(true);
  expect(arrived).toEqual(['two', 'one']);
});

describe.runIf(process.platform === 'linux')('connections measures its own lag:', () => {
  async function watch(consume: (batch: LogBatch) => Promise<void> | void, config = {}): Promise<ReceiverRun> {
    const next = { metrics: { consume() {} }, logs: { consume }, traces: undefined };
    const probing = { lag_probe: { interval: '50ms' }, ...config };
    const run = await runReceiver(connections, { next, config: probing });
    onTestFinished(() => run.stop());
    return run;
  }

  for (const source of ['auto', 'proc']) {
    test(`canaries arrive, and nobody is told of them or counts them, by ${source}`, async () => {
      const records: LogRecord[] = [];
      const run = await watch(({ records: more }) => void records.push(...more), { source });
      await until(async () => (await lagsOf(run)).count > 3);
      // What is not its own on loopback is told.
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      onTestFinished(() => void server.close());
      const { port } = server.address() as AddressInfo;
      const ofOurs = (): LogRecord[] => records.filter(({ attributes }) => attributes['process.pid'] === process.pid);
      await until(async () => {
        await run.collect();
        return ofOurs().length > 0;
      });
      await pause(100);
      const values = valuesOf(await run.collect());
      expect(ofOurs().map(({ attributes }) => attributes['network.local.port'])).toEqual([port]);
      expect(Object.entries(values).filter(([key]) => key.includes(`"process.pid"="${process.pid}"`))).toEqual([]);
      expect(values['sonde.canary.lost{"sonde.component.id"="connections"}']).toBe(0);
    });
  }

  test('looks that come late make them late', async () => {
    const run = await watch(() => {});
    await until(async () => (await lagsOf(run)).count > 0);
    const before = await lagsOf(run);
    await pause(1500);
    const after = await lagsOf(run);
    // What had waited longest had waited all the time.
    expect(after.sum - before.sum).toBeGreaterThan(1);
  });
});
