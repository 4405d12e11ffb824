/** What a store must hold for rules: which series, and how long. */
import type { ConfigProblem } from '../../src/errors.ts';
import type { Expression } from '../../src/promql/ast.ts';
import { parse } from '../../src/promql/parse.ts';
import { selectorsOf, type Selection } from '../../src/promql/selectors.ts';
import { prometheusDurationText } from '../../src/rules/duration.ts';
import type { RuleGroup } from '../../src/rules/rule.ts';
import { stringsIn } from '../../src/rules/template/strings.ts';
import type { Matcher } from '../../src/store/queryable.ts';

export interface Needs {
  readonly select: readonly (readonly Matcher[])[];
  readonly retention_ms: number;
  /** The rule that looks back furthest. */
  readonly furthest: string;
}

/** Samples come a little later than they were measured, and groups after the time of their evaluation. */
const MARGIN_MS = 60_000;

export function needsOf(
  groups: readonly RuleGroup[],
  { lookback_ms, queryOffset_ms }: { readonly lookback_ms: number; readonly queryOffset_ms: number },
): Needs {
  const select = new Map<string, readonly Matcher[]>();
  let longest_ms = lookback_ms;
  let furthest = '';
  for (const group of groups) {
    const offset_ms = group.queryOffset_ms ?? queryOffset_ms;
    for (const rule of group.rules) {
      for (const { matchers, back_ms } of selectionsOf(rule, lookback_ms)) {
        select.set(JSON.stringify(matchers), matchers);
        if (back_ms + offset_ms <= longest_ms) continue;
        longest_ms = back_ms + offset_ms;
        furthest = rule.name;
      }
    }
  }
  return { select: [...select.values()], retention_ms: longest_ms + MARGIN_MS, furthest };
}

function selectionsOf(rule: RuleGroup['rules'][number], lookback_ms: number): Selection[] {
  const options = { lookback_ms };
  const expressions = rule.kind === 'alerting' ? [rule.expr, rule.clear, rule.data] : [rule.expr];
  const found = expressions.flatMap((text) => (text === undefined ? [] : selectorsOf(parse(text), options)));
  if (rule.kind === 'recording') return found;
  const texts = [...rule.labels.values(), ...rule.annotations.values()];
  for (const text of texts.flatMap((template) => stringsIn(template))) {
    const expression = parsed(text);
    if (expression === undefined) continue;
    for (const selection of selectorsOf(expression, options)) {
      // What `printf` puts in is not known yet.
      const matchers = selection.matchers.filter(({ value }) => !value.includes('%'));
      if (matchers.length > 0) found.push({ ...selection, matchers });
    }
  }
  return found;
}

function parsed(text: string): Expression | undefined {
  try {
    return parse(text);
  } catch {
    // Most texts in templates are no queries.
    return undefined;
  }
}

/** Bytes of a sample, at the least: what would not even then fit never will. */
const LEAST_SAMPLE_BYTES = 1;

export interface Room {
  readonly evaluation_interval: number;
  readonly history: { readonly max_bytes: number; readonly max_lookback: number };
}

/** Rules for which the room can never be enough. */
export function whatDoesNotFit(
  groups: readonly RuleGroup[],
  options: Parameters<typeof needsOf>[1],
  { evaluation_interval, history }: Room,
): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  for (const group of groups) {
    for (const rule of group.rules) {
      const { select, retention_ms } = needsOf([{ ...group, rules: [rule] }], options);
      const fault = (found: string, hint: string): void => {
        const message = `Cannot use rule "${rule.name}" of group "${group.name}": ${found}`;
        problems.push({ message, path: '', place: rule.exprSource ?? rule.source, hint });
      };
      const back_ms = retention_ms - MARGIN_MS;
      const least_bytes = select.length * (retention_ms / evaluation_interval) * LEAST_SAMPLE_BYTES;
      if (back_ms > history.max_lookback) {
        const found = `it looks back ${prometheusDurationText(back_ms)}, further than history.max_lookback`;
        fault(found, 'record what it needs of the past with a rule of its own, or raise history.max_lookback');
      } else if (least_bytes > history.max_bytes) {
        const found = `one series for each of its selectors needs ${Math.ceil(least_bytes / 1024)} KiB, more than history.max_bytes`;
        fault(found, 'raise history.max_bytes');
      }
    }
  }
  return problems;
}
