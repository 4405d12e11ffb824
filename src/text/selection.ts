/**
 * The block `include` and `exclude` of processors: which series and log records they mean. A thing is selected if any
 * rule of `include` fits it, or there is none, and no rule of `exclude` does. Within a rule all conditions must fit;
 * within a list of names any.
 */
import * as v from 'valibot';
import { option, optional } from '../config/options.ts';
import type { Attributes } from '../model/attributes.ts';
import type { LogRecord, Series } from '../model/batch.ts';
import { compilePatterns, MATCH_KINDS, whatIsWrongWith, type MatchKind } from './pattern.ts';
import { valueText } from './value_text.ts';

/** The first severity number of each range (OpenTelemetry logs data model). */
const SEVERITIES = { trace: 1, debug: 5, info: 9, warn: 13, error: 17, fatal: 21 } as const;

function attributeConditions(about: string) {
  return option(
    v.array(
      v.strictObject({
        key: v.pipe(v.string(), v.description('Name of the attribute, exactly.')),
        value: optional(
          v.union([v.string(), v.number(), v.boolean()]),
          'What its value must fit; without it the attribute need only be there.',
        ),
      }),
    ),
    about,
    [],
  );
}

function names(about: string) {
  return option(v.array(v.string()), about, []);
}

const sharedConditions = {
  name: optional(v.string(), 'Name of the rule: what it drops is counted under it.'),
  match: option(
    v.picklist(MATCH_KINDS),
    'How names and values are compared: exactly, as a glob (*, ?, [a-z], {a,b}) with the whole, or as a regular expression (RE2) with any part.',
    'exact',
  ),
  attributes: attributeConditions('Attributes of the point or record, all of which must fit.'),
  resource_attributes: attributeConditions('Attributes of the resource, all of which must fit.'),
};

const metricRule = v.pipe(
  v.strictObject({ ...sharedConditions, metric_names: names('Names of metrics, one of which must fit.') }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (dataset.typed) reportRule(dataset.value, dataset.value.metric_names.length > 0, addIssue);
  }),
);

const logRule = v.pipe(
  v.strictObject({
    ...sharedConditions,
    bodies: names('Patterns for the text of the body, one of which must fit; a map or list is matched as JSON.'),
    event_names: names('Names of events, one of which must fit.'),
    severity_number: optional(
      v.strictObject({
        min: v.pipe(
          v.union([
            v.picklist(['trace', 'debug', 'info', 'warn', 'error', 'fatal']),
            v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(24)),
          ]),
          v.transform((severity) => (typeof severity === 'string' ? SEVERITIES[severity] : severity)),
          v.description('Lowest severity that fits: a number from 1 to 24, or its name.'),
        ),
        match_undefined: option(v.boolean(), 'Whether records without a severity fit.', false),
      }),
      'Severity of the record.',
    ),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const { bodies, event_names, severity_number } = dataset.value;
    const hasCondition = bodies.length > 0 || event_names.length > 0 || severity_number !== undefined;
    reportRule(dataset.value, hasCondition, addIssue);
  }),
);

export type MetricRule = v.InferOutput<typeof metricRule>;
export type LogRule = v.InferOutput<typeof logRule>;

/** The options `include` and `exclude` for series. */
export const metricSelection = {
  include: option(
    v.array(metricRule),
    'Metrics that are meant: those that fit any of these rules; all if there is none.',
    [],
  ),
  exclude: option(v.array(metricRule), 'Metrics that are not meant, though they be included.', []),
};

/** The options `include` and `exclude` for log records. */
export const logSelection = {
  include: option(
    v.array(logRule),
    'Records that are meant: those that fit any of these rules; all if there is none.',
    [],
  ),
  exclude: option(v.array(logRule), 'Records that are not meant, though they be included.', []),
};

/** Why a thing is not selected: `true` if it is, else the name of the rule that excludes it, '' if it has none. */
export type Select<T> = (item: T) => true | string;

export function selectSeries(selection: {
  include: readonly MetricRule[];
  exclude: readonly MetricRule[];
}): Select<Series> {
  return select(selection, (rule: MetricRule) => {
    const tests: ((series: Series) => boolean)[] = [];
    if (rule.metric_names.length > 0) {
      const fits = compilePatterns(rule.match, rule.metric_names);
      tests.push((series) => fits(series.metric.name));
    }
    return [...tests, ...attributeTests(rule)];
  });
}

