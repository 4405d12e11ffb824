import { describe, expect, test } from 'vitest';
import type { Evaluation, GroupOptions, RuleSample, Surroundings, VectorSample } from '../../src/rules/evaluation.ts';
import { createGroup, type GroupRun } from '../../src/rules/group.ts';
import type { AlertingRule, RecordingRule, Rule, RuleGroup } from '../../src/rules/rule.ts';
import { labelsOf } from '../support/queryable.ts';

const OPTIONS: GroupOptions = {
  interval_ms: 15_000,
  queryOffset_ms: 0,
  externalLabels: new Map([['host', 'h1']]),
  externalURL: 'http://agent:9090/',
  resendDelay_ms: 60_000,
  maxAlerts: 100,
  ruleTime_ms: 1000,
};

const alerting = (fields: Partial<AlertingRule> = {}): AlertingRule => ({
  kind: 'alerting',
  name: 'A',
  expr: 'bad',
  for_ms: 0,
  keepFiringFor_ms: 0,
  labels: new Map(),
  annotations: new Map(),
  ...fields,
});
const recording = (fields: Partial<RecordingRule> = {}): RecordingRule => ({
  kind: 'recording',
  name: 'r',
  expr: 'x',
  labels: new Map(),
  ...fields,
});
const groupOf = (rules: readonly Rule[], fields: Partial<RuleGroup> = {}): RuleGroup => ({
  name: 'g',
  file: 'f.yaml',
  interval_ms: undefined,
  limit: 0,
  queryOffset_ms: undefined,
  labels: new Map(),
  rules,
  ...fields,
});

const vector = (...rows: readonly (readonly [Record<string, string>, number])[]): VectorSample[] =>
  rows.map(([labels, value]) => ({ labels: labelsOf(labels), value }));

interface World extends Surroundings {
  answers: Record<string, readonly VectorSample[] | Error>;
  readonly asked: [string, number][];
  readonly appended: RuleSample[];
  monotonic: number;
}

function world(answers: World['answers'] = {}): World {
  const around: World = {
    answers,
    asked: [],
    appended: [],
    monotonic: 0,
    query(expression, time_ms) {
      around.asked.push([expression, time_ms]);
      const answer = around.answers[expression] ?? [];
      if (answer instanceof Error) throw answer;
      return answer;
    },
    append: (sample) => void around.appended.push(sample),
    monotonic_ms: () => around.monotonic,
  };
  return around;
}

const shown = ({ samples }: Evaluation): string[] =>
  samples.map(({ labels, value, time_ms }) => {
    const pairs = Array.from(labels, ([name, text]) => `${name}=${text}`);
    return `${pairs.join(',')} ${String(value)}@${time_ms}`;
  });
const states = (run: GroupRun): string[] =>
  run.status().rules.flatMap(({ alerts }) => alerts.map(({ state }) => state));

