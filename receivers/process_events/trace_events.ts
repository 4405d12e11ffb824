/** From the events of a trace to those of processes. */
import type { KernelEvent } from './source.ts';
import { type TraceField, type TraceFormat, parseFormat, readText } from './trace_page.ts';

/** What is traced, with the fields that are needed. */
export const TRACED = {
  task_newtask: { path: 'events/task/task_newtask', fields: ['common_pid', 'pid', 'clone_flags'] },
  sched_process_exec: { path: 'events/sched/sched_process_exec', fields: ['pid', 'filename'] },
  sched_process_exit: { path: 'events/sched/sched_process_exit', fields: ['pid'] },
  mark_victim: { path: 'events/oom/mark_victim', fields: ['pid'] },
} as const;

export type TracedEvent = keyof typeof TRACED;

const CLONE_THREAD = 0x1_0000;
/** The kernel's own filter, so that threads fill no buffer. It knows decimal numbers everywhere. */
export const NO_THREADS = `!(clone_flags & ${CLONE_THREAD})`;

/**
 * Reads one event of a page into `event`; false where it is none of a process. The parent of a fork is the thread that
 * forked, and an exit may be of a thread: who knows the processes tells them apart.
 */
export type DecodeEvent = (page: Buffer, start: number, end: number, event: KernelEvent) => boolean;

/** @param texts content of the file `format` of each */
export function createTraceDecoder(texts: Readonly<Record<TracedEvent, string>>): DecodeEvent {
  const formats = Object.fromEntries(
    Object.entries(TRACED).map(([name, { fields }]) => [name, parseFormat(texts[name as TracedEvent], fields)]),
  ) as Record<TracedEvent, TraceFormat>;
  const { task_newtask: newtask, sched_process_exec: exec, sched_process_exit: exit, mark_victim: victim } = formats;
  const at = ({ fields }: TraceFormat, name: string): number => fields.get(name)!.offset;
  const newtaskAt = { parent: at(newtask, 'common_pid'), pid: at(newtask, 'pid'), flags: at(newtask, 'clone_flags') };
  const execAt = { pid: at(exec, 'pid'), filename: at(exec, 'filename') };
  const exitAt = at(exit, 'pid');
  const victimAt = at(victim, 'pid');
  const resident = ['anon_rss', 'file_rss', 'shmem_rss'].map((name) => victim.fields.get(name));
  const uid = victim.fields.get('uid');
  const comm = victim.fields.get('comm');

  return (page, start, end, event) => {
    if (end - start < 12) return false;
    const type = page.readUInt16LE(start);
    event.name = '';
    event.parent = 0;
    event.status = -1;
    if (type === newtask.id) {
      if (start + newtaskAt.flags + 8 > end) return false;
      if ((page.readUInt32LE(start + newtaskAt.flags) & CLONE_THREAD) !== 0) return false;
      event.kind = 'fork';
      event.pid = page.readInt32LE(start + newtaskAt.pid);
      event.parent = page.readInt32LE(start + newtaskAt.parent);
    } else if (type === exec.id) {
      if (start + execAt.pid + 4 > end || start + execAt.filename + 4 > end) return false;
      event.kind = 'exec';
      event.pid = page.readInt32LE(start + execAt.pid);
      event.name = readLocated(page, start, end, execAt.filename);
    } else if (type === exit.id) {
      if (start + exitAt + 4 > end) return false;
      event.kind = 'exit';
      event.pid = page.readInt32LE(start + exitAt);
    } else if (type === victim.id) {
      if (start + victimAt + 4 > end) return false;
      event.kind = 'oom_kill';
      event.pid = page.readInt32LE(start + victimAt);
      // Before Linux 6.9 there is nothing but the pid.
      event.name = comm === undefined ? '' : readLocated(page, start, end, comm.offset);
      event.resident_kib = resident.reduce((sum, field) => sum + readLong(page, start, end, field), 0);
      event.owner = uid === undefined || start + uid.offset + 4 > end ? -1 : page.readUInt32LE(start + uid.offset);
    } else return false;
    return event.pid > 0;
  };
}

/** `__data_loc`: offset from the beginning of the event in the lower half, length in the upper. */
function readLocated(page: Buffer, start: number, end: number, offset: number): string {
  if (start + offset + 4 > end) return '';
  const located = page.readUInt32LE(start + offset);
  const from = Math.min(end, start + (located & 0xffff));
  return readText(page, from, Math.min(end, from + (located >>> 16)));
}

function readLong(page: Buffer, start: number, end: number, field: TraceField | undefined): number {
  if (field === undefined || start + field.offset + field.size > end) return NaN;
  return field.size === 8
    ? Number(page.readBigUInt64LE(start + field.offset))
    : page.readUInt32LE(start + field.offset);
}
