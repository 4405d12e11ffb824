import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { HttpSender, HttpSenderOptions } from '../../src/component.ts';
import { createHttpSender, parseRetryAfter } from '../../src/delivery/http_sender.ts';
import { PermanentError, RefusedError, RetryableError, TooLargeError } from '../../src/errors.ts';
import { createCertificates, type Certificates } from '../support/certificates.ts';
import { uncompress } from 'snappyjs';

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
  vi.unstubAllEnvs();
});

/** It comes without types. */
const never = new AbortController().signal;

function sender(options: Partial<HttpSenderOptions> = {}): HttpSender {
  const made = createHttpSender({ compression: 'none', headers: {}, ...options });
  open.push(made);
  return made;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => (server.closeAllConnections(), server.close()) });
  return (server.address() as AddressInfo).port;
}

async function serve(answer: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await listen(createServer(answer))}`;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  return Buffer.concat(await request.toArray());
}

async function errorOf(sending: Promise<unknown>): Promise<Error & { retryAfter_ms?: number }> {
  return await sending.then(
    () => expect.unreachable('the request succeeded'),
    (error: unknown) => error as Error,
  );
}

describe('post', () => {
  test('sends the body with its type, length, user agent and headers, and returns the answer', async () => {
    const seen: { method: string; headers: IncomingMessage['headers']; body: string }[] = [];
    const url = await serve(async (request, response) => {
      seen.push({ method: request.method!, headers: request.headers, body: (await bodyOf(request)).toString() });
      response.writeHead(202, { 'x-answer': 'yes' }).end('fine');
    });
    const http = sender({ headers: { Authorization: 'Bearer abc' } });
    const answer = await http.post(`${url}/v1/x?y=1`, Buffer.from('hello'), 'text/plain', never);
    expect(answer).toMatchObject({ status: 202, headers: { 'x-answer': 'yes' } });
    expect(Buffer.from(answer.body).toString()).toBe('fine');
    expect(seen).toMatchObject([
      {
        method: 'POST',
        body: 'hello',
        headers: { 'content-length': '5', 'content-type': 'text/plain', authorization: 'Bearer abc' },
      },
    ]);
    expect(seen[0]!.headers['user-agent']).toMatch(/^sonde\/\d+\.\d+\.\d+$/);
    expect(seen[0]!.headers).not.toHaveProperty('content-encoding');
  });

  test.each([
    ['gzip', 100, gunzipSync],
    ['gzip', 200_000, gunzipSync],
    ['zstd', 100, zstdDecompressSync],
    ['zstd', 200_000, zstdDecompressSync],
  ] as const)('compresses with %s a body of %d bytes', async (compression, length, decompress) => {
    const body = Buffer.from('telemetry '.repeat(length / 10));
    let seen: { encoding: string | undefined; body: Buffer } | undefined;
    const url = await serve(async (request, response) => {
      seen = { encoding: request.headers['content-encoding'], body: await bodyOf(request) };
      response.end();
    });
    await sender({ compression }).post(url, body, 'text/plain', never);
    expect(seen!.encoding).toBe(compression);
    expect(seen!.body.length).toBeLessThan(length);
    expect(decompress(seen!.body).equals(body)).toBe(true);
  });

  test('keeps the connection for the next request', async () => {
    const ports = new Set<number | undefined>();
    const url = await serve((request, response) => {
      ports.add(request.socket.remotePort);
      response.end();
    });
    const http = sender();
    for (let round = 0; round < 3; round += 1) await http.post(url, Buffer.from('x'), 'text/plain', never);
    expect(ports.size).toBe(1);
  });

  test.each([
    [400, RefusedError],
    [401, RefusedError],
    [403, RefusedError],
    [404, RefusedError],
    [407, RetryableError],
    [408, RefusedError],
    [413, TooLargeError],
    [429, RetryableError],
    [500, RefusedError],
    [501, RefusedError],
    [502, RetryableError],
    [503, RetryableError],
    [504, RetryableError],
    [301, RefusedError],
    [307, RefusedError],
  ])('takes status %d as %o', async (status, kind) => {
    const url = await serve((_, response) => response.writeHead(status).end('because'));
    const error = await errorOf(sender().post(`${url}/a?token=b`, Buffer.from('x'), 'text/plain', never));
    expect(error.constructor).toBe(kind);
    expect(error.message).toBe(`Cannot send to ${url}/a: it answered ${status}: because`);
  });

  test.each([
    [400, RefusedError],
    [413, TooLargeError],
    [429, RetryableError],
    [500, RetryableError],
    [501, RetryableError],
    [503, RetryableError],
    [599, RetryableError],
  ])('takes status %d as %o where the back end may be asked again after any error of its own', async (status, kind) => {
    const url = await serve((_, response) => response.writeHead(status, { 'retry-after': '3' }).end());
    const http = sender({ retriesServerErrors: true });
    const error = await errorOf(http.post(url, Buffer.from('x'), 'text/plain', never));
    expect(error.constructor).toBe(kind);
    expect(error.retryAfter_ms).toBe(kind === RetryableError ? 3000 : undefined);
  });

  test('a refusal carries its status, its headers and all that was answered', async () => {
    const answer = JSON.stringify({ error: 'x'.repeat(10_000) });
    const url = await serve((_, response) => response.writeHead(400, { 'X-Why': 'that' }).end(answer));
    const error = await errorOf(sender().post(url, Buffer.from('x'), 'text/plain', never));
    expect(error).toBeInstanceOf(RefusedError);
    const { status, headers, body } = error as RefusedError;
    expect([status, headers['x-why'], Buffer.from(body).toString()]).toEqual([400, 'that', answer]);
    expect(error.message.length).toBeLessThan(300);
  });

  test('compresses with snappy, as remote write and Loki demand', async () => {
    let seen: Buffer | undefined;
    let encoding: string | undefined;
    const url = await serve(async (request, response) => {
      encoding = request.headers['content-encoding'];
      seen = await bodyOf(request);
      response.end();
    });
    const body = Buffer.from('abc'.repeat(30_000));
    await sender({ compression: 'snappy' }).post(url, body, 'text/plain', never);
    expect(encoding).toBe('snappy');
    expect(seen!.length).toBeLessThan(body.length / 10);
    expect(Buffer.from(uncompress(seen!)).equals(body)).toBe(true);
  });

  test('shows who sends by auth, which goes before a header of the same name, and reads its file for each request', async () => {
    const seen: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end();
    });
    const folder = mkdtempSync(join(tmpdir(), 'sonde-secret-'));
    open.push({ close: () => rmSync(folder, { recursive: true }) });
    const token_file = join(folder, 'token');
    writeFileSync(token_file, 'first');
    const http = sender({ headers: { Authorization: 'Bearer old' }, auth: { bearer: { token_file } } });
    await http.post(url, Buffer.from('x'), 'text/plain', never);
    writeFileSync(token_file, 'the second');
    await http.post(url, Buffer.from('x'), 'text/plain', never);
    expect(seen).toEqual(['Bearer first', 'Bearer the second']);
  });

  test('a token that was refused is in no message', async () => {
    const url = await serve((_, response) => response.writeHead(401).end());
    const auth = { bearer: { token: { reveal: () => 'hunter2' } } };
    const error = await errorOf(sender({ auth }).post(url, Buffer.from('x'), 'text/plain', never));
    expect(error.message).not.toContain('hunter2');
  });

  test('honours Retry-After in seconds and as a date', async () => {
    const waits = ['7', new Date(Date.now() + 60_000).toUTCString(), 'soon'];
    const url = await serve((_, response) => response.writeHead(503, { 'retry-after': waits.shift()! }).end());
    const http = sender();
    expect((await errorOf(http.post(url, Buffer.from('x'), 'text/plain', never))).retryAfter_ms).toBe(7000);
    const byDate = (await errorOf(http.post(url, Buffer.from('x'), 'text/plain', never))).retryAfter_ms!;
    expect(byDate).toBeGreaterThan(30_000);
    expect(byDate).toBeLessThanOrEqual(60_000);
    expect((await errorOf(http.post(url, Buffer.from('x'), 'text/plain', never))).retryAfter_ms).toBeUndefined();
  });

  test('follows no redirect and says where it pointed', async () => {
    let requests = 0;
    const url = await serve((_, response) => {
      requests += 1;
      response.writeHead(308, { location: 'http://127.0.0.1:1/elsewhere' }).end();
    });
    const error = await errorOf(sender().post(url, Buffer.from('x'), 'text/plain', never));
    expect(error.message).toContain('redirects are not followed: http://127.0.0.1:1/elsewhere');
    expect(requests).toBe(1);
  });

  test('quotes 200 characters of an answer at most, without control characters', async () => {
    const url = await serve((_, response) => response.writeHead(400).end(`\u001b[2J\n${'x'.repeat(1000)}`));
    const error = await errorOf(sender().post(url, Buffer.from('x'), 'text/plain', never));
    expect(error.message).toContain('answered 400: \\u001b[2J\\nxxx');
    expect(error.message.length).toBeLessThan(300);
  });

  test('stops reading an answer over 4 MiB and does not try again', async () => {
    const url = await serve((_, response) => {
      const chunk = Buffer.alloc(1 << 20);
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
        response.once('drain', more);
      };
      more();
    });
    const error = await errorOf(sender().post(url, Buffer.from('x'), 'text/plain', never));
    expect(error).toBeInstanceOf(PermanentError);
    expect(error.message).toBe('Cannot read the answer 200: it is over 4194304 bytes');
  });

  test('a refused connection is retryable', async () => {
    const server = createServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    const error = await errorOf(sender().post(`http://127.0.0.1:${port}`, Buffer.from('x'), 'text/plain', never));
    expect(error).toBeInstanceOf(RetryableError);
    expect(error.message).toContain('ECONNREFUSED');
  });

  test('a connection closed without an answer, or in the middle of one, is retryable', async () => {
    const endings: RequestListener[] = [
      (request) => request.socket.destroy(),
      (_, response) => {
        response.writeHead(200, { 'content-length': 10 }).write('half');
        setImmediate(() => response.destroy());
      },
    ];
    const url = await serve((request, response) => endings.shift()!(request, response));
    const http = sender();
    expect(await errorOf(http.post(url, Buffer.from('x'), 'text/plain', never))).toBeInstanceOf(RetryableError);
    expect(await errorOf(http.post(url, Buffer.from('x'), 'text/plain', never))).toBeInstanceOf(RetryableError);
    expect(endings).toEqual([]);
  });

  test('an idle connection that the server closed is replaced without an error', async () => {
    let requests = 0;
    const url = await serve((request, response) => {
      requests += 1;
      // The second request on a connection meets what a server does whose keep-alive time has just run out.
      if (requests === 2) request.socket.resetAndDestroy();
      else response.end();
    });
    const http = sender();
    await http.post(url, Buffer.from('1'), 'text/plain', never);
    await http.post(url, Buffer.from('2'), 'text/plain', never);
    expect(requests).toBe(3);
  });

  test('an abort ends the request as retryable', async () => {
    const arrived = Promise.withResolvers<void>();
    const url = await serve(() => arrived.resolve());
    const controller = new AbortController();
    const sending = errorOf(sender().post(url, Buffer.from('x'), 'text/plain', controller.signal));
    await arrived.promise;
    controller.abort();
    expect(await sending).toBeInstanceOf(RetryableError);
  });

  test('never shows the user information of a URL', async () => {
    let authorization: string | undefined;
    const url = await serve((request, response) => {
      authorization = request.headers.authorization;
      response.writeHead(403).end();
    });
    const error = await errorOf(
      sender().post(url.replace('//', '//me:hunter2@'), Buffer.from('x'), 'text/plain', never),
    );
    expect(error.message).not.toContain('hunter2');
    expect(authorization).toBe(`Basic ${Buffer.from('me:hunter2').toString('base64')}`);
  });

  test('goes through the proxy of the environment, except to the hosts of NO_PROXY', async () => {
    const asked: string[] = [];
    const proxy = await serve((request, response) => {
      asked.push(request.url!);
      response.end();
    });
    const direct = await serve((_, response) => response.writeHead(204).end());
    vi.stubEnv('HTTP_PROXY', proxy);
    vi.stubEnv('http_proxy', proxy);
    vi.stubEnv('NO_PROXY', '127.0.0.1');
    vi.stubEnv('no_proxy', '127.0.0.1');
    const http = sender();
    await http.post('http://backend.invalid/v1/metrics', Buffer.from('x'), 'text/plain', never);
    expect(asked).toEqual(['http://backend.invalid/v1/metrics']);
    expect((await http.post(direct, Buffer.from('x'), 'text/plain', never)).status).toBe(204);
  });
});

