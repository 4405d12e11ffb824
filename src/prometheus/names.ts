/**
 * OpenTelemetry names as Prometheus names: the rules of prometheus/otlptranslator (which the OpenTelemetry
 * specification "Prometheus and OpenMetrics Compatibility" refers to), then the escaping a scraper asks for
 * (https://prometheus.io/docs/instrumenting/escaping_schemes).
 */

/** How names of OpenTelemetry become names of Prometheus, before a scraper's own wish is applied. */
export type TranslationStrategy =
  | 'UnderscoreEscapingWithSuffixes'
  | 'UnderscoreEscapingWithoutSuffixes'
  | 'NoUTF8EscapingWithSuffixes'
  | 'NoTranslation';

/** What a scraper can take: any UTF-8 name in quotes, or one of three ways to write it in [a-zA-Z0-9_:]. */
export type Escaping = 'allow-utf-8' | 'underscores' | 'dots' | 'values';

export interface NameOptions {
  readonly strategy: TranslationStrategy;
  /** First word of every metric name; '' for none. */
  readonly namespace: string;
}

/** The part of a metric that its name depends on. */
export interface NamedMetric {
  readonly name: string;
  readonly unit: string;
  readonly isCounter: boolean;
  readonly isGauge: boolean;
}

/** The name of a metric, or undefined where nothing but underscores would be left. */
export function translateMetricName(metric: NamedMetric, { strategy, namespace }: NameOptions): string | undefined {
  const name = readableName(metric.name);
  let translated: string;
  switch (strategy) {
    case 'UnderscoreEscapingWithSuffixes':
      translated = withSuffixes({ ...metric, name }, namespace);
      break;
    case 'UnderscoreEscapingWithoutSuffixes': {
      const words = name.split(/[^a-zA-Z0-9:_]+/).filter((word) => word !== '');
      translated = withoutLeadingDigit([...(namespace === '' ? [] : [namespace]), words.join('_')].join('_'));
      break;
    }
    case 'NoUTF8EscapingWithSuffixes':
      translated = withUtf8Suffixes(namespace === '' ? name : `${namespace}_${name}`, metric);
      return translated === '' ? undefined : translated;
    case 'NoTranslation':
      translated = namespace === '' ? name : `${namespace}_${name}`;
      return translated === '' ? undefined : translated;
  }
  return translated === name || /[^_]/.test(translated) ? translated || undefined : undefined;
}

/** The unit for a `# UNIT` line: `By/s` → `bytes_per_second`; '' for none. */
export function translateUnit(unit: string): string {
  const { main, per } = unitWords(unit);
  return [cleanUnit(main), cleanUnit(per)]
    .filter((word) => word !== '')
    .join('_')
    .replace(/^_|_$/g, '');
}

/** The name of a label for an attribute key. */
export function translateLabelName(key: string, strategy: TranslationStrategy): string {
  const name = readableName(key);
  if (strategy === 'NoUTF8EscapingWithSuffixes' || strategy === 'NoTranslation') return name === '' ? '_' : name;
  // Names in the form __name__ are reserved by Prometheus, and keep their mark.
  const isReserved = name.length > 4 && name.startsWith('__') && name.endsWith('__');
  const words = (isReserved ? name.slice(2, -2) : name).replace(/[^a-zA-Z0-9]+/g, '_');
  const label = isReserved ? `__${words}__` : words;
  // Nothing legal is left of the key: the reversible escaping still tells such keys apart.
  if (!/[a-zA-Z0-9]/.test(label)) return escapeName(name === '' ? '_' : name, 'values', isLegacyLabelName) || '_';
  return /^[0-9]/.test(label) ? `key_${label}` : label;
}

/** A NUL in a quoted name ends Prometheus' reading (3.5), and with it the whole scrape; half a surrogate is no UTF-8. */
function readableName(name: string): string {
  return name.toWellFormed().replaceAll('\0', '\ufffd');
}

const LEGACY_METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LEGACY_LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Whether a metric name needs no quotes. */
export function isLegacyMetricName(name: string): boolean {
  return LEGACY_METRIC_NAME.test(name);
}

/** Whether a label name needs no quotes. */
export function isLegacyLabelName(name: string): boolean {
  return LEGACY_LABEL_NAME.test(name);
}

