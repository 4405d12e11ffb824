import * as v from 'valibot';
import { expect, test } from 'vitest';
import { httpClient, httpClientOptions } from '../../src/config/http_client.ts';

const schema = v.strictObject(httpClientOptions);
const parse = (config: unknown) => v.safeParse(schema, config);

test.each([
  {},
  { headers: { 'X-A': 'b' } },
  { auth: { basic: { username: 'a', password: 'b' } } },
  { auth: { basic: { username: 'a', password_file: '/b' } } },
  { auth: { bearer: { token: 'a' } } },
  { auth: { header: { name: 'X-API-Key', value: 'a' } } },
  { proxy: 'none' },
  { proxy: 'http://me:pw@proxy:3128' },
  { proxy: 'https://proxy' },
  { tls: { ca_file: '/ca.pem' } },
])('httpClientOptions take %j', (config) => {
  expect(parse(config).success).toBe(true);
});

test.each([
  [{ auth: { oauth: {} } }, 'auth.oauth'],
  [{ auth: { basic: { password: 'b' } } }, 'auth.basic.username'],
  [{ auth: { bearer: { token: 7 } } }, 'auth.bearer.token'],
  [{ auth: { header: { name: 'two words', value: 'a' } } }, 'auth.header.name'],
  [{ auth: { header: { name: 'x:', value: 'a' } } }, 'auth.header.name'],
  [{ auth: { header: { value: 'a' } } }, 'auth.header.name'],
  [{ proxy: 'proxy:3128' }, 'proxy'],
  [{ proxy: 'socks5://proxy' }, 'proxy'],
  [{ proxy: 'http://' }, 'proxy'],
  [{ proxy: 'http://a b' }, 'proxy'],
  [{ proxy: '' }, 'proxy'],
  [{ headers: { a: 7 } }, 'headers.a'],
])('httpClientOptions refuse %j at %s', (config, path) => {
  const { issues } = parse(config);
  expect(issues?.map((issue) => v.getDotPath(issue))).toEqual([path]);
});

test('httpClientOptions show no secret, however they are printed', () => {
  const config = v.parse(schema, {
    headers: { 'x-key': 'hunter2' },
    auth: {
      basic: { username: 'me', password: 'hunter2' },
      bearer: { token: 'hunter2' },
      header: { name: 'x', value: 'hunter2' },
    },
  });
  expect(JSON.stringify(config)).not.toContain('hunter2');
  expect(`${config.auth!.bearer!.token}`).toBe('[REDACTED]');
});

test('httpClient puts the headers of a user over those of the exporter', () => {
  const config = v.parse(schema, { headers: { 'user-agent': 'mine', 'x-b': 'b' }, proxy: 'none' });
  expect(httpClient(config, { 'user-agent': 'its', accept: 'all' })).toEqual({
    headers: { 'user-agent': 'mine', accept: 'all', 'x-b': 'b' },
    auth: undefined,
    tls: undefined,
    proxy: 'none',
  });
});
