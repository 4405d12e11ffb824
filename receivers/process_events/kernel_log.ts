/** Kills for want of memory, from the kernel's log: the events connector does not tell of them. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import type { ComponentLog, Host } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';
import { createKernelEvent, type KernelEvent } from './source.ts';

const PATH = '/dev/kmsg';
/** `CONSOLE_EXT_LOG_MAX`, the longest record. */
const RECORD_BYTES = 8192;
/** One turn reads no more, so that whoever fills the log holds up nobody. */
const MOST_RECORDS = 2000;
/** The log's clock is not corrected as the others are: what is read now happened now. */
const LARGEST_AGE_NS = 3e9;

export interface KernelLog {
  /** Tells of what was written since it was opened. */
  read(): void;
  close(): void;
}

/** @returns undefined where the log may not be read, which is said */
export function openKernelLog(
  host: Host,
  log: ComponentLog,
  now_ns: () => number,
  tell: (event: KernelEvent) => void,
): KernelLog | undefined {
  let fd: number;
  try {
    fd = openSync(host.resolve(PATH), constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    log.once('kmsg', `Cannot tell of kills for want of memory: ${messageOf(error)}`);
    return undefined;
  }
  const buffer = Buffer.allocUnsafeSlow(RECORD_BYTES);
  const event = createKernelEvent();
  let isNew = false;

  /** False at the end of what there is. */
  function readOne(): boolean {
    let length: number;
    try {
      length = readSync(fd, buffer, 0, RECORD_BYTES, null);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Records were overwritten before they were read: the next one is the first that is left.
      if (code === 'EPIPE') return true;
      if (code !== 'EAGAIN') log.once('kmsg', `Cannot read ${PATH}: ${messageOf(error)}`);
      return false;
    }
    if (length === 0) return false;
    if (!isNew || buffer.indexOf(MARK) === -1 || !parseOomKill(buffer.toString('utf8', 0, length), event)) return true;
    const now = now_ns();
    if (!(Math.abs(now - event.time_ns) < LARGEST_AGE_NS)) event.time_ns = now;
    tell(event);
    return true;
  }

  const read = (): void => {
    for (let i = 0; i < MOST_RECORDS && readOne(); i++);
  };
  // What is there already is an old story.
  while (readOne());
  isNew = true;
  return { read, close: () => closeSync(fd) };
}

const MARK = Buffer.from('Killed process ');

const OOM_KILL =
  /^[0-7],\d+,(\d+),[^;]*;(?:Out of memory|Memory cgroup out of memory)[^\n]*?: Killed process (\d+) \(([^\n]*)\) total-vm:\d+kB, anon-rss:(\d+)kB, file-rss:(\d+)kB(?:, shmem-rss:(\d+)kB)?(?:, UID:(\d+))?/;

/**
 * `3,812,5140900,-;Out of memory: Killed process 100 (name) total-vm:9kB, anon-rss:8kB, file-rss:4kB, shmem-rss:0kB,
 * UID:0 pgtables:60kB oom_score_adj:0`: priority (below 8: the kernel itself), sequence, microseconds, flags; text.
 * Sources: Documentation/ABI/testing/dev-kmsg, __oom_kill_process in mm/oom_kill.c
 */
export function parseOomKill(record: string, event: KernelEvent): boolean {
  const match = OOM_KILL.exec(record);
  if (match === null) return false;
  const [, time_us, pid, name, anonymous_kib, file_kib, shared_kib = '0', owner = '-1'] = match;
  event.kind = 'oom_kill';
  event.pid = Number(pid);
  event.time_ns = Number(time_us) * 1000;
  event.name = name!;
  event.resident_kib = Number(anonymous_kib) + Number(file_kib) + Number(shared_kib);
  event.owner = Number(owner);
  return true;
}
