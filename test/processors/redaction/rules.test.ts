/** What each rule finds and what it leaves; every value here is made up. */
import { describe, expect, test } from 'vitest';
import { createMasker, UNSEARCHED } from '../../../processors/redaction/masker.ts';
import { ALL_RULES, PERSONAL_RULES, SECRET_RULES, type Rule } from '../../../processors/redaction/rules.ts';
import { compileRegExp } from '../../../src/text/regexp.ts';

function run(text: string, rules: readonly Rule[] = SECRET_RULES): { result: string; found: string[] } {
  const found: string[] = [];
  const mask = createMasker({ rules, replace: () => '#', masked: (rule) => found.push(rule) });
  return { result: mask(text), found };
}

// In parts, so that no scanner of secrets takes them for real ones.
const key = (...parts: string[]): string => parts.join('');
const JWT = key('eyJ', 'hbGciOiJIUzI1NiJ9.', 'eyJ', 'zdWIiOiIxMjM0In0.', 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_w');
const PEM = key('-----BEGIN ', 'RSA PRIVATE KEY-----\nMIIEow+/=\nabc\n-----END ', 'RSA PRIVATE KEY-----');

const FOUND: readonly (readonly [rule: string, text: string, result: string])[] = [
  ['private_key', `key: ${PEM} end`, 'key: # end'],
  ['private_key', PEM.replaceAll('\n', '\\n'), '#'],
  ['private_key', PEM.slice(0, 45), '#'],
  ['private_key', PEM.replaceAll('RSA PRIVATE KEY', 'PGP PRIVATE KEY BLOCK'), '#'],
  ['url_password', 'GET https://bob:hunter2@db:5432/x?y=a@b', 'GET https://bob:#@db:5432/x?y=a@b'],
  ['url_password', 'redis://:p@ss@cache/0', 'redis://:#@cache/0'],
  ['authorization', 'Authorization: Basic dXNlcjpwYXNz', 'Authorization: Basic #'],
  ['authorization', '{"authorization":["Token abc"]}', '{"authorization":["Token #"]}'],
  ['authorization', "-H 'Proxy-Authorization: Bearer abc.def'", "-H 'Proxy-Authorization: Bearer #'"],
  ['bearer', 'sent bearer abcdef0123456789 to b', 'sent bearer # to b'],
  ['cookie', 'Set-Cookie: sid=38afes7a8; Path=/\nnext', 'Set-Cookie: #\nnext'],
  ['key_value', 'password=hunter2 user=bob', 'password=# user=bob'],
  ['key_value', 'DB_PASSWORD = "hun\\"ter 2", x', 'DB_PASSWORD = "#", x'],
  ['key_value', '{"accessToken": "abc", "n": 1}', '{"accessToken": "#", "n": 1}'],
  ['key_value', '{\\"client_secret\\":\\"abc\\"}', '{\\"client_secret\\":\\"#\\"}'],
  ['key_value', "{'api-key': 'abc'}", "{'api-key': '#'}"],
  ['key_value', 'Server=a;Pwd=abc;Timeout=3', 'Server=a;Pwd=#;Timeout=3'],
  ['key_value', '/login?token=abc&next=/', '/login?token=#&next=/'],
  ['key_value', ':secret => "abc"', ':secret => "#"'],
  ['argument', 'mysqld --root-password hunter2 --port 3', 'mysqld --root-password # --port 3'],
  ['xml_element', '<db:Password>hunter2</db:Password>', '<db:Password>#</db:Password>'],
  ['jwt', `got ${JWT}.`, 'got #.'],
  ['aws_key', key('AKIA', 'IOSFODNN7EXAMPLE'), '#'],
  ['google_key', key('AIza', 'SyA', 'x'.repeat(32)), '#'],
  ['signed_url', 'https://s3/x?X-Amz-Signature=0123456789abcdef0&y=1', 'https://s3/x?X-Amz-Signature=#&y=1'],
  ['signed_url', 'https://a.blob/x?sv=1&sig=abcdef%2F0123456789%3D', 'https://a.blob/x?sv=1&sig=#'],
  ['github_token', key('ghp', '_', 'a1'.repeat(18)), '#'],
  ['gitlab_token', key('glpat', '-', 'a1b2c3d4e5f6g7h8i9j0'), '#'],
  ['slack_token', key('xoxb', '-', '123456789012-abcdef'), '#'],
  ['slack_token', 'https://hooks.slack.com/services/T0/B0/xyz', 'https://hooks.slack.com/services/#'],
  ['vendor_key', key('sk', '_live_', 'a1b2c3d4e5f6g7h8'), '#'],
  ['vendor_key', key('npm', '_', 'a1'.repeat(18)), '#'],
  ['card_number', 'card 4111 1111 1111 1111 12', 'card # 12'],
  ['card_number', 'amex 3782-822463-10005', 'amex #'],
  ['card_number', '5555555555554444', '#'],
];

const LEFT: readonly string[] = [
  '',
  'GET /api/users?limit=10 200 12ms',
  'password: null, token=""',
  'password=[REDACTED] secret=*** token=<none> pwd=${DB_PASSWORD}',
  'Invalid password for user bob from 10.0.0.1',
  'max_tokens=100 token_type=jwt password_age: 3d',
  'http://host:8080/path@2x.png and git@github.com:a/b',
  'bearer of good news arrived',
  'cookie policy: accepted',
  'time 1763776800000000000 trace 4bf92f3577b34da6a3ce929d0e0e4736',
  'number 4111111111111112 and 0.4111111111111111',
  'id 41111111111111111111111111111',
  '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
  'AKIA is a prefix, ghp_ too, and sk-learn, and task-force-management-operations',
  '--password-file /etc/x',
  'Ünïcödé 😀 lines pass',
];

describe('rules', () => {
  test.each(FOUND)('%s: %s', (rule, text, result) => {
    expect(run(text)).toEqual({ result, found: [rule] });
  });

  test.each(LEFT)('leave %s', (text) => {
    expect(run(text)).toEqual({ result: text, found: [] });
  });

  test('all have an example, and sieves that fit it', () => {
    const examples: readonly (readonly [string, string, ...unknown[]])[] = [...FOUND, ...PERSONAL];
    for (const { name, sieve, pattern } of ALL_RULES) {
      const texts = examples.filter(([rule]) => rule === name).map(([, text]) => text);
      expect([name, texts.length > 0]).toEqual([name, true]);
      for (const text of texts) {
        expect([name, text, compileRegExp(sieve).matches(text)]).toEqual([name, text, true]);
        expect([name, text, compileRegExp(pattern).matches(text)]).toEqual([name, text, true]);
      }
    }
  });

  test('that overlap mask what any of them found, once', () => {
    expect(run(`token=${JWT}`)).toEqual({ result: 'token=#', found: ['key_value'] });
    expect(run(`Authorization: Bearer ${JWT} x`)).toEqual({
      result: 'Authorization: Bearer # x',
      found: ['authorization'],
    });
  });
});

const PERSONAL: readonly (readonly [rule: string, text: string, result: string])[] = [
  ['email', 'from bob.b+x@mail.example.org!', 'from #!'],
  ['ip_address', 'from 10.0.0.255:80', 'from #:80'],
  ['ip_address', 'from 2001:db8::1 on', 'from # on'],
  ['ip_address', 'from 2001:db8:1:2:3:4:5:6 on', 'from # on'],
  ['iban', 'to DE89 3704 0044 0532 0130 00 now', 'to # now'],
  ['iban', 'GB82WEST12345698765432', '#'],
];

describe('personal rules', () => {
  test.each(PERSONAL)('%s: %s', (rule, text, result) => {
    expect(run(text, PERSONAL_RULES)).toEqual({ result, found: [rule] });
  });

  test.each(['at 00:15:42 on', 'version 1.2.3.999', 'a@b', 'mac 00:1b:44:11:3a:b7', 'DE88370400440532013000'])(
    'leave %s',
    (text) => {
      expect(run(text, PERSONAL_RULES)).toEqual({ result: text, found: [] });
    },
  );
});

describe('createMasker', () => {
  test('masks all of what it had no time to search', () => {
    const rule = { name: 'mean', pattern: 'a(?:.*b)?', sieve: 'a' };
    const { result, found } = run('a'.repeat(20_000), [rule]);
    expect(result).toMatch(/^#+$/);
    expect(found.at(-1)).toBe(UNSEARCHED);
  });

  test.each([
    'password='.repeat(50_000),
    `token=${'"\\"'.repeat(100_000)}`,
    `${'://a:b'.repeat(60_000)}@`,
    `-----BEGIN RSA PRIVATE KEY-----${'-'.repeat(300_000)}`,
    '4111 1111 '.repeat(30_000),
    'eyJaaaaaaaa.'.repeat(30_000),
    `--password ${'a'.repeat(300_000)}`,
    '1'.repeat(300_000),
  ])('comes to an end with 300,000 characters of %.20s', (text) => {
    expect(run(text, ALL_RULES).result.length).toBeLessThanOrEqual(text.length);
  });
});