test.each([
  ['line\nbreak', 'value'],
  ['x-token', 'se\ncret'],
])('createHttpSender refuses header %j without showing its value', (name, value) => {
  expect(() => sender({ headers: { [name]: value } })).toThrow(/^Cannot use header ".+": ERR_\w+$/);
});

test.each([
  ['120', 120_000],
  [' 0 ', 0],
  ['Sat, 21 Nov 2026 22:00:10 GMT', 10_000],
  ['Sat, 21 Nov 2026 21:00:00 GMT', 0],
  ['1.5', undefined],
  ['-5', undefined],
  ['99999999999', undefined],
  ['later', undefined],
  [undefined, undefined],
])('parseRetryAfter(%j) is %j', (value, expected) => {
  expect(parseRetryAfter(value, Date.parse('2026-11-21T22:00:00Z'))).toBe(expected);
});

describe('post over TLS', () => {
  let certificates: Certificates;
  beforeAll(() => {
    certificates = createCertificates();
  });
  afterAll(() => certificates.remove());

  async function serveTls(pair: { cert_file: string; key_file: string }, options: ServerOptions = {}): Promise<string> {
    const server = createTlsServer(
      { cert: readFileSync(pair.cert_file), key: readFileSync(pair.key_file), ...options },
      (request, response) =>
        response.end(
          (request.socket as { getPeerCertificate?(): { subject?: { CN: string } } }).getPeerCertificate?.().subject
            ?.CN ?? '',
        ),
    );
    return `https://127.0.0.1:${await listen(server as unknown as Server)}`;
  }
  const send = (url: string, tls: HttpSenderOptions['tls']) =>
    sender({ tls }).post(url, Buffer.from('x'), 'text/plain', never);

  test('trusts the authority it is given', async () => {
    expect((await send(await serveTls(certificates.server), { ca_file: certificates.ca })).status).toBe(200);
  });

  test('refuses a server whose authority it does not know', async () => {
    const url = await serveTls(certificates.stranger);
    const error = await errorOf(send(url, { ca_file: certificates.ca }));
    expect(error).toBeInstanceOf(RetryableError);
    expect(error.message).toMatch(/certificate/);
    expect(await errorOf(send(url, {}))).toBeInstanceOf(RetryableError);
  });

  test('refuses a server whose certificate names another host, unless server_name is that host', async () => {
    const url = await serveTls(certificates.server);
    const tls = { ca_file: certificates.ca };
    expect((await errorOf(send(url, { ...tls, server_name: 'example.com' }))).message).toContain('example.com');
    expect((await send(url, { ...tls, server_name: 'localhost' })).status).toBe(200);
  });

  test('insecure_skip_verify takes any certificate', async () => {
    expect((await send(await serveTls(certificates.stranger), { insecure_skip_verify: true })).status).toBe(200);
  });

  test('shows its certificate to a server that demands one, and without one is refused', async () => {
    const demands = { ca: readFileSync(certificates.ca), requestCert: true, rejectUnauthorized: true };
    const url = await serveTls(certificates.server, demands);
    const tls = { ca_file: certificates.ca };
    const answer = await send(url, { ...tls, ...certificates.client });
    expect(Buffer.from(answer.body).toString()).toBe('client');
    expect(await errorOf(send(url, tls))).toBeInstanceOf(RetryableError);
    expect(await errorOf(send(url, { ...tls, ...certificates.stranger }))).toBeInstanceOf(RetryableError);
  });

  test('speaks nothing below TLS 1.2', async () => {
    const url = await serveTls(certificates.server, {
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ciphers: 'ALL@SECLEVEL=0',
    });
    expect(await errorOf(send(url, { ca_file: certificates.ca }))).toBeInstanceOf(RetryableError);
  });

  test('uses a renewed file from the next request on, and the old one while it cannot be read', async () => {
    const url = await serveTls(certificates.server);
    const ca_file = join(certificates.folder, 'renewed.pem');
    copyFileSync(certificates.stranger.cert_file, ca_file);
    const http = sender({ tls: { ca_file } });
    const post = () => http.post(url, Buffer.from('x'), 'text/plain', never);
    expect(await errorOf(post())).toBeInstanceOf(RetryableError);
    // Another file: two of one size may well be written within a tick of the kernel's clock.
    copyFileSync(certificates.ca, `${ca_file}.new`);
    renameSync(`${ca_file}.new`, ca_file);
    expect((await post()).status).toBe(200);
    rmSync(ca_file);
    expect((await post()).status).toBe(200);
  });

  test('a file that cannot be read is an error at once', () => {
    expect(() => sender({ tls: { ca_file: '/does/not/exist' } })).toThrow(/^Cannot read "\/does\/not\/exist": ENOENT/);
  });
});