export function selectRecords(selection: {
  include: readonly LogRule[];
  exclude: readonly LogRule[];
}): Select<LogRecord> {
  return select(selection, (rule: LogRule) => {
    const tests: ((record: LogRecord) => boolean)[] = [];
    const { severity_number: severity, match, event_names, bodies } = rule;
    if (severity !== undefined) {
      tests.push(({ severityNumber }) =>
        severityNumber === 0 ? severity.match_undefined : severityNumber >= severity.min,
      );
    }
    if (event_names.length > 0) {
      const fits = compilePatterns(match, event_names);
      tests.push((record) => fits(record.eventName));
    }
    tests.push(...attributeTests(rule));
    if (bodies.length > 0) {
      const fits = compilePatterns(match, bodies);
      tests.push((record) => fits(valueText(record.body)));
    }
    return tests;
  });
}

interface Described {
  readonly attributes: Attributes;
  readonly resource: { readonly attributes: Attributes };
}

interface SharedRule {
  readonly name?: string | undefined;
  readonly match: MatchKind;
  readonly attributes: readonly AttributeCondition[];
  readonly resource_attributes: readonly AttributeCondition[];
}

interface AttributeCondition {
  readonly key: string;
  readonly value?: string | number | boolean | undefined;
}

function attributeTests(rule: SharedRule): ((item: Described) => boolean)[] {
  return [
    ...rule.attributes.map((condition) => {
      const fits = attributeTest(rule.match, condition);
      return (item: Described) => fits(item.attributes);
    }),
    ...rule.resource_attributes.map((condition) => {
      const fits = attributeTest(rule.match, condition);
      return (item: Described) => fits(item.resource.attributes);
    }),
  ];
}

function attributeTest(match: MatchKind, { key, value }: AttributeCondition): (attributes: Attributes) => boolean {
  if (value === undefined) return (attributes) => Object.hasOwn(attributes, key);
  const fits = compilePatterns(match, [String(value)]);
  return (attributes) => Object.hasOwn(attributes, key) && fits(valueText(attributes[key]));
}

function select<T, R extends SharedRule>(
  { include, exclude }: { include: readonly R[]; exclude: readonly R[] },
  testsOf: (rule: R) => readonly ((item: T) => boolean)[],
): Select<T> {
  const compile = (rule: R) => {
    const tests = testsOf(rule);
    return { name: rule.name ?? '', fits: (item: T) => tests.every((test) => test(item)) };
  };
  const included = include.map(compile);
  const excluded = exclude.map(compile);
  return (item) => {
    if (included.length > 0 && !included.some((rule) => rule.fits(item))) return '';
    return excluded.find((rule) => rule.fits(item))?.name ?? true;
  };
}

/** Adds what is wrong with a rule's patterns, and that a rule without a condition would mean everything. */
function reportRule(rule: AnyRule, hasOwnCondition: boolean, addIssue: AddIssue): void {
  if (!hasOwnCondition && rule.attributes.length === 0 && rule.resource_attributes.length === 0) {
    addIssue({ message: 'a rule needs at least one condition' });
  }
  for (const key of ['metric_names', 'event_names', 'bodies'] as const) {
    for (const [index, pattern] of (rule[key] ?? []).entries()) {
      const message = whatIsWrongWith(rule.match, pattern);
      if (message !== undefined) addIssue({ message, path: [step(rule, key), step(rule[key], index)] });
    }
  }
  for (const key of ['attributes', 'resource_attributes'] as const) {
    for (const [index, condition] of rule[key].entries()) {
      const message = whatIsWrongWith(rule.match, String(condition.value ?? ''));
      if (message === undefined) continue;
      addIssue({ message, path: [step(rule, key), step(rule[key], index), step(condition, 'value')] });
    }
  }
}

interface AnyRule extends SharedRule {
  readonly metric_names?: readonly string[];
  readonly bodies?: readonly string[];
  readonly event_names?: readonly string[];
}

type AddIssue = (issue: { message: string; path?: [v.IssuePathItem, ...v.IssuePathItem[]] }) => void;

/** A step on the way to what is wrong, as valibot has it. */
function step(input: unknown, key: string | number): v.IssuePathItem {
  return { type: 'unknown', origin: 'value', input, key, value: (input as Record<string | number, unknown>)[key] };
}
