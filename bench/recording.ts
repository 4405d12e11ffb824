/** Notes which system calls for files a piece of work makes, as lines for `floor/operations.h`. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { catalog } from '../src/cli/catalog.ts';
import { loadRegistry } from '../src/config/registry.ts';
import { runReceiver } from '../test/support/collect.ts';

export interface Recording {
  /** What `work` asks for; files it had opened before count as kept open. */
  during(work: () => Promise<unknown>): Promise<string[]>;
  /** Puts the functions of node:fs back. */
  stop(): void;
}

/** From now on, who opens which file is known. */
export function record(): Recording {
  const { openSync, closeSync, readSync, readFileSync, readdirSync, statfsSync, statSync } = fs;
  const original = { openSync, closeSync, readSync, readFileSync, readdirSync, statfsSync, statSync };
  const originalStatfs = fs.promises.statfs;
  const paths = new Map<number, string>();
  const fresh = new Set<number>();
  let operations: string[] | undefined;
  const note = (kind: string, path: unknown): void => void operations?.push(`${kind} ${String(path)}`);

  fs.openSync = (path, ...rest) => {
    const fd = original.openSync(path, ...rest);
    paths.set(fd, String(path));
    if (operations !== undefined) fresh.add(fd);
    return fd;
  };
  fs.closeSync = (fd) => {
    paths.delete(fd);
    fresh.delete(fd);
    original.closeSync(fd);
  };
  fs.readSync = ((...given: Parameters<typeof fs.readSync>) => {
    const [fd, , , , position] = given as unknown as [number, unknown, unknown, unknown, number | null];
    // The reads that follow until the end of the file belong to the first.
    if (position === 0) note(fresh.has(fd) ? 'o' : 'k', paths.get(fd));
    else if (operations?.at(-1) === `k ${paths.get(fd)}`) operations[operations.length - 1] = `r ${paths.get(fd)}`;
    return original.readSync(...given);
  }) as typeof fs.readSync;
  fs.readFileSync = ((...given: Parameters<typeof fs.readFileSync>) => {
    note('o', given[0]);
    return original.readFileSync(...given);
  }) as typeof fs.readFileSync;
  fs.readdirSync = ((...given: Parameters<typeof fs.readdirSync>) => {
    note('l', given[0]);
    return original.readdirSync(...given);
  }) as typeof fs.readdirSync;
  fs.statfsSync = ((...given: Parameters<typeof fs.statfsSync>) => {
    note('s', given[0]);
    return original.statfsSync(...given);
  }) as typeof fs.statfsSync;
  fs.statSync = ((...given: Parameters<typeof fs.statSync>) => {
    note('f', given[0]);
    return original.statSync(...given);
  }) as typeof fs.statSync;
  fs.promises.statfs = ((...given: Parameters<typeof fs.promises.statfs>) => {
    note('s', given[0]);
    return originalStatfs(...given);
  }) as typeof fs.promises.statfs;
  syncBuiltinESMExports();

  return {
    async during(work) {
      operations = [];
      await work();
      const noted = operations;
      operations = undefined;
      return noted;
    },
    stop() {
      Object.assign(fs, original);
      fs.promises.statfs = originalStatfs;
      syncBuiltinESMExports();
    },
  };
}

/** What a receiver of this machine asks for in one collection, when all that it keeps open is open. */
export interface RecordedReceiver {
  readonly type: string;
  readonly collect: () => Promise<unknown>;
  readonly operations: readonly string[];
}

export async function recordReceivers(types: readonly string[]): Promise<RecordedReceiver[]> {
  const { receivers } = await loadRegistry(catalog);
  const recorded: RecordedReceiver[] = [];
  const recording = record();
  for (const type of types) {
    const definition = receivers.find((each) => each.type === type)!;
    const { collect } = await runReceiver(definition, { platform: process.platform });
    await collect();
    recorded.push({ type, collect, operations: await recording.during(collect) });
  }
  recording.stop();
  return recorded;
}
