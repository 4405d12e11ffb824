/** The commands below `sonde rules`. */
import type { Command } from 'commander';
import { collect, examples, type CommandLine, type Finish } from './command_options.ts';

export interface RulesCheckOptions {
  readonly strict?: true;
  readonly json?: true;
}

export interface RulesTestOptions {
  readonly run?: readonly string[];
  readonly json?: true;
}

export interface RulesEvalOptions {
  readonly data: string;
  readonly at?: string;
  readonly json?: true;
}

const FILES_ABOUT = 'rule files of Prometheus, Drools files (.drl), or configurations with thresholds';

export function addRules(program: Command, commandLine: CommandLine, finish: Finish): void {
  const rules = program
    .command('rules')
    .summary('Check, test and convert alert rules')
    .description('Checks, tests, evaluates and converts the rules that the processor alert_rules evaluates.')
    .helpCommand(false)
    .addHelpText(
      'after',
      examples([
        ['sonde rules check rules/*.yaml', 'What is wrong with them, and what is hardly meant'],
        ['sonde rules test rules/tests.yaml', 'Run tests as "promtool test rules" does'],
        ['sonde rules export sonde.yaml > rules.yaml', 'For Prometheus or Mimir'],
      ]),
    );
  addCheck(rules, commandLine, finish);
  addTest(rules, commandLine, finish);
  addEval(rules, commandLine, finish);
  addExport(rules, commandLine, finish);
}

function addCheck(rules: Command, { terminal }: CommandLine, finish: Finish): void {
  rules
    .command('check')
    .summary('Check rules')
    .description(
      'Checks rules: syntax, names, expressions and templates, everything that is wrong with its place. Warns of rules ' +
        'that are there twice, and of values in labels.',
    )
    .argument('<files...>', FILES_ABOUT)
    .option('--strict', 'exit with 1 if there are warnings')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      examples([
        ['sonde rules check configs/rules/host.yaml', ''],
        ['sonde rules check --strict rules/*', 'In a pipeline that is to be clean'],
      ]) + '\nExits with 78 if a file cannot be used.\n',
    )
    .action(async (files: readonly string[], options: RulesCheckOptions) => {
      const { checkRules } = await import('./rules.ts');
      finish(checkRules(files, options, { terminal }));
    });
}

function addTest(rules: Command, { terminal }: CommandLine, finish: Finish): void {
  rules
    .command('test')
    .summary('Run tests of rules')
    .description(
      'Runs files of "promtool test rules", unchanged: series, and which alerts and values are expected at which time. ' +
        'Their rule_files may be of any form that "sonde rules check" knows.',
    )
    .argument('<files...>', 'files with tests')
    .option('--run <pattern>', 'only tests whose name this pattern (RE2) matches (repeatable)', collect)
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      examples([
        ['sonde rules test configs/rules/host_test.yaml', ''],
        ['sonde rules test --run disk tests/*.yaml', 'Only some'],
      ]) + '\nExits with 1 if a test fails, with 78 if a file cannot be used.\n',
    )
    .action(async (files: readonly string[], options: RulesTestOptions) => {
      const { testRules } = await import('./rules_test.ts');
      finish(await testRules(files, options, { terminal }));
    });
}

function addEval(rules: Command, { terminal }: CommandLine, finish: Finish): void {
  rules
    .command('eval')
    .summary('Evaluate rules once over samples in a file')
    .description(
      'Evaluates each rule once over samples in the OpenMetrics or Prometheus text format, as a scrape gives them or ' +
        '"promtool tsdb dump-openmetrics" does, and shows what it records, and which alerts are active.',
    )
    .argument('<files...>', FILES_ABOUT)
    .requiredOption(
      '--data <file>',
      'the samples; those without a time are of the time of the evaluation; - reads standard input',
    )
    .option('--at <time>', 'when, in ISO 8601 or Unix seconds; the time of the last sample if left out')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      examples([
        ['curl -s localhost:9464/metrics | sonde rules eval rules.yaml --data -', 'What holds now'],
        ['sonde rules eval rules.yaml --data day.om --at 2026-03-01T12:00:00Z', 'What held then'],
      ]) + '\nExits with 1 if a rule cannot be evaluated, with 78 if a file cannot be used.\n',
    )
    .action(async (files: readonly string[], options: RulesEvalOptions) => {
      const { evaluateRules } = await import('./rules_eval.ts');
      finish(await evaluateRules(files, options, { terminal }));
    });
}

function addExport(rules: Command, { terminal }: CommandLine, finish: Finish): void {
  rules
    .command('export')
    .summary('Print rules as a rule file of Prometheus')
    .description(
      'Prints rules of any form as one rule file of Prometheus. Hysteresis and missing data, which rule files have no ' +
        'words for, become part of the expressions; what is different then is said on standard error.',
    )
    .argument('<files...>', FILES_ABOUT)
    .addHelpText(
      'after',
      examples([['sonde rules export sonde.yaml rules/*.drl > rules.yaml', 'To give them to a Prometheus']]) +
        '\nExits with 78 if a file cannot be used.\n',
    )
    .action(async (files: readonly string[]) => {
      const { printRules } = await import('./rules.ts');
      finish(printRules(files, { terminal }));
    });
}
