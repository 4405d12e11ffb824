/** What rule files may say, and what is hardly ever meant. */
import type { ConfigProblem } from '../errors.ts';
import type { Rule, RuleGroup } from './rule.ts';

/** Finds labels that change with the value, and rules of equal name and labels. */
export function lintGroups(groups: readonly RuleGroup[]): ConfigProblem[] {
  return [...valuesInLabels(groups), ...duplicates(groups)];
}

function valuesInLabels(groups: readonly RuleGroup[]): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  for (const { name: group, rules } of groups) {
    for (const rule of rules) {
      if (rule.kind === 'recording') continue;
      for (const [label, template] of rule.labels) {
        if (!usesValue(template)) continue;
        problems.push({
          message:
            `Alert "${rule.name}" of group "${group}" has its value in label "${label}": with each value it is another ` +
            'alert, whose "for" begins anew',
          path: '',
          place: rule.source,
          hint: 'put the value into an annotation',
        });
      }
    }
  }
  return problems;
}

function usesValue(template: string): boolean {
  for (const [action] of template.matchAll(/\{\{[\s\S]*?\}\}/g)) {
    if (/\$value\b|\.Value\b/.test(action)) return true;
  }
  return false;
}

/** As `promtool check rules` does: equal name and labels, whatever the expression. */
function duplicates(groups: readonly RuleGroup[]): ConfigProblem[] {
  const known = new Map<string, Rule>();
  const problems: ConfigProblem[] = [];
  for (const { name: group, rules } of groups) {
    for (const rule of rules) {
      const key = JSON.stringify([rule.name, [...rule.labels].sort(([a], [b]) => (a < b ? -1 : 1))]);
      const earlier = known.get(key);
      if (earlier === undefined) {
        known.set(key, rule);
        continue;
      }
      const labels = Array.from(rule.labels, ([name, value]) => `${name}="${value}"`).join(', ');
      problems.push({
        message: `Rule "${rule.name}" of group "${group}" is there twice with the labels {${labels}}`,
        path: '',
        place: rule.source,
        other: earlier.source,
      });
    }
  }
  return problems;
}
