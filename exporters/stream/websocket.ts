/**
 * The server's side of WebSockets (RFC 6455), without extensions: the handshake, and what clients send. Own code because
 * `ws` takes 11 MB and 35 ms to load (docs/decisions/stream.md).
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { sha1 } from '../../src/text/sha1.ts';

/** Section 1.3. */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Section 7.4.1; 1013 is in the registry of IANA: try again later. */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupported: 1003,
  invalidText: 1007,
  tooLarge: 1009,
  tryAgainLater: 1013,
} as const;

/** The head of the answer that opens a WebSocket, or what the request lacks (section 4.2.1). */
export function handshake({
  method,
  headers,
}: IncomingMessage): { readonly accept: string } | { readonly problem: string } {
  const key = headers['sec-websocket-key'] ?? '';
  if (method !== 'GET') return { problem: '405 Method Not Allowed' };
  if (headers['sec-websocket-version'] !== '13')
    return { problem: '426 Upgrade Required\r\nSec-WebSocket-Version: 13' };
  // 16 bytes in base64.
  if (!/^[+/0-9A-Za-z]{22}==$/.test(key)) return { problem: '400 Bad Request' };
  const accept = sha1(Buffer.from(key + ACCEPT_SUFFIX)).toString('base64');
  return {
    accept: `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  };
}

/** Answers a request that no WebSocket is opened for. */
export function refuseUpgrade(socket: Duplex, status: string, text: string): void {
  const body = `${text}\n`;
  const headers = `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}`;
  socket.end(`HTTP/1.1 ${status}\r\n${headers}\r\nConnection: close\r\n\r\n${body}`, () => socket.destroy());
}

const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const FINAL = 0x80;
const MASKED = 0x80;
const LONGEST_CONTROL = 125;
const MOST_PARTS = 100;

/** A frame without a mask, as servers send control frames. */
function controlFrame(opcode: number, payload: Uint8Array): Buffer {
  return Buffer.concat([Uint8Array.of(FINAL | opcode, payload.length), payload]);
}

export function pingFrame(): Buffer {
  return controlFrame(OPCODES.ping, new Uint8Array());
}

/** The reason is cut to what a control frame can carry. */
export function closeFrame(code: number, reason: string): Buffer {
  const payload = Buffer.alloc(LONGEST_CONTROL);
  payload.writeUInt16BE(code);
  // Ends between characters, as `write` does.
  const size = payload.write(reason, 2);
  return controlFrame(OPCODES.close, payload.subarray(0, 2 + size));
}

export interface Messages {
  text(message: string): void;
  /** Something to be sent at once, as the answer to a ping. */
  answer(frame: Buffer): void;
  /** The client says goodbye, or breaks the protocol: nothing that follows is read. */
  close(code: number, reason: string): void;
}

/** Reads the frames of a client from pieces as they come, a message of at most `max_bytes`. */
export function createReader(max_bytes: number, messages: Messages): (piece: Buffer) => void {
  let waiting: Buffer = Buffer.alloc(0);
  /** Parts of a message of several frames. */
  let parts: Buffer[] | undefined;
  let size = 0;
  let isOver = false;

  function end(code: number, reason: string): void {
    isOver = true;
    waiting = Buffer.alloc(0);
    messages.close(code, reason);
  }

  /** Takes one frame from what waits; false where it is not all there. */
  function takeFrame(): boolean {
    if (waiting.length < 2) return false;
    const [first, second] = waiting as unknown as [number, number];
    const opcode = first & 0x0f;
    const isFinal = (first & FINAL) !== 0;
    if ((first & 0x70) !== 0) return fail('a reserved bit is set');
    if ((second & MASKED) === 0) return fail('frames of clients are to be masked');
    let length = second & 0x7f;
    let at = 2;
    if (opcode >= OPCODES.close && (length > LONGEST_CONTROL || !isFinal)) return fail('a control frame is too long');
    if (length === 126) {
      if (waiting.length < 4) return false;
      length = waiting.readUInt16BE(2);
      at = 4;
    } else if (length === 127) {
      if (waiting.length < 10) return false;
      const long = waiting.readBigUInt64BE(2);
      length = long > BigInt(max_bytes) ? max_bytes + 1 : Number(long);
      at = 10;
    }
    if (opcode < OPCODES.close && size + length > max_bytes) {
      end(CLOSE.tooLarge, `a message has at most ${max_bytes} bytes`);
      return false;
    }
    if (waiting.length < at + 4 + length) return false;
    const mask = waiting.subarray(at, at + 4);
    const payload = Buffer.from(waiting.subarray(at + 4, at + 4 + length));
    for (let index = 0; index < payload.length; index++) payload[index]! ^= mask[index & 3]!;
    waiting = waiting.subarray(at + 4 + length);
    return take(opcode, isFinal, payload);
  }

  function take(opcode: number, isFinal: boolean, payload: Buffer): boolean {
    switch (opcode) {
      case OPCODES.continuation:
        if (parts === undefined) return fail('there is no message to continue');
        break;
      case OPCODES.text:
        if (parts !== undefined) return fail('a message begins within another');
        parts = [];
        break;
      case OPCODES.binary:
        end(CLOSE.unsupported, 'messages are to be texts');
        return false;
      case OPCODES.close:
        return goodbye(payload);
      case OPCODES.ping:
        messages.answer(controlFrame(OPCODES.pong, payload));
        return true;
      case OPCODES.pong:
        // That something came is all there is to it.
        return true;
      default:
        return fail('an opcode is unknown');
    }
    if (parts.push(payload) > MOST_PARTS) return fail('a message has too many frames');
    size += payload.length;
    if (!isFinal) return true;
    const text = decode(Buffer.concat(parts));
    parts = undefined;
    size = 0;
    if (text === undefined) {
      end(CLOSE.invalidText, 'a text is not in UTF-8');
      return false;
    }
    messages.text(text);
    return !isOver;
  }

  /** Section 5.5.1: a code of two bytes and a reason, or nothing. */
  function goodbye(payload: Buffer): boolean {
    if (payload.length === 1) return fail('a close frame has no whole code');
    const code = payload.length === 0 ? CLOSE.normal : payload.readUInt16BE(0);
    const isKnown =
      (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code < 5000);
    if (!isKnown || decode(payload.subarray(2)) === undefined) return fail('a close frame has no valid code or reason');
    end(code, '');
    return false;
  }

  function fail(reason: string): false {
    end(CLOSE.protocolError, reason);
    return false;
  }

  return (piece) => {
    if (isOver) return;
    waiting = waiting.length === 0 ? piece : Buffer.concat([waiting, piece]);
    while (takeFrame());
  };
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    // It is no UTF-8.
    return undefined;
  }
}
