/**
 * Severities by number and name, and what the levels of other systems are in them:
 * https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber and its appendices.
 */

/** 1 to 24; 0 is unspecified. */
export type SeverityNumber = number;

const RANGES = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'] as const;

/** The short name, as `INFO` for 9 and `INFO2` for 10; '' for what is no severity. */
export function severityName(severity: SeverityNumber): string {
  const range = RANGES[Math.floor((severity - 1) / 4)];
  if (range === undefined || !Number.isInteger(severity)) return '';
  const step = (severity - 1) % 4;
  return step === 0 ? range : `${range}${step + 1}`;
}

/** Severities by short name in lower case, and by the words of other systems. */
export const SEVERITY_WORDS: ReadonlyMap<string, SeverityNumber> = new Map([
  ...Array.from({ length: 24 }, (_, index): [string, number] => [severityName(index + 1).toLowerCase(), index + 1]),
  ...words(1, 'trc', 't', 'v', 'verbose', 'finest'),
  ...words(5, 'dbg', 'd', 'finer'),
  ...words(6, 'fine'),
  ...words(7, 'config'),
  ...words(9, 'inf', 'i', 'information', 'informational', 'log', 'success'),
  ...words(10, 'notice', 'note', 'n'),
  ...words(13, 'wrn', 'w', 'warning'),
  ...words(17, 'err', 'e', 'severe', 'failure'),
  ...words(18, 'crit', 'critical', 'c', 'dpanic'),
  ...words(19, 'alert', 'a'),
  ...words(21, 'ftl', 'f', 'emerg', 'emergency', 'panic'),
]);

function words(severity: SeverityNumber, ...texts: string[]): [string, SeverityNumber][] {
  return texts.map((text) => [text, severity]);
}

/** Of the severities of syslog (RFC 5424, table 2), 0 is an emergency and 7 for debugging; as journald's PRIORITY. */
export const SYSLOG_SEVERITIES: readonly SeverityNumber[] = [21, 19, 18, 17, 13, 10, 9, 5];
