/** A board on which a rule has made alerts. */
import type { Alert } from '../../src/rules/alert.ts';
import { createBoard, type Board } from '../../src/rules/board.ts';

export function boardWith(...alerts: readonly Alert[]): Board {
  const board = createBoard();
  const rule = {
    type: 'alerting',
    name: 'r',
    query: 'up',
    labels: new Map(),
    annotations: new Map(),
    for_ms: 0,
    keepFiringFor_ms: 0,
    health: 'ok',
    lastError: '',
    lastEvaluation_ms: 0,
    evaluation_s: 0,
    alerts,
  } as const;
  const group = { name: 'g', file: '', interval_ms: 15_000, limit: 0, lastEvaluation_ms: 0, evaluation_s: 0 };
  board.add({ id: 'metrics/alert_rules', groups: () => [{ ...group, rules: [rule] }] });
  return board;
}
