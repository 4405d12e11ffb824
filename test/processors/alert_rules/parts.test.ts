import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createEmitter } from '../../../processors/alert_rules/emitter.ts';
import { findingOf } from '../../../processors/alert_rules/findings.ts';
import { copyHistory } from '../../../processors/alert_rules/history.ts';
import { createSeats, type Sitter } from '../../../processors/alert_rules/seats.ts';
import { needsOf } from '../../../processors/alert_rules/selection.ts';
import { keptAlerts, parseKeptAlerts } from '../../../processors/alert_rules/state_file.ts';
import { everyTick, type Turn } from '../../../processors/alert_rules/timetable.ts';
import { DoubleValue } from '../../../src/model/attributes.ts';
import { NO_RECORDED_VALUE } from '../../../src/model/batch.ts';
import { labelsKey } from '../../../src/promql/labels.ts';
import type { Alert } from '../../../src/rules/alert.ts';
import type { ActiveAlert } from '../../../src/rules/alert_states.ts';
import { createBoard } from '../../../src/rules/board.ts';
import type { RuleSample } from '../../../src/rules/evaluation.ts';
import type { AlertingRule, RuleGroup } from '../../../src/rules/rule.ts';
import type { Clock } from '../../../src/scheduler.ts';
import { contentOf, START, storeAt } from '../../store/store_at.ts';
import { labelsOf } from '../../support/queryable.ts';
import { RESOURCE } from '../../support/processor.ts';

describe('createEmitter', () => {
  const sample = (name: string, value: RuleSample['value'], a = '1'): RuleSample => ({
    labels: labelsOf({ __name__: name, a }),
    time_ms: 0,
    value,
  });

  test('createEmitter keeps the layout while the series stay, and ends each series once', () => {
    const emitter = createEmitter('alert_rules;f;g', RESOURCE);
    const [first] = emitter.batches([sample('r', 1), sample('r', 2, '2')], 1000);
    expect(first).toMatchObject({
      count: 2,
      time: 1_000_000_000n,
      collection: { receiver: 'alert_rules;f;g', onDemand: false },
    });
    expect(first!.series[0]).toMatchObject({
      metric: { name: 'r', kind: 'gauge' },
      attributes: { a: '1' },
      startTime: 0n,
    });
    // Equal labels in other objects are the same series.
    const [second] = emitter.batches([sample('r', 3), sample('r', 4, '2')], 2000);
    expect(second!.series).toBe(first!.series);
    const [ended, third] = emitter.batches([sample('r', 5, '2'), sample('r', 'stale')], 3000);
    expect(ended).toMatchObject({ count: 1, series: [first!.series[0]], flags: new Uint32Array([NO_RECORDED_VALUE]) });
    expect(ended!.collection).toBeUndefined();
    expect([...third!.values]).toEqual([5]);
    expect(emitter.batches([sample('r', 6, '2')], 4000)).toHaveLength(1);
  });

  test('createEmitter ends what another showed before', () => {
    const before = createEmitter('x', RESOURCE);
    before.batches([sample('r', 1)], 0);
    const after = createEmitter('x', RESOURCE);
    after.takeOver(before.shown);
    expect(after.batches([], 1000).map(({ count }) => count)).toEqual([1, 0]);
  });
});

describe('everyTick', () => {
  /** A clock that a test moves. */
  function manualClock() {
    let now_ms = 1_000_000;
    let timers: { at_ms: number; callback: () => void }[] = [];
    const clock: Clock = {
      now: () => now_ms,
      after(delay_ms, callback) {
        const timer = { at_ms: now_ms + delay_ms, callback };
        timers.push(timer);
        return () => (timers = timers.filter((one) => one !== timer));
      },
    };
    const move = (by_ms: number): void => {
      now_ms += by_ms;
      for (let due = timers.find(({ at_ms }) => at_ms <= now_ms); due !== undefined;) {
        timers = timers.filter((one) => one !== due);
        due.callback();
        due = timers.find(({ at_ms }) => at_ms <= now_ms);
      }
    };
    return { clock, move };
  }

  test('everyTick gives multiples of the interval, with a phase by the name, and counts what is leapt over', () => {
    const { clock, move } = manualClock();
    const turns: Turn[] = [];
    const end = everyTick(clock, 'a', 15_000, (turn) => void turns.push(turn));
    move(15_000);
    move(15_000);
    move(60_000);
    expect(turns.map(({ missed }) => missed)).toEqual([0, 0, 0]);
    move(15_000);
    expect(turns.map(({ missed }) => missed)).toEqual([0, 0, 0, 3]);
    const phases = new Set(turns.map(({ time_ms }) => time_ms % 15_000));
    expect(phases.size).toBe(1);
    end();
    move(60_000);
    expect(turns).toHaveLength(4);
  });

  test('everyTick spreads groups', () => {
    const { clock, move } = manualClock();
    const phases = new Set<number>();
    for (let group = 0; group < 20; group++)
      everyTick(clock, `f;${group}`, 15_000, ({ time_ms }) => void phases.add(time_ms % 15_000));
    move(15_000);
    expect(phases.size).toBeGreaterThan(15);
  });

  test('everyTick outlasts the longest timer', () => {
    const { clock, move } = manualClock();
    const turns: Turn[] = [];
    const month_ms = 30 * 86_400_000;
    everyTick(clock, 'a', month_ms, (turn) => void turns.push(turn));
    for (let day = 0; day < 31; day++) move(86_400_000);
    expect(turns).toHaveLength(1);
  });
});

