import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { exportRules } from '../../src/rules/export.ts';
import type { RuleGroup } from '../../src/rules/rule.ts';
import { parseAnyRules, parseRules, RULE_FILE_CHECKS } from '../../src/rules/sources.ts';
import { thresholdRule, thresholdSchema, thresholdsGroup } from '../../src/rules/thresholds.ts';
import { replay } from '../support/rule_replay.ts';

type Written = v.InferInput<typeof thresholdSchema>;

const ruleOf = (written: Written) => thresholdRule(v.parse(thresholdSchema, written));

describe('thresholdRule', () => {
  test.each<[Written, string]>([
    [{ metric: 'a', above: 5 }, 'a > 5'],
    [{ metric: 'a', below: -0.5 }, 'a < -0.5'],
    [{ metric: 'a', below: 1, above: 5 }, 'a > 5 or a < 1'],
    [{ metric: 'a.b', above: 1e21 }, '{"a.b"} > 1e+21'],
    [{ metric: 'a', where: { x: 'y"', 'c.d': '!z' }, above: 5 }, String.raw`a{x="y\"", "c.d"!="z"} > 5`],
    [
      { metric: 'a', where: { x: '/a|b/', y: '!/c.*/', z: ['1.5', '2'] }, above: 5 },
      String.raw`a{x=~"a|b", y!~"c.*", z=~"1\\.5|2"} > 5`,
    ],
    [{ metric: 'a', rate: '5m', above: 5 }, 'rate(a[5m]) > 5'],
    [{ metric: 'a', window: '90s', above: 5 }, 'avg_over_time(a[1m30s]) > 5'],
    [{ metric: 'a', aggregate: 'sum', by: ['x', 'y.z'], rate: '5m', above: 5 }, 'sum by (x, "y.z") (rate(a[5m])) > 5'],
    [{ metric: 'a', aggregate: 'max', above: 5 }, 'max (a) > 5'],
  ])('makes of %j the expression %s', (written, expr) => {
    const rule = ruleOf(written);
    expect(rule.expr).toBe(expr);
    RULE_FILE_CHECKS.expression(rule.expr);
    RULE_FILE_CHECKS.expression(rule.data!);
  });

  test.each<[Written, string | undefined]>([
    [{ metric: 'a', above: 5 }, undefined],
    [{ metric: 'a', above: 5, clear_below: 4 }, 'a < 4'],
    [{ metric: 'a', below: 5, clear_above: 6 }, 'a > 6'],
    [{ metric: 'a', below: 1, above: 5, clear_below: 4 }, 'a < 4 >= 1'],
    [{ metric: 'a', below: 1, above: 5, clear_below: 4, clear_above: 2 }, 'a < 4 > 2'],
    [{ metric: 'a', below: 1, above: 5, clear_above: 2 }, 'a <= 5 > 2'],
  ])('clears %j where %s', (written, clear) => expect(ruleOf(written).clear).toBe(clear));

  test('says the rest as a rule does', () => {
    const written: Written = {
      metric: 'node_load1',
      above: 4,
      for: '5m',
      keep_firing_for: '1m',
      severity: 'critical',
      no_data: 'keep',
      labels: { team: 'a' },
    };
    const rule = ruleOf({ ...written, annotations: { runbook: 'x' } });
    expect(rule).toMatchObject({
      name: 'NodeLoad1Above',
      for_ms: 300_000,
      keepFiringFor_ms: 60_000,
      no_data: 'keep',
      data: 'node_load1',
    });
    expect(Object.fromEntries(rule.labels)).toEqual({ severity: 'critical', team: 'a' });
    expect(Object.fromEntries(rule.annotations)).toEqual({
      summary: 'node_load1 is {{ $value | humanize }}: limit is above 4',
      runbook: 'x',
    });
    expect(ruleOf({ metric: 'a', above: 2, below: 1, name: 'Odd' }).name).toBe('Odd');
    expect(ruleOf({ metric: 'a b', above: 2, below: 1 }).name).toBe('ABOutOfRange');
    expect(ruleOf({ metric: 'a{{b', above: 1 }).annotations.get('summary')).not.toContain('a{{b');
  });

  test.each<[unknown, string]>([
    [{ metric: 'a' }, 'above or below'],
    [{ above: 5 }, 'Invalid key'],
    [{ metric: 'a', above: 1, below: 2 }, 'not greater than above'],
    [{ metric: 'a', above: 5, clear_below: 6 }, 'clear_below together with an above'],
    [{ metric: 'a', below: 5, clear_below: 4 }, 'clear_below together with an above'],
    [{ metric: 'a', below: 5, clear_above: 4 }, 'clear_above together with a below'],
    [{ metric: 'a', above: 5, rate: '5m', window: '5m' }, 'only one of rate and window'],
    [{ metric: 'a', above: 5, by: ['x'] }, 'by together with aggregate'],
    [{ metric: 'a', above: 5, no_data: 'maybe' }, '"maybe"'],
    [{ metric: 'a', above: 5, clear: 4 }, '"clear"'],
    [{ metric: 'a', above: 5, where: { x: '/(/' } }, 'patterns of RE2: Cannot parse the regular expression "("'],
    [{ metric: 'a', above: 5, annotations: { x: '{{ foo }}' } }, 'templates: line 1: function "foo" not defined'],
  ])('refuses %j', (written, message) => {
    const { success, issues } = v.safeParse(thresholdSchema, written);
    expect(success).toBe(false);
    expect(issues!.map((issue) => issue.message).join()).toContain(message);
  });
});

