/**
 * What processes used, which the kernel tells at their end (Documentation/accounting/taskstats.rst): exact where the files
 * of a process are already gone, and sent before the event of the exit is.
 */
import { readFileSync } from 'node:fs';
import { systemError, type Native } from '../../src/native/library.ts';
import type { SOCKET_FUNCTIONS } from '../../src/native/netlink_socket.ts';
import { openNetlinkSocket } from '../../src/native/netlink_socket.ts';

/** A task that has ended. */
export interface Ended {
  readonly pid: number;
  /** Its name, of at most 31 bytes. */
  readonly name: string;
  /** Real user. */
  readonly owner: number;
  readonly parent: number;
  /** Unix seconds of its start. */
  readonly began_s: number;
  readonly user_s: number;
  readonly system_s: number;
  /** The most memory that was resident, of the whole process. */
  readonly peak_bytes: number;
  /** No other thread of the process goes on, and none had been. */
  readonly isWhole: boolean;
}

export interface EndedTasks {
  /** Reads what there is. */
  drain(): void;
  /** What was told of the end of this pid. The caller sees to it that it is not an earlier one of the same pid. */
  find(pid: number): Ended | undefined;
  forget(pid: number): void;
  close(): void;
}

const NETLINK_GENERIC = 16;
const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const NLM_F_REQUEST = 1;
const NLMSG_ERROR = 2;
const TASKSTATS_CMD_GET = 1;
const REGISTER_CPUMASK = 3;
const TYPE_STATS = 3;
const TYPE_AGGR_PID = 4;
const TYPE_AGGR_TGID = 5;
const HEADERS_BYTES = 20;
const MESSAGE_BYTES = 8192;
const ROOM = BigInt(MESSAGE_BYTES);
/** Threads are among them. */
const MOST_REMEMBERED = 8192;

/** Offsets in `struct taskstats` (include/uapi/linux/taskstats.h), which only ever grows at its end. */
const FLAG = 8;
const COMM = 80;
const COMM_BYTES = 32;
const UID = 120;
const PID = 128;
const PPID = 132;
const BTIME = 136;
const UTIME = 152;
const STIME = 160;
const HIWATER_RSS = 200;
const NEEDED_BYTES = 208;
/** No thread is left (since version 11, Linux 5.15). */
const AGROUP = 0x20;

/** @throws {Error} the kernel has none of it, or the right is missing: CAP_NET_ADMIN */
export function openTaskstats(native: Native<typeof SOCKET_FUNCTIONS>, buffer_bytes: number): EndedTasks {
  const { functions: c, failure } = native;
  const fd = openNetlinkSocket(native, NETLINK_GENERIC, 0, buffer_bytes);
  const buffer = Buffer.allocUnsafeSlow(MESSAGE_BYTES);
  const ended = new Map<number, Ended>();

  const receive = (): number => c.recv(fd, buffer, ROOM, 0);

  /** The kernel answers within the call. @throws {Error} it refuses */
  function ask(type: number, command: number, attribute: number, text: string): Buffer | undefined {
    const request = encodeRequest(type, command, attribute, text);
    if (Number(c.send(fd, request, BigInt(request.length), 0)) < 0) throw failure('ask for what processes used');
    const length = receive();
    if (length < HEADERS_BYTES) return undefined;
    if (buffer.readUInt16LE(4) === NLMSG_ERROR && buffer.readInt32LE(16) !== 0) {
      throw systemError('ask for what processes used', -buffer.readInt32LE(16));
    }
    return buffer.subarray(0, length);
  }

  try {
    const family = ask(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, 'TASKSTATS');
    const id = family === undefined ? NONE : findAttribute(family, HEADERS_BYTES, family.length, CTRL_ATTR_FAMILY_ID);
    if (family === undefined || id === NONE)
      throw new Error('Cannot ask for what processes used: the kernel has no taskstats');
    const cpus = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim();
    ask(family.readUInt16LE(id + ATTRIBUTE_HEADER), TASKSTATS_CMD_GET, REGISTER_CPUMASK, cpus);
  } catch (error) {
    c.close(fd);
    throw error;
  }

  return {
    drain() {
      for (let length = receive(); length !== -1; length = receive()) {
        const task = decodeTaskstats(buffer, length);
        if (task === undefined) continue;
        ended.delete(task.pid);
        ended.set(task.pid, task);
        if (ended.size > MOST_REMEMBERED) ended.delete(ended.keys().next().value!);
      }
    },
    find: (pid) => ended.get(pid),
    forget: (pid) => void ended.delete(pid),
    close: () => void c.close(fd),
  };
}

