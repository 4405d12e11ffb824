/**
 * The kernel's process events connector (docs/decisions/process-events.md): forks, execs, changes of owner and exits
 * with their status, as they happen, over a netlink socket that is called directly.
 */
import type { ComponentLog } from '../../src/component.ts';
import { messageOf } from '../../src/errors.ts';
import { openReadable } from '../../src/native/descriptor.ts';
import { openNative, systemError } from '../../src/native/library.ts';
import { decodeAcknowledgement, decodeMessage, encodeFilter, encodeSubscription, PROC_GROUP } from './connector.ts';
import { openNetlinkSocket, SOCKET_FUNCTIONS, SOL_SOCKET } from '../../src/native/netlink_socket.ts';
import { createKernelEvent, type KernelSource, type Sink } from './source.ts';
import { type EndedTasks, openTaskstats } from './taskstats.ts';

const NETLINK_CONNECTOR = 11;
const SO_ATTACH_FILTER = 26;
const SO_MEMINFO = 55;
/** Place in what `SO_MEMINFO` answers: messages that found no room (include/uapi/linux/sock_diag.h). */
const SK_MEMINFO_DROPS = 8;
const MEMINFO_BYTES = 36;

const EINTR = 4;
const ENOBUFS = 105;

/** How long the kernel's answer is waited for: it is there at once, or never. */
const ANSWER_MS = 200;
/** Work between two turns of the event loop. */
const SLICE_MS = 10;
/**
 * Being woken costs as much as handling ten events. Who is woken more often than this a second reads at intervals, until
 * there is less to read than that: what lives shorter is then gone when it is looked at.
 */
const MOST_CREDIT = 50;
const PAUSE_MS = 50;
/** What such an interval may bring for being woken to be as good again. */
const FEW_MESSAGES = (MOST_CREDIT * PAUSE_MS) / 1000;
/** The largest message is some hundred bytes. */
const MESSAGE_BYTES = 4096;
const ROOM = BigInt(MESSAGE_BYTES);

export interface NetlinkOptions {
  readonly sink: Sink;
  readonly log: ComponentLog;
  /** For messages that wait: the kernel counts some 770 bytes each. */
  readonly buffer_bytes: number;
}

/**
 * @throws {Error} why the kernel does not tell: with `code` EPERM, EPROTONOSUPPORT in another network namespace, …
 */
