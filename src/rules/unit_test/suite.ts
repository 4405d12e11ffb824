/** A file of tests with the rules that it names. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { messageOf, type ConfigProblem } from '../../errors.ts';
import { compileRegExp } from '../../text/regexp.ts';
import type { RuleGroup } from '../rule.ts';
import { parseAnyRules } from '../sources.ts';
import { runUnitTest, type TestOutcome } from './run.ts';
import { parseUnitTests } from './test_file.ts';

export interface SuiteOutcome {
  readonly path: string;
  /** Why it could not be run at all; with the texts of the files, where they are of one. */
  readonly problems: readonly ConfigProblem[];
  readonly texts: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
  readonly tests: readonly TestOutcome[];
}

/** @param patterns run only tests whose name matches one of them. Never throws. */
export function runSuite(path: string, patterns: readonly string[] = []): SuiteOutcome {
  const problems: ConfigProblem[] = [];
  const texts = new Map<string, string>();
  const warnings: string[] = [];
  const outcome = { path, problems, texts, warnings, tests: [] };
  const text = readText(path, texts, problems);
  if (text === undefined) return outcome;
  const { file, problems: found } = parseUnitTests(text, path);
  problems.push(...found);
  const groups = problems.length > 0 ? [] : readGroups(path, file.rule_files, { texts, problems, warnings });
  if (problems.length > 0) return outcome;
  const meant = patterns.length === 0 ? undefined : compileRegExp(patterns.map((one) => `(?:${one})`).join('|'));
  const tests = file.tests.flatMap((test, index) =>
    meant === undefined || meant.matches(test.name) ? [runUnitTest(test, index, file, groups)] : [],
  );
  return { ...outcome, tests };
}

interface Finds {
  readonly texts: Map<string, string>;
  readonly problems: ConfigProblem[];
  readonly warnings: string[];
}

/** Groups of the same file and name count once, as where Prometheus loads a file twice. */
function readGroups(path: string, names: readonly string[], { texts, problems, warnings }: Finds): RuleGroup[] {
  const groups = new Map<string, RuleGroup>();
  for (const name of names) {
    const pattern = isAbsolute(name) ? name : join(dirname(path), name);
    const paths = globSync(pattern).toSorted();
    if (paths.length === 0) warnings.push(`There is no rule file ${pattern}`);
    for (const one of paths) {
      const text = readText(one, texts, problems);
      if (text === undefined) continue;
      const parsed = parseAnyRules(text, one);
      problems.push(...parsed.problems);
      for (const group of parsed.file.groups) groups.set(`${one};${group.name}`, group);
    }
  }
  return [...groups.values()];
}

function readText(path: string, texts: Map<string, string>, problems: ConfigProblem[]): string | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    texts.set(path, text);
    return text;
  } catch (error) {
    problems.push({ message: `Cannot read ${path}: ${messageOf(error)}`, path: '' });
    return undefined;
  }
}
