/**
 * Real kernel messages, which root alone may write: without root the test shows that the agent says what it lacks,
 * where the kernel does not let others read.
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import kmsg from '../../receivers/kmsg/index.ts';
import type { LogRecord } from '../../src/model/batch.ts';
import { runReceiver, valuesOf, type ReceiverRun } from '../support/collect.ts';
import { createMachine } from '../support/machines.ts';
import { until } from './servers.ts';

const recordsOf = (run: ReceiverRun): LogRecord[] =>
  run.handedOver.flatMap((batch) => (batch.signal === 'logs' ? batch.records : []));

function write(text: string): void {
  const fd = openSync('/dev/kmsg', 'w');
  // Without the line feed it waits for the rest of its line.
  writeSync(fd, `${text}\n`);
  closeSync(fd);
}

/** In a container even root may not, or has no such file. */
function mayWrite(): boolean {
  try {
    closeSync(openSync('/dev/kmsg', 'r+'));
    return true;
  } catch {
    // Whatever the reason.
    return false;
  }
}

test('kmsg reads what is written to the kernel’s buffer, live and after a restart, once', async () => {
  const position_file = join(createMachine({}).root, 'kmsg.json');
  const start = async (): Promise<ReceiverRun> => {
    const run = await runReceiver(kmsg, { config: { position_file } });
    onTestFinished(() => run.stop());
    return run;
  };
  const mark = `sonde-test-${process.pid}-${Date.now()}`;
  const first = await start();
  if (!mayWrite()) {
    expect(first.said.join()).toMatch(/^$|^once kmsg: Cannot read kernel messages: /);
    return;
  }
  const ours = (run: ReceiverRun): LogRecord[] => recordsOf(run).filter(({ body }) => String(body).includes(mark));
  const before = BigInt(Date.now()) * 1_000_000n;
  write(`<11>${mark} one ✓\ttab`);
  await until('the message is read', async () => ours(first).length === 1);
  const [one] = ours(first);
  expect(one).toMatchObject({
    body: `${mark} one ✓\ttab`,
    severityNumber: 17,
    severityText: 'err',
    attributes: { 'syslog.facility': 'user' },
  });
  // The clock of kernel messages is not quite the monotonic one: that is corrected, by no more than 500 ppm.
  expect(Number(one!.time - before) / 1e9).toBeGreaterThan(-1 - uptime() * 500e-6);
  expect(one!.time).toBeLessThanOrEqual(one!.observedTime);
  expect(valuesOf(await first.collect())['kmsg.malformed{}']).toBe(0);
  await first.stop();
  write(`<14>${mark} two`);
  const second = await start();
  write(`<14>${mark} three`);
  await until('both are read', async () => ours(second).length === 2);
  expect(ours(second).map(({ body }) => body)).toEqual([`${mark} two`, `${mark} three`]);
  expect(second.dropped.size).toBe(0);
  await second.stop();
  expect(JSON.parse(readFileSync(position_file, 'utf8'))).toMatchObject({
    boot: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
});