/** A name as the scraper wants it; `isLegacy` is the rule for what it is the name of. */
export function escapeName(name: string, escaping: Escaping, isLegacy: (name: string) => boolean): string {
  if (escaping === 'allow-utf-8' || (escaping !== 'dots' && isLegacy(name))) return name;
  let escaped = '';
  for (const character of name) {
    // A digit may not come first; behind a letter it is legal.
    const isLegal = isLegacy(escaped === '' ? character : `a${character}`);
    if (character === '_') escaped += escaping === 'underscores' ? '_' : '__';
    else if (isLegal) escaped += character;
    else if (escaping === 'dots') escaped += character === '.' ? '_dot_' : '_';
    else if (escaping === 'underscores') escaped += '_';
    else escaped += `_${character.codePointAt(0)!.toString(16)}_`;
  }
  return escaping === 'values' ? `U__${escaped}` : escaped;
}

function withSuffixes({ name, unit, isCounter, isGauge }: NamedMetric, namespace: string): string {
  let words = name.split(/[^a-zA-Z0-9:]+/).filter((word) => word !== '');
  const unitOf = unitWords(unit);
  let main = cleanUnit(unitOf.main);
  let per = cleanUnit(unitOf.per).replace(/_$/, '');
  if (words.includes(main)) main = '';
  if (per === 'per' || words.includes(per)) per = '';
  if (per !== '') main = main.replace(/_$/, '');
  if (main !== '') words.push(main);
  if (per !== '') words.push(per);
  if (isCounter) words = [...words.filter((word) => word !== 'total'), 'total'];
  if (isGauge && unit === '1') words = [...words.filter((word) => word !== 'ratio'), 'ratio'];
  if (namespace !== '') words.unshift(namespace);
  return withoutLeadingDigit(words.join('_'));
}

/** Suffixes on a name that is otherwise left as it is. */
function withUtf8Suffixes(name: string, { unit, isCounter, isGauge }: NamedMetric): string {
  const { main, per } = unitWords(unit);
  let suffix = '';
  let stem = name;
  if (isGauge && unit === '1') {
    stem = withoutSuffix(stem, 'ratio');
    suffix = '_ratio';
  }
  if (isCounter) {
    stem = withoutSuffix(stem, 'total');
    suffix = '_total';
  }
  if (per !== '') {
    stem = withoutSuffix(stem, per);
    suffix = `_${per}${suffix}`;
  }
  if (main !== '' && !stem.endsWith(main)) stem += `_${main}`;
  return readableName(stem + suffix);
}

/** Cuts a suffix and the one character before it, whatever delimiter that is. */
function withoutSuffix(name: string, suffix: string): string {
  return name.endsWith(suffix) && name.length > suffix.length + 1 ? name.slice(0, -suffix.length - 1) : name;
}

function withoutLeadingDigit(name: string): string {
  return /^[0-9]/.test(name) ? `_${name}` : name;
}

const UNITS: ReadonlyMap<string, string> = new Map([
  ['d', 'days'],
  ['h', 'hours'],
  ['min', 'minutes'],
  ['s', 'seconds'],
  ['ms', 'milliseconds'],
  ['us', 'microseconds'],
  ['ns', 'nanoseconds'],
  ['By', 'bytes'],
  ['KiBy', 'kibibytes'],
  ['MiBy', 'mebibytes'],
  ['GiBy', 'gibibytes'],
  // So in the translator, which every Prometheus user's rules are written against.
  ['TiBy', 'tibibytes'],
  ['KBy', 'kilobytes'],
  ['MBy', 'megabytes'],
  ['GBy', 'gigabytes'],
  ['TBy', 'terabytes'],
  ['m', 'meters'],
  ['V', 'volts'],
  ['A', 'amperes'],
  ['J', 'joules'],
  ['W', 'watts'],
  ['g', 'grams'],
  ['Cel', 'celsius'],
  ['Hz', 'hertz'],
  ['1', ''],
  ['%', 'percent'],
]);

const PER_UNITS: ReadonlyMap<string, string> = new Map([
  ['s', 'second'],
  ['m', 'minute'],
  ['h', 'hour'],
  ['d', 'day'],
  ['w', 'week'],
  ['mo', 'month'],
  ['y', 'year'],
]);

/** `By/s` → `bytes` and `per_second`. A part with an annotation, as `{packet}`, counts for nothing. */
function unitWords(unit: string): { readonly main: string; readonly per: string } {
  const slash = unit.indexOf('/');
  const main = (slash === -1 ? unit : unit.slice(0, slash)).trim();
  const per = slash === -1 ? '' : unit.slice(slash + 1).trim();
  return {
    main: /[{}]/.test(main) ? '' : (UNITS.get(main) ?? main),
    per: per === '' || /[{}]/.test(per) ? '' : `per_${PER_UNITS.get(per) ?? per}`,
  };
}

function cleanUnit(unit: string): string {
  return unit.replace(/[^a-zA-Z0-9:]+/g, '_').replace(/^_/, '');
}
