/**
 * Which events a client wants: in the query of its request (`?event=file.*&severity=warn&attribute=host.name=db1`) or in a
 * WebSocket message (`{"filter":{"events":["file.*"],…}}`). Patterns take time linear in the text.
 */
import * as v from 'valibot';
import type { LogRecord } from '../../src/model/batch.ts';
import { SEVERITY_WORDS, severityName } from '../../src/model/severity.ts';
import { compilePatterns } from '../../src/text/pattern.ts';
import { valueText } from '../../src/text/value_text.ts';

const MOST_CONDITIONS = 20;
const LONGEST_PATTERN = 1000;

const text = v.pipe(
  v.string('a text'),
  v.maxLength(LONGEST_PATTERN, `at most ${LONGEST_PATTERN} characters`),
  v.minLength(1, 'a text'),
);
const list = <S extends v.GenericSchema>(item: S) =>
  v.optional(v.pipe(v.array(item, 'a list'), v.maxLength(MOST_CONDITIONS, `at most ${MOST_CONDITIONS}`)), []);
const attribute = v.pipe(
  v.strictObject({ key: text, value: v.optional(v.string()), regexp: v.optional(text) }),
  v.check(({ value, regexp }) => value === undefined || regexp === undefined, 'value or regexp, not both'),
);

const filterSchema = v.strictObject({
  /** Globs over event names, one of which must fit. */
  events: list(v.string('a text')),
  /** The least severity: a number from 1 to 24, or a name as `warn`. */
  severity: v.optional(v.union([v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(24)), text])),
  /** Regular expressions over the text of the body, one of which must fit. */
  bodies: list(text),
  /** Of the record, or else of its resource; all of them must fit. */
  attributes: list(attribute),
});

/** As it is written. */
export type FilterText = v.InferOutput<typeof filterSchema>;

export interface Filter {
  readonly text: FilterText;
  /** Undefined where every event is wanted. */
  readonly wants: ((record: LogRecord) => boolean) | undefined;
}

export const EVERYTHING: Filter = { text: { events: [], bodies: [], attributes: [] }, wants: undefined };

/** @throws {SyntaxError} @throws {RangeError} with what is wrong */
export function readFilter(input: unknown): Filter {
  const parsed = v.safeParse(filterSchema, input);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const path = v.getDotPath(issue);
    throw new SyntaxError(`Cannot use the filter: ${path === null ? '' : `${path}: `}${issue.message}`);
  }
  return compileFilter(parsed.output);
}

/** The parameters of a query that make a filter. */
export const FILTER_PARAMETERS: readonly string[] = ['event', 'severity', 'body', 'attribute'];

/** @throws {SyntaxError} @throws {RangeError} with what is wrong */
export function filterOfQuery(query: URLSearchParams): Filter {
  const severity = query.get('severity');
  return readFilter({
    events: query.getAll('event'),
    ...(severity !== null && { severity: /^\d+$/.test(severity) ? Number(severity) : severity }),
    bodies: query.getAll('body'),
    attributes: query.getAll('attribute').map(attributeOf),
  });
}

/** `KEY=VALUE`, `KEY~REGEXP`, or `KEY` for any value. */
function attributeOf(condition: string): FilterText['attributes'][number] {
  const match = /^([^=~]*)([=~])([^]*)$/.exec(condition);
  if (match === null) return { key: condition };
  const [, key, operator, rest] = match as unknown as [string, string, string, string];
  return operator === '=' ? { key, value: rest } : { key, regexp: rest };
}

function compileFilter(filter: FilterText): Filter {
  const tests: ((record: LogRecord) => boolean)[] = [];
  const { severity, events, bodies, attributes } = filter;
  if (severity !== undefined) {
    const least = typeof severity === 'number' ? severity : SEVERITY_WORDS.get(severity.toLowerCase());
    if (least === undefined) {
      const known = [1, 5, 9, 13, 17, 21].map((number) => severityName(number).toLowerCase()).join(', ');
      throw new SyntaxError(`Cannot use the severity ${JSON.stringify(severity)}: there is ${known}, or 1 to 24`);
    }
    tests.push((record) => record.severityNumber >= least);
  }
  if (events.length > 0) {
    const fits = compilePatterns('glob', events);
    tests.push((record) => fits(record.eventName));
  }
  for (const condition of attributes) tests.push(attributeTest(condition));
  if (bodies.length > 0) {
    const fits = compilePatterns('regexp', bodies);
    tests.push((record) => fits(valueText(record.body)));
  }
  return { text: filter, wants: tests.length === 0 ? undefined : (record) => tests.every((test) => test(record)) };
}

function attributeTest({ key, value, regexp }: FilterText['attributes'][number]): (record: LogRecord) => boolean {
  const fits =
    regexp === undefined
      ? (found: string) => value === undefined || found === value
      : compilePatterns('regexp', [regexp]);
  return ({ attributes, resource }) => {
    const holder = Object.hasOwn(attributes, key) ? attributes : resource.attributes;
    return Object.hasOwn(holder, key) && fits(valueText(holder[key]));
  };
}
