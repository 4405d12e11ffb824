/** Finds the files that the globs mean: at the start, at intervals, and when one that was read is gone from its place. */
import type { BigIntStats } from 'node:fs';
import type { ComponentLog } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';
import { sleep } from '../../src/sleep.ts';
import { createAlarm } from './alarm.ts';
import { createPathGlob, type PathGlob } from './path_globs.ts';
import { codeOf, statFile } from './system_calls.ts';

export interface DiscoveryOptions {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly interval_ms: number;
  /** How soon a search follows that was asked for. */
  readonly soon_ms: number;
  readonly log: ComponentLog;
  /** All regular files that one glob means now. */
  found(files: readonly Found[], isFirst: boolean): void;
}

export interface Found {
  readonly path: string;
  readonly stats: BigIntStats;
}

export interface Discovery {
  start(): void;
  /** Searches before the interval is over. */
  soon(): void;
  stop(): void;
}

export function createDiscovery(options: DiscoveryOptions): Discovery {
  const { include, exclude, interval_ms, soon_ms, log, found } = options;
  const globs = include.map(createPathGlob);
  const excluded = exclude.map(createPathGlob);
  const alarms = globs.map(createAlarm);
  let isEnding = false;

  /** Each glob by itself: one on a volume that hangs holds up no other. */
  async function search(glob: PathGlob, isFirst: boolean): Promise<void> {
    const paths: string[] = [];
    await glob.expand(
      (path) => {
        if (!excluded.some((one) => one.matches(path))) paths.push(path);
      },
      (folder, error) => log.once(`list ${folder}`, `Cannot look for log files in ${folder}: ${error.message}`),
    );
    const files: Found[] = [];
    for (const path of paths) {
      if (isEnding) return;
      const stats = await look(path);
      if (stats !== undefined) files.push({ path, stats });
    }
    found(files, isFirst);
  }

  async function look(path: string): Promise<BigIntStats | undefined> {
    try {
      const stats = await statFile(path);
      if (stats.isFile()) {
        log.over(`kind ${path}`, `${path} is a file now`);
        return stats;
      }
      // Nobody asked for folders by `*`; a FIFO or device could block, and has no position to come back to.
      if (!stats.isDirectory()) log.once(`kind ${path}`, `Does not read ${path}: it is no regular file`);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') {
        log.once(`read ${path}`, `Cannot read ${path}: ${messageOf(error)}`);
      }
    }
    return undefined;
  }

  async function run(glob: PathGlob, index: number): Promise<void> {
    const alarm = alarms[index]!;
    for (let isFirst = true; !isEnding; isFirst = false) {
      await search(glob, isFirst);
      if (isEnding) return;
      await alarm.wait(interval_ms);
      // A storm of rotations asks for one search, not for many.
      if (!isEnding) await sleep(soon_ms);
    }
  }

  return {
    start: () => void globs.map(run),
    soon() {
      for (const alarm of alarms) alarm.ring();
    },
    stop() {
      isEnding = true;
      for (const alarm of alarms) alarm.ring();
    },
  };
}
