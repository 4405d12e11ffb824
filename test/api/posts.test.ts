import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { createServe } from '../../src/api/http_server.ts';
import { createPosts, type Posts, type PostsOptions } from '../../src/api/posts.ts';
import type { Listener, PostReply, PostRoute } from '../../src/component.ts';
import { createCertificates } from '../support/certificates.ts';

const said: string[] = [];
const log = { info() {}, warn() {}, error: (message: string) => void said.push(message) };
const serve = createServe({ page: () => {}, log, closeTimeout_ms: 500 });
const open: Listener[] = [];
afterEach(() => void said.splice(0));
afterAll(async () => void (await Promise.all(open.map((listener) => listener.close()))));

/** What both ways answer: what they got. */
function describeBody(contentType: string | undefined, contentEncoding: string | undefined, body: Buffer): string {
  const digest = createHash('sha1').update(body).digest('hex');
  return JSON.stringify([contentType ?? '', contentEncoding ?? '', body.length, digest]);
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const { 'content-type': type, 'content-encoding': encoding } = request.headers;
  const text = describeBody(type, encoding, Buffer.concat(chunks));
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': text.length });
  response.end(text);
}

/** Bodies that were taken whole. */
let taken = 0;
const echo: PostRoute = {
  accepts: ({ length }) => length <= 300_000,
  async take({ contentType, contentEncoding }, body): Promise<PostReply> {
    taken++;
    const text = describeBody(contentType, contentEncoding, body);
    // What comes behind it is not answered before it is.
    await sleep(1);
    return { status: 200, headers: { 'content-type': 'text/plain' }, body: Buffer.from(text) };
  },
  budget: { take: () => true, give() {} },
};

async function listen(options: Partial<Parameters<typeof serve>[0]> = {}): Promise<number> {
  const routes = { '/v1/a': answer, '/other': answer };
  const listener = await serve({ endpoint: '127.0.0.1:0', routes, ...options });
  open.push(listener);
  return Number(new URL(listener.url).port);
}

const [direct, plain] = [await listen({ posts: { '/v1/a': echo } }), await listen()];

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Everything that is answered until the connection ends, or nothing comes for a while. */
async function exchange(socket: Socket, pieces: readonly Buffer[], count: number): Promise<Answer[]> {
  let text = '';
  socket.on('data', (piece: Buffer) => void (text += piece.toString('latin1')));
  socket.on('error', () => {});
  const closed = once(socket, 'close').then(() => true);
  for (const piece of pieces) {
    socket.write(piece);
    await sleep(0);
  }
  for (;;) {
    const answers = parse(text);
    const isOver = await Promise.race([closed, sleep(2, false)]);
    if (isOver || answers.length >= count) {
      socket.destroy();
      return parse(text);
    }
  }
}

/** Interim answers are none. */
function parse(text: string): Answer[] {
  const answers: Answer[] = [];
  for (let at = 0; at < text.length;) {
    const end = text.indexOf('\r\n\r\n', at);
    if (end < 0) break;
    const head = text.slice(at, end);
    const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]);
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? (status === 100 ? 0 : text.length - end - 4));
    if (text.length < end + 4 + length) break;
    if (status !== 100) answers.push({ status, body: text.slice(end + 4, end + 4 + length) });
    at = end + 4 + length;
  }
  return answers;
}

function ask(port: number, pieces: readonly (Buffer | string)[], count = 1): Promise<Answer[]> {
  return exchange(
    connect(port, '127.0.0.1'),
    pieces.map((piece) => Buffer.from(piece)),
    count,
  );
}

const HOST = 'Host: 127.0.0.1';
const post = (body: string, ...headers: string[]): string =>
  `POST /v1/a HTTP/1.1\r\n${[HOST, `Content-Length: ${body.length}`, ...headers].join('\r\n')}\r\n\r\n${body}`;

