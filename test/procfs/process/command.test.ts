import { expect, test } from 'vitest';
import { key } from '../../../src/procfs/bytes.ts';
import { commandLineOf, commandOf, parseCmdline, redactArguments } from '../../../src/procfs/process/command.ts';

test.each([
  ['arguments', 'java\0-jar\0a b.jar\0', ['java', '-jar', 'a b.jar']],
  ['an empty argument', 'sh\0-c\0\0x\0', ['sh', '-c', '', 'x']],
  ['a title that is padded', 'postgres: walwriter \0\0\0', ['postgres: walwriter ']],
  ['a title without an end', 'nginx: worker process', ['nginx: worker process']],
  ['nothing', '', []],
])('parseCmdline reads %s', (_, file, args) => {
  expect(parseCmdline(key(file))).toEqual(args);
});

test.each([
  [['/usr/bin/python3', 'x.py'], '/usr/bin/python3', '/usr/bin/python3'],
  [['postgres: alice shop [local] SELECT'], '/usr/lib/postgresql/bin/postgres', 'postgres'],
  [['/opt/My App/run'], '/opt/My App/run', '/opt/My App/run'],
  [['/opt/chrome --type=renderer --token=x'], '/opt/chrome', '/opt/chrome'],
  [[], undefined, undefined],
  [[''], undefined, undefined],
])('commandOf takes of %j the program', (args, executable, command) => {
  expect(commandOf(args, executable)).toBe(command);
});

test.each([
  ['mysqld --password=hunter2 --port=3306', 'mysqld --password=[REDACTED] --port=3306'],
  ['app --db-password hunter2 --verbose', 'app --db-password [REDACTED] --verbose'],
  ['app -token abc', 'app -token [REDACTED]'],
  ['app --apiKey=abc', 'app --apiKey=[REDACTED]'],
  ['app --aws-secret-access-key abc', 'app --aws-secret-access-key [REDACTED]'],
  ['env API_KEY=abc PATH=/bin app', 'env API_KEY=[REDACTED] PATH=/bin app'],
  ['java -Ddb.password=x -jar a.jar', 'java -Ddb.password=[REDACTED] -jar a.jar'],
  ['psql postgres://bob:hunter2@db/shop', 'psql postgres://[REDACTED]@db/shop'],
  ['curl https://x/y?token=abc&page=2', 'curl https://x/y?token=[REDACTED]&page=2'],
  ['mysql -uroot -phunter2 shop', 'mysql -uroot -p[REDACTED] shop'],
  ['tar -pxf a.tar', 'tar -pxf a.tar'],
  ['app --passive --keyboard=us --tokenizer bert', 'app --passive --keyboard=us --tokenizer bert'],
  ['app --password --verbose', 'app --password --verbose'],
])('redactArguments makes of %s %s', (given, redacted) => {
  expect(redactArguments(given.split(' ')).join(' ')).toBe(redacted);
});

test('redactArguments redacts headers and what a title joins', () => {
  expect(redactArguments(['curl', '-H', 'Authorization: Bearer abcdef'])).toEqual([
    'curl',
    '-H',
    'Authorization:[REDACTED]',
  ]);
  expect(redactArguments(['worker --secret=a --level=3'])).toEqual(['worker --secret=[REDACTED] --level=3']);
});

test('redactArguments takes time in proportion to what it is given', () => {
  const hostile = ['x', `${'a://'.repeat(20_000)}`, 'a='.repeat(50_000), 'bearer '.repeat(20_000), '-'.repeat(100_000)];
  expect(redactArguments(hostile)).toHaveLength(hostile.length);
});

test('commandLineOf shows arguments only as far as it is told to', () => {
  const args = ['app', '--token=abc'];
  expect(commandLineOf(args, 'none')).toBeUndefined();
  expect(commandLineOf(args, 'redacted')).toBe('app --token=[REDACTED]');
  expect(commandLineOf(args, 'full')).toBe('app --token=abc');
  expect(commandLineOf([], 'full')).toBeUndefined();
});
