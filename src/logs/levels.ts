/** What a level says, as a word or a number, in severity numbers. */
import * as v from 'valibot';
import { option, optional } from '../config/options.ts';
import type { AnyValue } from '../model/attributes.ts';
import { SEVERITY_WORDS, SYSLOG_SEVERITIES, type SeverityNumber } from '../model/severity.ts';
import { valueText } from '../text/value_text.ts';

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

/** What users say of the severities in their lines. */
export const severityOption = option(
  v.strictObject({
    field: optional(
      v.pipe(v.string(), v.minLength(1, 'the name of a field')),
      'The field, or named group, that holds the severity; those that are usual, as level and severity, if left out.',
    ),
    mapping: option(
      v.record(v.string(), severity()),
      'Further words, in any case, and the severity that each is: a number from 1 to 24, or as info or warn2. They go before those that are known.',
      {},
    ),
    numbers: option(
      v.picklist(['auto', ...NUMBERS]),
      'What a level that is a number means: auto takes 10 and above as of pino and bunyan (10 is trace); none is nothing; otel a severity number; syslog as of syslog and journald (0 to 7); python as of Python (10 is debug).',
      'auto',
    ),
  }),
  'The severity of each line.',
  {},
);

export interface SeverityConfig {
  readonly field?: string | undefined;
  readonly mapping: Readonly<Record<string, SeverityNumber>>;
  readonly numbers: 'auto' | Numbers;
}

/** A function that says which severity the level in a field is; undefined where it is none. */
export function createSeverityReader(
  config: SeverityConfig,
): (level: AnyValue, field: string) => SeverityNumber | undefined {
  const chosen = config.numbers === 'auto' ? undefined : createLevels(config.mapping, config.numbers);
  const pino = createLevels(config.mapping, 'pino');
  const otel = createLevels(config.mapping, 'otel');
  const syslog = createLevels(config.mapping, 'syslog');
  /** Words come again and again. */
  const known = new Map<string, SeverityNumber | undefined>();

  function severityOf(level: AnyValue, field: string): SeverityNumber | undefined {
    if (chosen !== undefined) return chosen(level) ?? ofSlog(level);
    if (field === 'severity_number' || field === 'severityNumber') return otel(level);
    return (field === 'PRIORITY' ? syslog(level) : pino(level)) ?? ofSlog(level);
  }

  return (level, field) => {
    if (typeof level !== 'string') return typeof level === 'object' ? undefined : severityOf(level, field);
    if (level.length > 16) return severityOf(level, field);
    const key = `${field}:${level}`;
    if (!known.has(key)) {
      if (known.size >= 256) known.clear();
      known.set(key, severityOf(level, field));
    }
    return known.get(key);
  };
}

/** Levels between those that have a name, of Go's log/slog: `INFO+2`, `DEBUG-4`. */
function ofSlog(level: AnyValue): SeverityNumber | undefined {
  const match = typeof level === 'string' ? /^(DEBUG|INFO|WARN|ERROR)([+-]\d{1,2})$/.exec(level) : null;
  if (match === null) return undefined;
  return Math.min(24, Math.max(1, SEVERITY_WORDS.get(match[1]!.toLowerCase())! + Number(match[2])));
}

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
