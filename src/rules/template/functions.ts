/** The functions that Prometheus adds to templates (template/template.go of Prometheus 3.5). */
import { isIP } from 'node:net';
import { messageOf } from '../../errors.ts';
import { compileRegExp, type LinearRegExp, type Match } from '../../text/regexp.ts';
import { parsePrometheusDuration } from '../duration.ts';
import { queryEscape } from './builtins.ts';
import type { Functions, Kind, TemplateFunction } from './function.ts';
import {
  humanize,
  humanize1024,
  humanizeDuration,
  humanizePercentage,
  humanizeTimestamp,
  toInstant,
} from './humanize.ts';
import { AnyMap, Struct, TemplateError, TextMap, typeName, type Value } from './values.ts';

/** What `query` gives. */
export interface TemplateSample {
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

export interface Surroundings {
  /** @throws why it cannot be answered */
  query(text: string): readonly TemplateSample[];
  /** Where others reach the agent's page or its Prometheus; '' where nobody does. */
  readonly externalURL: string;
}

export function sampleOf({ labels, value }: TemplateSample): Struct {
  return new Struct(
    '*template.sample',
    new Map<string, Value>([
      ['Labels', new TextMap(labels)],
      ['Value', value],
    ]),
  );
}

export function prometheusFunctions({ query, externalURL }: Surroundings): Functions {
  return new Map<string, TemplateFunction>([
    ...FUNCTIONS,
    ['query', { ...text(1, ([expression]) => ask(query, expression!)), cost: QUERY_STEPS }],
    ['externalURL', text(0, () => externalURL)],
    ['pathPrefix', text(0, () => pathOf(externalURL))],
  ]);
}

/** Functions of texts alone. */
function text(count: number, call: (texts: readonly string[]) => Value): TemplateFunction {
  const kinds: Kind[] = Array.from({ length: count }, () => 'text');
  return { kinds, call: (args) => call(args as readonly string[]) };
}

function number(call: (value: number) => Value): TemplateFunction {
  return { kinds: ['any'], call: ([value]) => call(toNumber(value)) };
}

/** What a query and a regular expression take of the steps of an expansion: 40 and 200 of them are too many. */
const QUERY_STEPS = 500;
const PATTERN_STEPS = 100;

const FUNCTIONS: readonly (readonly [string, TemplateFunction])[] = [
  ['first', { kinds: ['list'], call: ([list]) => firstOf(list as readonly Value[]) }],
  ['label', { kinds: ['text', 'sample'], call: ([name, sample]) => labelOf(sample as Struct, name as string) }],
  ['value', { kinds: ['sample'], call: ([sample]) => (sample as Struct).fields.get('Value') }],
  ['strvalue', { kinds: ['sample'], call: ([sample]) => labelOf(sample as Struct, '__value__') }],
  [
    'args',
    {
      kinds: ['any'],
      isVariadic: true,
      call: (args) => new AnyMap(new Map(args.map((arg, index) => [`arg${index}`, arg]))),
    },
  ],
  [
    'reReplaceAll',
    {
      ...text(3, ([pattern, replacement, within]) => replaceAll(pattern!, replacement!, within!)),
      cost: PATTERN_STEPS,
    },
  ],
  ['match', { ...text(2, ([pattern, within]) => compiled(pattern!).matches(within!)), cost: PATTERN_STEPS }],
  ['safeHtml', text(1, ([html]) => html)],
  ['title', text(1, ([words]) => title(words!))],
  ['toUpper', text(1, ([words]) => words!.toUpperCase())],
  ['toLower', text(1, ([words]) => words!.toLowerCase())],
  ['graphLink', text(1, ([expression]) => graphLink(expression!))],
  ['tableLink', text(1, ([expression]) => tableLink(expression!))],
  [
    'sortByLabel',
    { kinds: ['text', 'list'], call: ([name, list]) => sorted(list as readonly Value[], name as string) },
  ],
  ['stripPort', text(1, ([address]) => splitHostPort(address!)?.host ?? address)],
  ['stripDomain', text(1, ([address]) => stripDomain(address!))],
  ['humanize', number(humanize)],
  ['humanize1024', number(humanize1024)],
  ['humanizeDuration', number(humanizeDuration)],
  ['humanizePercentage', number(humanizePercentage)],
  ['humanizeTimestamp', number(humanizeTimestamp)],
  ['toTime', number(toInstant)],
  ['parseDuration', text(1, ([duration]) => parseDuration(duration!))],
];

/** Names that may be called, to check templates without surroundings. */
export const FUNCTION_NAMES: ReadonlySet<string> = new Set([
  ...FUNCTIONS.map(([name]) => name),
  'query',
  'externalURL',
  'pathPrefix',
]);

function ask(query: Surroundings['query'], expression: string): Value {
  try {
    return query(expression).map(sampleOf);
  } catch (error) {
    throw new TemplateError(messageOf(error), { cause: error });
  }
}

function firstOf(list: readonly Value[]): Value {
  if (list.length === 0) throw new TemplateError('first() called on vector with no elements');
  return list[0];
}

function labelOf(sample: Struct, name: string): string {
  const labels = sample.fields.get('Labels');
  return labels instanceof TextMap ? (labels.entries.get(name) ?? '') : '';
}

function sorted(list: readonly Value[], name: string): Value {
  const keyed = list.map((sample) => ({
    sample,
    key: Buffer.from(sample instanceof Struct ? labelOf(sample, name) : ''),
  }));
  return keyed.sort((a, b) => Buffer.compare(a.key, b.key)).map(({ sample }) => sample);
}

function toNumber(value: Value): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'string') throw new TemplateError(`can't convert ${typeName(value)} to float`);
  const parsed = parseFloatText(value);
  if (parsed === undefined)
    throw new TemplateError(`strconv.ParseFloat: parsing ${JSON.stringify(value)}: invalid syntax`);
  return parsed;
}

