/** `sonde rules test`: runs the files of `promtool test rules`. */
import { formatPlace, formatProblems } from '../config/frames.ts';
import { messageOf } from '../errors.ts';
import type { Difference } from '../rules/unit_test/difference.ts';
import type { TestFailure, TestOutcome } from '../rules/unit_test/run.ts';
import { runSuite, type SuiteOutcome } from '../rules/unit_test/suite.ts';
import { compileRegExp } from '../text/regexp.ts';
import { printable } from '../text/printable.ts';
import { EXIT_CODES } from './exit_codes.ts';
import { withFrame, type RulesSurroundings } from './rules.ts';
import type { RulesTestOptions } from './rules_commands.ts';
import { count } from './selection.ts';
import { painter, type Paint, type Terminal } from './terminal.ts';

/** Resolves with the exit code. */
export async function testRules(
  paths: readonly string[],
  { run = [], json }: RulesTestOptions,
  { terminal }: RulesSurroundings,
): Promise<number> {
  for (const pattern of run) {
    try {
      compileRegExp(pattern);
    } catch (error) {
      terminal.complain(`Cannot use --run ${pattern}: ${messageOf(error)}\n`);
      return EXIT_CODES.usage;
    }
  }
  const suites: SuiteOutcome[] = [];
  for (const path of paths) {
    const suite = runSuite(path, run);
    suites.push(suite);
    if (json !== true) report(suite, terminal);
    // So that what was found is seen while the next file is run.
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (json === true) terminal.print(`${JSON.stringify(suites.map(forMachines), undefined, 2)}\n`);
  else summarize(suites, terminal);
  if (suites.some(({ problems }) => problems.length > 0)) return EXIT_CODES.config;
  return suites.some(({ tests }) => tests.some(hasFailed)) ? EXIT_CODES.found : EXIT_CODES.ok;
}

function hasFailed({ failures }: TestOutcome): boolean {
  return failures.length > 0;
}

function report({ path, problems, texts, warnings, tests }: SuiteOutcome, terminal: Terminal): void {
  const paint = painter(terminal);
  terminal.print(`${paint('bold', printable(path))}\n`);
  for (const warning of warnings) terminal.complain(`  warning: ${warning}\n`);
  if (problems.length > 0) {
    const framed = problems.map((problem) => {
      const file = problem.place?.file ?? path;
      return withFrame(problem, texts.get(file) ?? '', file);
    });
    terminal.complain(formatProblems(framed, { color: terminal.hasErrorColor }));
  }
  for (const test of tests) {
    const verdict = hasFailed(test) ? paint('red', 'FAILED') : paint('green', 'ok');
    terminal.print(`  ${verdict}  ${printable(test.name)}\n`);
    for (const notice of test.notices) terminal.complain(`  warning: ${notice}\n`);
    for (const failure of test.failures) terminal.print(failureText(failure, paint));
  }
}

function failureText({ message, place, difference }: TestFailure, paint: Paint): string {
  const where = place === undefined ? '' : ` ${paint('dim', `(${formatPlace(place)})`)}`;
  const lines = [`    ${printable(message)}${where}`];
  if (difference !== undefined) lines.push(...differenceLines(difference, paint));
  return `${lines.join('\n')}\n`;
}

/** What is on both sides first, then what was expected and is not there, and what is there and was not expected. */
function differenceLines({ expected, got }: Difference, paint: Paint): string[] {
  const left = [...got];
  const missing: string[] = [];
  const common: string[] = [];
  for (const text of expected) {
    const index = left.indexOf(text);
    if (index === -1) missing.push(text);
    else common.push(...left.splice(index, 1));
  }
  const shown = (sign: string, texts: readonly string[]): string[] =>
    texts.flatMap((text) =>
      text.split('\n').map((line, index) => `      ${index === 0 ? sign : ' '} ${printable(line)}`),
    );
  const lines = [
    ...shown(' ', common),
    ...shown('-', missing).map((line) => paint('red', line)),
    ...shown('+', left).map((line) => paint('green', line)),
  ];
  if (missing.length + left.length === 0) lines.push('      NaN is equal to nothing, not even to NaN');
  else lines.push(paint('dim', '      (- expected, + got)'));
  return lines;
}

function summarize(suites: readonly SuiteOutcome[], terminal: Terminal): void {
  const tests = suites.flatMap((suite) => suite.tests);
  const failed = tests.filter(hasFailed).length;
  const unusable = suites.filter(({ problems }) => problems.length > 0).length;
  const parts = [count(tests.length, 'test'), `${failed} failed`];
  if (unusable > 0) parts.push(`${count(unusable, 'file')} cannot be used`);
  terminal.print(`\n${parts.join(', ')}\n`);
}

function forMachines({ path, problems, warnings, tests }: SuiteOutcome) {
  return {
    file: path,
    passed: problems.length === 0 && !tests.some(hasFailed),
    problems: problems.map(({ message, place }) => ({ message, ...(place && { place: formatPlace(place) }) })),
    warnings,
    tests: tests.map(({ name, failures }) => ({
      name,
      passed: failures.length === 0,
      failures: failures.map(({ message, place, difference }) => ({
        message,
        ...(place && { place: formatPlace(place) }),
        ...(difference && { expected: difference.expected, got: difference.got }),
      })),
    })),
  };
}
