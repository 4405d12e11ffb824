import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createHost } from '../../src/procfs/host.ts';
import { createStatSource, createTotalsSource } from '../../src/procfs/stat.ts';
import { createRecordedLog } from '../support/recorded_log.ts';
import { createMachine } from '../support/machines.ts';

const text = (forks: number, cpus = 1): string =>
  `${Array.from({ length: cpus }, (_, cpu) => `cpu${cpu} 1 2 3 4\n`).join('')}processes ${forks}\n`;

function openMachine() {
  const machine = createMachine({ 'proc/stat': text(5) });
  const host = createHost({ rootPath: machine.root });
  const reads: string[] = [];
  const { read } = host;
  host.read = (path) => (reads.push(path), read(path));
  return { host, reads, write: (stat: string) => writeFileSync(join(machine.root, 'proc/stat'), stat) };
}

test('createStatSource reads once for all who ask in one turn, and anew in the next', async () => {
  const { host, reads, write } = openMachine();
  const context = { host, log: createRecordedLog() };
  const sources = [1, 2].map(() => createStatSource(context, (file) => Buffer.from(file).toString()));
  const readTotals = createTotalsSource(context);
  expect(sources.map((read) => read())).toEqual([text(5), text(5)]);
  write(text(6, 300));
  // What others read meanwhile goes into the host's buffer.
  host.readOnce('/proc/stat');
  expect(readTotals()?.forks).toBe(5);
  expect(reads).toEqual(['/proc/stat']);
  await Promise.resolve();
  expect([sources[0]!(), readTotals()?.forks]).toEqual([text(6, 300), 6]);
  write(text(7));
  await Promise.resolve();
  expect([sources[1]!(), readTotals()?.forks]).toEqual([text(7), 7]);
  expect(reads).toHaveLength(3);
  host.close();
});

test('createTotalsSource says once that there are no totals, and tells them when they are there again', async () => {
  const { host, write } = openMachine();
  const log = createRecordedLog();
  const readTotals = createTotalsSource({ host, log });
  write('cpu0 1 2 3 4\n');
  expect([readTotals(), readTotals()]).toEqual([undefined, undefined]);
  write(text(9));
  await Promise.resolve();
  expect(readTotals()?.forks).toBe(9);
  host.close();
});
