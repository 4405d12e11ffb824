import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseUnitTests } from '../../../src/rules/unit_test/test_file.ts';
import { runSuite } from '../../../src/rules/unit_test/suite.ts';

const RULES = `
groups:
  - name: g
    rules:
      - record: twice
        expr: a * 2
      - alert: High
        expr: twice > 5
        for: 2m
        labels: { severity: page }
        annotations: { summary: '{{ $labels.x }} has {{ $value }}' }
`;

function suiteOf(tests: string, files: Record<string, string> = { 'rules.yaml': RULES }) {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries({ ...files, 'tests.yaml': tests })) writeFileSync(join(folder, name), text);
  return runSuite(join(folder, 'tests.yaml'));
}

const INPUT = `input_series: [{ series: 'a{x="y"}', values: '1 5x10' }]`;

describe('runSuite', () => {
  test('runSuite passes what is as expected', () => {
    const { problems, tests } = suiteOf(`
rule_files: ['rul*.yaml']
tests:
  - name: good
    ${INPUT}
    alert_rule_test:
      - { eval_time: 2m, alertname: High }
      - { eval_time: 3m, alertname: High, exp_alerts: [{ exp_labels: { x: y, severity: page }, exp_annotations: { summary: y has 10 } }] }
    promql_expr_test:
      - { expr: twice, eval_time: 0, exp_samples: [{ labels: 'twice{x="y"}', value: 2 }] }
`);
    expect(problems).toEqual([]);
    expect(tests).toMatchObject([{ name: 'good', failures: [], notices: [] }]);
  });

  test('runSuite shows what was expected and what there is, with the place', () => {
    const { tests } = suiteOf(`
rule_files: [rules.yaml]
tests:
  - ${INPUT}
    alert_rule_test:
      - { eval_time: 3m, alertname: High, exp_alerts: [{ exp_labels: { x: z, severity: page } }] }
    promql_expr_test:
      - { expr: twice, eval_time: 1m, exp_samples: [{ labels: twice, value: 3 }] }
      - { expr: 'twice[1m]', eval_time: 1m }
`);
    expect(tests[0]!.name).toBe('unnamed#0');
    expect(tests[0]!.failures).toMatchObject([
      {
        message: 'alert High, at 3m',
        place: { line: 6, column: 37 },
        difference: {
          expected: ['{alertname="High", severity="page", x="z"}'],
          got: ['{alertname="High", severity="page", x="y"}\n    summary: "y has 10"'],
        },
      },
      {
        message: 'twice, at 1m',
        difference: { expected: ['{__name__="twice"} 3'], got: ['{__name__="twice", x="y"} 10'] },
      },
      { message: 'twice[1m], at 1m: rule result is not a vector or scalar' },
    ]);
  });

  test('runSuite runs only tests of a name that is asked for', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sonde-test-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'tests.yaml');
    writeFileSync(file, 'tests: [{ name: disk full }, { name: memory }]');
    expect(runSuite(file, ['disk', 'cpu']).tests.map(({ name }) => name)).toEqual(['disk full']);
  });

  test('runSuite runs nothing where a rule file is wrong, and warns of one that is not there', () => {
    const wrong = suiteOf('rule_files: [bad.yaml]\ntests: [{}]', { 'bad.yaml': 'groups: 5' });
    expect(wrong.tests).toEqual([]);
    expect(wrong.problems[0]!.message).toBe('Cannot use "groups": it takes a list');
    const missing = suiteOf('rule_files: [none.yaml]\ntests: [{ name: x }]');
    expect(missing.warnings).toEqual([expect.stringMatching(/^There is no rule file .*none\.yaml$/)]);
    expect(missing.tests).toMatchObject([{ name: 'x', failures: [] }]);
    expect(runSuite('/nowhere/tests.yaml').problems[0]!.message).toMatch(/^Cannot read \/nowhere\/tests\.yaml: ENOENT/);
  });

  test('runSuite ends a test whose rule fails, and names the rule', () => {
    const failing = 'groups: [{ name: g, rules: [{ record: r, expr: "a * on () a" }] }]';
    const { tests } = suiteOf(
      `rule_files: [f.yaml]\ntests: [{ input_series: [{ series: 'a{x="1"}', values: 1x9 }, { series: 'a{x="2"}', values: 1x9 }], promql_expr_test: [{ expr: '1', eval_time: 5m }] }]`,
      { 'f.yaml': failing },
    );
    expect(tests[0]!.failures).toHaveLength(1);
    expect(tests[0]!.failures[0]!.message).toMatch(/^rule r, at 0s: .*many/);
  });

  test('runSuite reads rules of Drools', () => {
    const rules = 'rule "High" when Metric(name == "a", $x : labels["x"], value > 3) then alert($x + " is high"); end';
    const { tests, problems } = suiteOf(
      `rule_files: [r.drl]\ntests: [{ ${INPUT}, alert_rule_test: [{ eval_time: 2m, alertname: High, exp_alerts: [{ exp_labels: { x: y }, exp_annotations: { summary: y is high } }] }] }]`,
      { 'r.drl': rules },
    );
    expect(problems).toEqual([]);
    expect(tests[0]!.failures).toEqual([]);
  });
});

describe('parseUnitTests', () => {
  const problemsOf = (text: string): string[] =>
    parseUnitTests(text, 't.yaml').problems.map(
      ({ message, place, path, hint }) =>
        `${place?.line}:${place?.column} ${path}: ${message}${hint === undefined ? '' : ` (${hint})`}`,
    );

  test('parseUnitTests says all that is wrong, with its place', () => {
    const text = `rule_file: [x]
group_eval_order: [a, a]
evaluation_interval: 5 minutes
fuzzy_compare: maybe
tests:
  - input_series: { a: b }
  - alert_rule_test: [{ eval_time: soon, alertname: [x] }]
    promql_expr_test: [{ exp_samples: [{ value: NaN }, { value: '1' }, 5] }]
`;
    expect(problemsOf(text)).toEqual([
      '1:1 rule_file: Cannot use key "rule_file" in the file: there is no such key (did you mean "rule_files"?)',
      '3:22 evaluation_interval: Cannot use "evaluation_interval": "5 minutes" is no duration such as 5m or 1h30m',
      '2:19 group_eval_order: Cannot use "group_eval_order": group "a" is there twice',
      '4:16 fuzzy_compare: Cannot use "fuzzy_compare": it takes true or false',
      '6:19 tests[0].input_series: Cannot use "input_series": it takes a list',
      '7:53 tests[1].alert_rule_test[0].alertname: Cannot use "alertname": it takes a text',
      '7:36 tests[1].alert_rule_test[0].eval_time: Cannot use "eval_time": "soon" is no duration such as 5m or 1h30m',
      '8:49 tests[1].promql_expr_test[0].exp_samples[0].value: Cannot use "value": "NaN" is no number in YAML (write .nan)',
      `8:65 tests[1].promql_expr_test[0].exp_samples[1].value: Cannot use "value": "1" is no number in YAML`,
      '8:72 tests[1].promql_expr_test[0].exp_samples[2]: Cannot use a sample: it takes a map with labels, value, histogram',
    ]);
  });

  test('parseUnitTests takes an empty file and what is no YAML', () => {
    expect(problemsOf('')).toEqual([]);
    expect(problemsOf('tests: [')).toHaveLength(1);
  });
});
