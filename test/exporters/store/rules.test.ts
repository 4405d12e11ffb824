import { expect, test } from 'vitest';
import { createBoard, type Board, type RuleGroupStatus, type RuleStatus } from '../../../src/rules/board.ts';
import type { Alert } from '../../../src/rules/alert.ts';
import { startStore } from './run.ts';

const alert: Alert = {
  labels: new Map([
    ['alertname', 'Full'],
    ['device', 'a"b'],
  ]),
  annotations: new Map([['summary', 'is 0.5']]),
  state: 'firing',
  value: 0.5,
  activeAt_ms: 1_790_000_000_000,
  firedAt_ms: 1_790_000_000_000,
  resolvedAt_ms: undefined,
  group: 'disks',
  rule: 'Full',
  generatorURL: '',
};

function rule(name: string, more: Partial<RuleStatus> = {}): RuleStatus {
  return {
    type: 'alerting',
    name,
    query: 'up   >\n 0',
    labels: new Map([['severity', 'page']]),
    annotations: new Map([['summary', 'is {{ $value }}']]),
    for_ms: 90_000,
    keepFiringFor_ms: 500,
    health: 'ok',
    lastError: '',
    lastEvaluation_ms: 1_790_000_000_123,
    evaluation_s: 0.25,
    alerts: [],
    ...more,
  };
}

const group = (name: string, file: string, rules: readonly RuleStatus[]): RuleGroupStatus => ({
  name,
  file,
  interval_ms: 15_000,
  limit: 7,
  lastEvaluation_ms: 0,
  evaluation_s: 0.5,
  rules,
});

function boardOf(...groups: readonly RuleGroupStatus[]): Board {
  const board = createBoard();
  // Of several components.
  for (const one of groups) board.add({ id: `metrics/alert_rules/${one.name}`, groups: () => [one] });
  return board;
}

const BOARD = boardOf(
  group('z', '/etc/b.yaml', [
    rule('Waits', { alerts: [{ ...alert, state: 'pending' }], health: 'err', lastError: 'no' }),
    rule('Never', { labels: new Map(), health: 'unknown', lastEvaluation_ms: 0 }),
  ]),
  group('disks', '/etc/a.yaml', [rule('Full', { alerts: [alert] }), rule('x:y', { type: 'recording' })]),
);

test('rules are answered as Prometheus does, by file and group', async () => {
  const { ask } = await startStore({}, BOARD);
  expect((await ask('rules')).body.data).toEqual({
    groups: [
      {
        name: 'disks',
        file: '/etc/a.yaml',
        interval: 15,
        limit: 7,
        evaluationTime: 0.5,
        lastEvaluation: '0001-01-01T00:00:00Z',
        rules: [
          {
            state: 'firing',
            name: 'Full',
            query: 'up > 0',
            duration: 90,
            keepFiringFor: 0.5,
            labels: { severity: 'page' },
            annotations: { summary: 'is {{ $value }}' },
            alerts: [
              {
                labels: { alertname: 'Full', device: 'a"b' },
                annotations: { summary: 'is 0.5' },
                state: 'firing',
                activeAt: new Date(1_790_000_000_000).toISOString(),
                value: '5e-01',
              },
            ],
            health: 'ok',
            evaluationTime: 0.25,
            lastEvaluation: new Date(1_790_000_000_123).toISOString(),
            type: 'alerting',
          },
          {
            name: 'x:y',
            query: 'up > 0',
            labels: { severity: 'page' },
            health: 'ok',
            evaluationTime: 0.25,
            lastEvaluation: new Date(1_790_000_000_123).toISOString(),
            type: 'recording',
          },
        ],
      },
      expect.objectContaining({
        name: 'z',
        rules: [
          expect.objectContaining({ state: 'pending', health: 'err', lastError: 'no' }),
          expect.objectContaining({ state: 'inactive', health: 'unknown', lastEvaluation: '0001-01-01T00:00:00Z' }),
        ],
      }),
    ],
  });
});

test.each([
  [{ type: 'alert' }, ['Full', 'Waits', 'Never']],
  [{ type: 'record' }, ['x:y']],
  [{ 'rule_name[]': ['Full', 'x:y', 'Other'] }, ['Full', 'x:y']],
  [{ 'rule_group[]': 'z' }, ['Waits', 'Never']],
  [{ 'file[]': '/etc/a.yaml' }, ['Full', 'x:y']],
  [{ 'match[]': '{severity="page"}', type: 'alert' }, ['Full', 'Waits']],
  [{ 'match[]': ['{severity="page"}', '{severity="other"}'] }, ['Full', 'x:y', 'Waits']],
  [{ 'rule_group[]': 'none' }, []],
] as const)('rules are chosen by %j', async (parameters, names) => {
  const { ask } = await startStore({}, BOARD);
  const { groups } = (await ask('rules', parameters)).body.data as { groups: { rules: { name: string }[] }[] };
  expect(groups.flatMap(({ rules }) => rules.map(({ name }) => name))).toEqual(names);
  // A group without rules is not told of.
  expect(groups.every(({ rules }) => rules.length > 0)).toBe(true);
});

test('rules come in pages, and without alerts if nobody wants them', async () => {
  const { ask } = await startStore({}, BOARD);
  type Page = { groups: { name: string; rules: { alerts?: unknown }[] }[]; groupNextToken?: string };
  const first = (await ask('rules', { group_limit: '1', exclude_alerts: 'true' })).body.data as Page;
  expect(first.groups.map(({ name }) => name)).toEqual(['disks']);
  expect(first.groups[0]!.rules[0]!.alerts).toBeNull();
  const second = await ask('rules', { group_limit: '1', group_next_token: first.groupNextToken! });
  expect(second.body.data).toMatchObject({ groups: [{ name: 'z' }] });
  expect(second.body.data).not.toHaveProperty('groupNextToken');
  for (const wrong of [
    { group_next_token: 'x' },
    { group_limit: '0' },
    { group_limit: '1', group_next_token: 'x' },
    { exclude_alerts: 'perhaps' },
  ] as Record<string, string>[]) {
    expect(await ask('rules', wrong)).toMatchObject({ status: 400, body: { errorType: 'bad_data' } });
  }
});

test('alerts are those of all rules', async () => {
  const { ask } = await startStore({}, BOARD);
  expect((await ask('alerts')).body.data).toMatchObject({
    alerts: [
      { state: 'firing', value: '5e-01' },
      { state: 'pending', labels: { alertname: 'Full' } },
    ],
  });
  expect((await (await startStore()).ask('alerts')).body.data).toEqual({ alerts: [] });
});