describe('createGroup', () => {
  test('createGroup writes ALERTS and ALERTS_FOR_STATE, and ends them with the alert', () => {
    const around = world({ bad: vector([{ __name__: 'x', a: 'b' }, 5]) });
    const run = createGroup(groupOf([alerting({ for_ms: 15_000, labels: new Map([['severity', 'page']]) })]), OPTIONS);
    const alert = 'a=b,alertname=A';
    expect(shown(run.evaluate(15_000, around))).toEqual([
      `__name__=ALERTS,${alert},alertstate=pending,severity=page 1@15000`,
      `__name__=ALERTS_FOR_STATE,${alert},severity=page 15@15000`,
    ]);
    expect(shown(run.evaluate(30_000, around))).toEqual([
      `__name__=ALERTS,${alert},alertstate=firing,severity=page 1@30000`,
      `__name__=ALERTS_FOR_STATE,${alert},severity=page 15@30000`,
      `__name__=ALERTS,${alert},alertstate=pending,severity=page stale@30000`,
    ]);
    around.answers = {};
    expect(shown(run.evaluate(45_000, around))).toEqual([
      `__name__=ALERTS,${alert},alertstate=firing,severity=page stale@45000`,
      `__name__=ALERTS_FOR_STATE,${alert},severity=page stale@45000`,
    ]);
    expect(shown(run.evaluate(60_000, around))).toEqual([]);
  });

  test('createGroup expands labels and annotations, and a broken text does not lose the alert', () => {
    const around = world({ bad: vector([{ __name__: 'x', a: 'b' }, 5]), q: vector([{ z: 'y' }, 7]) });
    const rule = alerting({
      labels: new Map([
        ['copy', '{{ $labels.a }}'],
        ['gone', '{{ $labels.none }}'],
        ['a', 'changed'],
      ]),
      annotations: new Map([
        ['summary', '{{ $value }} of {{ $externalLabels.host }}, {{ query "q" | first | value }}'],
        ['broken', '{{ first (query "nothing") }}'],
      ]),
    });
    const evaluation = createGroup(groupOf([rule]), OPTIONS).evaluate(0, around);
    const [transition] = evaluation.transitions;
    expect([...transition!.alert.labels]).toEqual([
      ['a', 'changed'],
      ['alertname', 'A'],
      ['copy', 'b'],
    ]);
    expect(transition!.alert.annotations.get('summary')).toBe('5 of h1, 7');
    expect(transition!.alert.annotations.get('broken')).toMatch(/^<error expanding template: .*no elements>$/);
    expect(evaluation.textErrors).toMatchObject([{ rule: 'A' }]);
    expect(evaluation.failures).toEqual([]);
  });

  test('createGroup notifies with external labels, a constant start, and where the expression is seen', () => {
    const around = world({ bad: vector([{ a: 'b' }, 5]) });
    const run = createGroup(groupOf([alerting()]), OPTIONS);
    const [first] = run.evaluate(0, around).notifications;
    expect(Object.fromEntries(first!.alert.labels)).toEqual({ a: 'b', alertname: 'A', host: 'h1' });
    expect(first).toMatchObject({ startsAt_ms: 0, endsAt_ms: 240_000 });
    expect(first!.alert.generatorURL).toBe('http://agent:9090/graph?g0.expr=bad&g0.tab=1');
    expect(run.evaluate(60_000, around).notifications).toEqual([]);
    expect(run.evaluate(75_000, around).notifications).toMatchObject([{ startsAt_ms: 0, endsAt_ms: 315_000 }]);
    around.answers = {};
    expect(run.evaluate(90_000, around).notifications).toMatchObject([
      { startsAt_ms: 0, endsAt_ms: 90_000, alert: { state: 'resolved' } },
    ]);
  });

  test('createGroup goes on where it was when the clock is set back: what waits has waited, and what fires is told', () => {
    const around = world({ bad: vector([{}, 1]), worse: vector([{}, 1]) });
    const rules = [alerting({ for_ms: 600_000 }), alerting({ name: 'B', expr: 'worse' })];
    const run = createGroup(groupOf(rules), OPTIONS);
    const begin_ms = 100 * 3_600_000;
    run.evaluate(begin_ms, around);
    run.evaluate(begin_ms + 300_000, around);
    const told = (time_ms: number): string[] =>
      run.evaluate(time_ms, around).notifications.map(({ alert, startsAt_ms, endsAt_ms }) => {
        expect(startsAt_ms).toBeLessThanOrEqual(time_ms);
        expect(endsAt_ms).toBe(time_ms + 240_000);
        return alert.rule;
      });
    // Two hours back, where five minutes are left of the ten.
    const back_ms = begin_ms - 7_200_000;
    expect(told(back_ms)).toEqual(['B']);
    expect(told(back_ms + 299_000)).toEqual(['B']);
    expect(told(back_ms + 300_000)).toEqual(['A']);
  });

  test('createGroup lets a rule that fails cost only itself', () => {
    const around = world({ bad: new Error('too many samples'), x: vector([{ __name__: 'x', a: '1' }, 2]) });
    const run = createGroup(groupOf([alerting(), recording({ labels: new Map([['team', 'core']]) })]), OPTIONS);
    const evaluation = run.evaluate(0, around);
    expect(evaluation.failures).toEqual([{ rule: 'A', error: 'too many samples' }]);
    expect(shown(evaluation)).toEqual(['__name__=r,a=1,team=core 2@0']);
    expect(run.status().rules.map(({ health, lastError }) => [health, lastError])).toEqual([
      ['err', 'too many samples'],
      ['ok', ''],
    ]);
  });

  test('createGroup ends no series of a rule that only failed', () => {
    const around = world({ x: vector([{ __name__: 'x', a: '1' }, 2], [{ __name__: 'x', a: '2' }, 3]) });
    const run = createGroup(groupOf([recording()]), OPTIONS);
    run.evaluate(0, around);
    around.answers = { x: new Error('no') };
    expect(shown(run.evaluate(15_000, around))).toEqual([]);
    around.answers = { x: vector([{ __name__: 'x', a: '1' }, 4]) };
    expect(shown(run.evaluate(30_000, around))).toEqual(['__name__=r,a=1 4@30000', '__name__=r,a=2 stale@30000']);
  });

  test('createGroup goes on showing the alerts of a rule that only failed, and stores nothing of them', () => {
    const around = world({ bad: vector([{ a: '1' }, 1]) });
    const run = createGroup(groupOf([alerting()]), OPTIONS);
    const before = shown(run.evaluate(15_000, around));
    const stored = around.appended.length;
    around.answers = { bad: new Error('no') };
    const after = run.evaluate(30_000, around);
    expect(after.failures).toHaveLength(1);
    expect(shown(after)).toEqual(before.map((line) => line.replace('@15000', '@30000')));
    expect(around.appended).toHaveLength(stored);
  });

  test('createGroup evaluates a rule of many alerts step by step', () => {
    const many = vector(...Array.from({ length: 1000 }, (_, i) => [{ a: String(i) }, i] as const));
    const run = createGroup(groupOf([alerting()]), { ...OPTIONS, maxAlerts: 5000 });
    const steps = run.steps(0, world({ bad: many }));
    let count = 0;
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) count++;
    expect(count).toBeGreaterThanOrEqual(20);
    expect(step.value.samples).toHaveLength(2000);
    expect(step.value.transitions).toHaveLength(1000);
  });

  test('createGroup stops a rule whose time is over', () => {
    const around = world({ bad: vector([{ a: '1' }, 1], [{ a: '2' }, 1]) });
    around.query = () => {
      around.monotonic += 2000;
      return vector([{ a: '1' }, 1]);
    };
    const run = createGroup(groupOf([alerting({ labels: new Map([['a', 'b']]) })]), OPTIONS);
    expect(run.evaluate(0, around).failures).toEqual([{ rule: 'A', error: 'it takes longer than 1000 ms' }]);
  });

  test('createGroup refuses alerts and series that become one by their labels', () => {
    const two = vector([{ __name__: 'x', a: '1' }, 1], [{ __name__: 'x', a: '2' }, 1]);
    const same = new Map([['a', 'same']]);
    const around = world({ bad: two, x: two });
    const run = createGroup(groupOf([alerting({ labels: same }), recording({ labels: same })]), OPTIONS);
    expect(run.evaluate(0, around).failures.map(({ error }) => error)).toEqual([
      'vector contains metrics with the same labelset after applying alert labels',
      'vector contains metrics with the same labelset after applying rule labels',
    ]);
  });

  test('createGroup clears the alerts of a rule beyond the limit, and fails it', () => {
    const around = world({ bad: vector([{ a: '1' }, 1]) });
    const run = createGroup(groupOf([alerting()], { limit: 1 }), OPTIONS);
    run.evaluate(0, around);
    expect(states(run)).toEqual(['firing']);
    around.answers = { bad: vector([{ a: '1' }, 1], [{ a: '2' }, 1]) };
    expect(run.evaluate(15_000, around).failures).toEqual([{ rule: 'A', error: 'exceeded limit of 1 with 2 alerts' }]);
    expect(states(run)).toEqual([]);
  });

  test('createGroup has a limit of alerts where the group has none', () => {
    const around = world({ bad: vector([{ a: '1' }, 1], [{ a: '2' }, 1]) });
    const run = createGroup(groupOf([alerting()]), { ...OPTIONS, maxAlerts: 1 });
    expect(run.evaluate(0, around).failures).toEqual([{ rule: 'A', error: 'exceeded limit of 1 with 2 alerts' }]);
  });

  test('createGroup looks back by its query offset, and dates what it makes so', () => {
    const around = world({ bad: vector([{ a: '1' }, 1]) });
    const rule = alerting({ annotations: new Map([['n', '{{ query "now" }}']]) });
    const run = createGroup(groupOf([rule], { queryOffset_ms: 60_000 }), OPTIONS);
    const evaluation = run.evaluate(120_000, around);
    expect(around.asked).toEqual([
      ['bad', 60_000],
      ['now', 120_000],
    ]);
    expect(evaluation.samples.map(({ time_ms }) => time_ms)).toEqual([60_000, 60_000]);
    expect(evaluation.transitions[0]!.alert.activeAt_ms).toBe(120_000);
  });

  test('createGroup lets later rules see what earlier ones recorded', () => {
    const around = world({ x: vector([{ __name__: 'x' }, 1]) });
    const seen: number[] = [];
    const query = around.query;
    around.query = (expression, time_ms) => {
      if (expression === 'bad') seen.push(around.appended.length);
      return query(expression, time_ms);
    };
    createGroup(groupOf([recording(), alerting()]), OPTIONS).evaluate(0, around);
    expect(seen).toEqual([1]);
  });
});

