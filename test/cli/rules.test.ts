import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runCommandLine } from '../../src/cli/program.ts';
import { parseRules } from '../../src/rules/sources.ts';
import { recordedTerminal } from './terminal.ts';

const RULES = `groups:
  - name: g
    rules:
      - record: twice
        expr: a * 2
      - alert: High
        expr: twice > 5
        annotations: { summary: 'it is {{ $value }}' }
`;

function folderOf(files: Record<string, string>): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'sonde-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return (name) => join(folder, name);
}

async function rules(...args: string[]) {
  const terminal = recordedTerminal();
  const lifetime = { signal: new AbortController().signal } as never;
  const code = await runCommandLine(['rules', ...args], { terminal, env: {}, lifetime });
  return { code, printed: terminal.printed, complained: terminal.complained };
}

describe('sonde rules check', () => {
  test('check counts what there is', async () => {
    const at = folderOf({ 'r.yaml': RULES, 'r.drl': 'rule a when Metric(name == "x") then alert("y") end' });
    const { code, printed, complained } = await rules('check', at('r.yaml'), at('r.drl'));
    expect([code, complained]).toEqual([0, '']);
    expect(printed).toContain('ok  1 group, 1 alert, 1 recording rule');
  });

  test('check shows problems with their places and lines', async () => {
    const at = folderOf({ 'r.yaml': RULES.replace('a * 2', 'sum(') });
    const { code, printed, complained } = await rules('check', at('r.yaml'));
    expect(code).toBe(78);
    expect(printed).toContain('1 problem');
    expect(complained).toContain(
      `${at('r.yaml')}:5:15: Cannot use rule 1 of group "g", "twice": cannot parse expression`.slice(0, 40),
    );
    expect(complained).toContain('5 |         expr: sum(');
    expect((await rules('check', at('none.yaml'))).code).toBe(78);
  });

  test('check warns, and --strict makes that an error', async () => {
    const at = folderOf({
      'r.yaml': RULES.replace('- record: twice', '- { record: twice, expr: b }\n      - record: twice'),
    });
    const { code, complained } = await rules('check', at('r.yaml'));
    expect(code).toBe(0);
    expect(complained).toContain('warning: Rule "twice" of group "g" is there twice');
    expect((await rules('check', '--strict', at('r.yaml'))).code).toBe(1);
  });

  test('check --json tells a program', async () => {
    const at = folderOf({ 'r.yaml': RULES.replace('a * 2', 'nonsense(a)') });
    const [file] = JSON.parse((await rules('check', '--json', at('r.yaml'))).printed) as [Record<string, unknown>];
    expect(file).toMatchObject({
      valid: false,
      problems: [{ line: 5, path: 'groups[0].rules[0].expr' }],
      warnings: [],
    });
  });
});

describe('sonde rules test', () => {
  const TESTS = `rule_files: [r.yaml]
tests:
  - name: fires
    input_series: [{ series: a, values: '1 4' }]
    alert_rule_test: [{ eval_time: 1m, alertname: High, exp_alerts: [{ exp_annotations: { summary: it is 8 } }] }]
  - name: wrong
    input_series: [{ series: 'a{x="y"}', values: '1 4' }]
    alert_rule_test: [{ eval_time: 1m, alertname: High, exp_alerts: [{ exp_annotations: { summary: it is 8 } }] }]
    promql_expr_test: [{ expr: 'a or a', eval_time: 0, exp_samples: [{ labels: 'a{x="y"}', value: 1 }, { labels: b, value: 2 }] }]
`;

  test('test says which tests fail, and what is different', async () => {
    const at = folderOf({ 'r.yaml': RULES, 't.yaml': TESTS });
    const { code, printed } = await rules('test', at('t.yaml'));
    expect(code).toBe(1);
    expect(printed.replaceAll(at('t.yaml'), 't.yaml')).toBe(`t.yaml
  ok  fires
  FAILED  wrong
    alert High, at 1m (t.yaml:8:51)
      - {alertname="High"}
            summary: "it is 8"
      + {alertname="High", x="y"}
            summary: "it is 8"
      (- expected, + got)
    a or a, at 0s (t.yaml:9:32)
        {__name__="a", x="y"} 1
      - {__name__="b"} 2
      (- expected, + got)

2 tests, 1 failed
`);
    expect((await rules('test', '--run', 'fir', at('t.yaml'))).code).toBe(0);
    expect((await rules('test', '--run', '(', at('t.yaml'))).code).toBe(2);
  });

  test('test --json tells a program, and a file that is wrong is told apart', async () => {
    const at = folderOf({ 'r.yaml': RULES, 't.yaml': TESTS, 'bad.yaml': 'test: []' });
    const { code, printed } = await rules('test', '--json', at('t.yaml'), at('bad.yaml'));
    expect(code).toBe(78);
    expect(JSON.parse(printed)).toMatchObject([
      {
        passed: false,
        tests: [
          { name: 'fires', passed: true, failures: [] },
          { name: 'wrong', passed: false },
        ],
      },
      { passed: false, tests: [], problems: [{ message: 'Cannot use key "test" in the file: there is no such key' }] },
    ]);
  });
});

