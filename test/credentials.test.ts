import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { validateHeaderValue } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { AuthConfig } from '../src/component.ts';
import { Secret } from '../src/config/options.ts';
import { createCredentials } from '../src/credentials.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sonde-secret-'));
  file = join(folder, 'token');
});
afterEach(() => rmSync(folder, { recursive: true }));

const secret = (text: string): Secret => new Secret(text);
const base64 = (text: string): string => Buffer.from(text).toString('base64');

test.each<[AuthConfig | undefined, object]>([
  [undefined, {}],
  [{ basic: { username: 'me', password: secret('p:w ł') } }, { authorization: `Basic ${base64('me:p:w ł')}` }],
  [{ basic: { username: '', password: secret('') } }, { authorization: `Basic ${base64(':')}` }],
  [{ bearer: { token: secret('abc.def') } }, { authorization: 'Bearer abc.def' }],
  [{ header: { name: 'X-API-Key', value: secret('k'), prefix: '' } }, { 'x-api-key': 'k' }],
  [{ header: { name: 'Authorization', value: secret('k'), prefix: 'Token ' } }, { authorization: 'Token k' }],
])('createCredentials makes of %j the header of each request', (auth, expected) => {
  const credentials = createCredentials(auth);
  expect(credentials()).toEqual(expected);
  expect(credentials()).toEqual(expected);
});

test.each<[string, (path: string) => AuthConfig, string, string]>([
  ['password_file', (path) => ({ basic: { username: 'me', password_file: path } }), 'authorization', 'Basic bWU6XX=='],
  ['token_file', (path) => ({ bearer: { token_file: path } }), 'authorization', 'Bearer X'],
  ['value_file', (path) => ({ header: { name: 'X-Key', value_file: path, prefix: 'K ' } }), 'x-key', 'K X'],
])('createCredentials reads a %s again when it changes', (_, authOf, name, pattern) => {
  const header = (text: string): string =>
    pattern.startsWith('Basic') ? `Basic ${base64(`me:${text}`)}` : pattern.replace('X', text);
  writeFileSync(file, ' first\n');
  const credentials = createCredentials(authOf(file));
  expect(credentials()[name]).toBe(header('first'));
  writeFileSync(file, 'second!\r\n');
  expect(credentials()[name]).toBe(header('second!'));
});

test('createCredentials follows a link that is set anew, as Kubernetes renews a secret', () => {
  writeFileSync(join(folder, 'old'), 'same-length-1');
  writeFileSync(join(folder, 'new'), 'same-length-2');
  symlinkSync('old', file);
  const credentials = createCredentials({ bearer: { token_file: file } });
  expect(credentials()).toEqual({ authorization: 'Bearer same-length-1' });
  symlinkSync('new', `${file}.tmp`);
  renameSync(`${file}.tmp`, file);
  expect(credentials()).toEqual({ authorization: 'Bearer same-length-2' });
});

test('createCredentials keeps the secret while its file is gone, empty or no header value, and takes the next one', () => {
  writeFileSync(file, 'good');
  const credentials = createCredentials({ bearer: { token_file: file } });
  rmSync(file);
  expect(credentials()).toEqual({ authorization: 'Bearer good' });
  for (const bad of ['', ' \n', 'two\nlines', 'ł', 'nul\0']) {
    writeFileSync(file, bad);
    expect(credentials()).toEqual({ authorization: 'Bearer good' });
  }
  writeFileSync(file, 'better');
  expect(credentials()).toEqual({ authorization: 'Bearer better' });
});

test.each<[AuthConfig, string]>([
  [{}, 'Cannot use auth: it names 0 of basic, bearer and header, and takes one'],
  [
    { basic: { username: 'me', password: secret('hunter2') }, bearer: { token: secret('hunter2') } },
    'Cannot use auth: it names 2 of basic, bearer and header, and takes one',
  ],
  [{ basic: { username: 'me' } }, 'Cannot use auth: write either auth.basic.password or auth.basic.password_file'],
  [
    { bearer: { token: secret('hunter2'), token_file: '/hunter2' } },
    'Cannot use auth: write either auth.bearer.token or auth.bearer.token_file',
  ],
  [{ header: { name: 'x', prefix: '' } }, 'Cannot use auth: write either auth.header.value or auth.header.value_file'],
  [{ basic: { username: 'a:b', password: secret('hunter2') } }, 'Cannot use auth.basic.username: it holds a colon'],
  [{ bearer: { token: secret('hunter2\n') } }, 'Cannot use auth.bearer.token: it is no header value'],
  [
    { header: { name: 'x', value: secret('hunter2\u{1f511}'), prefix: '' } },
    'Cannot use auth.header.value: it is no header value',
  ],
])('createCredentials refuses %j', (auth, message) => {
  expect(() => createCredentials(auth)).toThrow(new Error(message));
});

test.each([
  ['hunter2\nhunter3', 'Cannot use what "@" holds: it is no header value'],
  ['  \n', 'Cannot read "@": it is empty'],
])('createCredentials refuses a file with %j, without a word of it', (content, message) => {
  writeFileSync(file, content);
  expect(() => createCredentials({ bearer: { token_file: file } })).toThrow(new Error(message.replace('@', file)));
});

test('createCredentials says which file it cannot read', () => {
  expect(() => createCredentials({ bearer: { token_file: `${file}.none` } })).toThrow(
    /^Cannot read ".*\.none": ENOENT/,
  );
  expect(() => createCredentials({ bearer: { token_file: folder } })).toThrow(/^Cannot read ".*": EISDIR/);
});

test('createCredentials makes only headers that Node.js sends, and no error shows the secret', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 8 }), (text) => {
      let value: string;
      try {
        value = createCredentials({ header: { name: 'x', value: secret(text), prefix: '' } })()['x']!;
      } catch (error) {
        expect(String(error)).not.toContain(text);
        expect(() => validateHeaderValue('x', text)).toThrow();
        return;
      }
      expect(() => validateHeaderValue('x', value)).not.toThrow();
    }),
  );
});
