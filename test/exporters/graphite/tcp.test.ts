import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createTcpKept, createTcpPerRequest } from '../../../exporters/graphite/tcp.ts';
import { createClientCertificates } from '../../../src/client_certificates.ts';
import { RetryableError } from '../../../src/errors.ts';
import { createCertificates, type Certificates } from '../../support/certificates.ts';
import { freePort } from '../../support/free_port.ts';

const never = new AbortController().signal;

interface Peer {
  readonly port: number;
  /** What each connection has brought. */
  readonly received: string[];
  readonly sockets: Socket[];
  close(): Promise<void>;
}

/** A server that reads to the end and then closes, as carbon does; unless `onConnection` does otherwise. */
async function listen(onConnection?: (socket: Socket, index: number) => void, port = 0): Promise<Peer> {
  const sockets: Socket[] = [];
  const received: string[] = [];
  const server = createServer((socket) => {
    const index = sockets.push(socket) - 1;
    received[index] = '';
    socket.on('error', () => undefined);
    if (onConnection !== undefined) onConnection(socket, index);
    else socket.on('data', (chunk) => (received[index] += chunk.toString()));
  });
  return started(server, sockets, received, port);
}

async function started(server: Server, sockets: Socket[], received: string[], port: number): Promise<Peer> {
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(close);
  return { port: (server.address() as AddressInfo).port, received, sockets, close };
}

describe.each([
  ['createTcpPerRequest', createTcpPerRequest],
  ['createTcpKept', createTcpKept],
])('%s', (name, create) => {
  const isKept = name === 'createTcpKept';
  const to = (port: number, more: Partial<Parameters<typeof create>[0]> = {}) => {
    const transport = create({ host: '127.0.0.1', port, tls: undefined, ...more });
    onTestFinished(() => transport.stop());
    return transport;
  };

  test('sends bodies whole and in order', async () => {
    const peer = await listen();
    const transport = to(peer.port);
    for (const body of ['a 1 1\n', 'b 2 2\n', 'c 3 3\n']) await transport.send(Buffer.from(body), never);
    const expected = isKept ? ['a 1 1\nb 2 2\nc 3 3\n'] : ['a 1 1\n', 'b 2 2\n', 'c 3 3\n'];
    // Over a connection that stays, nobody says that all was read.
    if (isKept) await expect.poll(() => peer.received).toEqual(expected);
    expect(peer.received).toEqual(expected);
  });

  test('sends several at once', async () => {
    const peer = await listen();
    const transport = to(peer.port);
    const bodies = Array.from({ length: 20 }, (_, i) => `${String(i).repeat(1000)}\n`);
    await Promise.all(bodies.map((body) => transport.send(Buffer.from(body), never)));
    const received = (): string => peer.received.join('');
    if (isKept) await expect.poll(() => received().length).toBe(bodies.join('').length);
    const lines = received().split('\n').slice(0, -1);
    expect(lines.toSorted()).toEqual(bodies.map((body) => body.slice(0, -1)).toSorted());
  });

  test('says that nobody listens, and goes on when somebody does', async () => {
    const port = await freePort();
    const transport = to(port);
    await expect(transport.send(Buffer.from('a\n'), never)).rejects.toThrow(RetryableError);
    const peer = await listen(undefined, port);
    await transport.send(Buffer.from('a\n'), never);
    if (isKept) await expect.poll(() => peer.received).toEqual(['a\n']);
    expect(peer.received).toEqual(['a\n']);
  });

  test('does not take for sent what a peer that closed at once has not read', async () => {
    const peer = await listen((socket, index) => {
      if (index < 3) socket.destroy();
      else socket.on('data', (chunk) => (peer.received[index] += chunk.toString()));
    });
    const transport = to(peer.port);
    for (let i = 0; i < 3; i++) {
      await expect(transport.send(Buffer.from('a\n'), never)).rejects.toThrow(RetryableError);
    }
    await transport.send(Buffer.from('a\n'), never);
    await expect.poll(() => peer.received.join('')).toBe('a\n');
  });

  test('does not take for sent what a peer that reset the connection has not read', async () => {
    const peer = await listen((socket) => socket.once('readable', () => socket.resetAndDestroy()));
    await expect(to(peer.port).send(Buffer.from('a\n'), never)).rejects.toThrow(RetryableError);
  });

  test('does not take for sent what a peer does not read, and gives up with its signal', async () => {
    const peer = await listen((socket) => socket.pause());
    const abort = AbortSignal.timeout(100);
    const large = Buffer.alloc(64 * 1024 * 1024, 'a');
    await expect(to(peer.port).send(large, abort)).rejects.toThrow(/it took too long/);
    await expect(to(peer.port).send(Buffer.from('a'), AbortSignal.abort())).rejects.toThrow(RetryableError);
  });

  test('a body of many megabytes arrives whole', async () => {
    const peer = await listen();
    const large = Buffer.alloc(16 * 1024 * 1024, 'a line\n');
    await to(peer.port).send(large, never);
    await expect.poll(() => peer.received[0]!.length).toBe(large.length);
  });

  describe('over TLS', () => {
    let certificates: Certificates;
    beforeAll(() => {
      certificates = createCertificates();
    });
    afterAll(() => certificates.remove());

    async function listenTls(): Promise<Peer> {
      const sockets: Socket[] = [];
      const received: string[] = [];
      const { cert_file, key_file } = certificates.server;
      const options = {
        cert: readFileSync(cert_file),
        key: readFileSync(key_file),
        ca: readFileSync(certificates.ca),
        requestCert: true,
      };
      const server = createTlsServer(options, (socket) => {
        const index = sockets.push(socket) - 1;
        received[index] = '';
        socket.on('error', () => undefined);
        socket.on('data', (chunk) => (received[index] += chunk.toString()));
      });
      return started(server, sockets, received, 0);
    }

    test('sends to a server that its authority knows, and shows its own certificate', async () => {
      const peer = await listenTls();
      const tls = createClientCertificates({ ca_file: certificates.ca, ...certificates.client });
      for (const host of ['127.0.0.1', 'localhost']) {
        const transport = to(peer.port, { host, tls });
        await transport.send(Buffer.from('a\n'), never);
        await transport.stop();
      }
      await expect.poll(() => peer.received).toEqual(['a\n', 'a\n']);
    });

    test('does not send to a server that nobody vouches for, or that is another', async () => {
      const peer = await listenTls();
      for (const config of [{}, { ca_file: certificates.ca, server_name: 'example.org' }]) {
        const transport = to(peer.port, { tls: createClientCertificates(config) });
        await expect(transport.send(Buffer.from('a\n'), never)).rejects.toThrow(/^Cannot connect to /);
      }
      expect(peer.received.join('')).toBe('');
    });
  });
});