/** `struct nlmsghdr`, `struct genlmsghdr`, one attribute of text. */
function encodeRequest(type: number, command: number, attribute: number, text: string): Buffer {
  const attributeBytes = 4 + text.length + 1;
  const request = Buffer.alloc(HEADERS_BYTES + ((attributeBytes + 3) & ~3));
  request.writeUInt32LE(request.length, 0);
  request.writeUInt16LE(type, 4);
  request.writeUInt16LE(NLM_F_REQUEST, 6);
  request.writeUInt8(command, 16);
  request.writeUInt8(1, 17);
  request.writeUInt16LE(attributeBytes, HEADERS_BYTES);
  request.writeUInt16LE(attribute, HEADERS_BYTES + 2);
  request.write(text, HEADERS_BYTES + 4);
  return request;
}

const NONE = -1;
/** `struct nlattr`: length with itself, type; then the value, padded to 4 bytes. */
const ATTRIBUTE_HEADER = 4;

/** Where between `start` and `end` the attribute of this type begins, or {@link NONE}. */
function findAttribute(message: Buffer, start: number, end: number, wanted: number): number {
  for (let at = start; at + ATTRIBUTE_HEADER <= end;) {
    const length = message.readUInt16LE(at);
    // The two highest bits are flags.
    const type = message.readUInt16LE(at + 2) & 0x3fff;
    if (length < ATTRIBUTE_HEADER || at + length > end) return NONE;
    if (type === wanted) return at;
    at += (length + 3) & ~3;
  }
  return NONE;
}

/**
 * The task in a message, the first `length` bytes, which is of a thread unless its pid is a process's; undefined where
 * there is none.
 */
export function decodeTaskstats(message: Buffer, length = message.length): Ended | undefined {
  const task = findAttribute(message, HEADERS_BYTES, length, TYPE_AGGR_PID);
  if (task === NONE) return undefined;
  const taskEnd = task + message.readUInt16LE(task);
  const found = findAttribute(message, task + ATTRIBUTE_HEADER, taskEnd, TYPE_STATS);
  if (found === NONE || message.readUInt16LE(found) < ATTRIBUTE_HEADER + NEEDED_BYTES) return undefined;
  const stats = found + ATTRIBUTE_HEADER;
  const name = stats + COMM;
  let nameEnd = name;
  while (nameEnd < name + COMM_BYTES && message[nameEnd] !== 0) nameEnd++;
  return {
    pid: message.readUInt32LE(stats + PID),
    name: message.toString('utf8', name, nameEnd),
    owner: message.readUInt32LE(stats + UID),
    parent: message.readUInt32LE(stats + PPID),
    began_s: message.readUInt32LE(stats + BTIME),
    user_s: readUInt64(message, stats + UTIME) / 1e6,
    system_s: readUInt64(message, stats + STIME) / 1e6,
    peak_bytes: readUInt64(message, stats + HIWATER_RSS) * 1024,
    isWhole:
      (message.readUInt8(stats + FLAG) & AGROUP) !== 0 &&
      // The sum of all threads comes with the last one, if there were several.
      findAttribute(message, HEADERS_BYTES, length, TYPE_AGGR_TGID) === NONE,
  };
}

/** As near as a double comes. */
function readUInt64(message: Buffer, at: number): number {
  return message.readUInt32LE(at) + message.readUInt32LE(at + 4) * 2 ** 32;
}
