/** Rules of Drools as the rules that are evaluated: a documented subset, see docs/rules_drl.md. */
import { basename } from 'node:path';
import { messageOf, type ConfigProblem, type Place } from '../../errors.ts';
import { isLegacyLabel, quote } from '../../promql/labels.ts';
import { lintGroups } from '../lint.ts';
import type { AlertingRule, RuleGroup } from '../rule.ts';
import type { ParsedRuleFile, RuleFileChecks } from '../rule_file.ts';
import { unsupported } from './cursor.ts';
import { conditionVector, type Vector } from './expression.ts';
import { parseDrl } from './parse.ts';
import type { DrlFile, DrlRule, Span, TextPart } from './syntax.ts';
import { DrlError } from './tokens.ts';

/** Never throws: what is wrong is in `problems`, of which there is one at most for the syntax, and one for each rule. */
export function parseDrlFile(text: string, path: string, checks: RuleFileChecks): ParsedRuleFile {
  const problems: ConfigProblem[] = [];
  const placeOf = (span: Span): Place => placeIn(text, path, span);
  const report = (error: unknown): void => {
    if (!(error instanceof DrlError)) throw error;
    const place = placeOf({ start: error.start, end: error.start + error.length });
    problems.push({ message: error.message, path: '', place });
  };
  let parsed: DrlFile = { packageName: '', rules: [] };
  try {
    parsed = parseDrl(text);
  } catch (error) {
    report(error);
  }
  const byGroup = new Map<string, { readonly salience: number; readonly rule: AlertingRule }[]>();
  const ownGroup = parsed.packageName || basename(path, '.drl');
  for (const rule of parsed.rules.filter(({ isEnabled }) => isEnabled)) {
    try {
      const compiled = compileRule(rule, placeOf(rule), checks);
      const name = rule.agendaGroup || ownGroup;
      byGroup.set(name, [...(byGroup.get(name) ?? []), { salience: rule.salience, rule: compiled }]);
    } catch (error) {
      report(error);
    }
  }
  const groups = Array.from(byGroup, ([name, rules]): RuleGroup => {
    // Those of equal salience stay in order.
    const sorted = rules.toSorted((a, b) => b.salience - a.salience).map(({ rule }) => rule);
    const group = { name, file: path, interval_ms: undefined, limit: 0, queryOffset_ms: undefined, labels: new Map() };
    return { ...group, rules: sorted, source: sorted[0]?.source };
  });
  return { file: { path, groups }, problems, lints: lintGroups(groups) };
}

function placeIn(text: string, file: string, { start, end }: Span): Place {
  const before = text.slice(0, start);
  const line = before.split('\n').length;
  return { file, line, column: start - before.lastIndexOf('\n'), length: Math.max(1, end - start) };
}

/** @throws {DrlError} */
function compileRule(rule: DrlRule, source: Place, checks: RuleFileChecks): AlertingRule {
  const vector = conditionVector(rule.condition);
  checked(rule.condition, 'the condition', () => checks.expression(vector.text));
  const { text, severity, for_ms, keepFiringFor_ms, labels, annotations } = rule.consequence;
  const texts = new Map([...annotations, ...(text === undefined ? [] : [['summary', text] as const])]);
  const templates = Array.from(texts, ([name, parts]) => [name, templateOf(parts, vector)] as const);
  const allLabels = new Map([...(severity === undefined ? [] : [['severity', severity] as const]), ...labels]);
  for (const template of [...templates.map(([, one]) => one), ...allLabels.values()]) {
    checked(rule, 'a text', () => checks.template(template));
  }
  return {
    kind: 'alerting',
    name: rule.name,
    expr: vector.text,
    for_ms,
    keepFiringFor_ms,
    labels: allLabels,
    annotations: new Map(templates),
    source,
    exprSource: source,
  };
}

function checked(place: Span, what: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    throw new DrlError(`Cannot use ${what}: ${messageOf(error)}`, place);
  }
}

/** `"disk " + $d` → `disk {{ $labels.device }}` */
function templateOf(parts: readonly TextPart[], vector: Vector): string {
  return parts.map((part) => (part.kind === 'text' ? part.text : variableTemplate(part, vector))).join('');
}

function variableTemplate(part: Extract<TextPart, { kind: 'variable' }>, { variables }: Vector): string {
  const meant = variables.get(part.variable);
  if (meant === undefined) throw new DrlError(`Cannot use ${part.variable}: no condition binds it`, part);
  if (meant === 'hidden') {
    const instead = 'only those of the first condition, for an alert has its labels and its value';
    throw unsupported(`${part.variable} in a text`, part, instead);
  }
  const field = meant === 'whole' ? part.field : meant;
  if (field === undefined || (meant !== 'whole' && part.field !== undefined)) {
    throw unsupported(`${part.variable} here`, part, `write ${part.variable}.value or bind value to a variable`);
  }
  if (field.kind === 'label')
    return isLegacyLabel(field.label) ? `{{ $labels.${field.label} }}` : `{{ index $labels ${quote(field.label)} }}`;
  return field.kind === 'name' ? '{{ $labels.__name__ }}' : '{{ $value }}';
}