export async function openNetlink({ sink, log, buffer_bytes }: NetlinkOptions): Promise<KernelSource> {
  const native = openNative(SOCKET_FUNCTIONS);
  if (native === undefined) {
    throw new Error('Cannot listen to events of processes: this Node.js cannot call the C library');
  }
  const { functions: c, failure, errno } = native;
  const fd = openNetlinkSocket(native, NETLINK_CONNECTOR, 1 << (PROC_GROUP - 1), buffer_bytes);
  try {
    attachFilter();
    send(true);
  } catch (error) {
    c.close(fd);
    throw error;
  }
  const tasks = openTasks();

  const message = Buffer.allocUnsafeSlow(MESSAGE_BYTES);
  const event = createKernelEvent();
  const answered = Promise.withResolvers<number>();
  let isScheduled = false;
  let isAnswered = false;
  let isClosed = false;
  let hasOverrun = false;
  let isPaused = false;
  let isAtIntervals = false;
  let timer: NodeJS.Timeout | undefined;
  let credit = MOST_CREDIT;
  let last_ms = performance.now();
  let dropped = readDropped();
  const readable = openReadable(fd, () => {
    // Within libuv's own callback promises are not looked after. This phase of the loop is the next one.
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(readSlice);
  });

  function openTasks(): EndedTasks | undefined {
    try {
      return openTaskstats(native!, buffer_bytes);
    } catch (error) {
      log.once('taskstats', `Cannot tell what processes used at their end: ${messageOf(error)}`);
      return undefined;
    }
  }

  /** `struct sock_fprog`: count, padding, pointer. */
  function attachFilter(): void {
    const filter = encodeFilter();
    const ffi = process.getBuiltinModule('node:ffi');
    const pointer = c.malloc(BigInt(filter.length));
    try {
      ffi.exportBuffer(filter, pointer, filter.length);
      const program = Buffer.alloc(16);
      program.writeUInt16LE(filter.length / 8, 0);
      program.writeBigUInt64LE(pointer, 8);
      if (c.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, program.length) !== 0) {
        throw failure('filter events of processes');
      }
    } finally {
      c.free(pointer);
    }
  }

  function send(isWanted: boolean): void {
    const subscription = encodeSubscription(isWanted);
    if (Number(c.send(fd, subscription, BigInt(subscription.length), 0)) < 0)
      throw failure('ask for events of processes');
  }

  function readDropped(): number {
    const info = Buffer.alloc(MEMINFO_BYTES);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(info.length, 0);
    // Linux before 4.12 does not tell.
    if (c.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, length) !== 0) return NaN;
    return info.readUInt32LE(SK_MEMINFO_DROPS * 4);
  }

  /** @returns whether there may be more */
  function readOne(): boolean {
    const length = c.recv(fd, message, ROOM, 0);
    if (length < 0) {
      const error = errno();
      if (error === ENOBUFS) hasOverrun = true;
      else if (error !== EINTR) {
        if (hasOverrun) endOverrun();
        return false;
      }
      return true;
    }
    if (decodeMessage(message, event, length)) sink.event(event);
    else {
      const acknowledgement = decodeAcknowledgement(message.subarray(0, length));
      if (acknowledgement === undefined) return true;
      isAnswered = true;
      answered.resolve(acknowledgement.errno);
    }
    return true;
  }

  /** The kernel says once that it drops, and drops until all that it kept is read. */
  function endOverrun(): void {
    hasOverrun = false;
    const before = dropped;
    dropped = readDropped();
    // libuv no longer waits for a descriptor that told of an error.
    isPaused = true;
    sink.lost(Number.isNaN(dropped) ? NaN : (dropped - before) >>> 0);
  }

  /** Reads what there is, and has itself called again: at once, when there is more, or after a pause in busy times. */
  function readSlice(): void {
    isScheduled = false;
    if (isClosed) return;
    const began_ms = performance.now();
    tasks?.drain();
    let hasMore = true;
    let count = 0;
    while (hasMore && performance.now() < began_ms + SLICE_MS) {
      if (isAnswered && sink.isFull) {
        pause();
        return void sink.room().then(readSlice);
      }
      for (let i = 0; i < 32 && hasMore; i++, count++) hasMore = !isClosed && readOne();
    }
    credit = Math.min(MOST_CREDIT, credit + ((began_ms - last_ms) / 1000) * MOST_CREDIT) - 1;
    last_ms = began_ms;
    if (isClosed) return;
    if (hasMore) {
      isScheduled = true;
      pause();
      setImmediate(readSlice);
    } else if (isAtIntervals ? count > FEW_MESSAGES : credit < 0 && count > 1) {
      isAtIntervals = true;
      pause();
      timer = setTimeout(readSlice, PAUSE_MS);
    } else {
      isAtIntervals = false;
      if (!isPaused) return;
      isPaused = false;
      readable.resume();
    }
  }

  function pause(): void {
    if (!isPaused) readable.pause();
    isPaused = true;
  }

  const source: KernelSource = {
    name: 'netlink',
    ended(pid, isOver) {
      let task = tasks?.find(pid);
      if (task === undefined && isOver) {
        tasks?.drain();
        task = tasks?.find(pid);
      }
      return task;
    },
    forget: (pid) => tasks?.forget(pid),
    drain() {
      tasks?.drain();
      while (!isClosed && readOne());
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      clearTimeout(timer);
      try {
        // Otherwise the kernel goes on making events for nobody (Linux before 6.6 counts listeners by these messages).
        send(false);
      } catch {
        // The socket is closed all the same.
      }
      readable.close();
      tasks?.close();
    },
  };
  await requireAnswer(answered.promise, source);
  return source;
}

/** @throws {Error} the kernel refuses, or does not answer: it hears only who is in its first namespaces */
async function requireAnswer(answer: Promise<number>, source: KernelSource): Promise<void> {
  const timer = Promise.withResolvers<undefined>();
  const timeout = setTimeout(() => timer.resolve(undefined), ANSWER_MS);
  const errno = await Promise.race([answer, timer.promise]);
  clearTimeout(timeout);
  if (errno === 0) return;
  source.close();
  if (errno === undefined) {
    throw new Error(
      'Cannot listen to events of processes: the kernel does not answer, as in a container with its own pids',
    );
  }
  throw systemError('listen to events of processes', errno);
}
