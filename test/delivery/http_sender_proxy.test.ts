import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { HttpSender, HttpSenderOptions } from '../../src/component.ts';
import { createHttpSender } from '../../src/delivery/http_sender.ts';
import { RetryableError } from '../../src/errors.ts';
import { createCertificates, type Certificates } from '../support/certificates.ts';
import { startForwardProxy, type ForwardProxy } from '../support/forward_proxy.ts';

const never = new AbortController().signal;
const open: { close(): unknown }[] = [];
let certificates: Certificates;
let proxy: ForwardProxy;
let paths: string[];

beforeAll(() => {
  certificates = createCertificates();
});
afterAll(() => certificates.remove());
beforeEach(async () => {
  proxy = await startForwardProxy();
  paths = [];
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']) {
    vi.stubEnv(name, undefined);
    vi.stubEnv(name.toLowerCase(), undefined);
  }
});
afterEach(async () => {
  for (const one of open.splice(0)) one.close();
  await proxy[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
});

const take: RequestListener = (request, response) => {
  paths.push(request.url!);
  request.resume().on('end', () => response.end('taken'));
};

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => (server.closeAllConnections(), server.close()) });
  return (server.address() as AddressInfo).port;
}

async function serve(): Promise<string> {
  return `http://127.0.0.1:${await listen(createServer(take))}/v1/logs`;
}

async function serveTls(): Promise<string> {
  const { cert_file, key_file } = certificates.server;
  const server = createTlsServer({ cert: readFileSync(cert_file), key: readFileSync(key_file) }, take);
  return `https://127.0.0.1:${await listen(server as unknown as Server)}/v1/logs`;
}

function sender(options: Partial<HttpSenderOptions>): HttpSender {
  const made = createHttpSender({ compression: 'none', headers: {}, ...options });
  open.push(made);
  return made;
}

const post = (http: HttpSender, url: string) => http.post(url, Buffer.from('x'.repeat(100_000)), 'text/plain', never);

async function errorOf(sending: Promise<unknown>): Promise<Error> {
  return await sending.then(
    () => expect.unreachable('the request succeeded'),
    (error: unknown) => error as Error,
  );
}

test('a request to http goes through the proxy as a whole URL', async () => {
  const url = await serve();
  const http = sender({ proxy: proxy.url, auth: { bearer: { token: { reveal: () => 'abc' } } } });
  for (let round = 0; round < 3; round++) expect((await post(http, url)).status).toBe(200);
  expect(proxy.asked.map(({ what }) => what)).toEqual([`POST ${url}`, `POST ${url}`, `POST ${url}`]);
  expect(proxy.asked[0]!.headers).toMatchObject({ authorization: 'Bearer abc' });
  expect(paths).toHaveLength(3);
});

test('a request to https goes through a tunnel of the proxy, which sees nothing of it', async () => {
  const url = await serveTls();
  const http = sender({
    proxy: proxy.url,
    tls: { ca_file: certificates.ca },
    auth: { bearer: { token: { reveal: () => 'abc' } } },
  });
  for (let round = 0; round < 3; round++) expect((await post(http, url)).status).toBe(200);
  expect(paths).toEqual(['/v1/logs', '/v1/logs', '/v1/logs']);
  // The connection is kept.
  expect(proxy.asked.map(({ what }) => what)).toEqual([`CONNECT ${new URL(url).host}`]);
  expect(JSON.stringify(proxy.asked)).not.toContain('abc');
});

test('the certificate behind a tunnel is checked as without one', async () => {
  const url = await serveTls();
  expect(await errorOf(post(sender({ proxy: proxy.url }), url))).toBeInstanceOf(RetryableError);
  const tls = { ca_file: certificates.ca, server_name: 'example.com' };
  expect((await errorOf(post(sender({ proxy: proxy.url, tls }), url))).message).toContain('example.com');
  expect(paths).toEqual([]);
});

