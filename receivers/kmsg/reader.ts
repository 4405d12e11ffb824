/** Reads kernel messages in order, tells of those that were lost, and keeps how far was taken. */
import type { ComponentLog, Consumer } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';
import type { LogBatch, LogRecord, Resource, Scope } from '../../src/model/batch.ts';
import { createOutlet } from '../../src/outlet.ts';
import type { PositionFile } from '../../src/position_file.ts';
import { createKernelLag, uncertainty, wallTime, type KernelClock } from './clock.ts';
import { lossRecord, parseKmsg, recordOf, type KernelMessage } from './record.ts';
import type { KmsgSource } from './source.ts';

/** Kernel messages are counted anew from each boot. */
export interface Position {
  readonly boot: string;
  readonly sequence: number;
  /** How long the machine had been suspended, in seconds. */
  readonly suspended_s: number;
}

export interface ReaderOptions {
  readonly open: (onReadable: () => void) => KmsgSource;
  readonly bootId: () => string;
  readonly clock: KernelClock;
  readonly position: PositionFile<Position>;
  readonly startAt: 'beginning' | 'end';
  /** The least severe that is read: 7 is all. */
  readonly severity: number;
  readonly resource: Resource;
  readonly scope: Scope;
  readonly next: Consumer<LogBatch>;
  readonly log: ComponentLog;
  readonly drop: (reason: string, count: number) => void;
  readonly retryInterval_ms?: number;
  /** Told how many seconds after its message a record was made, but for those that were there before. */
  readonly onLag?: (lag_s: number) => void;
}

export interface Figures {
  records: number;
  bytes: number;
  malformed: number;
  lost: number;
}

export interface Reader {
  readonly figures: Figures;
  start(): void;
  stop(limit_ms: number): Promise<void>;
}

/** How often a file that cannot be opened or read is tried again. */
const RETRY_INTERVAL_MS = 30_000;
/** Records of one turn of the event loop, but for those that are skipped. */
const MOST_AT_ONCE = 1000;

export function createReader(options: ReaderOptions): Reader {
  const { clock, position, log } = options;
  const figures: Figures = { records: 0, bytes: 0, malformed: 0, lost: 0 };
  /** Sequences of the records that the pipelines have not taken yet. */
  const pending: number[] = [];
  const outlet = createOutlet({ ...options, onTaken: keep });
  let source: KmsgSource | undefined;
  let retry: NodeJS.Timeout | undefined;
  let again: NodeJS.Immediate | undefined;
  let isStopped = false;
  let boot = '';
  /** Of the record read last. */
  let last: number | undefined;
  let isSkipping = false;
  /** When all had been read last. */
  let suspended_s = 0;
  const kernelLag = createKernelLag();
  /** Whether all that was there has been read. */
  let isLive = false;

  function keep(records: readonly LogRecord[]): void {
    const sequence = pending.splice(0, records.length).at(-1);
    if (sequence !== undefined) position.save({ boot, sequence, suspended_s });
  }

  function begin(): void {
    const kept = position.load();
    boot = options.bootId();
    const isSameBoot = kept?.boot === boot;
    last = isSameBoot ? kept.sequence : undefined;
    suspended_s = isSameBoot ? kept.suspended_s : 0;
    // Of a boot since then, nothing was read yet.
    isSkipping = kept === undefined && options.startAt === 'end';
  }

  function open(): void {
    try {
      if (boot === '') begin();
      isLive = false;
      source = options.open(drain);
      log.over('kmsg', 'Reads kernel messages');
    } catch (error) {
      fail(error);
      return;
    }
    drain();
  }

  function fail(error: unknown): void {
    const isDenied = ['EPERM', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '');
    const hint = isDenied ? ' (CAP_SYSLOG is needed, or sysctl kernel.dmesg_restrict=0 and a readable /dev/kmsg)' : '';
    log.once('kmsg', `Cannot read kernel messages: ${messageOf(error)}${hint}; tries again`);
    source?.close();
    source = undefined;
    if (!isStopped) retry = setTimeout(open, options.retryInterval_ms ?? RETRY_INTERVAL_MS);
  }

  function drain(): void {
    if (source === undefined || isStopped) return;
    try {
      const moment = clock.now();
      const began_ms = performance.now();
      const uncertainty_s = uncertainty(suspended_s, moment);
      for (let count = 0; ; count++) {
        if (outlet.isFull) return waitForRoom();
        // Where the end is sought it is found at once: what is written after the start is not to be skipped.
        if (count >= MOST_AT_ONCE && !isSkipping) return goOn();
        const bytes = source.next();
        // What was overwritten shows in the numbers of the next record.
        if (bytes === 'overrun') continue;
        if (bytes === 'empty') break;
        const message = take(bytes, { ...options, uncertainty_s, observedTime: moment.wall_ns }, (time_us) =>
          wallTime(time_us, moment),
        );
        if (!isLive || message === undefined) continue;
        const uptime_us = moment.uptime_us + (performance.now() - began_ms) * 1000;
        options.onLag?.(kernelLag.of(message.time_us, uptime_us));
      }
      isSkipping = false;
      isLive = true;
      suspended_s = moment.suspended_s;
    } catch (error) {
      fail(error);
    }
  }

  /** @returns the message whose record was made */
  function take(
    bytes: Uint8Array,
    origin: { resource: Resource; scope: Scope; uncertainty_s: number; observedTime: bigint },
    timeOf: (time_us: number) => bigint,
  ): KernelMessage | undefined {
    const message = parseKmsg(bytes);
    if (message === undefined) {
      figures.malformed++;
      log.once('malformed', 'Skips what is no kernel message', { text: Buffer.from(bytes).toString('utf8', 0, 200) });
      return undefined;
    }
    const { sequence } = message;
    // Opened anew, the file begins with the oldest record.
    if (last !== undefined && sequence <= last) return undefined;
    const lost = last === undefined ? 0 : sequence - last - 1;
    last = sequence;
    if (isSkipping) return undefined;
    if (lost > 0) {
      figures.lost += lost;
      push(lossRecord(lost, sequence, origin), sequence - 1);
    }
    figures.records++;
    figures.bytes += bytes.length;
    if (message.severity > options.severity) return undefined;
    push(recordOf(message, { ...origin, time: timeOf(message.time_us) }), sequence);
    return message;
  }

  function push(record: LogRecord, sequence: number): void {
    pending.push(sequence);
    outlet.push(record);
  }

  function waitForRoom(): void {
    source?.pause();
    void outlet.room().then(() => {
      source?.resume();
      drain();
    });
  }

  /** Others have their turn between. */
  function goOn(): void {
    source?.pause();
    again = setImmediate(() => {
      source?.resume();
      drain();
    });
  }

  return {
    figures,
    start: open,
    async stop(limit_ms) {
      isStopped = true;
      clearTimeout(retry);
      clearImmediate(again);
      source?.close();
      source = undefined;
      await outlet.stop(limit_ms);
      // What was read and not wanted is not to count as lost at the next start.
      if (pending.length === 0 && last !== undefined) position.save({ boot, sequence: last, suspended_s });
    },
  };
}
