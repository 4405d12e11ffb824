import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { Agent, get, request, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { get as secureGet } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as secureConnect, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parseEndpoint } from '../../src/api/http_listener.ts';
import { createServe } from '../../src/api/http_server.ts';
import type { Listener, ServeOptions } from '../../src/component.ts';
import { createCertificates, type Certificates } from '../support/certificates.ts';
import { freePort } from '../support/free_port.ts';

const said: string[] = [];
const say = (message: string): void => void said.push(message);
const log = { info: say, warn: say, error: say };
const serve = createServe({
  page: (_, response, paths) => void response.end(`page of ${paths.join(' ')}`),
  log,
  closeTimeout_ms: 20_000,
  tlsReload_ms: 20,
});

const open: Listener[] = [];
async function listen(options: Partial<ServeOptions> = {}, by = serve): Promise<Listener> {
  const listener = await by({
    endpoint: '127.0.0.1:0',
    routes: { '/metrics': (_, response) => void response.end('m') },
    ...options,
  });
  open.push(listener);
  return listener;
}

afterEach(async () => {
  for (const listener of open.splice(0)) await listener.close();
  said.length = 0;
});

function endpointOf({ url }: Listener): string {
  return url.replace(/^https?:\/\//, '');
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A request whose Host header can be anything, which `fetch` does not allow. */
async function ask(url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  request(url, { method, headers, agent: false }, (response) => {
    let body = '';
    response.setEncoding('utf8');
    response.on('error', reject);
    response.on('data', (chunk: string) => (body += chunk));
    response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
  })
    .on('error', reject)
    .end();
  return promise;
}

describe('createServe', () => {
  test('answers each path with its handler, whatever query follows', async () => {
    const { url } = await listen();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
    expect(await ask(`${url}/metrics?name=x`)).toMatchObject({ status: 200, body: 'm' });
  });

  test('answers paths by a place for any segment, the last one or that before it', async () => {
    const answer = (text: string) => (_: unknown, response: ServerResponse) => void response.end(text);
    const { url } = await listen({
      routes: { '/label/*/values': answer('values'), '/label/*': answer('label'), '/label/x': answer('x') },
    });
    for (const [path, body] of [
      ['/label/a%2Fb/values?q=1', 'values'],
      ['/label/a', 'label'],
      ['/label/x', 'x'],
    ]) {
      expect(await ask(`${url}${path}`)).toMatchObject({ status: 200, body });
    }
    for (const path of ['/label/a/other', '/label/a/b/values', '/values', '/other/a/values']) {
      expect(await ask(`${url}${path}`)).toMatchObject({ status: 404 });
    }
  });

  test('names what there is where nothing is', async () => {
    const { url } = await listen();
    expect(await ask(`${url}/other`)).toMatchObject({ status: 404, body: 'Nothing is here; there is /metrics\n' });
    expect(await ask(`${url}/`)).toMatchObject({ status: 404 });
  });

  test('has the page where it is asked for', async () => {
    const { url } = await listen({ hasPage: true });
    expect(await ask(`${url}/`)).toMatchObject({ status: 200, body: 'page of /metrics' });
  });

  test('answers no other host name than its own on loopback', async () => {
    const { url } = await listen();
    const port = new URL(url).port;
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example']) {
      expect(await ask(`${url}/metrics`, { host })).toMatchObject({ status: 421 });
    }
    for (const host of ['localhost', `LOCALHOST:${port}`, `127.0.0.1:${port}`, '[::1]:1']) {
      expect(await ask(`${url}/metrics`, { host })).toMatchObject({ status: 200 });
    }
  });

  test('answers any host name where it is exposed on purpose', async () => {
    const { url } = await listen({ endpoint: '0.0.0.0:0', insecure: true });
    const port = new URL(url).port;
    expect(await ask(`http://127.0.0.1:${port}/metrics`, { host: 'machine.example' })).toMatchObject({ status: 200 });
  });

  test.each(['0.0.0.0:0', '[::]:0', '192.0.2.1:0', 'machine.example:0'])(
    'refuses to expose %s without TLS unless that is written out',
    async (endpoint) => {
      await expect(listen({ endpoint })).rejects.toThrow(/^Cannot listen on .*: other machines .*insecure: true/);
    },
  );

  test('says which endpoint another process has', async () => {
    const other = createServe({ page: () => {}, log });
    const first = await listen();
    const endpoint = endpointOf(first);
    await expect(other({ endpoint, routes: {} })).rejects.toThrow(
      `Cannot listen on ${endpoint}: another process already does (EADDRINUSE); stop that one, or choose another endpoint`,
    );
  });

  test('shares a listener between components that ask for the same endpoint', async () => {
    const endpoint = `127.0.0.1:${await freePort()}`;
    const first = await listen({ endpoint });
    const second = await listen({ endpoint, routes: { '/api': (_, response) => void response.end('a') } });
    expect(second.url).toBe(first.url);
    expect(await ask(`${first.url}/api`)).toMatchObject({ body: 'a' });
    await expect(listen({ endpoint })).rejects.toThrow('another component already answers /metrics there');
    await first.close();
    expect(await ask(`${first.url}/metrics`)).toMatchObject({ status: 404 });
    expect(await ask(`${first.url}/api`)).toMatchObject({ status: 200 });
    await second.close();
    await expect(ask(`${first.url}/api`)).rejects.toThrow('ECONNREFUSED');
  });

  test('gives up an endpoint and takes it again at once', async () => {
    const endpoint = `127.0.0.1:${await freePort()}`;
    let listener = await listen({ endpoint });
    for (let i = 0; i < 5; i++) {
      const closed = listener.close();
      listener = await listen({ endpoint });
      await closed;
      expect(await ask(`${listener.url}/metrics`)).toMatchObject({ status: 200 });
    }
  });

  test('tries again after an endpoint that was taken', async () => {
    const other = createServe({ page: () => {}, log });
    const holder = await other({ endpoint: '127.0.0.1:0', routes: {} });
    const endpoint = endpointOf(holder);
    await expect(listen({ endpoint })).rejects.toThrow('EADDRINUSE');
    await holder.close();
    expect((await listen({ endpoint })).url).toBe(holder.url);
  });

  test('answers 500 without the details when a handler fails, now or later', async () => {
    const { url } = await listen({
      routes: {
        '/now': () => {
          throw new Error('secret');
        },
        '/later': () => Promise.reject(new Error('secret')),
      },
    });
    for (const path of ['/now', '/later']) {
      const { status, body } = await ask(url + path);
      expect(status).toBe(500);
      expect(body).not.toContain('secret');
    }
    expect(said).toEqual([
      'Cannot answer a request: its handler failed',
      'Cannot answer a request: its handler failed',
    ]);
  });

  test('cuts the connection when a handler fails in the middle of an answer', async () => {
    const { url } = await listen({
      routes: {
        '/half': (_, response) => {
          response.writeHead(200, { 'Content-Length': 100 });
          response.write('half');
          throw new Error('no more');
        },
      },
    });
    await expect(ask(`${url}/half`)).rejects.toThrow(/aborted|hang up|ECONNRESET/);
  });

  test('refuses headers larger than 16 KiB', async () => {
    const { url } = await listen();
    expect(await ask(`${url}/metrics`, { 'x-large': 'x'.repeat(20_000) })).toMatchObject({ status: 431 });
  });
});

describe('close', () => {
  test('waits for a request under way, and not for connections kept alive', async () => {
    const gate = Promise.withResolvers<void>();
    const began = Promise.withResolvers<void>();
    const { url, close } = await listen({
      routes: {
        '/idle': (_, response) => void response.end('i'),
        '/slow': async (_, response) => {
          began.resolve();
          await gate.promise;
          response.end('done');
        },
      },
    });
    const agent = new Agent({ keepAlive: true });
    const idle = Promise.withResolvers<void>();
    get(`${url}/idle`, { agent }, (response) => response.resume().on('end', idle.resolve));
    await idle.promise;
    const slow = ask(`${url}/slow`);
    await began.promise;
    let isClosed = false;
    const closed = close().then(() => (isClosed = true));
    await expect(ask(`${url}/idle`)).rejects.toThrow('ECONNREFUSED');
    expect(isClosed).toBe(false);
    gate.resolve();
    expect(await slow).toMatchObject({ body: 'done' });
    await closed;
    agent.destroy();
  });

  test('cuts off requests that outlast the time limit, and clients that never ask', async () => {
    const hasty = createServe({ page: () => {}, log, closeTimeout_ms: 300 });
    const { url, close } = await listen({ routes: { '/never': () => new Promise<void>(() => {}) } }, hasty);
    const never = ask(`${url}/never`);
    never.catch(() => {});
    const silent = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {});
    await new Promise((resolve) => silent.once('connect', resolve));
    await close();
    await expect(never).rejects.toThrow(/hang up|ECONNRESET/);
    silent.destroy();
  });

  test('may be called twice', async () => {
    const { close } = await listen();
    expect(await Promise.all([close(), close()])).toEqual([undefined, undefined]);
  });
});

