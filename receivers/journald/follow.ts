/** Follows a journal from where it was left: starts journalctl again when it ends, and keeps how far was taken. */
import type { ComponentLog, Consumer } from '../../src/component.ts';
import type { PassiveLag } from '../../src/lag_probe.ts';
import { messageOf } from '../../src/errors.ts';
import type { LogBatch } from '../../src/model/batch.ts';
import { createOutlet } from '../../src/outlet.ts';
import { createPositionFile, positionPath } from '../../src/position_file.ts';
import { sleep } from '../../src/sleep.ts';
import { startChild, type Child } from './child.ts';
import { createExportParser, type Entry } from './export_stream.ts';
import { isCursor, journalctlArguments, type JournaldConfig, type Start } from './options.ts';
import { recordOf, type Origin } from './record.ts';

export interface FollowOptions extends Origin {
  readonly id: string;
  readonly config: JournaldConfig;
  readonly rootPath: string;
  readonly next: Consumer<LogBatch>;
  readonly log: ComponentLog;
  readonly drop: (reason: string, count: number) => void;
  /** Told when an entry was taken by the journal; undefined where that is by another machine's clock. */
  readonly lag: PassiveLag | undefined;
}

export interface Figures {
  records: number;
  bytes: number;
  malformed: number;
  truncatedFields: number;
  droppedFields: number;
  restarts: number;
}

export interface Follow {
  readonly figures: Figures;
  /** @throws {Error} journalctl cannot be started, or the position cannot be read */
  start(): Promise<void>;
  stop(limit_ms: number): Promise<void>;
}

const LONGEST_DELAY_MS = 60_000;
const LIMITS = { waiting_bytes: 2 ** 25, batch_bytes: 2 ** 22 };

export function createFollow(options: FollowOptions): Follow {
  const { config, log } = options;
  const figures: Figures = { records: 0, bytes: 0, malformed: 0, truncatedFields: 0, droppedFields: 0, restarts: 0 };
  const file = createPositionFile({ path: positionPath(options.id, config.position_file), parse: parsePosition, log });
  /** Of the records that the pipelines have not taken yet, in order. */
  const cursors: string[] = [];
  const outlet = createOutlet({
    ...options,
    limits: LIMITS,
    onTaken(records) {
      const taken = cursors.splice(0, records.length).at(-1);
      if (taken !== undefined && taken !== '') file.save({ cursor: taken });
    },
  });
  const stopping = new AbortController();
  let start: Start = { at: config.start_at };
  let child: Child | undefined;
  let following: Promise<void> | undefined;
  let hasEntries = false;
  /** Entries before this are older than `start_at: end` means, in microseconds. */
  let since_us = 0;

  function take(entry: Entry): void {
    if (stopping.signal.aborted) return;
    const cursor = textOf(entry, '__CURSOR');
    const isKnown = 'cursor' in start && start.cursor === cursor;
    // Entries of journals that were copied together may come without one.
    if (cursor !== '') start = { cursor };
    if (isKnown) return;
    // An argument of journalctl has seconds only.
    const written_us = Number(textOf(entry, '__REALTIME_TIMESTAMP') || NaN);
    if (since_us > 0 && written_us < since_us) return;
    since_us = 0;
    hasEntries = true;
    figures.bytes += entry.bytes;
    figures.truncatedFields += entry.truncated.length;
    figures.droppedFields += entry.droppedFields;
    if (config.kernel === 'exclude' && textOf(entry, '_TRANSPORT') === 'kernel') return;
    figures.records++;
    cursors.push(cursor);
    outlet.push(recordOf(entry, options, BigInt(Date.now()) * 1_000_000n), undefined, entry.bytes);
    if (!Number.isNaN(written_us)) options.lag?.record(written_us / 1000);
  }

  async function launch(): Promise<Child> {
    return startChild(config.journalctl, journalctlArguments(config, start, options.rootPath), (text) =>
      log.once('said', `journalctl says: ${text}`),
    );
  }

  async function read(from: Child): Promise<void> {
    const parser = createExportParser({
      maxField_bytes: config.max_field_bytes,
      maxEntry_bytes: config.max_record_bytes,
      onEntry: take,
      onStray(line) {
        figures.malformed++;
        log.once('stray', 'Skips what journalctl writes that is no field of an entry', { line });
      },
    });
    for await (const chunk of from.output) {
      parser.push(chunk as Uint8Array);
      if (outlet.isFull) await outlet.room();
      if (hasEntries) log.over('journalctl', 'Reads the journal again');
    }
  }

  async function follow(first: Child): Promise<void> {
    let delay_ms = config.restart_delay;
    let current: Child | undefined = first;
    while (!stopping.signal.aborted) {
      if (current !== undefined) {
        child = current;
        hasEntries = false;
        const said = await readUntilEnd(current);
        if (stopping.signal.aborted) return;
        if (hasEntries) delay_ms = config.restart_delay;
        log.once('journalctl', `Cannot follow the journal: ${said}; starts journalctl again`);
      }
      await sleep(delay_ms, stopping.signal);
      if (stopping.signal.aborted) return;
      delay_ms = Math.min(delay_ms * 2, LONGEST_DELAY_MS);
      figures.restarts++;
      try {
        current = await launch();
      } catch (error) {
        log.once('journalctl', `Cannot follow the journal: ${messageOf(error)}; tries again`);
        current = undefined;
      }
    }
    // It was started while the receiver was stopped.
    await current?.end();
  }

  async function readUntilEnd(current: Child): Promise<string> {
    try {
      await read(current);
    } catch (error) {
      await current.end();
      return messageOf(error);
    }
    const how = await current.ended;
    return `journalctl ended with ${how}${current.said() === '' ? '' : `: ${current.said()}`}`;
  }

  return {
    figures,
    async start() {
      const kept = file.load();
      if (kept !== undefined) {
        start = { cursor: kept.cursor };
      } else if (config.start_at === 'end' && config.directory === undefined) {
        // So nothing is missed while journalctl starts, and starts again; of a clock that is another's it would not do.
        since_us = Date.now() * 1000;
        start = { since_s: Math.floor(since_us / 1e6) };
      }
      try {
        child = await launch();
      } catch (error) {
        const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
        const found = isMissing
          ? `there is no command "${config.journalctl}" (install systemd, or set journalctl to where it is)`
          : messageOf(error);
        throw new Error(`Cannot read the journal: ${found}`, { cause: error });
      }
      log.info('Follows the journal', { from: kept === undefined ? config.start_at : 'the kept position' });
      following = follow(child);
    },
    async stop(limit_ms) {
      stopping.abort();
      await child?.end();
      await outlet.stop(limit_ms);
      await following;
    },
  };
}

function parsePosition(value: unknown): { readonly cursor: string } | undefined {
  if (typeof value !== 'object' || value === null || !('cursor' in value)) return undefined;
  const { cursor } = value;
  return typeof cursor === 'string' && isCursor(cursor) ? { cursor } : undefined;
}

function textOf({ fields }: Entry, name: string): string {
  const value = fields.find((field) => field.name === name)?.value;
  return value === undefined ? '' : Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1');
}