describe('createTcpKept', () => {
  const to = (port: number) => {
    const transport = createTcpKept({ host: '127.0.0.1', port, tls: undefined });
    onTestFinished(() => transport.stop());
    return transport;
  };

  test('notices before it writes that the peer has closed meanwhile', async () => {
    const peer = await listen();
    const transport = to(peer.port);
    for (let i = 0; i < 5; i++) {
      await transport.send(Buffer.from(`${i}\n`), never);
      await expect.poll(() => peer.received[i]).toBe(`${i}\n`);
      peer.sockets[i]!.end();
      // Long enough for the close to arrive; whether the event loop has seen it yet is what is tested.
      const end_ms = performance.now() + 20;
      while (performance.now() < end_ms);
    }
    expect(peer.received).toEqual(['0\n', '1\n', '2\n', '3\n', '4\n']);
  });

  test('notices after it wrote that the peer has reset the connection', async () => {
    const peer = await listen();
    const transport = to(peer.port);
    await transport.send(Buffer.from('a\n'), never);
    peer.sockets[0]!.once('data', () => peer.sockets[0]!.resetAndDestroy());
    await expect(transport.send(Buffer.from('b\n'), never)).rejects.toThrow(RetryableError);
    await transport.send(Buffer.from('b\n'), never);
    await expect.poll(() => peer.received[1]).toBe('b\n');
  });

  test('stop ends the connection after all that was sent', async () => {
    const peer = await listen();
    const transport = to(peer.port);
    await transport.send(Buffer.from('a\n'), never);
    const ended = new Promise((resolve) => peer.sockets[0]!.once('end', resolve));
    await transport.stop();
    await ended;
    expect(peer.received).toEqual(['a\n']);
  });
});
