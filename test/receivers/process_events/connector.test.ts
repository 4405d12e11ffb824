/** Messages of the process events connector, as Linux 6.18 sent them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeAcknowledgement,
  decodeMessage,
  encodeFilter,
  encodeSubscription,
} from '../../../receivers/process_events/connector.ts';
import { createKernelEvent } from '../../../receivers/process_events/source.ts';
import recorded from './data/connector.json' with { type: 'json' };

const messages = recorded.map((hex) => Buffer.from(hex, 'hex'));
/** Of `struct proc_event` in a message. */
const WHAT = 36;

function inShort(message: Buffer): string | undefined {
  const event = createKernelEvent();
  if (!decodeMessage(message, event)) return undefined;
  const { kind, pid, parent, status, realId, effectiveId } = event;
  if (kind === 'fork') return `fork ${pid} of ${parent}`;
  if (kind === 'exit') return `exit ${pid} of ${parent}: ${status}`;
  return kind === 'exec' ? `exec ${pid}` : `${kind} ${pid}: ${realId} ${effectiveId}`;
}

test('decodeMessage reads what a shell, a kill, a change of user and a program of many threads cause', () => {
  expect(messages.flatMap((message) => inShort(message) ?? [])).toEqual([
    'fork 15196 of 15189',
    'exec 15196',
    'exit 15196 of 15189: 768',
    'fork 15197 of 15189',
    'exec 15197',
    'exit 15197 of 15189: 9',
    'fork 15198 of 15189',
    'exec 15198',
    'uid 15198: 1000 1000',
    'gid 15198: 1000 1000',
    'exec 15198',
    'exit 15198 of 15189: 0',
    'fork 15199 of 15189',
    'exec 15199',
    'exit 15199 of 15189: 0',
    'fork 15200 of 15189',
    'exec 15200',
    // Six threads began and ended meanwhile.
    'exit 15200 of 15189: 0',
  ]);
});

test('decodeMessage gives times of one rising clock', () => {
  const event = createKernelEvent();
  const times = messages.flatMap((message) => (decodeMessage(message, event) ? [event.time_ns] : []));
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(times.at(-1)! - times[0]).toBeGreaterThan(1e6);
});

test('decodeAcknowledgement reads the first message alone', () => {
  expect(messages.map(decodeAcknowledgement)).toEqual([{ errno: 0 }, ...messages.slice(1).map(() => undefined)]);
});

test('decodeMessage takes an exit of a kernel before 4.18, which names no parent', () => {
  const exit = messages.find((message) => message.readUInt32LE(WHAT) === 0x8000_0000)!;
  expect(inShort(exit.subarray(0, exit.length - 8))).toBe('exit 15196 of 0: 768');
});

describe('decodeMessage reads no bytes that are not there', () => {
  test('of any message that is cut short', () => {
    fc.assert(
      fc.property(fc.constantFrom(...messages), fc.nat({ max: 80 }), (message, length) => {
        const event = createKernelEvent();
        const cut = Buffer.from(message.subarray(0, length));
        const isTaken = decodeMessage(cut, event);
        if (isTaken) expect(event.pid).toBeGreaterThan(0);
        // What an earlier message left behind it is not looked at.
        expect(decodeMessage(message, createKernelEvent(), cut.length)).toBe(isTaken);
        decodeAcknowledgement(cut);
      }),
    );
  });

  test('of any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decodeMessage(Buffer.from(bytes), createKernelEvent());
        decodeAcknowledgement(Buffer.from(bytes));
      }),
    );
  });
});

/** Runs a program of classic BPF, as net/core/filter.c does, with the few instructions that are used. */
function runFilter(program: Buffer, message: Buffer): boolean {
  let [a, x] = [0, 0];
  for (let at = 0; at < program.length; at += 8) {
    const [code, ifTrue, ifFalse, k] = [
      program.readUInt16LE(at),
      program.readUInt8(at + 2),
      program.readUInt8(at + 3),
      program.readUInt32LE(at + 4),
    ];
    if (code === 0x20) {
      if (k + 4 > message.length) return false;
      a = message.readUInt32BE(k);
    } else if (code === 0x07) x = a;
    else if (code === 0x06) return k !== 0;
    else if (code === 0x15) at += 8 * (a === k ? ifTrue : ifFalse);
    else if (code === 0x1d) at += 8 * (a === x ? ifTrue : ifFalse);
    else throw new Error(`Cannot run instruction ${code}`);
  }
  throw new Error('Cannot run a program without an end');
}

test('encodeFilter lets pass exactly what is decoded, and answers', () => {
  const filter = encodeFilter();
  const isTaken = (message: Buffer): boolean =>
    inShort(message) !== undefined || decodeAcknowledgement(message) !== undefined;
  for (const message of messages) expect(runFilter(filter, message)).toBe(isTaken(message));
  fc.assert(
    fc.property(
      fc.constantFrom(0, 1, 2, 4, 0x40, 0x80, 0x100, 0x200, 0x4000_0000, 0x8000_0000),
      fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 6, maxLength: 6 }),
      (what, ids) => {
        const message = Buffer.from(messages[1]!);
        message.writeUInt32LE(what, WHAT);
        for (const [index, id] of ids.entries()) message.writeUInt32LE(id, WHAT + 16 + index * 4);
        expect(runFilter(filter, message)).toBe(isTaken(message));
      },
    ),
  );
});

test('encodeSubscription writes what the kernel documents', () => {
  // Documentation/driver-api/connector.rst, samples/connector; PROC_CN_MCAST_LISTEN is 1, IGNORE 2.
  expect(encodeSubscription(true).toString('hex')).toBe(
    '28000000030000000000000000000000' + '0100000001000000000000000000000004000000' + '01000000',
  );
  expect(encodeSubscription(false).at(WHAT)).toBe(2);
});
