/** Brings together what finds files, what reads them, and what hands over their lines. */
import type { ComponentLog, Consumer } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';
import type { LineParser } from '../../src/logs/format.ts';
import type { LogBatch } from '../../src/model/batch.ts';
import type { Checkpoint } from './checkpoint.ts';
import { createDiscovery, type Found } from './discovery.ts';
import type { Entry } from './entries.ts';
import type { Figures } from './figures.ts';
import { createIntake } from './intake.ts';
import { createLane, type Lane } from './lane.ts';
import type { Origin } from './origin.ts';
import { createReader, type ReaderOptions } from './reader.ts';
import { createShelf } from './shelf.ts';
import { inodeOf, Tracked } from './tracked.ts';
import { compressionOf } from './unpacked.ts';
import { createWatcher, type Watcher } from './watcher.ts';

export interface EngineOptions {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly startsAtEnd: boolean;
  readonly poll_ms: number;
  readonly search_ms: number;
  readonly rotateWait_ms: number;
  readonly maxOpen: number;
  readonly unpacks: boolean;
  readonly maxRecords: number;
  readonly max_bytes: number;
  readonly reader: Omit<ReaderOptions, 'add' | 'moved'>;
  /** Files of the receiver's own, by their paths. */
  readonly isCanary: (path: string) => boolean;
  readonly checkpoint: Checkpoint;
  readonly figures: Figures;
  readonly originOf: (path: string) => Origin;
  /** Undefined where lines stay as they are. */
  readonly createParser: (() => LineParser) | undefined;
  readonly next: Consumer<LogBatch>;
  readonly log: ComponentLog;
  readonly drop: (reason: string, count: number) => void;
}

export interface Engine {
  start(): Promise<void>;
  stop(limit_ms: number): Promise<void>;
  readonly files: Iterable<Tracked>;
  readonly open: number;
}

/** File times come from a clock that ticks with the scheduler, so up to 10 ms late. */
const TICK_MS = 10;
/** A compressed file is complete when it has not been written to for so long. */
const SETTLED_MS = 2000;
/** A file of an earlier life that is not found for so long is not waited for. */
const MISSING_MS = 60_000;
const RETRY_MS = 1000;

export function createEngine(options: EngineOptions): Engine {
  const { checkpoint, log, figures } = options;
  const byInode = new Map<string, Tracked>();
  const lanes = new Map<string, Lane>();
  const shelf = createShelf();
  let timer: NodeJS.Timeout | undefined;
  const intake = createIntake({
    ...options,
    onRoom() {
      for (const lane of lanes.values()) lane.wake();
    },
    commit: (entries) => checkpoint.write(entries),
  });
  const keep = (entry: Entry): void => {
    // Of no use to whoever comes after.
    if (!options.isCanary(entry.path)) intake.moved(entry);
  };
  const moved = (file: Tracked): void => keep(file.toEntry());
  const add = (...[record, size]: Parameters<ReaderOptions['add']>): boolean => {
    intake.add(record, size);
    return !intake.isFull;
  };
  const discovery = createDiscovery({
    include: options.include,
    exclude: options.exclude,
    interval_ms: options.search_ms,
    soon_ms: options.poll_ms,
    log,
    found: take,
  });
  const watcher: Watcher = createWatcher({
    ...options,
    shelf,
    intake: { moved: keep },
    files: () => byInode.values(),
    nextId: () => checkpoint.nextId(),
    search: () => discovery.soon(),
    startsAtEnd: options.startsAtEnd,
    onPathTaken: (path, stats) => take([{ path, stats }], false),
    onOver(file) {
      byInode.delete(file.inode);
      lanes.get(deviceOf(file))?.remove(file);
    },
  });

  function take(files: readonly Found[], isFirst: boolean): void {
    const strangers: Found[] = [];
    for (const found of files) {
      const tracked = byInode.get(inodeOf(found.stats));
      if (tracked === undefined) strangers.push(found);
      else if (tracked.detached_ms !== undefined) {
        tracked.path = found.path;
        tracked.detached_ms = undefined;
        tracked.isPathVacant = false;
      }
    }
    // Those of an earlier life first: others may be copies of them.
    const isKnown = ({ stats }: Found): boolean => shelf.withInode(inodeOf(stats)) !== undefined;
    strangers.sort((a, b) => Number(isKnown(b)) - Number(isKnown(a)));
    for (const { path, stats } of strangers) {
      const inode = inodeOf(stats);
      // Two names of one file.
      if (byInode.has(inode)) continue;
      const compression = compressionOf(path);
      const isSettled = Date.now() - Number(stats.ctimeMs) >= SETTLED_MS;
      if (compression !== undefined && options.unpacks && !isSettled) continue;
      const birth_ms = Number(stats.birthtimeMs);
      const isEarly = isFirst && birth_ms < checkpoint.firstStart_ms - TICK_MS;
      const isCanary = options.isCanary(path);
      const early_bytes = isEarly && !isCanary ? Number(stats.size) : undefined;
      const origin = options.originOf(path);
      const parser = options.createParser?.();
      const now_ms = performance.now();
      const file = new Tracked({ id: checkpoint.nextId(), path, origin, parser, inode, early_bytes, isCanary }, now_ms);
      byInode.set(inode, file);
      laneOf(file).add(file);
    }
    if (isFirst && !files.some(({ path }) => options.isCanary(path)))
      log.info(`Reads ${files.length} log files that are there`);
  }

  /** Files of an earlier life that are not there any more; a copy of one may still turn up. */
  function giveUpMissing(): void {
    for (const entry of shelf.unclaimed) {
      const over = { ...entry, isOver: true };
      shelf.put(over);
      intake.moved(over);
    }
    intake.flush();
  }

  function laneOf(file: Tracked): Lane {
    const device = deviceOf(file);
    let lane = lanes.get(device);
    if (lane === undefined) {
      const reader = createReader({ ...options.reader, add, moved });
      lane = createLane({
        intake,
        poll_ms: options.poll_ms,
        poll: (one, now_ms) => guarded(one, () => watcher.poll(one, reader, now_ms)),
        read: (one, now_ms) => guarded(one, () => watcher.read(one, reader, now_ms)),
      });
      lanes.set(device, lane);
    }
    return lane;
  }

  /** What one file does costs that file a pause. */
  async function guarded(file: Tracked, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      figures.errors += 1;
      file.retry_ms = performance.now() + RETRY_MS;
      log.once(`read ${file.path}`, `Cannot read ${file.path}: ${messageOf(error)}; tries again`);
    }
  }

  return {
    files: { [Symbol.iterator]: () => byInode.values() },
    get open() {
      return watcher.open;
    },
    async start() {
      for (const entry of await checkpoint.open()) shelf.put(entry);
      discovery.start();
      timer = setTimeout(giveUpMissing, MISSING_MS);
      timer.unref();
    },
    async stop(limit_ms) {
      discovery.stop();
      clearTimeout(timer);
      await Promise.all([...lanes.values()].map((lane) => lane.stop(limit_ms)));
      await intake.stop(limit_ms);
      await checkpoint.close();
      for (const file of byInode.values()) await watcher.close(file);
    },
  };
}

function deviceOf({ inode }: Tracked): string {
  return inode.slice(0, inode.indexOf(':'));
}