test.each(['http', 'https'])('the name and password of the proxy are shown to it alone, for %s', async (scheme) => {
  const url = scheme === 'http' ? await serve() : await serveTls();
  const address = proxy.url.replace('//', '//me:hunter2@');
  const http = sender({ proxy: address, tls: { ca_file: certificates.ca } });
  await post(http, url);
  expect(proxy.asked[0]!.authorization).toBe(`Basic ${Buffer.from('me:hunter2').toString('base64')}`);
  expect(paths).toHaveLength(1);
});

test.each(['http', 'https'])(
  'a proxy that refuses, or is not there, is an error without its password, for %s',
  async (scheme) => {
    const url = scheme === 'http' ? await serve() : await serveTls();
    const http = sender({ proxy: proxy.url.replace('//', '//me:hunter2@'), tls: { ca_file: certificates.ca } });
    proxy.refuseWith = 407;
    const refused = await errorOf(post(http, url));
    // What the proxy says is no word of the back end: the data waits until its password is right.
    expect(refused).toBeInstanceOf(RetryableError);
    expect(refused.message).toContain('407');
    proxy.refuseWith = 503;
    expect(await errorOf(post(http, url))).toBeInstanceOf(RetryableError);
    await proxy[Symbol.asyncDispose]();
    const gone = await errorOf(post(http, url));
    expect(gone).toBeInstanceOf(RetryableError);
    for (const { message } of [refused, gone]) expect(message).not.toContain('hunter2');
    expect(paths).toEqual([]);
  },
);

test('proxy: none goes past the proxy of the environment, and a proxy of its own goes before it', async () => {
  const url = await serve();
  await using other = await startForwardProxy();
  vi.stubEnv('HTTP_PROXY', other.url);
  vi.stubEnv('http_proxy', other.url);
  await post(sender({ proxy: 'none' }), url);
  expect([paths.length, proxy.asked.length, other.asked.length]).toEqual([1, 0, 0]);
  await post(sender({ proxy: proxy.url }), url);
  expect([paths.length, proxy.asked.length, other.asked.length]).toEqual([2, 1, 0]);
  await post(sender({}), url);
  expect([paths.length, proxy.asked.length, other.asked.length]).toEqual([3, 1, 1]);
});

test('a tunnel of the environment is one for https alone, and NO_PROXY is obeyed', async () => {
  const [plain, secure] = [await serve(), await serveTls()];
  vi.stubEnv('HTTPS_PROXY', proxy.url);
  vi.stubEnv('https_proxy', proxy.url);
  const tls = { ca_file: certificates.ca };
  const http = sender({ tls });
  await post(http, plain);
  await post(http, secure);
  expect(proxy.asked.map(({ what }) => what)).toEqual([`CONNECT ${new URL(secure).host}`]);
  vi.stubEnv('NO_PROXY', '127.0.0.1');
  vi.stubEnv('no_proxy', '127.0.0.1');
  await post(sender({ tls }), secure);
  expect(proxy.asked).toHaveLength(1);
});

test('NO_PROXY does not keep a request from the proxy that the configuration names', async () => {
  const url = await serve();
  vi.stubEnv('NO_PROXY', '*');
  vi.stubEnv('no_proxy', '*');
  await post(sender({ proxy: proxy.url }), url);
  expect(proxy.asked).toHaveLength(1);
});

test('a proxy may be spoken to over TLS, if the authorities of Node.js vouch for it', async () => {
  const { cert_file, key_file } = certificates.server;
  await using secure = await startForwardProxy({ cert: readFileSync(cert_file), key: readFileSync(key_file) });
  const tls = { ca_file: certificates.ca };
  const [plain, hidden] = [await serve(), await serveTls()];
  // `tls` is about the back end.
  expect(await errorOf(post(sender({ proxy: secure.url, tls }), hidden))).toBeInstanceOf(RetryableError);
  const known = getCACertificates('default');
  open.push({ close: () => setDefaultCACertificates(known) });
  setDefaultCACertificates([...known, readFileSync(certificates.ca, 'utf8')]);
  await post(sender({ proxy: secure.url, tls }), hidden);
  await post(sender({ proxy: secure.url, tls }), plain);
  expect(secure.asked.map(({ what }) => what)).toEqual([`CONNECT ${new URL(hidden).host}`, `POST ${plain}`]);
});