describe('hysteresis and missing data', () => {
  const run = (fields: Partial<AlertingRule>, rows: readonly World['answers'][]): string => {
    const around = world();
    const group = createGroup(groupOf([alerting({ data: 'data', ...fields })]), OPTIONS);
    return rows
      .map((answers, index) => {
        around.answers = answers;
        group.evaluate(index * 15_000, around);
        return states(group).map((state) => state[0])[0] ?? '.';
      })
      .join('');
  };
  const at = (value: number | undefined) => {
    const rows = value === undefined ? [] : vector([{ a: '1' }, value]);
    return { bad: (value ?? 0) > 90 ? rows : [], clear: (value ?? 99) < 80 ? rows : [], data: rows };
  };

  test('an alert with clear fires until the value is clear, and only what fires is held', () => {
    expect(run({ clear: 'clear' }, [85, 95, 85, 91, 81, 79, 85].map(at))).toBe('.ffff..');
    expect(run({ clear: 'clear', for_ms: 15_000 }, [95, 85, 95, 95, 85, 70].map(at))).toBe('p.pff.');
  });

  test('no_data decides what becomes of an alert whose data are gone', () => {
    const values = [95, undefined, undefined, 95, 50, undefined].map(at);
    expect(run({ clear: 'clear' }, values)).toBe('f..f..');
    expect(run({ no_data: 'ok' }, values)).toBe('f..f..');
    expect(run({ no_data: 'keep' }, values)).toBe('ffff..');
    expect(run({ no_data: 'alert' }, values)).toBe('ffff.f');
  });

  test('no_data takes NaN for no data', () => {
    expect(run({ no_data: 'keep' }, [95, NaN, 50].map(at))).toBe('ff.');
    expect(run({ no_data: 'alert' }, [50, NaN, 50].map(at))).toBe('.f.');
  });

  test('no_data: alert tells of data that were never there', () => {
    expect(run({ no_data: 'alert' }, [undefined, undefined, 50].map(at))).toBe('ff.');
  });

  test('no_data: keep neither fires nor forgets what is pending', () => {
    expect(run({ no_data: 'keep', for_ms: 30_000 }, [95, undefined, undefined, 95].map(at))).toBe('pppf');
  });
});

