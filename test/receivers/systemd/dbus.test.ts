/** The D-Bus client against another side that does as a test tells it; a real one: test/integration/systemd.test.ts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { connect, type Connection, type MethodCall } from '../../../receivers/systemd/dbus.ts';
import { Reader } from '../../../receivers/systemd/marshalling.ts';
import { readUnits } from '../../../receivers/systemd/units.ts';

const CALL: MethodCall = { destination: '', path: '/a', interface: 'a.b', member: 'C' };

/** @param answer called with what a client sends behind its login */
async function listen(answer: (socket: Socket, sent: Buffer) => void, login = 'OK 1234\r\n'): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-dbus-'));
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let isIn = false;
    socket.on('error', () => {
      // The client has gone.
    });
    socket.on('data', (sent: Buffer) => {
      if (isIn) return answer(socket, sent);
      if (sent.includes('AUTH')) return void socket.write(login);
      isIn = sent.includes('BEGIN');
      const rest = sent.subarray(sent.indexOf('BEGIN\r\n') + 7);
      if (rest.length > 0) answer(socket, rest);
    });
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const path = join(folder, 'socket');
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  return path;
}

async function open(path: string, signal = new AbortController().signal): Promise<Connection> {
  const connection = await connect(path, signal);
  onTestFinished(() => connection.close());
  return connection;
}

/** A reply to serial 1 in the byte order of big machines, with a text as body: `kind` 2 returns, 3 is an error. */
function reply(kind: 2 | 3, text: string): Buffer {
  const body = Buffer.alloc(4 + text.length + 1);
  body.writeUInt32BE(text.length);
  body.write(text, 4);
  const name = kind === 3 ? Buffer.from('\x04\x01s\0\0\0\0\x03a.b\0\0\0\0\0', 'latin1') : Buffer.alloc(0);
  const fields = Buffer.concat([name, Buffer.from('\x05\x01u\0\0\0\0\x01\x08\x01g\0\x01s\0', 'latin1')]);
  const head = Buffer.from([0x42, kind, 0, 1, 0, 0, 0, body.length, 0, 0, 0, 9, 0, 0, 0, fields.length]);
  return Buffer.concat([head, fields, Buffer.alloc(-(16 + fields.length) & 7), body]);
}

test('connect and call read a reply, though it comes byte by byte and others before it', async () => {
  const signal = Buffer.from([0x6c, 4, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
  const path = await listen((socket) => {
    for (const byte of Buffer.concat([signal, reply(2, 'hello')])) socket.write(Buffer.from([byte]));
  });
  const connection = await open(path);
  expect((await connection.call(CALL, new AbortController().signal)).string()).toBe('hello');
});

test('call fails with the error of the other side, and the connection lives on', async () => {
  const path = await listen((socket) => void socket.write(reply(3, 'Access denied')));
  const connection = await open(path);
  await expect(connection.call(CALL, new AbortController().signal)).rejects.toThrow('a.b: Access denied');
  expect(connection.isOpen).toBe(true);
});

test.each([
  ['what is no message', Buffer.alloc(16, 0xff), /Cannot understand what D-Bus answers: a message of/],
  [
    'a text beyond its message',
    Buffer.from('l\x02\0\x01\0\0\0\0\x01\0\0\0\x10\0\0\0\x05\x01u\0\x01\0\0\0\x04\x01s\0\xff\0\0\0', 'latin1'),
    /Cannot understand/,
  ],
])('call fails on %s, and the connection is closed', async (_, bytes, expected) => {
  const path = await listen((socket) => void socket.write(bytes));
  const connection = await open(path);
  await expect(connection.call(CALL, new AbortController().signal)).rejects.toThrow(expected);
  expect(connection.isOpen).toBe(false);
});

test('call gives up when its time is over, and when the connection is closed', async () => {
  const path = await listen(() => {
    // It never answers.
  });
  const abort = new AbortController();
  const late = (await open(path)).call(CALL, abort.signal);
  setImmediate(() => abort.abort());
  await expect(late).rejects.toThrow('Cannot call C: no answer in time');
  const connection = await open(await listen((socket) => void socket.destroy()));
  await expect(connection.call(CALL, new AbortController().signal)).rejects.toThrow('the connection was closed');
});

test('connect says what refuses it', async () => {
  await expect(open(await listen(() => {}, 'REJECTED EXTERNAL\r\n'))).rejects.toThrow(
    /Cannot log in at ".*": it says REJECTED/,
  );
  await expect(open('/nowhere/socket')).rejects.toThrow(/ENOENT/);
  await expect(open(await listen(() => {}, ''), AbortSignal.timeout(50))).rejects.toThrow(/Cannot reach ".*" in time/);
});

test('readUnits reads or refuses any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, isLittle) => {
      try {
        readUnits(new Reader(Buffer.from(bytes), isLittle, 0));
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }),
  );
});