describe('sonde rules eval', () => {
  test('eval shows what is recorded and what is active', async () => {
    const at = folderOf({ 'r.yaml': RULES, 'day.om': 'a{x="1"} 1 60\na{x="1"} 9 120\n# EOF\n' });
    const now = await rules('eval', at('r.yaml'), '--data', at('day.om'));
    expect(now).toMatchObject({ code: 0, complained: '' });
    expect(now.printed).toBe('g\n  twice{x="1"} 18\n  firing {alertname="High", x="1"} 18\n    summary: it is 18\n');
    const then = await rules('eval', at('r.yaml'), '--data', at('day.om'), '--at', '1970-01-01T00:01:30Z', '--json');
    expect(JSON.parse(then.printed)).toMatchObject([
      { group: 'g', recorded: [{ value: 2 }], alerts: [], failures: [] },
    ]);
  });

  test('eval takes what an agent shows, its own alerts among it', async () => {
    const at = folderOf({ 'r.yaml': RULES, scrape: 'a 9\ntwice 7\nALERTS{alertname="High",alertstate="firing"} 1\n' });
    const { code, printed, complained } = await rules('eval', at('r.yaml'), '--data', at('scrape'));
    expect([code, complained]).toEqual([0, '']);
    expect(printed).toContain('firing {alertname="High"} 7');
  });

  test('eval says what it cannot read or evaluate', async () => {
    const at = folderOf({
      'r.yaml': RULES.replace('a * 2', 'a * on () a'),
      'day.om': 'a{x="1"} 1\na{x="2"} 1\n',
      bad: 'x\n',
    });
    expect(await rules('eval', at('r.yaml'), '--data', at('bad'))).toMatchObject({ code: 78 });
    expect(await rules('eval', at('r.yaml'), '--data', at('day.om'), '--at', 'noon')).toMatchObject({ code: 2 });
    const failed = await rules('eval', at('r.yaml'), '--data', at('day.om'));
    expect(failed.code).toBe(1);
    expect(failed.complained).toContain('Cannot evaluate rule "twice" of group "g": ');
  });
});

test('sonde rules export prints a rule file of Prometheus of all forms', async () => {
  const at = folderOf({
    'r.yaml': RULES,
    'r.drl':
      'rule "D" agenda-group "g" when Metric(name == "x", value > 1) then alert("y", "page"); for("5m") end'.replace(
        ') end',
        '); end',
      ),
    'sonde.yaml':
      'processors: { alert_rules: { thresholds: [{ metric: a, above: 5, clear_below: 3, no_data: alert }] } }',
  });
  const { code, printed, complained } = await rules('export', at('r.yaml'), at('r.drl'), at('sonde.yaml'));
  expect(code).toBe(0);
  const { file, problems } = parseRules(printed, 'out.yaml');
  expect(problems).toEqual([]);
  expect(file.groups.map(({ name, rules: all }) => [name, all.map((rule) => rule.name)])).toEqual([
    ['g', ['twice', 'High']],
    ['g (2)', ['D']],
    ['thresholds', ['AAbove']],
  ]);
  expect(complained).toBe(
    'note: Alert "AAbove": missing data are active for 1h with the labels that they had, and then with none\n',
  );
});
