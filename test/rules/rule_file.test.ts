import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { parsePrometheusDuration, prometheusDurationText } from '../../src/rules/duration.ts';
import { parseRuleFile, readRules, type RuleFileChecks } from '../../src/rules/rule_file.ts';

const checks: RuleFileChecks = {
  expression(text) {
    if (text.includes('((')) throw new SyntaxError('unclosed bracket');
  },
  template(text) {
    if (text.includes('{{ end')) throw new SyntaxError('unexpected {{end}}');
  },
};

const messages = (text: string): string[] =>
  parseRuleFile(text, 'r.yaml', checks).problems.map(({ message, place }) => `${place?.line}: ${message}`);

const WHOLE = `
groups:
  - name: host
    interval: 30s
    query_offset: 1m
    limit: 10
    labels: { team: infra, zone: 007 }
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
        labels: { team: core }
      - alert: Down
        expr: |
          up == 0
        for: 1h30m
        keep_firing_for: 5m
        labels: { severity: page, code: 12345678901234567890, on: yes, off: false, none: }
        annotations: { summary: '{{ $labels.job }} is down' }
`;

describe('parseRuleFile', () => {
  test('parseRuleFile reads everything a group and its rules may have', () => {
    const { file, problems, lints } = parseRuleFile(WHOLE, 'r.yaml', checks);
    expect(problems).toEqual([]);
    expect(lints).toEqual([]);
    const [group] = file.groups;
    expect(group).toMatchObject({
      name: 'host',
      file: 'r.yaml',
      interval_ms: 30_000,
      limit: 10,
      queryOffset_ms: 60_000,
    });
    expect(group!.rules).toMatchObject([
      { kind: 'recording', name: 'job:up:sum', expr: 'sum by (job) (up)', source: { line: 9 } },
      { kind: 'alerting', name: 'Down', expr: 'up == 0\n', for_ms: 5_400_000, keepFiringFor_ms: 300_000 },
    ]);
    expect([...group!.rules[0]!.labels]).toEqual([
      ['team', 'core'],
      ['zone', '007'],
    ]);
    expect([...group!.rules[1]!.labels]).toEqual([
      ['team', 'infra'],
      ['zone', '007'],
      ['severity', 'page'],
      ['code', '12345678901234567890'],
      ['on', 'yes'],
      ['off', 'false'],
      ['none', ''],
    ]);
  });

  test('parseRuleFile takes a file without groups, as Prometheus does', () => {
    for (const text of ['', '# nothing\n', 'groups:\n', 'groups: []\n']) {
      expect(parseRuleFile(text, 'r.yaml', checks)).toEqual({
        file: { path: 'r.yaml', groups: [] },
        problems: [],
        lints: [],
      });
    }
  });

  test('parseRuleFile says everything that is wrong, with its line', () => {
    expect(
      messages(`groups:
  - name: a
    intervall: 30s
    rules:
      - alert: A
        record: B
        expr: up
      - expr: up
      - alert: C
        expr: sum((
        for: 5
        labels: { __name__: x }
        annotations: { summary: '{{ end }}' }
      - record: D
        for: 5m
        annotations: { a: b }
      - record: "x{}"
        expr: up
        unless: 1
  - name: a
    limit: many
    rules: {}
`),
    ).toEqual([
      '3: Cannot use key "intervall" in a group: there is no such key',
      '6: Cannot use rule 1 of group "a", "A": only one of "record" and "alert" may be set',
      '8: Cannot use rule 2 of group "a": one of "record" and "alert" must be set',
      '10: Cannot use rule 3 of group "a", "C": unclosed bracket',
      '12: Cannot use rule 3 of group "a", "C": "__name__" is no name of a label',
      '11: Cannot use "for": "5" is no duration such as 5m or 1h30m',
      '13: Cannot use rule 3 of group "a", "C": annotation "summary" is no template: unexpected {{end}}',
      '14: Cannot use rule 4 of group "a", "D": "expr" must be set',
      '16: Cannot use rule 4 of group "a", "D": a recording rule has no "annotations"',
      '15: Cannot use rule 4 of group "a", "D": a recording rule has no "for"',
      '19: Cannot use key "unless" in a rule: there is no such key',
      '17: Cannot use rule 5 of group "a", "x{}": the name x{} has braces: they belong into "expr"',
      '22: Cannot use "rules": it takes a list',
      '21: Cannot use "limit": it takes a whole number',
      '20: Cannot use group "a": the file has another group of this name',
    ]);
  });

  test('parseRuleFile names the path and the nearest key', () => {
    const [problem] = parseRuleFile(
      'groups:\n- name: a\n  rules:\n  - alert: A\n    exrp: up\n',
      'r.yaml',
      checks,
    ).problems;
    expect(problem).toMatchObject({ path: 'groups[0].rules[0].exrp', hint: 'did you mean "expr"?' });
  });

  test('parseRuleFile finds values in labels and rules that are there twice', () => {
    const text = `groups:
  - name: a
    rules:
      - { alert: A, expr: up, labels: { v: '{{ $value }}' } }
      - { alert: B, expr: up, labels: { v: '{{ .Value | humanize }}' } }
      - { alert: C, expr: up, labels: { v: '$value of {{ $labels.value }}' } }
      - { alert: C, expr: up == 1, labels: { v: '$value of {{ $labels.value }}' } }
`;
    const { problems, lints } = parseRuleFile(text, 'r.yaml', checks);
    expect(problems).toEqual([]);
    expect(lints.map(({ message, place }) => [place!.line, message.split(' ').slice(0, 6).join(' ')])).toEqual([
      [4, 'Alert "A" of group "a" has'],
      [5, 'Alert "B" of group "a" has'],
      [7, 'Rule "C" of group "a" is'],
    ]);
  });

  test('readRules throws all problems at once', () => {
    expect(() => readRules('groups: 1\nmore: 2\n', 'r.yaml', checks)).toThrow(ConfigError);
  });

  test('parseRuleFile never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseRuleFile(text, 'r.yaml', checks)));
    fc.assert(fc.property(fc.json(), (text) => void parseRuleFile(`groups: [${text}]`, 'r.yaml', checks)));
    fc.assert(fc.property(fc.json(), (text) => void parseRuleFile(`groups: [rules: [${text}]]`, 'r.yaml', checks)));
  });
});

describe('durations of Prometheus', () => {
  test.each([
    ['0', 0, '0s'],
    ['0s', 0, '0s'],
    ['324ms', 324, '324ms'],
    ['4m', 240_000, '4m'],
    ['3d', 259_200_000, '3d'],
    ['4w', 2_419_200_000, '4w'],
    ['1d12h', 129_600_000, '1d12h'],
    ['1y2w', 32_745_600_000, '379d'],
    ['90s', 90_000, '1m30s'],
  ])('parsePrometheusDuration reads %s', (text, ms, written) => {
    expect(parsePrometheusDuration(text)).toBe(ms);
    expect(prometheusDurationText(ms)).toBe(written);
  });

  test.each(['', '1', '1h1d', '1.5h', '-1s', '5 m', '300y', 's'])('parsePrometheusDuration refuses "%s"', (text) => {
    expect(parsePrometheusDuration(text)).toBeUndefined();
  });

  test('prometheusDurationText writes what parsePrometheusDuration reads', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9_000_000_000_000 }), (ms) => {
        expect(parsePrometheusDuration(prometheusDurationText(ms))).toBe(ms);
      }),
    );
  });
});