/** Minutes at which alerts fire, with their labels. */
function firingIn(groups: readonly RuleGroup[], values: readonly (number | undefined)[]): string[] {
  const day = [
    { series: 'a{x="1"}', values },
    { series: 'a{x="2"}', values: values.toReversed() },
  ];
  return replay(day, groups, { minutes: values.length - 1, externalLabels: {}, externalURL: '' }).flatMap(
    ({ time_ms, firing }) =>
      firing.map(({ labels }) => `${time_ms / 60_000} ${JSON.stringify([...labels])}`).toSorted(),
  );
}

const groupOf = (...written: Written[]): RuleGroup =>
  thresholdsGroup(
    written.map((one) => v.parse(thresholdSchema, one)),
    't',
  );
const exported = (group: RuleGroup): readonly RuleGroup[] => {
  const { file, problems } = parseRules(exportRules([group]).yaml, 'exported.yaml');
  expect(problems).toEqual([]);
  return file.groups;
};

describe('thresholds at work', () => {
  test('hysteresis keeps an alert firing between its two limits', () => {
    const group = groupOf({ name: 'H', metric: 'a', where: { x: '1' }, above: 10, clear_below: 5 });
    const minutes = firingIn([group], [1, 11, 7, 5, 4, 7, 11, 4]).map((text) => text.split(' ')[0]);
    expect(minutes).toEqual(['1', '2', '3', '6']);
  });

  test('no_data says what becomes of an alert whose data are gone', () => {
    const gap = [11, 11, ...Array.from({ length: 10 }, () => undefined), 1];
    const firing = (no_data: 'ok' | 'alert' | 'keep'): number =>
      firingIn([groupOf({ name: 'N', metric: 'a', where: { x: '1' }, above: 10, no_data })], gap).length;
    // A value stands for five minutes.
    expect([firing('ok'), firing('keep'), firing('alert')]).toEqual([6, 12, 12]);
  });

  test('no_data: alert says that there are no data', () => {
    const group = groupOf({ metric: 'a', where: { x: '1' }, above: 10, no_data: 'alert' });
    const day = [{ series: 'a{x="1"}', values: [11, ...Array.from({ length: 8 }, () => undefined)] }];
    const moments = replay(day, [group], { minutes: 8, externalLabels: {}, externalURL: '' });
    const summaries = moments.flatMap(({ firing }) => firing.map(({ annotations }) => annotations.get('summary')));
    expect([...new Set(summaries)]).toEqual(['a is 11: limit is above 10', 'a has no data']);
  });

  test('exportRules writes hysteresis that Prometheus keeps as we do', () => {
    const value = fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined, freq: 12 });
    fc.assert(
      fc.property(fc.array(value, { minLength: 2, maxLength: 40 }), fc.constantFrom('0', '2m'), (values, wait) => {
        const group = groupOf(
          { name: 'High', metric: 'a', above: 8, clear_below: 5, for: wait, severity: 'page' },
          { name: 'Low', metric: 'a', below: 3, clear_above: 6, for: wait },
          { name: 'Both', metric: 'a', below: 2, above: 9, clear_above: 4, clear_below: 7, labels: { team: 'x' } },
          { name: 'Sum', metric: 'a', aggregate: 'sum', above: 15, clear_below: 12 },
        );
        expect(firingIn(exported(group), values)).toEqual(firingIn([group], values));
      }),
      { numRuns: 30 },
    );
  });

  test('exportRules writes no_data: keep, and says how far it goes', () => {
    const values = [11, 11, ...Array.from({ length: 20 }, () => undefined), 1, 11, 1];
    const group = groupOf({ name: 'K', metric: 'a', above: 10, no_data: 'keep', severity: 'page' });
    expect(firingIn(exported(group), values)).toEqual(firingIn([group], values));
    expect(exportRules([group]).notices).toEqual(['Alert "K": it stays as it is for 1h without data, and not longer']);
  });

  test('exportRules says what a rule file cannot say', () => {
    const group = groupOf({ name: 'T', metric: 'a', above: 10, clear_below: 5, labels: { level: '{{ $labels.x }}' } });
    const { notices } = exportRules([group]);
    expect(notices).toEqual(['Alert "T": its labels are templates, so that clear_above and clear_below are left out']);
    expect(exportRules([groupOf({ metric: 'a', above: 1 })]).notices).toEqual([]);
  });
});

describe('parseAnyRules', () => {
  test('finds thresholds in a configuration, and says what is wrong with its place', () => {
    const text = `processors:
  batch: {}
  alert_rules:
    thresholds: [{ metric: a, above: 1 }]
  alert_rules/more:
    thresholds:
      - { metric: b, above: 1 }
  alert_rules/bad:
    thresholds:
      - { metric: a, abov: 1 }
      - { metric: a, above: 1, where: { x: /(/ } }
`;
    const { file, problems } = parseAnyRules(text, 'sonde.yaml');
    expect(file.groups.map(({ name, rules }) => [name, rules.map((rule) => rule.expr)])).toEqual([
      ['thresholds', ['a > 1']],
      ['thresholds of alert_rules/more', ['b > 1']],
    ]);
    expect(problems.map(({ place, path }) => [place?.line, path])).toEqual([
      [10, 'processors.alert_rules/bad.thresholds[0].abov'],
      [11, 'processors.alert_rules/bad.thresholds[1].where'],
    ]);
  });

  test('reads rule files and files of Drools', () => {
    expect(parseAnyRules('groups: [{ name: g, rules: [] }]', 'r.yaml').file.groups).toHaveLength(1);
    const drools = 'rule a when Metric(name == "x") then alert("y") end';
    expect(parseAnyRules(drools, 'r.drl').file.groups[0]!.rules[0]!.expr).toBe('x');
  });
});