/** As Go's strconv.ParseFloat. */
function parseFloatText(text: string): number | undefined {
  if (/^[+-]?inf(inity)?$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return NaN;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

/** Patterns of a template come again at each expansion. */
const patterns = new Map<string, LinearRegExp>();

function compiled(pattern: string): LinearRegExp {
  let known = patterns.get(pattern);
  if (known === undefined) {
    try {
      known = compileRegExp(pattern);
    } catch (error) {
      throw new TemplateError(messageOf(error), { cause: error });
    }
    if (patterns.size >= 100) patterns.clear();
    patterns.set(pattern, known);
  }
  return known;
}

function replaceAll(pattern: string, replacement: string, within: string): string {
  const expression = compiled(pattern);
  const { matches, end } = expression.findAll(within);
  if (end < within.length) throw new TemplateError('the pattern takes too long on this text');
  let written = '';
  let from = 0;
  for (const match of matches) {
    written += within.slice(from, match.start);
    // Nothing directly behind a match is none of its own.
    if (match.end > from || match.start === 0) written += expanded(replacement, match, expression);
    from = match.end;
  }
  return written + within.slice(from);
}

/** `$1`, `${1}`, `$name`, `${name}` and `$$`. */
function expanded(replacement: string, { groups }: Match, { groupNames }: LinearRegExp): string {
  return replacement.replace(/\$(?:\$|(\w+)|\{(\w+)\})/g, (_whole, bare?: string, braced?: string) => {
    const name = bare ?? braced;
    if (name === undefined) return '$';
    const group = /^\d+$/.test(name) ? Number(name) : groupNames.get(name);
    return (group === undefined ? undefined : groups[group]) ?? '';
  });
}

/** The first letter of each word (Unicode's words: `a.b` and `d_e` are one) in upper case. */
function title(words: string): string {
  return words.replace(/[\p{L}\p{N}_]+(?:['.:·’](?=\p{L})[\p{L}\p{N}_]+)*/gu, (word) =>
    word.replace(/\p{L}/u, (letter) => letter.toUpperCase()),
  );
}

export function graphLink(expression: string): string {
  return `/graph?g0.expr=${queryEscape(expression)}&g0.tab=0`;
}

export function tableLink(expression: string): string {
  return `/graph?g0.expr=${queryEscape(expression)}&g0.tab=1`;
}

function pathOf(url: string): string {
  return URL.canParse(url) ? new URL(url).pathname.replace(/^\/$/, url.endsWith('/') ? '/' : '') : '';
}

/** Go's net.SplitHostPort: undefined without a port. */
function splitHostPort(address: string): { host: string; port: string } | undefined {
  const match = /^(?:\[([^[\]]*)\]|([^:[\]]*)):([^:[\]]*)$/.exec(address);
  return match === null ? undefined : { host: match[1] ?? match[2]!, port: match[3]! };
}

function stripDomain(address: string): string {
  const split = splitHostPort(address);
  const host = split?.host ?? address;
  if (isIP(host) !== 0) return address;
  const name = host.split('.', 1)[0]!;
  if (split === undefined || split.port === '') return name;
  return name.includes(':') ? `[${name}]:${split.port}` : `${name}:${split.port}`;
}

function parseDuration(duration: string): number {
  const parsed_ms = parsePrometheusDuration(duration);
  if (parsed_ms !== undefined) return parsed_ms / 1000;
  if (duration === '') throw new TemplateError('empty duration string');
  throw new TemplateError(`not a valid duration string: ${JSON.stringify(duration)}`);
}
