import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDrlFile } from '../../../src/rules/drl/compile.ts';
import type { AlertingRule } from '../../../src/rules/rule.ts';
import { RULE_FILE_CHECKS } from '../../../src/rules/sources.ts';

const parsed = (text: string) => parseDrlFile(text, 'x.drl', RULE_FILE_CHECKS);

function ruleOf(when: string, then = 'alert("a")'): AlertingRule {
  const { file, problems } = parsed(`rule "R" when ${when} then ${then} end`);
  expect(problems).toEqual([]);
  return file.groups[0]!.rules[0] as AlertingRule;
}

const problemOf = (text: string): string => {
  const [problem, ...more] = parsed(text).problems;
  expect(more).toEqual([]);
  return `${problem?.place?.line}:${problem?.place?.column} ${problem?.message}`;
};

describe('parseDrlFile', () => {
  test.each([
    ['Metric(name == "cpu", value > 90)', 'cpu > 90'],
    ['Metric(name=="cpu",value>-1.5e3)', 'cpu > -1500'],
    ['Metric(name == "cpu")', 'cpu'],
    ['Metric(name == "a.b", value == 1)', '{"a.b"} == 1'],
    [
      'Metric(name == "d", labels["device"] == "sda", attributes["x.y"] != "z", labels.m matches "a|b", value < 5)',
      'd{device="sda", "x.y"!="z", m=~"a|b"} < 5',
    ],
    ['Metric(name == "d", labels["m"] in ("a.b", "c"), value > 1)', String.raw`d{m=~"a\\.b|c"} > 1`],
    ['Metric(name == "d", labels["m"] not in ("a"), labels["n"] not matches "x.*")', 'd{m!~"a", n!~"x.*"}'],
    [
      'Metric(name == "d", labels["m"] str[startsWith] "sd", labels["n"] contains "+")',
      String.raw`d{m=~"sd.*", n=~".*\\+.*"}`,
    ],
    ['Metric(name matches "node_.*", value > 1)', '{__name__=~"node_.*"} > 1'],
    ['Metric(name == "t", value < 10 || > 90)', 'error'],
    ['Metric(name == "t", value < 10 || value > 90)', 't < 10 or t > 90'],
    ['Metric(name == "t", value > 10 && < 90)', 't > 10 < 90'],
    ['Metric((name == "a" || name == "b") && value > 1, value < 9)', 'a > 1 < 9 or b > 1 < 9'],
    ['Metric(name == "c", value > 90) over window:time(5m)', 'max_over_time(c[5m]) > 90'],
    ['Metric(name == "c", value <= 9) over window:time(1h30m)', 'min_over_time(c[1h30m]) <= 9'],
    ['Metric(name == "c") over window:time(90s)', 'last_over_time(c[1m30s])'],
    [
      'accumulate(Metric(name == "c", labels["m"] == "x", $v : value) over window:time(5m); $a : average($v), $b : max($v); $a > 90, $b < 99)',
      'error',
    ],
    [
      'accumulate(Metric(name == "c", $v : value) over window:time(5m); $a : average($v), $b : max($v); $a > 90 && $b < 99)',
      'avg_over_time(c[5m]) > 90 and max_over_time(c[5m]) < 99',
    ],
    ['accumulate(Metric(name == "c") over window:time(5m); $n : count(); $n < 3)', 'count_over_time(c[5m]) < 3'],
    ['not Metric(name == "up")', 'absent(up)'],
    ['exists Metric(name == "up", value == 0)', 'group(up == 0)'],
    ['not (Metric(name == "up", value == 1) or Metric(name == "ok"))', 'absent((up == 1) or (ok))'],
    ['not Metric(name == "a") not Metric(name == "b")', 'absent(a) and on () absent(b)'],
    [
      'Metric(name == "a", $d : labels["dev"], value > 1) Metric(name == "b", labels["dev"] == $d, value > 2)',
      '(a > 1) and on (dev) (b > 2)',
    ],
    [
      'Metric(name == "a", $d : labels["dev"]) and not Metric(name == "b", labels["dev"] == $d) and exists Metric(name == "c")',
      '(a) unless on (dev) (b) and on () (c)',
    ],
    ['Metric(name == "a") or Metric(name == "b")', '(a) or (b)'],
  ])('makes of %s the expression %s', (when, expr) => {
    if (expr === 'error') expect(parsed(`rule R when ${when} then alert("a") end`).problems).toHaveLength(1);
    else expect(ruleOf(when).expr).toBe(expr);
  });

  test('says what alert it is', () => {
    const rule = ruleOf(
      '$m : Metric(name == "used", $d : labels["device"], $x : labels["a.b"], $v : value > 5)',
      'alert("Disk " + $d + " (" + $x + ") at " + $v + ", " + $m.getValue() + " of " + $m.labels["host"] + " {{ $value | humanize }}", "critical"); for("10m"); keepFiringFor(1h); label("team", "a"); annotation("runbook", "docs/" + $d)',
    );
    expect(rule).toMatchObject({ name: 'R', for_ms: 600_000, keepFiringFor_ms: 3_600_000 });
    expect(Object.fromEntries(rule.labels)).toEqual({ severity: 'critical', team: 'a' });
    expect(Object.fromEntries(rule.annotations)).toEqual({
      summary:
        'Disk {{ $labels.device }} ({{ index $labels "a.b" }}) at {{ $value }}, {{ $value }} of {{ $labels.host }} {{ $value | humanize }}',
      runbook: 'docs/{{ $labels.device }}',
    });
  });

  test('knows packages, imports, comments and attributes', () => {
    const { file, problems } = parsed(`
      package com.example.hosts;
      import com.example.Metric; import static com.example.Functions.*
      dialect "mvel"
      /* rules
         for hosts */
      rule "low" salience -5 no-loop when Metric(name == "a") then alert("x") end // last
      rule "high" salience 10, no-loop true, dialect "java" when Metric(name == "a") then alert("x") end
      rule off enabled false when Metric(name == "a") then alert("x") end # no more
      rule "disk" agenda-group "disks" when Metric(name == "a") then alert("x") end`);
    expect(problems).toEqual([]);
    const shown = file.groups.map(({ name, rules }) => [name, rules.map((rule) => rule.name)]);
    expect(shown).toEqual([
      ['com.example.hosts', ['high', 'low']],
      ['disks', ['disk']],
    ]);
    expect(parsed('rule a when Metric(name == "a") then alert("x") end').file.groups[0]!.name).toBe('x');
  });

  const around = (when: string, then = 'alert("a")'): string => `rule R\nwhen\n  ${when}\nthen ${then} end`;
  test.each([
    ['global java.util.List l', '1:1 Cannot use "global": the supported subset of DRL does not have it'],
    [
      'rule "a" timer (int: 5m) when',
      '1:10 Cannot use attribute "timer": the supported subset of DRL does not have it',
    ],
    [
      'rule "a" extends "b" when',
      '1:10 Cannot use "extends": the supported subset of DRL does not have it; write its conditions out',
    ],
    [around('forall(Metric())'), '3:3 Cannot use "forall": the supported subset of DRL does not have it'],
    [
      around('Server(cpu > 5)'),
      '3:3 Cannot use facts of type Server: the supported subset of DRL does not have it; there is only Metric',
    ],
    [
      around('Metric(host == "a")'),
      '3:10 Cannot use field "host": the supported subset of DRL does not have it; a Metric has name, value and labels["…"]',
    ],
    [
      around('Metric(name soundslike "a")'),
      '3:15 Cannot use operator "soundslike": the supported subset of DRL does not have it',
    ],
    [
      around('Metric(name == "a", value > 5 * 2)'),
      '3:33 Cannot use arithmetic in a constraint: the supported subset of DRL does not have it; write the number',
    ],
    [
      around('Metric(value > 5)'),
      '3:3 Cannot use the pattern: it selects every metric, as it does not say name == "…"',
    ],
    [
      around('Metric(name == "a") from entry-point "x"'),
      '3:23 Cannot use "from": the supported subset of DRL does not have it',
    ],
    [around('Metric(name == "a", labels["x"] == 5)'), '3:38 Cannot compare a label with a number: put it in quotes'],
    [
      around('Metric(name == "a") over window:length(5)'),
      '3:35 Cannot use window:length: the supported subset of DRL does not have it; use window:time(5m)',
    ],
    [
      around('Metric(name == "a", value == 5) over window:time(5m)'),
      '3:3 Cannot use a window with these comparisons: the supported subset of DRL does not have it; use accumulate(…)',
    ],
    [
      around('Metric(name == "a", labels["x"] == $d)'),
      '3:23 Cannot use $d: the first pattern does not say $d : labels["x"]',
    ],
    [around('Metric(name == "a"'), '4:1 Cannot read the rule: expected ")" at the end of the pattern, found "then"'],
    [around('Metric(name == "a)'), '3:18 Cannot read a text: its quote is not closed'],
    [around('Metric(name == "a", labels["x"] matches "(")'), '3:3 Cannot use the condition: 1:3: parse error'],
    [around(''), '4:1 Cannot use the rule: it has no condition, and would always hold'],
    [
      around('Metric(name == "a")', 'System.out.println("x");'),
      '4:6 Cannot use statement "System.out.println": the supported subset of DRL does not have it; there are alert, severity, for, keepFiringFor, label, annotation',
    ],
    [around('Metric(name == "a")', 'severity("x");'), '1:6 Cannot use rule "R": it says no alert("…") after then'],
    [around('Metric(name == "a")', 'alert("x" + $y);'), '4:18 Cannot use $y: no condition binds it'],
    [
      around('Metric(name == "a") Metric(name == "b", $y : value)', 'alert("x" + $y);'),
      '4:18 Cannot use $y in a text: the supported subset of DRL does not have it; only those of the first condition, for an alert has its labels and its value',
    ],
    [around('Metric(name == "a")', 'alert("{{ nonsense }}")'), '1:6 Cannot use a text: line 1: '],
    [
      'rule a when Metric(name == "a") then alert("x") end rule a when Metric(name == "a") then alert("x") end',
      '1:58 Cannot use rule "a": the file has another of this name',
    ],
    [
      'rule a when Metric(name == "a") then alert("x")',
      '1:48 Cannot read the rule: expected ";" after alert(…), found the end of the file',
    ],
  ])('refuses %j', (text, problem) => expect(problemOf(text)).toContain(problem));

  test('says what is wrong with each rule that is well-formed', () => {
    const bad = (name: string): string => `rule ${name} when Metric(value > 1) then alert("x") end\n`;
    expect(parsed(bad('a') + bad('b')).problems).toHaveLength(2);
  });

  test('is not led astray by brackets, alternatives, or any text', () => {
    const deep = around(`${'('.repeat(5000)}Metric(name == "a")`);
    expect(problemOf(deep)).toContain('nested more than 50 deep');
    const wide = Array.from({ length: 12 }, () => '(value > 1 || value < 2)').join(' && ');
    expect(problemOf(around(`Metric(name == "a", ${wide})`))).toContain('more than 64 alternatives');
    const words = [
      'rule',
      'when',
      'then',
      'end',
      'Metric',
      '(',
      ')',
      'name',
      '==',
      '"a"',
      'value',
      '>',
      '5',
      '$v',
      ':',
      'not',
      'or',
      'accumulate',
      ';',
      ',',
      'alert',
      '||',
      '"',
      '/*',
      'over',
      'window',
      'time',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words)), (texts) => {
        expect(Array.isArray(parsed(texts.join(' ')).problems)).toBe(true);
      }),
    );
  });
});