describe('posts', () => {
  test('take what most clients send, however it is cut, and answer as node:http does', async () => {
    const request = post('x'.repeat(200_000), 'Content-Type: application/x-protobuf', 'User-Agent: some');
    const before = taken;
    for (const cut of [request.length, 150, 65_536, request.length - 1]) {
      const pieces = [request.slice(0, cut), request.slice(cut)];
      expect(await ask(direct, pieces)).toEqual(await ask(plain, pieces));
    }
    expect(taken).toBe(before + 4);
  });

  test.each([
    [
      'a body of unknown length',
      'POST /v1/a HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    ],
    ['both lengths', post('0\r\n\r\n', 'Transfer-Encoding: chunked')],
    ['two lengths', post('abc', 'Content-Length: 3')],
    ['two different lengths', post('abc', 'Content-Length: 2')],
    ['a list of lengths', post('').replace('Length: 0', 'Length: 3, 3') + 'abc'],
    ['a signed length', post('').replace('Length: 0', 'Length: +3') + 'abc'],
    ['a length and a no-break space', post('').replace('Length: 0', 'Length: 3\xa0') + 'abc'],
    ['a negative length', post('').replace('Length: 0', 'Length: -3') + 'abc'],
    ['no length', `POST /v1/a HTTP/1.1\r\n${HOST}\r\n\r\n`],
    ['no host', post('abc').replace(`${HOST}\r\n`, '')],
    ['another host', post('abc').replace('127.0.0.1', 'evil.example')],
    ['two hosts', post('abc', 'Host: evil.example')],
    ['a line that goes on', post('abc', 'X-A: b', ' c')],
    ['a space before the colon', post('abc', 'X-A : b')],
    ['a lone line feed', post('abc', 'X-A: b\nX-C: d')],
    ['a lone carriage return', post('abc', 'X-A: b\rX-C: d')],
    ['a zero byte', post('abc', 'X-A: b\0c')],
    ['what waits for leave', post('abc', 'Expect: 100-continue')],
    ['what expects otherwise', post('abc', 'Expect: more')],
    ['what ends the connection', post('abc', 'Connection: close')],
    ['HTTP/1.0', post('abc').replace('HTTP/1.1', 'HTTP/1.0')],
    ['HTTP/1.2', post('abc').replace('HTTP/1.1', 'HTTP/1.2')],
    ['another method', post('abc').replace('POST', 'PUT')],
    ['a lower-case method', post('abc').replace('POST', 'post')],
    ['another path', post('abc').replace('/v1/a', '/other')],
    ['no such path', post('abc').replace('/v1/a', '/nothing')],
    ['a query', post('abc').replace('/v1/a', '/v1/a?b=c')],
    ['an absolute address', post('abc').replace('/v1/a', 'http://127.0.0.1/v1/a')],
    ['a space in the path', post('abc').replace('/v1/a', '/v1/a b')],
    ['more headers than are taken', post('abc', ...Array.from({ length: 150 }, (_, i) => `X-${i}: y`))],
    ['a head beyond what is read', post('abc', `X-A: ${'b'.repeat(20_000)}`)],
    ['an upgrade', post('abc', 'Connection: Upgrade', 'Upgrade: h2c')],
    ['more than the route takes', post('a'.repeat(300_001))],
    ['noise', '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n'],
    ['an empty line before', `\r\n${post('abc')}`],
  ])('leave %s to node:http', async (_, request) => {
    const before = taken;
    const answers = await ask(direct, [Buffer.from(request, 'latin1')]);
    expect(answers).toEqual(await ask(plain, [Buffer.from(request, 'latin1')]));
    expect(answers).toHaveLength(1);
    expect(taken).toBe(before);
  });

  test('answer any sequence of requests, cut anywhere, as node:http does', async () => {
    const request = fc.oneof(
      { weight: 4, arbitrary: fc.string({ maxLength: 200 }).map((body) => post(Buffer.from(body).toString('latin1'))) },
      fc.integer({ min: 60_000, max: 200_000 }).map((size) => post('z'.repeat(size), 'Content-Encoding: gzip')),
      fc.constant('GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n'),
      fc.constant('POST /v1/a HTTP/1.1\r\nHost: x:1\r\nContent-Length: 1\r\n\r\ny'.replace('x:1', '127.0.0.1:1')),
      fc.constant('POST /v1/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n'),
    );
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 5 }), cuts, async (requests, at) => {
        const all = Buffer.from(requests.join(''), 'latin1');
        const ends = [...at.map((share) => Math.floor(share * all.length)), all.length].toSorted((a, b) => a - b);
        const pieces = ends.map((end, index) => all.subarray(index === 0 ? 0 : ends[index - 1], end));
        const [got, expected] = await Promise.all([
          ask(direct, pieces, requests.length),
          ask(plain, pieces, requests.length),
        ]);
        expect(expected).toHaveLength(requests.length);
        expect(got).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  test('read what TLS brings, and leave the rest to node:https', async () => {
    const certificates = createCertificates();
    onTestFinished(() => certificates.remove());
    const { cert_file, key_file } = certificates.server;
    const port = await listen({ posts: { '/v1/a': echo }, tls: { cert_file, key_file } });
    const before = taken;
    const requests = [post('a'.repeat(100_000)), 'GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n', post('b')];
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    const answers = await exchange(
      socket,
      requests.map((request) => Buffer.from(request)),
      3,
    );
    expect(answers).toEqual((await Promise.all(requests.map((request) => ask(plain, [request])))).flat());
    expect(taken).toBe(before + 1);
  });

  test('answer 500 where the route fails, and tell the log', async () => {
    const take = (): Promise<PostReply> => Promise.reject(new Error('a bug'));
    const port = await listen({ posts: { '/v1/a': { ...echo, take } } });
    expect(await ask(port, [post('abc')])).toMatchObject([{ status: 500 }]);
    expect(said).toEqual(['Cannot answer a request: its handler failed']);
  });

  test('the connection is free for the next request when the answer is out, and ends when the listener does', async () => {
    const listener = await serve({ endpoint: '127.0.0.1:0', routes: { '/v1/a': answer }, posts: { '/v1/a': echo } });
    const socket = connect(Number(new URL(listener.url).port), '127.0.0.1');
    const closed = once(socket, 'close');
    for (let turn = 0; turn < 3; turn++) {
      socket.write(post('abc'));
      const [piece] = (await once(socket, 'data')) as [Buffer];
      expect(String(piece)).toMatch(
        /^HTTP\/1\.1 200 OK\r\n(.+\r\n)*Connection: keep-alive\r\nKeep-Alive: timeout=90\r\n/,
      );
    }
    await Promise.all([listener.close(), closed]);
  });
});

describe('createPosts', () => {
  interface Run {
    readonly posts: Posts;
    readonly port: number;
    /** What `node:http` got. */
    passed(): string;
    /** Bytes that are taken from the budget. */
    held(): number;
  }

  async function run(options: Partial<PostsOptions> = {}, take = echo.take, capacity = Infinity): Promise<Run> {
    const passed: Socket[] = [];
    let passedText = '';
    let held = 0;
    const route: PostRoute = {
      accepts: () => true,
      take,
      budget: {
        take(bytes) {
          if (held + bytes > capacity) return false;
          held += bytes;
          return true;
        },
        give: (bytes) => void (held -= bytes),
      },
    };
    const posts = createPosts({
      routes: new Map([['/v1/a', route]]),
      isOwnHost: () => true,
      passOn(socket) {
        passed.push(socket);
        socket.on('data', (piece: Buffer) => void (passedText += piece.toString('latin1')));
      },
      limits: { headers_ms: 60_000, request_ms: 60_000, keepAlive_ms: 60_000 },
      log,
      ...options,
    });
    const server = createServer({ allowHalfOpen: true }, posts.accept);
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      posts.closeAll();
      for (const socket of passed) socket.destroy();
      server.close();
    });
    return { posts, port: (server.address() as AddressInfo).port, held: () => held, passed: () => passedText };
  }

  const short = { headers_ms: 60_000, request_ms: 60_000, keepAlive_ms: 60_000 };

  test.each([
    ['that sends nothing', { ...short, headers_ms: 10 }, '', ''],
    ['whose body does not come', { ...short, request_ms: 10 }, post('abc').slice(0, -1), '408'],
    ['that is idle', { ...short, keepAlive_ms: 10 }, post('abc'), '200'],
  ])('ends a connection %s, in time', async (_, limits, sent, status) => {
    const { port, held, posts } = await run({ limits });
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (piece: Buffer) => void (text += String(piece)));
    if (sent !== '') socket.write(sent);
    await once(socket, 'close');
    expect(text.slice(9, 12)).toBe(status);
    if (status === '408') expect(held()).toBe(0);
    expect(posts.underWay).toBe(0);
  });

  test('gives back what was taken for a body when its sender goes away', async () => {
    const { port, held, posts } = await run();
    const socket = connect(port, '127.0.0.1');
    socket.write(post('abcdef').slice(0, -2));
    await expect.poll(held).toBe(4);
    expect(posts.underWay).toBe(1);
    socket.end();
    await expect.poll(held).toBe(0);
    expect(posts.underWay).toBe(0);
  });

  test('leaves a body, with all that came of it, to node:http where there is no room for it', async () => {
    const { port, held, passed } = await run({}, echo.take, 100_000);
    const request = post('x'.repeat(150_000));
    const socket = connect(port, '127.0.0.1');
    socket.write(request);
    await expect.poll(() => passed().length).toBe(request.length);
    expect(passed()).toBe(request);
    expect(held()).toBe(0);
    socket.destroy();
  });

  test('answers one who has sent all and ended his side, and then ends', async () => {
    const { port } = await run();
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.end(post('abc'));
    const [piece] = (await once(socket, 'data')) as [Buffer];
    expect(String(piece)).toMatch(/^HTTP\/1\.1 200 OK/);
    await once(socket, 'end');
    socket.destroy();
  });

  test('begins no further request while nobody takes the answers', async () => {
    let begun = 0;
    const { port, posts } = await run({}, () => {
      begun++;
      return Promise.resolve({ status: 200, headers: {}, body: Buffer.alloc(16 << 20) });
    });
    const socket = connect(port, '127.0.0.1').pause();
    socket.write(post('abc') + post('def'));
    await expect.poll(() => begun).toBe(1);
    await expect.poll(() => posts.underWay).toBe(0);
    await sleep(50);
    expect(begun).toBe(1);
    socket.resume();
    await expect.poll(() => begun).toBe(2);
    socket.destroy();
  });

  test('reads no more while an answer is made, and lets it end while idle ones are closed', async () => {
    const gate = Promise.withResolvers<void>();
    const { port, posts } = await run({}, async () => {
      await gate.promise;
      return { status: 200, headers: {}, body: Buffer.from('done') };
    });
    const [busy, idle] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
    const idleClosed = once(idle, 'close');
    busy.write(post('abc'));
    await expect.poll(() => posts.underWay).toBe(1);
    let buffered = true;
    for (let i = 0; i < 200 && buffered; i++) buffered = busy.write(Buffer.alloc(1 << 20)) || i < 50;
    posts.closeIdle();
    await idleClosed;
    expect(posts.underWay).toBe(1);
    expect(busy.writableLength).toBeGreaterThan(0);
    gate.resolve();
    const [piece] = (await once(busy, 'data')) as [Buffer];
    expect(String(piece)).toMatch(/done$/);
    busy.destroy();
  });
});
