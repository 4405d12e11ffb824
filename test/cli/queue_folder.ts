/** Makes folders of queues as an agent leaves them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { runCommandLine } from '../../src/cli/program.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import { systemClock } from '../../src/delivery/clock.ts';
import { createDeadLetters, type DeadLetter } from '../../src/delivery/dead_letters.ts';
import { createDiskStore } from '../../src/delivery/disk/disk_store.ts';
import { openFolder } from '../../src/delivery/disk/folder.ts';
import { createFolderLock } from '../../src/folder_lock.ts';
import { queueFolder } from '../../src/delivery/queues.ts';
import type { BlockStore } from '../../src/delivery/store.ts';
import type { Signal } from '../../src/model/batch.ts';
import { encodeRequests } from '../../src/model/otlp/encode_requests.ts';
import { records } from '../support/agent.ts';
import { createRecordedLog } from '../support/recorded_log.ts';
import { recordedTerminal } from './terminal.ts';

const lifetime = { onSignal() {}, onUncaught() {}, exit() {} };

export interface QueueRoot {
  readonly path: string;
  /** A queue with records of these bodies, of which the first `settled` are delivered. */
  fill(exporter: string, signal: Signal, bodies: readonly Uint8Array[], settled?: number): Promise<string>;
  /** A dead letter; resolves with its name. */
  bury(exporter: string, signal: Signal, letter: Partial<DeadLetter>): Promise<void>;
  /** The folder of a queue. */
  folder(exporter: string, signal: Signal): string;
  /** Runs `sonde queue …`; `@` stands for the folder, also in what it says. */
  sonde(words: string, overrides?: Partial<Terminal>): Promise<Said>;
  /** Writes a file into the folder, as a configuration. */
  write(name: string, text: string): void;
}

interface Said {
  readonly code: number;
  readonly printed: string;
  readonly complained: string;
}

export function createQueueRoot(): QueueRoot {
  const path = mkdtempSync(join(tmpdir(), 'sonde-queue-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  const folder = (exporter: string, signal: Signal): string => queueFolder(exporter, signal, { directory: path });
  return {
    path,
    folder,
    async fill(exporter, signal, bodies, settled = 0) {
      const store = await openStore(folder(exporter, signal));
      for (const body of bodies) await store.put({ body, count: countOf(body), signal, time_ms: Date.now() });
      for (let count = 0; count < settled; count++) await store.settle((await store.take(false))!);
      await store.close();
      return folder(exporter, signal);
    },
    async bury(exporter, signal, letter) {
      const letters = createDeadLetters(folder(exporter, signal), 2 ** 20, createRecordedLog());
      const body = Buffer.from('a 1\n');
      const own = {
        id: 'q-7',
        body,
        count: 1,
        signal,
        time_ms: Date.now() - 60_000,
        reason: 'rejected',
        why: 'no',
      } as const;
      await letters.keep({ ...own, ...letter });
      letters.close();
    },
    async sonde(words, overrides) {
      const terminal = recordedTerminal(overrides);
      const args = ['queue', ...words.split(' ').map((word) => word.replace('@', path))];
      const code = await runCommandLine(args, { terminal, env: {}, lifetime });
      const plain = (text: string): string => text.replaceAll(path, '@').replaceAll(/\b[0-9a-f]{32}\b/g, 'QUEUE');
      return { code, printed: plain(terminal.printed), complained: plain(terminal.complained) };
    },
    write: (name, text) => writeFileSync(join(path, name), text),
  };
}

/** Until the test is over, as an agent would have it. */
export async function openStore(folder: string): Promise<BlockStore> {
  const store = createDiskStore({
    place: folder,
    folder: () => openFolder(folder),
    lock: createFolderLock(folder),
    capacity_bytes: 8 * 2 ** 20,
    maxAge_ms: 0,
    sync: 'none',
    group_ms: 10,
    minFree_bytes: 0,
    order: 'fifo',
    clock: systemClock,
    tell() {},
  });
  await store.open!({ opened() {}, lost() {}, onRoom() {} });
  return store;
}

const counts = new WeakMap<Uint8Array, number>();

/** An OTLP request with log records of these bodies. */
export function otlpLogs(...bodies: string[]): Uint8Array {
  const [part] = encodeRequests(records(...bodies), 2 ** 20).parts;
  counts.set(part!.body, bodies.length);
  return part!.body;
}

function countOf(body: Uint8Array): number {
  return counts.get(body) ?? 1;
}
