import { SeverityNumber } from '@opentelemetry/api';
import { expect, test } from 'vitest';
import { SEVERITY_WORDS, severityName, SYSLOG_SEVERITIES } from '../../src/model/severity.ts';

test('severityName agrees with the names of the API', () => {
  for (let number = 0; number <= 24; number++) {
    const theirs = SeverityNumber[number]!;
    expect(severityName(number)).toBe(theirs === 'UNSPECIFIED' ? '' : theirs);
  }
  expect([severityName(25), severityName(-1), severityName(9.5)]).toEqual(['', '', '']);
});

test('SEVERITY_WORDS holds every short name and the words of the appendices', () => {
  const of = (...words: string[]) => words.map((word) => SEVERITY_WORDS.get(word));
  expect(of('trace', 'debug4', 'info', 'warn2', 'error3', 'fatal4')).toEqual([1, 8, 9, 14, 19, 24]);
  // Appendix B: java.util.logging, .NET, syslog, Zap.
  expect(of('finest', 'finer', 'fine', 'config', 'warning', 'severe')).toEqual([1, 5, 6, 7, 13, 17]);
  expect(of('notice', 'crit', 'alert', 'emerg', 'verbose', 'panic')).toEqual([10, 18, 19, 21, 1, 21]);
});

test('SYSLOG_SEVERITIES follows appendix B of the data model', () => {
  expect(SYSLOG_SEVERITIES).toEqual([21, 19, 18, 17, 13, 10, 9, 5]);
});
