/**
 * Rules agree with Prometheus: promtool runs Prometheus' own rule manager, so a file of tests with our answers as what is
 * expected says whether it has the same ones.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labelsText } from '../../src/promql/labels.ts';
import { exportRules } from '../../src/rules/export.ts';
import { parseAnyRules } from '../../src/rules/sources.ts';
import { runSuite } from '../../src/rules/unit_test/suite.ts';
import { dayNotation, replayedDay } from '../support/replayed_day.ts';
import { replay, type Moment } from '../support/rule_replay.ts';
import { program } from './servers.ts';

const RULES = resolve(import.meta.dirname, '../fixtures/rules/host_rules.yaml');
const PACK = resolve(import.meta.dirname, '../../configs/rules');
const MINUTES = 1440;

let folder: string;
let promtool: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sonde-test-'));
  promtool = await program('promtool');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What promtool says of a file; `passed` is its verdict. */
function promtoolTest(file: string, junit?: string): Promise<{ passed: boolean; output: string }> {
  return new Promise((done) => {
    const options = junit === undefined ? [] : [`--junit=${junit}`];
    execFile(promtool, ['test', ...options, 'rules', file], { maxBuffer: 2 ** 28 }, (error, stdout, stderr) =>
      done({ passed: error === null, output: stdout + stderr }),
    );
  });
}

function write(name: string, content: object | string): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

describe('a replayed day', () => {
  const day = replayedDay();
  const { groups } = parseAnyRules(readFileSync(RULES, 'utf8'), RULES).file;
  let moments: readonly Moment[];
  beforeAll(() => {
    const options = { minutes: MINUTES, externalLabels: { site: 'north' }, externalURL: 'http://p.example' };
    moments = replay(day, groups, options);
  }, 300_000);

  const testFile = () => ({
    rule_files: [RULES],
    evaluation_interval: '1m',
    group_eval_order: groups.map(({ name }) => name),
    fuzzy_compare: true,
    tests: [
      {
        interval: '1m',
        external_labels: { site: 'north' },
        external_url: 'http://p.example',
        input_series: day.map((one) => ({ series: one.series, values: dayNotation(one) })),
        promql_expr_test: queryTests(moments),
        alert_rule_test: alertTests(moments),
      },
    ],
  });

  test('the corpus has the rules of which something comes in the day', () => {
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThanOrEqual(60);
    const made = new Set(
      moments.flatMap(({ samples }) => samples.map(({ labels }) => labels.get('alertname') ?? labels.get('__name__'))),
    );
    expect(rules.filter(({ name }) => !made.has(name)).map(({ name }) => name)).toEqual([]);
    const fired = new Set(
      moments.flatMap(({ transitions }) =>
        transitions.filter(({ to }) => to === 'firing').map(({ alert }) => alert.rule),
      ),
    );
    const alerts = rules.filter(({ kind }) => kind === 'alerting').map(({ name }) => name);
    expect(alerts.filter((name) => !fired.has(name))).toEqual([]);
  });

  test(
    'every state, transition, text and recorded value of the day is that of Prometheus',
    { timeout: 300_000 },
    async () => {
      const { passed, output } = await promtoolTest(write('day.yml', testFile()));
      expect(output.slice(0, 8000)).toMatch(/^\s*SUCCESS\s*$/);
      expect(passed).toBe(true);
    },
  );

  test('a single wrong state would be found', { timeout: 300_000 }, async () => {
    const wrong = testFile();
    const queries = wrong.tests[0]!.promql_expr_test;
    // Early in the day, for promtool evaluates no further.
    const one = queries.find(({ exp_samples }) => exp_samples.some(({ labels }) => labels.includes('NodeUnitFailed')))!;
    wrong.tests[0]!.alert_rule_test = [];
    wrong.tests[0]!.promql_expr_test = [{ ...one, exp_samples: one.exp_samples.slice(1) }];
    const { passed, output } = await promtoolTest(write('wrong.yml', wrong));
    expect(passed).toBe(false);
    expect(output).toContain(`time: ${one.eval_time},`);
  });
});

interface QueryTest {
  expr: string;
  eval_time: string;
  exp_samples: { labels: string; value: number }[];
}

/** ALERTS and ALERTS_FOR_STATE at each evaluation, and what is recorded at each tenth. */
function queryTests(moments: readonly Moment[]): QueryTest[] {
  const tests: QueryTest[] = [];
  const at = new Map<number, Moment['samples'][number][]>();
  for (const { samples } of moments) {
    for (const sample of samples) {
      if (sample.value === 'stale' || sample.time_ms < 0) continue;
      const all = at.get(sample.time_ms) ?? [];
      all.push(sample);
      at.set(sample.time_ms, all);
    }
  }
  // Groups that look back a minute have not said yet what the last one was.
  for (const { time_ms } of moments.slice(0, -1)) {
    const samples = at.get(time_ms) ?? [];
    const minute = time_ms / 60_000;
    const isAlert = (name: string): boolean => name === 'ALERTS' || name === 'ALERTS_FOR_STATE';
    const add = (expr: string, isMeant: (name: string) => boolean): void => {
      const meant = samples.filter(({ labels }) => isMeant(labels.get('__name__')!));
      const exp_samples = meant.map(({ labels, value }) => ({ labels: labelsText(labels), value: value as number }));
      tests.push({ expr, eval_time: `${minute}m`, exp_samples });
    };
    add('{__name__=~"ALERTS|ALERTS_FOR_STATE"}', isAlert);
    if (minute % 10 === 0) add('{__name__=~".+:.+"}', (name) => !isAlert(name));
  }
  return tests;
}

