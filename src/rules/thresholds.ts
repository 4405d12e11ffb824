/** The short form of thresholds: one metric and its limits, made into a rule. */
import * as v from 'valibot';
import { optional, option, positiveDuration, required, duration } from '../config/options.ts';
import { messageOf, type Place } from '../errors.ts';
import { prometheusDurationText } from './duration.ts';
import { escapePattern, labelText, numberText, selectorText } from './expression_text.ts';
import type { Matcher } from '../store/queryable.ts';
import { compileRegExp } from '../text/regexp.ts';
import type { AlertingRule, RuleGroup } from './rule.ts';
import { checkAlertText } from './template/alert_text.ts';

const text = (what: string) => v.pipe(v.string(), v.minLength(1, what));
const templates = () =>
  v.pipe(
    v.record(v.string(), v.string()),
    v.check(
      (texts) => Object.values(texts).every((one) => faultOf(() => checkAlertText(one)) === undefined),
      ({ input }) =>
        `templates: ${Object.values(input)
          .map((one) => faultOf(() => checkAlertText(one)) ?? '')
          .find((fault) => fault !== '')}`,
    ),
  );

export const thresholdSchema = v.pipe(
  v.strictObject({
    name: optional(text('a name'), 'The alertname; made from the metric if left out, as SystemCpuLoadAverage1mAbove.'),
    metric: required(
      text('the name of a metric'),
      'As the Prometheus exporter shows it: system_memory_linux_available_bytes.',
    ),
    where: option(
      v.pipe(
        v.record(v.string(), v.union([v.string(), v.array(v.string())])),
        v.check(
          (labels) => Object.values(labels).every((value) => patternFault(value) === undefined),
          ({ input }) =>
            `patterns of RE2: ${Object.values(input)
              .map(patternFault)
              .find((fault) => fault !== undefined)}`,
        ),
      ),
      'Labels of the series: a value, a list of values, /PATTERN/ (RE2, for the whole value); with ! before it, all others.',
      {},
    ),
    above: optional(v.number(), 'It is active while the value is greater.'),
    below: optional(v.number(), 'It is active while the value is smaller.'),
    clear_below: optional(v.number(), 'With above: once it fires, it goes on until the value is smaller than this.'),
    clear_above: optional(v.number(), 'With below: once it fires, it goes on until the value is greater than this.'),
    rate: optional(positiveDuration(), 'Of a counter: what is judged is its rise per second over this time.'),
    window: optional(positiveDuration(), 'What is judged is the average over this time.'),
    aggregate: optional(
      v.picklist(['sum', 'avg', 'min', 'max', 'count']),
      'What is judged is this of all series, and not each of them.',
    ),
    by: optional(v.array(text('a label')), 'With aggregate: of the series that have these labels in common.'),
    for: option(duration(), 'How long it has to be active before it fires.', '0'),
    keep_firing_for: option(duration(), 'How long it goes on firing when it is not active any more.', '0'),
    severity: optional(text('a severity'), 'The label severity, as warning or critical.'),
    no_data: option(
      v.picklist(['ok', 'alert', 'keep']),
      'When there is no value any more: ok ends the alert, alert makes it active, keep leaves it as it is.',
      'ok',
    ),
    labels: option(templates(), 'Further labels of the alert; templates as in rule files.', {}),
    annotations: option(templates(), 'Annotations of the alert; templates as in rule files.', {}),
  }),
  v.check(({ above, below }) => above !== undefined || below !== undefined, 'above or below'),
  v.check(
    ({ above, below }) => above === undefined || below === undefined || below <= above,
    'a below that is not greater than above: what is between them is right',
  ),
  v.check(
    ({ above, clear_below }) => clear_below === undefined || (above !== undefined && clear_below <= above),
    'clear_below together with an above that is not smaller',
  ),
  v.check(
    ({ below, clear_above }) => clear_above === undefined || (below !== undefined && clear_above >= below),
    'clear_above together with a below that is not greater',
  ),
  v.check(({ rate, window }) => rate === undefined || window === undefined, 'only one of rate and window'),
  v.check(({ by, aggregate }) => by === undefined || aggregate !== undefined, 'by together with aggregate'),
);

export type Threshold = v.InferOutput<typeof thresholdSchema>;

function patternFault(value: string | readonly string[]): string | undefined {
  const matcher = labelMatcher('', value);
  return matcher.op.endsWith('~') ? faultOf(() => void compileRegExp(matcher.value)) : undefined;
}

function faultOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** The group that thresholds are evaluated in. */
export const THRESHOLDS_GROUP = 'thresholds';

/** @param file shown as where they come from */
export function thresholdsGroup(
  thresholds: readonly Threshold[],
  file: string,
  placeOf?: (index: number) => Place,
): RuleGroup {
  return {
    name: THRESHOLDS_GROUP,
    file,
    interval_ms: undefined,
    limit: 0,
    queryOffset_ms: undefined,
    labels: new Map(),
    rules: thresholds.map((threshold, index) => thresholdRule(threshold, placeOf?.(index))),
  };
}

export function thresholdRule(threshold: Threshold, source?: Place): AlertingRule {
  const { above, below, severity, no_data } = threshold;
  const data = dataText(threshold);
  const conditions: string[] = [];
  if (above !== undefined) conditions.push(`${data} > ${numberText(above)}`);
  if (below !== undefined) conditions.push(`${data} < ${numberText(below)}`);
  return {
    kind: 'alerting',
    name: threshold.name ?? defaultName(threshold),
    expr: conditions.join(' or '),
    for_ms: threshold.for,
    keepFiringFor_ms: threshold.keep_firing_for,
    labels: new Map([
      ...(severity === undefined ? [] : [['severity', severity] as const]),
      ...Object.entries(threshold.labels),
    ]),
    annotations: new Map([['summary', defaultSummary(threshold)], ...Object.entries(threshold.annotations)]),
    clear: clearText(threshold, data),
    no_data,
    data,
    source,
    exprSource: source,
  };
}

/** What is compared. */
function dataText({ metric, where, rate, window, aggregate, by }: Threshold): string {
  let data = selectorText(
    metric,
    Object.entries(where).map(([label, value]) => labelMatcher(label, value)),
  );
  if (rate !== undefined) data = `rate(${data}[${prometheusDurationText(rate)}])`;
  if (window !== undefined) data = `avg_over_time(${data}[${prometheusDurationText(window)}])`;
  if (aggregate === undefined) return data;
  const grouping = by === undefined ? '' : `by (${by.map(labelText).join(', ')}) `;
  return `${aggregate} ${grouping}(${data})`;
}

/** Where it is right again: on each side as far as the limit of that side, or as far as it is to be cleared. */
function clearText({ above, below, clear_above, clear_below }: Threshold, data: string): string | undefined {
  if (clear_above === undefined && clear_below === undefined) return undefined;
  let clear = data;
  if (above !== undefined)
    clear += clear_below === undefined ? ` <= ${numberText(above)}` : ` < ${numberText(clear_below)}`;
  if (below !== undefined)
    clear += clear_above === undefined ? ` >= ${numberText(below)}` : ` > ${numberText(clear_above)}`;
  return clear;
}

function labelMatcher(name: string, value: string | readonly string[]): Matcher {
  if (typeof value !== 'string') return { name, op: '=~', value: value.map(escapePattern).join('|') };
  const isNegative = value.startsWith('!');
  const meant = isNegative ? value.slice(1) : value;
  const pattern = /^\/(.*)\/$/s.exec(meant)?.[1];
  if (pattern !== undefined) return { name, op: isNegative ? '!~' : '=~', value: pattern };
  return { name, op: isNegative ? '!=' : '=', value: meant };
}

/** `system_memory_usage_bytes` → `SystemMemoryUsageBytesAbove`. */
function defaultName({ metric, above, below }: Threshold): string {
  const words = metric.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== '');
  const name = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('');
  if (above === undefined) return `${name}Below`;
  return below === undefined ? `${name}Above` : `${name}OutOfRange`;
}

function defaultSummary({ metric, above, below, rate, window, aggregate, no_data }: Threshold): string {
  let what = aggregate === undefined ? metric : `${aggregate} of ${metric}`;
  if (rate !== undefined) what = `Rise per second of ${what}`;
  if (window !== undefined) what = `Average of ${what}`;
  const limits = [
    ...(above === undefined ? [] : [`above ${above}`]),
    ...(below === undefined ? [] : [`below ${below}`]),
  ].join(' or ');
  // A metric's name may be any text.
  what = what.replaceAll('{{', '{');
  const found = `${what} is {{ $value | humanize }}: limit is ${limits}`;
  if (no_data !== 'alert') return found;
  return `{{ if eq (printf "%v" $value) "NaN" }}${what} has no data{{ else }}${found}{{ end }}`;
}
