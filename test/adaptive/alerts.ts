/** A board on which tests put alerts. */
import type { Alert, AlertState } from '../../src/rules/alert.ts';
import type { Board, Finding, RuleStatus } from '../../src/rules/board.ts';

export function createTestBoard() {
  const listeners = new Set<(finding: Finding) => void>();
  let alerts: readonly Alert[] = [];
  const ruleOf = (name: string): RuleStatus => ({
    type: 'alerting',
    name,
    query: '',
    labels: new Map(),
    annotations: new Map(),
    for_ms: 0,
    keepFiringFor_ms: 0,
    health: 'ok',
    lastError: '',
    lastEvaluation_ms: 0,
    evaluation_s: 0,
    alerts: alerts.filter((alert) => alert.rule === name),
  });
  const judge = {
    id: 'metrics/alert_rules',
    groups: () => [
      {
        name: 'g',
        file: '',
        interval_ms: 15_000,
        limit: 0,
        lastEvaluation_ms: 0,
        evaluation_s: 0,
        rules: [...new Set(alerts.map(({ rule }) => rule))].map(ruleOf),
      },
    ],
  };
  const board: Pick<Board, 'judges' | 'listen'> = {
    judges: [judge],
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  return {
    board,
    listeners,
    /** Puts up these alerts, as `Rule state`, instead of those before. */
    set(...written: readonly `${string} ${AlertState}`[]) {
      alerts = written.map((text) => {
        const [rule, state] = text.split(' ') as [string, AlertState];
        const labels = new Map([['alertname', rule]]);
        const times = { activeAt_ms: 0, firedAt_ms: undefined, resolvedAt_ms: undefined };
        return { labels, annotations: new Map(), state, value: 1, ...times, group: 'g', rule, generatorURL: '' };
      });
    },
    announce() {
      const finding = { eventName: 'e', time_ms: 0, severityNumber: 9, body: '', attributes: {} };
      for (const listener of listeners) listener(finding);
    },
  };
}