/** With labels and annotations: whatever fires when something begins or ceases to. */
function alertTests(moments: readonly Moment[]): object[] {
  return moments.flatMap(({ time_ms, transitions, firing }) => {
    if (transitions.every(({ to }) => to === 'pending') && (time_ms / 60_000) % 60 !== 0) return [];
    const names = new Set([...transitions.map(({ alert }) => alert.rule), ...firing.map(({ rule }) => rule)]);
    return Array.from(names, (alertname) => ({
      eval_time: `${time_ms / 60_000}m`,
      alertname,
      exp_alerts: firing
        .filter(({ rule }) => rule === alertname)
        .map(({ labels, annotations }) => ({
          exp_labels: Object.fromEntries([...labels].filter(([name]) => name !== 'alertname')),
          exp_annotations: Object.fromEntries(annotations),
        })),
    }));
  });
}

const SUITES = resolve(import.meta.dirname, '../fixtures/rules/unit_tests');
/** Files of rules, which stand beside those of tests. */
const isSuite = (name: string): boolean => !name.endsWith('rules.yaml') || name === 'no_rules.yaml';

/** By name of the test; undefined where promtool ran none, or none could be, as the file or its rules are wrong. */
async function promtoolVerdicts(file: string): Promise<Record<string, boolean> | undefined> {
  const junit = join(folder, 'junit.xml');
  const { passed, output } = await promtoolTest(file, junit);
  const cases = [...readFileSync(junit, 'utf8').matchAll(/<testcase name="([^"]*)">(<failure>)?/g)];
  if (!passed && (cases.every(([, name]) => name === 'unknown') || output.includes('could not parse expression'))) {
    return undefined;
  }
  return Object.fromEntries(cases.map(([, name, failure]) => [name!, failure === undefined]));
}

function ownVerdicts(file: string): Record<string, boolean> | undefined {
  const { problems, tests } = runSuite(file);
  if (problems.length > 0) return undefined;
  return Object.fromEntries(tests.map(({ name, failures }) => [name, failures.length === 0]));
}

describe('sonde rules test', () => {
  test.each(readdirSync(SUITES).filter(isSuite))('says of %s what promtool says', async (name) => {
    const file = join(SUITES, name);
    expect(ownVerdicts(file)).toEqual(await promtoolVerdicts(file));
  });

  test('the files have tests that pass, tests that fail, and files that cannot be used', () => {
    const all = readdirSync(SUITES)
      .filter(isSuite)
      .map((name) => ownVerdicts(join(SUITES, name)));
    expect(all.length).toBeGreaterThanOrEqual(12);
    const verdicts = all.flatMap((one) => Object.values(one ?? {}));
    expect(verdicts.filter((passed) => passed).length).toBeGreaterThanOrEqual(30);
    expect(verdicts.filter((passed) => !passed).length).toBeGreaterThanOrEqual(25);
    expect(all.filter((one) => one === undefined).length).toBeGreaterThanOrEqual(4);
  });

  test('the pack for hosts passes its tests here and in promtool', { timeout: 300_000 }, async () => {
    const file = join(PACK, 'host_test.yaml');
    const { passed, output } = await promtoolTest(file);
    expect(output).toMatch(/^\s*SUCCESS\s*$/);
    expect(passed).toBe(true);
    expect(runSuite(file).tests.flatMap(({ failures }) => failures)).toEqual([]);
  });
});

describe('sonde rules export', () => {
  test('what it prints is a rule file to promtool, and says what it said', async () => {
    const drools =
      'rule "D" when $m : Metric(name == "a.b", labels["x y"] == "on", value > 1) then alert("yes"); for("5m"); end';
    const thresholds = `processors:
  alert_rules:
    thresholds:
      - { metric: a.b, where: { x: ["1", "y.z"], no: '!/a|b/' }, above: 9, clear_below: 8, severity: "on" }
      - { metric: c, below: 1, above: 9, clear_above: 2, no_data: alert, rate: 5m, aggregate: sum, by: [x, "a b"] }
      - { metric: d, below: 1, clear_above: 2, no_data: keep, window: 90s, labels: { t: "{{ $labels.x }}", u: "yes" } }
`;
    const paths = [write('d.drl', drools), write('t.yaml', thresholds), RULES];
    const groups = paths.flatMap((path) => parseAnyRules(readFileSync(path, 'utf8'), path).file.groups);
    const { yaml } = exportRules(groups);
    const exported = write('exported.yml', yaml);
    const output = await new Promise<string>((done) => {
      execFile(promtool, ['check', 'rules', exported], (_error, stdout, stderr) => done(stdout + stderr));
    });
    const count = groups.flatMap((group) => group.rules).length;
    expect(output).toContain(`SUCCESS: ${count} rules found`);
    // Once they are rules of Prometheus, they come out as they went in.
    expect(exportRules(parseAnyRules(yaml, exported).file.groups)).toEqual({ yaml, notices: [] });
  });
});
