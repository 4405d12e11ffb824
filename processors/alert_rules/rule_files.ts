/** The rule files that the options name: found, read and checked. */
import { globSync, readFileSync } from 'node:fs';
import { messageOf, type ConfigProblem } from '../../src/errors.ts';
import { parse } from '../../src/promql/parse.ts';
import type { RuleFile, RuleGroup } from '../../src/rules/rule.ts';
import { parseRuleFile, type RuleFileChecks } from '../../src/rules/rule_file.ts';
import { checkAlertText } from '../../src/rules/template/alert_text.ts';

export const CHECKS: RuleFileChecks = { expression: (text) => void parse(text), template: checkAlertText };

export interface ReadRules {
  readonly files: readonly RuleFile[];
  readonly problems: readonly ConfigProblem[];
  /** What is allowed, and probably not meant. */
  readonly lints: readonly ConfigProblem[];
}

/** Never throws: what is wrong is in `problems`. */
export function readRuleFiles(patterns: readonly string[]): ReadRules {
  const files: RuleFile[] = [];
  const problems: ConfigProblem[] = [];
  const lints: ConfigProblem[] = [];
  for (const { path, text, error } of contentsOf(patterns)) {
    if (error !== undefined) {
      problems.push({ message: `Cannot read the rule file "${path}": ${error}`, path: '' });
      continue;
    }
    const parsed = parseRuleFile(text, path, CHECKS);
    files.push(parsed.file);
    problems.push(...parsed.problems);
    lints.push(...parsed.lints);
  }
  return { files, problems, lints };
}

/** Changes with the files, and with which there are. */
export function fingerprintOf(patterns: readonly string[]): string {
  return JSON.stringify(contentsOf(patterns));
}

export function groupsOf(files: readonly RuleFile[]): RuleGroup[] {
  return files.flatMap(({ groups }) => groups);
}

interface Content {
  readonly path: string;
  readonly text: string;
  readonly error?: string;
}

/** Every file once, in the order of the patterns; a pattern may have no file yet, a plain path must. */
function contentsOf(patterns: readonly string[]): Content[] {
  const paths = new Set<string>();
  for (const pattern of patterns) {
    if (!/[*?[{]/.test(pattern)) paths.add(pattern);
    else for (const path of globSync(pattern).toSorted()) paths.add(path);
  }
  return Array.from(paths, (path) => {
    try {
      return { path, text: readFileSync(path, 'utf8') };
    } catch (error) {
      return { path, text: '', error: messageOf(error) };
    }
  });
}
