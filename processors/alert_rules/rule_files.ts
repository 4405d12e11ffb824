/** The rules that the options name, in files, or have themselves: found, read and checked. */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, type ConfigProblem } from '../../src/errors.ts';
import { lintGroups } from '../../src/rules/lint.ts';
import type { RuleFile, RuleGroup } from '../../src/rules/rule.ts';
import { readRuleText } from '../../src/rules/rule_text.ts';
import { parseRules, thresholdProblems } from '../../src/rules/sources.ts';
import { thresholdsGroup, type Threshold } from '../../src/rules/thresholds.ts';

export interface WrittenRules {
  readonly rule_files: readonly string[];
  readonly thresholds: readonly Threshold[];
}

export interface ReadRules {
  readonly files: readonly RuleFile[];
  readonly problems: readonly ConfigProblem[];
  /** What is allowed, and probably not meant. */
  readonly lints: readonly ConfigProblem[];
}

/** Never throws: what is wrong is in `problems`. */
export function readRules({ rule_files, thresholds }: WrittenRules): ReadRules {
  const files: RuleFile[] = [];
  const problems: ConfigProblem[] = [];
  const lints: ConfigProblem[] = [];
  for (const pattern of rule_files) {
    if (!isGlob(pattern) || matchesOf(pattern).length > 0) continue;
    lints.push({ message: `No file matches "${pattern}" of rule_files: there are no rules of it`, path: 'rule_files' });
  }
  for (const { path, text, error } of contentsOf(rule_files)) {
    if (error !== undefined) {
      problems.push({ message: error, path: 'rule_files' });
      continue;
    }
    const parsed = parseRules(text, path);
    files.push(parsed.file);
    problems.push(...parsed.problems);
    lints.push(...parsed.lints);
  }
  if (thresholds.length > 0) {
    const group = thresholdsGroup(thresholds, 'thresholds');
    files.push({ path: group.file, groups: [group] });
    problems.push(...thresholdProblems(group).map((problem) => ({ ...problem, path: 'thresholds' })));
    lints.push(...lintGroups([group]));
  } else if (rule_files.length === 0) {
    const message = 'Cannot use alert_rules without rules: it has neither rule_files nor thresholds';
    problems.push({ message, path: '', hint: 'rule_files takes paths, thresholds a list of limits' });
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
  const paths = new Set(patterns.flatMap((pattern) => (isGlob(pattern) ? matchesOf(pattern) : [pattern])));
  return Array.from(paths, (path) => {
    try {
      return { path, text: readRuleText(path) };
    } catch (error) {
      return { path, text: '', error: messageOf(error) };
    }
  });
}

const isGlob = (pattern: string): boolean => /[*?[{]/.test(pattern);

/** Folders match patterns, too, and hold no rules themselves. */
function matchesOf(pattern: string): string[] {
  return globSync(pattern, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name))
    .toSorted();
}
