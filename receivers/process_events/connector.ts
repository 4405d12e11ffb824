/**
 * Messages of the kernel's process events connector: netlink header, connector header, `struct proc_event`, all in the
 * order of bytes of the machine, which is little-endian wherever this runs.
 * Sources: include/uapi/linux/cn_proc.h, connector.h, netlink.h, filter.h
 */
import type { KernelEvent } from './source.ts';

/** `CN_IDX_PROC`, the multicast group. */
export const PROC_GROUP = 1;
const CN_VAL_PROC = 1;
const NLMSG_DONE = 3;

const NETLINK_BYTES = 16;
const CONNECTOR_BYTES = 20;
/** `struct proc_event`: what, cpu, timestamp_ns, then the data of the event. */
const WHAT = NETLINK_BYTES + CONNECTOR_BYTES;
const TIMESTAMP = WHAT + 8;
const DATA = WHAT + 16;
/** The smallest data, of an exec: pid and tgid. */
const SMALLEST = DATA + 8;

const WHAT_NONE = 0;
const FORK = 0x1;
const EXEC = 0x2;
const UID = 0x4;
const GID = 0x40;
const EXIT = 0x8000_0000;

/** What became of the wish to listen, told by the first message: an errno, 0 for none. */
export interface Acknowledgement {
  readonly errno: number;
}

/**
 * Reads one message, the first `length` bytes, into `event`.
 * @returns false where it is of no process: of a thread, of a kind that is of no use, or no such message at all
 */
export function decodeMessage(message: Buffer, event: KernelEvent, length = message.length): boolean {
  if (length < SMALLEST || message.readUInt32LE(NETLINK_BYTES) !== PROC_GROUP) return false;
  const what = message.readUInt32LE(WHAT);
  const need = NEEDED_BYTES.get(what);
  if (need === undefined || length < DATA + need) return false;
  const thread = message.readInt32LE(what === FORK ? DATA + 8 : DATA);
  const pid = message.readInt32LE(what === FORK ? DATA + 12 : DATA + 4);
  if (thread !== pid || pid <= 0) return false;
  event.pid = pid;
  event.time_ns = message.readUInt32LE(TIMESTAMP) + message.readUInt32LE(TIMESTAMP + 4) * 2 ** 32;
  event.name = '';
  if (what === FORK) {
    event.kind = 'fork';
    event.parent = message.readInt32LE(DATA + 4);
  } else if (what === EXEC) event.kind = 'exec';
  else if (what === EXIT) {
    event.kind = 'exit';
    event.status = message.readUInt32LE(DATA + 8);
    // The parent was added in Linux 4.18.
    event.parent = length >= DATA + 24 ? message.readInt32LE(DATA + 20) : 0;
  } else {
    event.kind = what === UID ? 'uid' : 'gid';
    event.realId = message.readUInt32LE(DATA + 8);
    event.effectiveId = message.readUInt32LE(DATA + 12);
  }
  return true;
}

/** Bytes of the data of each kind that is of use. */
const NEEDED_BYTES: ReadonlyMap<number, number> = new Map([
  [FORK, 16],
  [EXEC, 8],
  [UID, 16],
  [GID, 16],
  [EXIT, 16],
]);

/** Whether a message answers the wish to listen. */
export function decodeAcknowledgement(message: Buffer): Acknowledgement | undefined {
  if (message.length < DATA + 4 || message.readUInt32LE(WHAT) !== WHAT_NONE) return undefined;
  return { errno: message.readUInt32LE(DATA) };
}

/** Asks the kernel to tell, or to tell no more: `enum proc_cn_mcast_op` in a connector message. */
export function encodeSubscription(isWanted: boolean): Buffer {
  const message = Buffer.alloc(NETLINK_BYTES + CONNECTOR_BYTES + 4);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(NLMSG_DONE, 4);
  message.writeUInt32LE(PROC_GROUP, NETLINK_BYTES);
  message.writeUInt32LE(CN_VAL_PROC, NETLINK_BYTES + 4);
  message.writeUInt16LE(4, NETLINK_BYTES + 16);
  message.writeUInt32LE(isWanted ? 1 : 2, WHAT);
  return message;
}

const BPF_LD_W_ABS = 0x20;
const BPF_JEQ_K = 0x15;
const BPF_JEQ_X = 0x1d;
const BPF_RET_K = 0x06;
const BPF_TAX = 0x07;

/** Indexes of the instructions of the program below that are jumped to. */
const COMPARE = 7;
const COMPARE_FORK = 11;
const ACCEPT = 15;
const REJECT = 16;

/**
 * A program for `SO_ATTACH_FILTER` that lets pass what {@link decodeMessage} takes, and answers: threads wake nobody and
 * take no room in the buffer. An array of `struct sock_filter`.
 */
export function encodeFilter(): Buffer {
  const program: readonly Instruction[] = [
    { code: BPF_LD_W_ABS, k: WHAT },
    { code: BPF_JEQ_K, k: swapped(WHAT_NONE), ifTrue: ACCEPT },
    { code: BPF_JEQ_K, k: swapped(FORK), ifTrue: COMPARE_FORK },
    { code: BPF_JEQ_K, k: swapped(EXEC), ifTrue: COMPARE },
    { code: BPF_JEQ_K, k: swapped(EXIT), ifTrue: COMPARE },
    { code: BPF_JEQ_K, k: swapped(UID), ifTrue: COMPARE },
    { code: BPF_JEQ_K, k: swapped(GID), ifTrue: COMPARE, ifFalse: REJECT },
    { code: BPF_LD_W_ABS, k: DATA },
    { code: BPF_TAX, k: 0 },
    { code: BPF_LD_W_ABS, k: DATA + 4 },
    { code: BPF_JEQ_X, k: 0, ifTrue: ACCEPT, ifFalse: REJECT },
    { code: BPF_LD_W_ABS, k: DATA + 8 },
    { code: BPF_TAX, k: 0 },
    { code: BPF_LD_W_ABS, k: DATA + 12 },
    { code: BPF_JEQ_X, k: 0, ifTrue: ACCEPT, ifFalse: REJECT },
    { code: BPF_RET_K, k: 0xffff_ffff },
    { code: BPF_RET_K, k: 0 },
  ];
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, { code, k, ifTrue, ifFalse }] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    // Jumps count from the next instruction.
    bytes.writeUInt8(ifTrue === undefined ? 0 : ifTrue - index - 1, index * 8 + 2);
    bytes.writeUInt8(ifFalse === undefined ? 0 : ifFalse - index - 1, index * 8 + 3);
    bytes.writeUInt32LE(k, index * 8 + 4);
  }
  return bytes;
}

interface Instruction {
  readonly code: number;
  readonly k: number;
  /** Where to go on, if not at the next instruction. */
  readonly ifTrue?: number;
  readonly ifFalse?: number;
}

/** The program loads words in the network's order of bytes, so what they are compared with is turned. */
function swapped(value: number): number {
  return (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}
