/** `sonde rules check` and `sonde rules export`. */
import { readFileSync } from 'node:fs';
import { formatPlace, formatProblems } from '../config/frames.ts';
import { messageOf, type ConfigProblem, type Place } from '../errors.ts';
import { exportRules } from '../rules/export.ts';
import { parseAnyRules } from '../rules/sources.ts';
import type { RuleGroup } from '../rules/rule.ts';
import { EXIT_CODES } from './exit_codes.ts';
import type { RulesCheckOptions } from './rules_commands.ts';
import { count } from './selection.ts';
import { renderTable } from './table.ts';
import { painter, type Terminal } from './terminal.ts';

export interface RulesSurroundings {
  readonly terminal: Terminal;
}

export interface ReadRules {
  readonly path: string;
  readonly groups: readonly RuleGroup[];
  readonly problems: readonly ConfigProblem[];
  /** What is allowed, and probably not meant. */
  readonly lints: readonly ConfigProblem[];
}

/** Rules of any form; never throws. */
export function readRulesFrom(path: string): ReadRules {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return {
      path,
      groups: [],
      problems: [{ message: `Cannot read ${path}: ${messageOf(error)}`, path: '' }],
      lints: [],
    };
  }
  const { file, problems, lints } = parseAnyRules(text, path);
  const framed = (all: readonly ConfigProblem[]) => all.map((problem) => withFrame(problem, text, path));
  return { path, groups: file.groups, problems: framed(problems), lints: framed(lints) };
}

/** With the line that is meant, for who reads it. */
export function withFrame(problem: ConfigProblem, text: string, path: string): ConfigProblem {
  return { ...problem, place: framed(problem.place, text, path), other: framed(problem.other, text, path) };
}

function framed(place: Place | undefined, text: string, path: string): Place | undefined {
  if (place === undefined || place.file !== path || place.line === 0) return place;
  const line = text.split('\n')[place.line - 1] ?? '';
  const start = place.column - 1;
  return {
    ...place,
    frame: { text: line, start, length: Math.min(place.length ?? 1, Math.max(1, line.length - start)) },
  };
}

/** Gives the exit code. */
export function checkRules(
  paths: readonly string[],
  options: RulesCheckOptions,
  { terminal }: RulesSurroundings,
): number {
  const all = paths.map(readRulesFrom);
  if (options.json === true) terminal.print(`${JSON.stringify(all.map(forMachines), undefined, 2)}\n`);
  else {
    terminal.print(renderTable(all.map((read) => summary(read, terminal))));
    complain(all, terminal);
  }
  if (all.some(({ problems }) => problems.length > 0)) return EXIT_CODES.config;
  return options.strict === true && all.some(({ lints }) => lints.length > 0) ? EXIT_CODES.found : EXIT_CODES.ok;
}

/** Shows what is wrong, and warnings. */
export function complain(all: readonly ReadRules[], terminal: Terminal): void {
  const color = terminal.hasErrorColor;
  const problems = all.flatMap((read) => read.problems);
  const lints = all.flatMap((read) => read.lints);
  if (problems.length > 0) terminal.complain(`\n${formatProblems(problems, { color })}`);
  if (lints.length > 0) terminal.complain(`\n${formatProblems(lints, { color, severity: 'warning' })}`);
}

function summary({ path, groups, problems, lints }: ReadRules, terminal: Terminal): string[] {
  const paint = painter(terminal);
  const warned = lints.length === 0 ? '' : paint('yellow', count(lints.length, 'warning'));
  if (problems.length > 0) return [path, paint('red', count(problems.length, 'problem')), warned];
  const rules = groups.flatMap((group) => group.rules);
  const alerts = rules.filter(({ kind }) => kind === 'alerting').length;
  const about = [count(groups.length, 'group'), count(alerts, 'alert'), count(rules.length - alerts, 'recording rule')];
  return [path, paint('green', 'ok'), [about.join(', '), warned].filter((part) => part !== '').join(', ')];
}

function forMachines({ path, groups, problems, lints }: ReadRules) {
  const plain = ({ message, path: key, place, hint }: ConfigProblem) => ({
    message,
    path: key,
    ...(place !== undefined && { place: formatPlace(place), line: place.line, column: place.column }),
    ...(hint !== undefined && { hint }),
  });
  return {
    file: path,
    valid: problems.length === 0,
    groups: groups.map(({ name, rules }) => ({ name, rules: rules.length })),
    problems: problems.map(plain),
    warnings: lints.map(plain),
  };
}

/** Gives the exit code. */
export function printRules(paths: readonly string[], { terminal }: RulesSurroundings): number {
  const all = paths.map(readRulesFrom);
  complain(all, terminal);
  if (all.some(({ problems }) => problems.length > 0)) return EXIT_CODES.config;
  const { yaml, notices } = exportRules(all.flatMap(({ groups }) => groups));
  terminal.print(yaml);
  for (const notice of notices)
    terminal.complain(`${painter({ hasColor: terminal.hasErrorColor })('yellow', 'note')}: ${notice}\n`);
  return EXIT_CODES.ok;
}
