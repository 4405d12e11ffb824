/** A folder of log files, and a receiver that reads them. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import logs from '../../receivers/logs/index.ts';
import type { Consumer } from '../../src/component.ts';
import type { LogBatch, LogRecord } from '../../src/model/batch.ts';
import { runReceiver, type ReceiverRun } from './collect.ts';

export interface Site {
  readonly folder: string;
  path(name: string): string;
  /** Records of all runs. */
  readonly records: LogRecord[];
  /** What becomes of a batch; takes it unless it throws. */
  onBatch: (batch: LogBatch) => Promise<void> | void;
  start(config?: Readonly<Record<string, unknown>>): Promise<ReceiverRun>;
  /** Waits until there are so many records, and returns their bodies. */
  bodies(count: number): Promise<unknown[]>;
}

export function createSite(): Site {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-logs-'));
  mkdirSync(join(folder, 'log'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const records: LogRecord[] = [];
  const site: Site = {
    folder,
    path: (name) => join(folder, 'log', name),
    records,
    onBatch: () => undefined,
    async start(config = {}) {
      const take: Consumer<LogBatch> = {
        async consume(batch) {
          await site.onBatch(batch);
          records.push(...batch.records);
        },
      };
      const run = await runReceiver(logs, {
        config: {
          include: [join(folder, 'log/*.log')],
          directory: join(folder, 'state'),
          poll_interval: '10ms',
          search_interval: '30ms',
          start_at: 'beginning',
          format: 'none',
          ...config,
        },
        next: { logs: take, metrics: undefined, traces: undefined },
      });
      onTestFinished(() => run.stop());
      return run;
    },
    async bodies(count) {
      await until(() => records.length >= count);
      // Time enough for what should not come.
      await pause(60);
      return records.map(({ body }) => body);
    },
  };
  return site;
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 20_000;
  while (!(await isTrue())) {
    if (Date.now() > end) throw new Error('It did not come about within 20 s');
    await pause(10);
  }
}

export const numbered = (from: number, to: number): string => {
  let text = '';
  for (let number = from; number < to; number++) text += `line number ${number} with some text to fill it up\n`;
  return text;
};
export const numbers = (records: readonly LogRecord[]): number[] =>
  records.map(({ body }) => Number(String(body).split(' ')[2]));
export const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);
