/** Rules from files of any form: Prometheus' rule files, Drools (`.drl`), and thresholds in a configuration of Sonde. */
import * as v from 'valibot';
import { formatPath, nodeAt, placeOf, toPlain, type Node } from '../config/tree.ts';
import { parseYaml } from '../config/yaml.ts';
import type { ConfigProblem } from '../errors.ts';
import { parse } from '../promql/parse.ts';
import { parseDrlFile } from './drl/compile.ts';
import { lintGroups } from './lint.ts';
import { parseRuleFile, type ParsedRuleFile, type RuleFileChecks } from './rule_file.ts';
import type { RuleGroup } from './rule.ts';
import { checkAlertText } from './template/alert_text.ts';
import { thresholdSchema, thresholdsGroup } from './thresholds.ts';

export const RULE_FILE_CHECKS: RuleFileChecks = { expression: (text) => void parse(text), template: checkAlertText };

/** By the ending of the name: Drools, or YAML of Prometheus. Never throws: what is wrong is in `problems`. */
export function parseRules(text: string, path: string): ParsedRuleFile {
  const read = path.endsWith('.drl') ? parseDrlFile : parseRuleFile;
  return read(text, path, RULE_FILE_CHECKS);
}

/** Like {@link parseRules}, and of a configuration of Sonde the thresholds in it. */
export function parseAnyRules(text: string, path: string): ParsedRuleFile {
  if (path.endsWith('.drl')) return parseRules(text, path);
  const { root } = parseYaml(text, path, { hasOnlyText: true });
  const processors = nodeAt(root, ['processors']);
  if (root === undefined || processors?.kind !== 'map') return parseRules(text, path);
  const problems: ConfigProblem[] = [];
  const groups: RuleGroup[] = [];
  for (const [id, { value }] of processors.entries) {
    const thresholds = /^alert_rules(?:\/|$)/.test(id) ? nodeAt(value, ['thresholds']) : undefined;
    if (thresholds !== undefined) groups.push(...readThresholds(root, thresholds, id, path, problems));
  }
  return { file: { path, groups }, problems, lints: lintGroups(groups) };
}

function readThresholds(root: Node, node: Node, id: string, path: string, problems: ConfigProblem[]): RuleGroup[] {
  const base = ['processors', id, 'thresholds'];
  const parsed = v.safeParse(v.array(thresholdSchema), toPlain(node));
  if (!parsed.success) {
    for (const issue of parsed.issues) {
      const at = [...base, ...(issue.path ?? []).map(({ key }) => key as string | number)];
      const found = issue.received === undefined ? '' : `, found ${issue.received}`;
      const message = `Cannot use ${formatPath(at.slice(2))}: ${issue.message}${found}`;
      problems.push({ message, path: formatPath(at), place: placeOf(root, at, 'value') });
    }
    return [];
  }
  const group = thresholdsGroup(parsed.output, path, (index) => placeOf(root, [...base, index], 'value'));
  problems.push(...thresholdProblems(group).map((problem) => ({ ...problem, path: formatPath(base) })));
  const name = id === 'alert_rules' ? group.name : `${group.name} of ${id}`;
  return [{ ...group, name }];
}

/** What the options cannot see: metrics, labels and patterns that are none, and templates. */
export function thresholdProblems({ rules }: RuleGroup): ConfigProblem[] {
  return rules.flatMap((rule) => {
    const texts = rule.kind === 'alerting' ? [...rule.labels.values(), ...rule.annotations.values()] : [];
    try {
      RULE_FILE_CHECKS.expression(rule.expr);
      for (const text of texts) RULE_FILE_CHECKS.template(text);
      return [];
    } catch (error) {
      const found = error instanceof Error ? error.message : String(error);
      return [{ message: `Cannot use threshold "${rule.name}": ${found}`, path: '', place: rule.source }];
    }
  });
}
