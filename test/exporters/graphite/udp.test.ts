import { createSocket } from 'node:dgram';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createUdp, datagramsOf } from '../../../exporters/graphite/udp.ts';
import { RetryableError } from '../../../src/errors.ts';
import { freePort } from '../../support/free_port.ts';

const never = new AbortController().signal;

describe('datagramsOf', () => {
  test('has whole lines, as many as fit, and every byte once', () => {
    const line = fc.string({ minLength: 0, maxLength: 30 }).map((text) => `${text.replaceAll('\n', '')}\n`);
    fc.assert(
      fc.property(fc.array(line), fc.integer({ min: 1, max: 80 }), (lines, max_bytes) => {
        const body = Buffer.from(lines.join(''));
        const datagrams = [...datagramsOf(body, max_bytes)].map((one) => Buffer.from(one));
        expect(Buffer.concat(datagrams).equals(body)).toBe(true);
        for (const [i, datagram] of datagrams.entries()) {
          expect(datagram.at(-1)).toBe(10);
          const first = datagram.indexOf(10) + 1;
          expect(datagram.length <= max_bytes || datagram.length === first).toBe(true);
          const next = datagrams[i + 1];
          if (next !== undefined) expect(datagram.length + next.indexOf(10) + 1).toBeGreaterThan(max_bytes);
        }
      }),
    );
  });
});

describe('createUdp', () => {
  async function listen(address = '127.0.0.1') {
    const received: string[] = [];
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', (message) => received.push(message.toString()));
    await new Promise<void>((resolve) => socket.bind(0, address, resolve));
    const close = () => new Promise<void>((resolve) => socket.close(() => resolve()));
    return { received, port: socket.address().port, close };
  }

  test('sends the lines in datagrams', async () => {
    const server = await listen();
    onTestFinished(server.close);
    const transport = createUdp({ host: '127.0.0.1', port: server.port, max_datagram_bytes: 10 });
    onTestFinished(() => transport.stop());
    await transport.send(Buffer.from('aaa 1 1\nb 1\nc 1\n'), never);
    await expect.poll(() => server.received).toEqual(['aaa 1 1\n', 'b 1\nc 1\n']);
  });

  test('says that nobody listens, and goes on when somebody does', async () => {
    const port = await freePort();
    const transport = createUdp({ host: '127.0.0.1', port, max_datagram_bytes: 1432 });
    onTestFinished(() => transport.stop());
    await expect(transport.send(Buffer.from('a 1 1\n'), never)).rejects.toThrow(RetryableError);
    const again = createSocket('udp4');
    const received: string[] = [];
    again.on('message', (message) => received.push(message.toString()));
    await new Promise<void>((resolve) => again.bind(port, '127.0.0.1', resolve));
    onTestFinished(() => new Promise<void>((resolve) => again.close(() => resolve())));
    await transport.send(Buffer.from('a 1 1\n'), never);
    await expect.poll(() => received).toEqual(['a 1 1\n']);
  });

  test('a name that nobody knows may be known later', async () => {
    const transport = createUdp({ host: 'no-such-host.invalid', port: 1, max_datagram_bytes: 1432 });
    await expect(transport.send(Buffer.from('a 1 1\n'), never)).rejects.toThrow(RetryableError);
  });

  test('gives up with its signal', async () => {
    const server = await listen();
    onTestFinished(server.close);
    const transport = createUdp({ host: '127.0.0.1', port: server.port, max_datagram_bytes: 10 });
    onTestFinished(() => transport.stop());
    await expect(transport.send(Buffer.from('a 1 1\n'), AbortSignal.abort())).rejects.toThrow(RetryableError);
    expect(server.received).toEqual([]);
  });
});
