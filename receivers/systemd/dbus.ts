/** Calls methods over D-Bus: as much of its protocol (D-Bus specification 0.43) as asking systemd needs. */
import type { Socket } from 'node:net';
import { messageOf } from '../../src/errors.ts';
import { Reader, Writer } from './marshalling.ts';

export interface MethodCall {
  /** '' on a connection without a bus between. */
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
}

export interface Connection {
  /**
   * Calls a method without arguments.
   * @returns the reply's body
   * @throws {Error} the connection broke, or the other side answered with an error
   */
  call(call: MethodCall, signal: AbortSignal): Promise<Reader>;
  readonly isOpen: boolean;
  close(): void;
}

/** Of one message; what systemd tells of 100,000 units would fit. */
const LONGEST_MESSAGE = 64 * 2 ** 20;
const HEADER_BYTES = 16;
const METHOD_CALL = 1;
const METHOD_RETURN = 2;
const ERROR = 3;
const FIELD = { path: 1, interface: 2, member: 3, errorName: 4, replySerial: 5, destination: 6 } as const;

/**
 * Connects to the socket of a bus, or of systemd itself (`/run/systemd/private`), as this process's user.
 * @throws {Error} with the system's `code`, or because the other side refuses
 */
export async function connect(path: string, signal: AbortSignal): Promise<Connection> {
  const { createConnection } = process.getBuiltinModule('node:net');
  const socket = createConnection(path);
  const abort = (): void => void socket.destroy(new Error(`Cannot reach "${path}" in time`));
  signal.addEventListener('abort', abort, { once: true });
  try {
    await authenticate(socket, path);
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
  return createCalls(socket);
}

/**
 * SASL EXTERNAL: the kernel tells the other side who asks. BEGIN does not wait for the answer, as systemd's own clients have it:
 * a systemd that reads BEGIN and a call in one piece leaves the call unread until more comes.
 */
function authenticate(socket: Socket, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const uid = Buffer.from(String(process.getuid?.() ?? 0)).toString('hex');
  let said = '';
  socket.once('connect', () => socket.write(`\0AUTH EXTERNAL ${uid}\r\nBEGIN\r\n`));
  const onData = (piece: Buffer): void => {
    said += piece.toString('latin1');
    if (!said.includes('\r\n') && said.length < 1000) return;
    socket.off('data', onData);
    if (!said.startsWith('OK '))
      return reject(new Error(`Cannot log in at "${path}": it says ${said.slice(0, 100).trim()}`));
    resolve();
  };
  socket.on('data', onData);
  socket.once('error', reject);
  socket.once('close', () => reject(new Error(`Cannot log in at "${path}": it closed the connection`)));
  return promise;
}

function createCalls(socket: Socket): Connection {
  const waiting = new Map<number, PromiseWithResolvers<Reader>>();
  let serial = 0;
  let isOpen = true;
  let held: Buffer = Buffer.alloc(0);

  function end(error: Error): void {
    isOpen = false;
    socket.destroy();
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  }

  function take(message: Message): void {
    const caller = waiting.get(message.replySerial);
    if (caller === undefined || (message.type !== METHOD_RETURN && message.type !== ERROR)) return;
    waiting.delete(message.replySerial);
    if (message.type === METHOD_RETURN) return caller.resolve(message.body);
    caller.reject(new Error(`${message.errorName}: ${message.hasText ? message.body.string() : 'no reason is given'}`));
  }

  socket.on('data', (piece: Buffer) => {
    held = held.length === 0 ? piece : Buffer.concat([held, piece]);
    try {
      for (let length = messageLength(held); length !== undefined && length <= held.length;) {
        take(readMessage(held.subarray(0, length)));
        held = held.subarray(length);
        length = messageLength(held);
      }
    } catch (error) {
      end(new Error(`Cannot understand what D-Bus answers: ${messageOf(error)}`, { cause: error }));
    }
  });
  socket.on('error', end);
  socket.once('close', () => end(new Error('Cannot ask by D-Bus: the connection was closed')));
  // Between calls the agent does not live on for it.
  socket.unref();

  return {
    get isOpen() {
      return isOpen;
    },
    async call(call, signal) {
      const answer = Promise.withResolvers<Reader>();
      const own = ++serial;
      waiting.set(own, answer);
      const abort = (): void => end(new Error(`Cannot call ${call.member}: no answer in time`));
      signal.addEventListener('abort', abort, { once: true });
      socket.ref();
      socket.write(writeCall(call, own));
      try {
        return await answer.promise;
      } finally {
        signal.removeEventListener('abort', abort);
        if (waiting.size === 0) socket.unref();
      }
    },
    close: () => end(new Error('Cannot ask by D-Bus: closed')),
  };
}

function writeCall({ destination, path, interface: name, member }: MethodCall, serial: number): Buffer {
  const fields = new Writer(HEADER_BYTES);
  fields.field(FIELD.path, 'o', path);
  fields.field(FIELD.interface, 's', name);
  fields.field(FIELD.member, 's', member);
  if (destination !== '') fields.field(FIELD.destination, 's', destination);
  const head = Buffer.alloc(HEADER_BYTES);
  // Little-endian, a call, no flags, version 1 of the protocol, no body.
  head.set([0x6c, METHOD_CALL, 0, 1]);
  head.writeUInt32LE(serial, 8);
  head.writeUInt32LE(fields.length, 12);
  return Buffer.concat([head, fields.padded(8)]);
}

interface Message {
  readonly type: number;
  readonly replySerial: number;
  readonly errorName: string;
  /** Whether the body begins with a text. */
  readonly hasText: boolean;
  readonly body: Reader;
}

/** Undefined as long as that cannot be seen. @throws {RangeError} */
function messageLength(bytes: Buffer): number | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const isLittle = bytes[0] === 0x6c;
  const body = isLittle ? bytes.readUInt32LE(4) : bytes.readUInt32BE(4);
  const fields = isLittle ? bytes.readUInt32LE(12) : bytes.readUInt32BE(12);
  const length = HEADER_BYTES + Math.ceil(fields / 8) * 8 + body;
  if (length > LONGEST_MESSAGE) throw new RangeError(`a message of ${length} bytes`);
  return length;
}

function readMessage(bytes: Buffer): Message {
  const isLittle = bytes[0] === 0x6c;
  const fields = new Reader(bytes, isLittle, 12);
  const length = fields.uint32();
  const end = HEADER_BYTES + length;
  let replySerial = 0;
  let errorName = '';
  let signature = '';
  while (fields.offset < end) {
    fields.align(8);
    const code = fields.byte();
    const kind = fields.signature();
    if (kind === 'u') {
      const value = fields.uint32();
      if (code === FIELD.replySerial) replySerial = value;
    } else if (kind === 'g') signature = fields.signature();
    else {
      const value = fields.string();
      if (code === FIELD.errorName) errorName = value;
    }
  }
  const body = new Reader(bytes, isLittle, Math.ceil(end / 8) * 8);
  return { type: bytes[1]!, replySerial, errorName, hasText: signature.startsWith('s'), body };
}