describe('memory of a group', () => {
  test('takeOver gives rules of equal name and labels what they had, in order, and ends the series of others', () => {
    const around = world({ bad: vector([{ a: '1' }, 1]), x: vector([{ __name__: 'x', a: '1' }, 2]) });
    const rules = [alerting(), alerting({ labels: new Map([['severity', 'page']]) }), recording()];
    const before = createGroup(groupOf(rules), OPTIONS);
    before.evaluate(0, around);
    const after = createGroup(groupOf([alerting({ expr: 'worse', labels: new Map([['severity', 'page']]) })]), OPTIONS);
    after.takeOver(before.memory(), 10_000);
    expect(states(after)).toEqual(['firing']);
    around.answers = { worse: vector([{ a: '1' }, 9]) };
    const evaluation = after.evaluate(15_000, around);
    expect(evaluation.transitions).toEqual([]);
    expect(shown(evaluation).filter((text) => text.includes('stale'))).toEqual([
      '__name__=ALERTS,a=1,alertname=A,alertstate=firing stale@15000',
      '__name__=ALERTS_FOR_STATE,a=1,alertname=A stale@15000',
      '__name__=r,a=1 stale@15000',
    ]);
    expect(shown(after.evaluate(30_000, around)).filter((text) => text.includes('stale'))).toEqual([]);
  });
});