describe('TLS', () => {
  let certificates: Certificates;
  let folder: string;
  beforeAll(() => {
    certificates = createCertificates();
    folder = mkdtempSync(join(tmpdir(), 'sonde-serve-'));
  });
  afterAll(() => {
    certificates.remove();
    rmSync(folder, { recursive: true });
  });

  async function status(url: string, pair?: { cert_file: string; key_file: string }): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const client = pair && { cert: readFileSync(pair.cert_file), key: readFileSync(pair.key_file) };
    secureGet(url, { ca: readFileSync(certificates.ca), agent: false, ...client }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    }).on('error', reject);
    return promise;
  }

  test('is spoken from version 1.2 on, also beyond loopback', async () => {
    const { url } = await listen({ endpoint: '0.0.0.0:0', tls: certificates.server });
    const port = new URL(url).port;
    expect(url).toMatch(/^https:/);
    expect(await status(`https://127.0.0.1:${port}/metrics`)).toBe(200);
    const old = secureConnect({
      port: Number(port),
      host: '127.0.0.1',
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      rejectUnauthorized: false,
    });
    await expect(
      new Promise((resolve, reject) => old.on('secureConnect', resolve).on('error', reject)),
    ).rejects.toThrow();
  });

  test('asks for a certificate of the client where that is configured', async () => {
    const { url } = await listen({ tls: { ...certificates.server, client_ca_file: certificates.ca } });
    expect(await status(`${url}/metrics`, certificates.client)).toBe(200);
    await expect(status(`${url}/metrics`)).rejects.toThrow();
    await expect(status(`${url}/metrics`, certificates.stranger)).rejects.toThrow();
  });

  test('says which file it cannot read', async () => {
    const tls = { ...certificates.server, key_file: join(folder, 'none.key') };
    await expect(listen({ tls })).rejects.toThrow(/^Cannot read tls\.key_file ".*none\.key": ENOENT/);
  });

  test('does not share a listener between components with other settings', async () => {
    const endpoint = `127.0.0.1:${await freePort()}`;
    await listen({ endpoint, tls: certificates.server });
    await expect(listen({ endpoint, routes: { '/b': () => {} } })).rejects.toThrow('with other TLS settings');
  });

  test('takes a renewed certificate while it runs, and keeps the old one as long as the new one is no use', async () => {
    const tls = { cert_file: join(folder, 'tls.pem'), key_file: join(folder, 'tls.key') };
    // Another file each time: two of one size may well be written within a tick of the kernel's clock.
    const install = (file: keyof typeof tls, from: { cert_file: string; key_file: string }): void => {
      copyFileSync(from[file], `${tls[file]}.new`);
      renameSync(`${tls[file]}.new`, tls[file]);
    };
    install('cert_file', certificates.server);
    install('key_file', certificates.server);
    const { url } = await listen({ tls });
    const subject = async (): Promise<string> => {
      const socket: TLSSocket = secureConnect({
        port: Number(new URL(url).port),
        host: '127.0.0.1',
        rejectUnauthorized: false,
      });
      await new Promise((resolve, reject) => socket.on('secureConnect', resolve).on('error', reject));
      const name = String(socket.getPeerCertificate().subject.CN);
      socket.destroy();
      return name;
    };
    expect(await subject()).toBe('server');
    install('cert_file', certificates.client);
    await expect.poll(() => said.join()).toContain('keeps the old one');
    expect(await subject()).toBe('server');
    install('key_file', certificates.client);
    await expect.poll(subject).toBe('client');
  });
});

test('parseEndpoint takes host and port apart', () => {
  expect(parseEndpoint('[::1]:9464')).toEqual({ host: '[::1]', port: 9464 });
  expect(parseEndpoint('LocalHost:0')).toEqual({ host: 'localhost', port: 0 });
  for (const bad of ['9464', ':9464', 'host:', 'host:70000', 'host:x']) {
    expect(() => parseEndpoint(bad)).toThrow(`Cannot listen on "${bad}"`);
  }
});