describe('createSeats', () => {
  const sitter = (name: string, log: string[]): Sitter<string> => ({
    async rise() {
      log.push(`${name} rises`);
      return name;
    },
    resume: () => void log.push(`${name} resumes`),
  });

  test('createSeats hands on from one to the next, and only the last one leaves an empty seat', async () => {
    const seats = createSeats<string>();
    const board = createBoard();
    const log: string[] = [];
    const [a, b] = [sitter('a', log), sitter('b', log)];
    expect(await seats.sit(board, 'x', a)).toBeUndefined();
    expect(await seats.sit(board, 'x', b)).toBe('a');
    expect(await seats.sit(createBoard(), 'x', sitter('c', log))).toBeUndefined();
    expect(seats.leave(board, 'x', a)).toBe(false);
    expect(seats.leave(board, 'x', b)).toBe(true);
    expect(seats.leave(board, 'x', b)).toBe(false);
    expect(log).toEqual(['a rises']);
  });

  test('createSeats lets the one before go on where its successor did not stay', async () => {
    const seats = createSeats<string>();
    const board = createBoard();
    const log: string[] = [];
    const [a, b] = [sitter('a', log), sitter('b', log)];
    await seats.sit(board, 'x', a);
    await seats.sit(board, 'x', b);
    expect(seats.leave(board, 'x', b)).toBe(false);
    expect(log).toEqual(['a rises', 'a resumes']);
    expect(seats.leave(board, 'x', a)).toBe(true);
  });
});

describe('state file', () => {
  const text = fc.string({ unit: 'binary' }).map((any) => any.toWellFormed());
  const time = fc.integer({ min: 0, max: 4_000_000_000_000 });
  const texts = fc.dictionary(text, text, { maxKeys: 4 }).map((record) => new Map(Object.entries(record)));
  const alert: fc.Arbitrary<ActiveAlert> = fc.record({
    labels: texts,
    annotations: texts,
    state: fc.constantFrom('pending', 'firing', 'inactive'),
    value: fc.double().map((value) => (Object.is(value, -0) ? 0 : value)),
    activeAt_ms: time,
    firedAt_ms: time,
    resolvedAt_ms: time,
    keepFiringSince_ms: fc.option(time, { nil: undefined }),
    lastSentAt_ms: fc.oneof(time, fc.constant(-Infinity)),
    unconfirmedUntil_ms: fc.constant(undefined),
  });

  test('parseKeptAlerts reads what keptAlerts wrote', () => {
    fc.assert(
      fc.property(fc.array(alert, { minLength: 1, maxLength: 5 }), text, (alerts, key) => {
        const active = new Map(alerts.map((one) => [labelsKey(one.labels), one]));
        const memories = new Map([[key, { at_ms: 5, rules: [{ key: 'r', active, series: new Map() }] }]]);
        const read = parseKeptAlerts(JSON.parse(JSON.stringify(keptAlerts(memories))));
        expect(read!.memories).toEqual(memories);
      }),
    );
  });

  test('parseKeptAlerts refuses what is none, and never throws', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        expect(parseKeptAlerts(json)).toBeUndefined();
      }),
    );
    expect(parseKeptAlerts({ version: 2, groups: [] })).toBeUndefined();
  });
});

