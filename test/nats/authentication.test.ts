import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import * as v from 'valibot';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createNatsClient, type NatsClient } from '../../src/nats/client.ts';
import { natsClientOptions } from '../../src/nats/options.ts';
import { startFakeNats, type FakeNats } from '../support/nats_server.ts';
import { createRecordedLog } from '../support/recorded_log.ts';

const user = nkeys.createUser();
const seed = Buffer.from(user.getSeed()).toString();
const credentials = (jwt: string): string => `-----BEGIN NATS USER JWT-----
${jwt}
------END NATS USER JWT------

************************* IMPORTANT *************************
-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------
`;

let folder: string;
let server: FakeNats;
let clients: NatsClient[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sonde-nats-'));
  server = await startFakeNats();
  clients = [];
});
afterEach(async () => {
  for (const client of clients) await client.stop();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const fileWith = (content: string): string => {
  const path = join(folder, 'secret');
  writeFileSync(path, content);
  return path;
};

function make(auth: unknown): NatsClient {
  const config = v.parse(v.strictObject(natsClientOptions), { servers: [server.url], auth });
  const client = createNatsClient({ config, name: 'sonde test', log: createRecordedLog() });
  clients.push(client);
  return client;
}

/** What it says of itself, at each connection. */
async function connect(auth: unknown): Promise<Record<string, unknown>> {
  await make(auth).start();
  await expect.poll(() => server.connects.length).toBe(1);
  return server.connects[0];
}

async function reconnect(): Promise<Record<string, unknown>> {
  const before = server.connects.length;
  server.cut();
  await expect.poll(() => server.connects.length).toBeGreaterThan(before);
  return server.connects.at(-1)!;
}

const isSigned = (said: Record<string, unknown>): boolean =>
  user.verify(Buffer.from('abc'), Buffer.from(String(said.sig), 'base64url'));

describe('createNatsClient', () => {
  test('says its name, and nothing of who it is without auth', async () => {
    const said = await connect(undefined);
    expect(said).toMatchObject({ name: 'sonde test' });
    for (const key of ['user', 'pass', 'auth_token', 'nkey', 'jwt']) expect(said[key] ?? '').toBe('');
  });

  test('user: name and password, which a file may hold, read again at each connection', async () => {
    const password_file = fileWith('pässword\n');
    expect(await connect({ user: { username: 'me', password_file } })).toMatchObject({ user: 'me', pass: 'pässword' });
    fileWith('other');
    expect(await reconnect()).toMatchObject({ user: 'me', pass: 'other' });
    rmSync(password_file);
    expect(await reconnect()).toMatchObject({ user: 'me', pass: 'other' });
  });

  test('token', async () => {
    expect(await connect({ token: { token: 'abc def' } })).toMatchObject({ auth_token: 'abc def' });
  });

  test('nkey: signs what the server asks, and never says the seed', async () => {
    const said = await connect({ nkey: { seed_file: fileWith(`${seed}\n`) } });
    expect(said.nkey).toBe(user.getPublicKey());
    expect(isSigned(said)).toBe(true);
    expect(JSON.stringify(said)).not.toContain(seed);
  });

  test('credentials: the JWT of now, signed; a file that is broken meanwhile changes nothing', async () => {
    const file = fileWith(credentials('eyJ.one'));
    const said = await connect({ credentials: { file } });
    expect(said.jwt).toBe('eyJ.one');
    expect(isSigned(said)).toBe(true);
    fileWith(credentials('eyJ.two'));
    expect((await reconnect()).jwt).toBe('eyJ.two');
    fileWith('half');
    expect((await reconnect()).jwt).toBe('eyJ.two');
  });

  test.each([
    [{}, /^Cannot use auth: it names 0 of user, token, nkey and credentials, and takes one$/],
    [{ token: { token: 'a' }, user: { username: 'b' } }, /^Cannot use auth: it names 2 of/],
  ])('refuses auth %j', (auth, words) => {
    expect(() => make(auth)).toThrow(words);
  });

  test.each([
    [
      () => ({ user: { username: 'me' } }),
      /^Cannot use auth: write either auth.user.password or auth.user.password_file$/,
    ],
    [() => ({ token: { token_file: join(folder, 'none') } }), /^Cannot read ".*none": ENOENT/],
    [() => ({ token: { token_file: fileWith(' \n') } }), /^Cannot read ".*secret": it is empty$/],
    [
      () => ({ nkey: { seed_file: fileWith('SUsecret') } }),
      /^Cannot use what ".*secret" holds: it is no seed of a key$/,
    ],
    [
      () => ({ nkey: { seed_file: fileWith(Buffer.from(nkeys.createAccount().getSeed()).toString()) } }),
      /^Cannot use what ".*secret" holds: it is not the seed of a user \(SU…\)$/,
    ],
    [() => ({ credentials: { file: fileWith(seed) } }), /has not the two parts of credentials, a JWT and a seed$/],
    [() => ({ credentials: { file: fileWith(credentials('a').replace(seed, 'SU1')) } }), /it is no seed of a key$/],
  ])('%s cannot start, and says why without the secret', async (auth, words) => {
    const error = await make(auth())
      .start()
      .then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    expect((error as Error).message).toMatch(words);
    expect((error as Error).message).not.toContain(seed);
  });
});
