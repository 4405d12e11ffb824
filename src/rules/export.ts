/**
 * Rules as a rule file of Prometheus, so that a Prometheus or Mimir can take them over. What rule files have no words for
 * is put into the expressions as far as it goes, and said.
 */
import { stringify } from 'yaml';
import { labelText } from './expression_text.ts';
import { prometheusDurationText } from './duration.ts';
import type { AlertingRule, Rule, RuleGroup } from './rule.ts';
import { quote } from '../promql/labels.ts';

export interface ExportedRules {
  readonly yaml: string;
  /** What is different there. */
  readonly notices: readonly string[];
}

export function exportRules(groups: readonly RuleGroup[]): ExportedRules {
  const notices: string[] = [];
  const names = new Map<string, number>();
  const plain = groups.map(({ name, interval_ms, limit, queryOffset_ms, rules }) => {
    const count = names.get(name) ?? 0;
    names.set(name, count + 1);
    return {
      // Names are unique in a file.
      name: count === 0 ? name : `${name} (${count + 1})`,
      ...(interval_ms !== undefined && { interval: prometheusDurationText(interval_ms) }),
      ...(queryOffset_ms !== undefined && { query_offset: prometheusDurationText(queryOffset_ms) }),
      ...(limit > 0 && { limit }),
      rules: rules.map((rule) => plainRule(rule, notices)),
    };
  });
  return { yaml: stringify({ groups: plain }, { lineWidth: 0, version: '1.1' }), notices };
}

function plainRule(rule: Rule, notices: string[]) {
  const labels = rule.labels.size > 0 && { labels: Object.fromEntries(rule.labels) };
  if (rule.kind === 'recording') return { record: rule.name, expr: rule.expr, ...labels };
  return {
    alert: rule.name,
    expr: plainExpression(rule, notices),
    ...(rule.for_ms > 0 && { for: prometheusDurationText(rule.for_ms) }),
    ...(rule.keepFiringFor_ms > 0 && { keep_firing_for: prometheusDurationText(rule.keepFiringFor_ms) }),
    ...labels,
    ...(rule.annotations.size > 0 && { annotations: Object.fromEntries(rule.annotations) }),
  };
}

/** How long the absence of data is seen, where Prometheus has to look for it in the past. */
const ABSENCE = '1h';

/** Hysteresis and missing data by what the rule itself made of the alert: its series ALERTS. */
function plainExpression(rule: AlertingRule, notices: string[]): string {
  const { clear, data, no_data = 'ok' } = rule;
  const say = (what: string): void => void notices.push(`Alert "${rule.name}": ${what}`);
  if (data === undefined) {
    if (clear !== undefined)
      say('it is not told what it judges, so that it is cleared as soon as its expression is not true');
    return rule.expr;
  }
  const parts = [`(${rule.expr})`];
  const own = alertsOf(rule);
  if (clear !== undefined) {
    if (own === undefined) say('its labels are templates, so that clear_above and clear_below are left out');
    else parts.push(`(((${data}) unless (${clear})) and ${own('firing')})`);
  }
  if (no_data !== 'ok') {
    const gone = `(last_over_time((${data})[${ABSENCE}:1m]) unless (${data}))`;
    if (no_data === 'alert') {
      parts.push(gone, `absent_over_time((${data})[${ABSENCE}:1m])`);
      say(`missing data are active for ${ABSENCE} with the labels that they had, and then with none`);
    } else if (own === undefined) say('its labels are templates, so that no_data: keep is left out');
    else {
      parts.push(`(${gone} and ${own()})`);
      say(`it stays as it is for ${ABSENCE} without data, and not longer`);
    }
  }
  return parts.length === 1 ? rule.expr : parts.join('\nor\n');
}

/** The rest of `x and …`: where the alert of these series is there already; undefined where its labels do not tell. */
function alertsOf({ name, labels }: AlertingRule): ((state?: 'firing') => string) | undefined {
  if ([...labels.values()].some((text) => text.includes('{{'))) return undefined;
  const ignored = ['alertname', 'alertstate', ...labels.keys()].map(labelText).join(', ');
  return (state) => {
    const matchers = [`alertname=${quote(name)}`, ...(state === undefined ? [] : [`alertstate="${state}"`])];
    return `ignoring (${ignored}) ALERTS{${matchers.join(', ')}}`;
  };
}