describe('needsOf', () => {
  const rule = (fields: Partial<AlertingRule>): AlertingRule => ({
    kind: 'alerting',
    name: 'A',
    expr: 'up',
    for_ms: 0,
    keepFiringFor_ms: 0,
    labels: new Map(),
    annotations: new Map(),
    ...fields,
  });
  const group = (rules: readonly AlertingRule[], queryOffset_ms?: number): RuleGroup => ({
    name: 'g',
    file: 'f',
    interval_ms: undefined,
    limit: 0,
    queryOffset_ms,
    labels: new Map(),
    rules,
  });
  const options = { lookback_ms: 300_000, queryOffset_ms: 0 };

  test('needsOf selects what expressions and the queries of templates read, each once', () => {
    const rules = [
      rule({ expr: 'rate(a{b="c"}[1h]) > 0 and a{b="c"}', clear: 'd < 1', data: 'e' }),
      rule({
        expr: 'a{b="c"}',
        annotations: new Map([['s', `{{ printf "f{x='%s',y='z'}" $labels.x | query | first }} {{ "g" }}`]]),
      }),
      rule({ expr: 'a{b="c"}', annotations: new Map([['s', '{{ "h" }}']]) }),
    ];
    const { select, retention_ms } = needsOf([group(rules)], options);
    const texts = select.map((matchers) =>
      matchers
        .map(({ name, op, value }) => `${name}${op}${value}`)
        .toSorted()
        .join(),
    );
    expect(texts.toSorted()).toEqual(['__name__=a,b=c', '__name__=d', '__name__=e', '__name__=f,y=z', '__name__=g']);
    expect(retention_ms).toBe(3_660_000);
  });

  test('needsOf adds the query offset', () => {
    expect(needsOf([group([rule({})], 120_000)], options).retention_ms).toBe(480_000);
  });
});

describe('findingOf', () => {
  const alert: Alert = {
    labels: labelsOf({ alertname: 'High', severity: 'page', disk: 'sda' }),
    annotations: new Map([['summary', 'it is full']]),
    state: 'firing',
    value: 5,
    activeAt_ms: 0,
    firedAt_ms: 60_000,
    resolvedAt_ms: undefined,
    group: 'g',
    rule: 'High',
    generatorURL: '',
  };

  test('findingOf says everything of an alert, as bad as its label severity says', () => {
    expect(findingOf({ alert, to: 'firing' }, 60_000)).toEqual({
      eventName: 'alert.firing',
      time_ms: 60_000,
      severityNumber: 21,
      body: 'Alert High fires: it is full',
      attributes: {
        'alert.name': 'High',
        'alert.group': 'g',
        'alert.state': 'firing',
        'alert.active_at': '1970-01-01T00:00:00.000Z',
        'alert.fired_at': '1970-01-01T00:01:00.000Z',
        'alert.value': new DoubleValue(5),
        'alert.labels.disk': 'sda',
        'alert.labels.severity': 'page',
        'alert.annotations.summary': 'it is full',
      },
    });
    expect(findingOf({ alert, to: 'resolved' }, 0).severityNumber).toBe(9);
    const plain = { ...alert, labels: labelsOf({ alertname: 'High' }) };
    expect(findingOf({ alert: plain, to: 'firing' }, 0).severityNumber).toBe(13);
  });
});

describe('copyHistory', () => {
  test('copyHistory takes over every sample and end, and lets others work in between', async () => {
    const clock = { now: START };
    const from = storeAt(clock, { max_series: 5000 }).store;
    const to = storeAt(clock, { max_series: 5000, select: [[{ name: '__name__', op: '!=', value: 'other' }]] }).store;
    for (let i = 0; i < 3000; i++) {
      const labels = new Map([
        ['__name__', i % 10 === 0 ? 'other' : 'm'],
        ['i', String(i)],
      ] as const);
      for (let at = 0; at < 20; at++) from.append(labels, START - 400_000 + at * 15_000, at * i);
      if (i % 2 === 0) from.append(labels, START, 'stale');
    }
    let turns = 0;
    const count = (): void => void (turns++, (next = setImmediate(count)));
    let next = setImmediate(count);
    await copyHistory(from, to, 390_000, START);
    clearImmediate(next);
    expect(turns).toBeGreaterThan(0);
    const expected = contentOf(from, [{ name: '__name__', op: '=', value: 'm' }]);
    // The first one is older than what is wanted.
    for (const samples of Object.values(expected)) samples.shift();
    expect(contentOf(to)).toEqual(expected);
  });
});
