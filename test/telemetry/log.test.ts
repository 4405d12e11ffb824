import { expect, test } from 'vitest';
import { createLog, type LogFormat } from '../../src/telemetry/log.ts';
import { Secret } from '../../src/config/options.ts';

function logInto(lines: string[], format: LogFormat = 'logfmt') {
  return createLog({ level: 'info', format, hasColor: false, write: (line) => lines.push(line), now: () => 0 });
}

test('createLog leaves out what is below its level', () => {
  const lines: string[] = [];
  const log = logInto(lines);
  log.debug('no');
  log.warn('yes');
  expect(lines).toEqual(['time=1970-01-01T00:00:00.000Z level=warn msg=yes\n']);
});

test('ComponentLog.once speaks when a state begins, is silent while it lasts, and over ends it', () => {
  const lines: string[] = [];
  const log = logInto(lines).forComponent('disk');
  log.over('denied', 'never said');
  log.once('denied', 'Cannot read');
  log.once('denied', 'Cannot read');
  log.over('denied', 'Reads again');
  log.once('denied', 'Cannot read');
  expect(lines.map((line) => /msg="([^"]+)"/.exec(line)?.[1])).toEqual(['Cannot read', 'Reads again', 'Cannot read']);
});

test('createLog quotes values, escapes control characters and shows no secret', () => {
  const lines: string[] = [];
  logInto(lines).info('a\x1b[2J', { path: 'b c\n', token: new Secret('hunter2') });
  logInto(lines, 'text').info('a\x1b[2J');
  logInto(lines, 'json').info('x', { token: new Secret('hunter2') });
  expect(lines.join('')).not.toMatch(/\x1b|hunter2/);
  expect(lines[0]).toContain('path="b c\\n" token="[REDACTED]"');
  expect(JSON.parse(lines[2])).toMatchObject({ message: 'x', token: '[REDACTED]' });
});
