/** What a level says, as a word or a number, in severity numbers. */
import * as v from 'valibot';
import type { AnyValue } from '../../src/model/attributes.ts';
import { SEVERITY_WORDS, SYSLOG_SEVERITIES, type SeverityNumber } from '../../src/model/severity.ts';
import { valueText } from '../../src/text/value_text.ts';

const SHORT_NAMES = Array.from(SEVERITY_WORDS.keys()).filter((word) =>
  /^(trace|debug|info|warn|error|fatal)[234]?$/.test(word),
);

/** A severity as users write it: its number, or its short name. */
export function severity() {
  return v.pipe(
    v.union([v.picklist(SHORT_NAMES), v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(24))]),
    v.transform((value): SeverityNumber => (typeof value === 'string' ? SEVERITY_WORDS.get(value)! : value)),
  );
}

/** How a number is understood. */
export const NUMBERS = ['none', 'otel', 'syslog', 'pino', 'python'] as const;
export type Numbers = (typeof NUMBERS)[number];

/** A function that says which severity a level is; undefined where it is none. */
export function createLevels(
  mapping: Readonly<Record<string, SeverityNumber>>,
  numbers: Numbers,
): (level: AnyValue) => SeverityNumber | undefined {
  const own = new Map(Object.entries(mapping).map(([word, number]) => [word.toLowerCase(), number]));
  return (level) => {
    const text = valueText(level).trim().toLowerCase();
    const mapped = own.get(text) ?? SEVERITY_WORDS.get(text);
    if (mapped !== undefined || !/^\d{1,3}$/.test(text)) return mapped;
    return ofNumber(Number(text), numbers);
  };
}

function ofNumber(level: number, numbers: Numbers): SeverityNumber | undefined {
  switch (numbers) {
    case 'none':
      return undefined;
    case 'otel':
      return level >= 1 && level <= 24 ? level : undefined;
    case 'syslog':
      return SYSLOG_SEVERITIES[level];
    case 'pino':
      return stepped(level, [1, 5, 9, 13, 17, 21]);
    case 'python':
      return stepped(level, [5, 9, 13, 17, 21]);
  }
}

/** Levels of 10, 20 and so on, and own ones between them, which are a little more severe than the one below. */
function stepped(level: number, severities: readonly SeverityNumber[]): SeverityNumber | undefined {
  const base = severities[Math.min(Math.floor(level / 10), severities.length) - 1];
  if (base === undefined) return undefined;
  return level % 10 === 0 || level / 10 > severities.length ? base : base + 1;
}
