import { expect, onTestFinished, test } from 'vitest';
import { collectGarbage, createOwnBudget } from '../../src/adaptive/own_budget.ts';
import { createBoard } from '../../src/rules/board.ts';
import { createLog } from '../../src/telemetry/log.ts';

test('collectGarbage has V8 free what nothing holds, with no flag at the start', () => {
  const kept = new WeakRef(createGarbage());
  // A reference that was made in this turn is kept until its end.
  return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
    collectGarbage();
    expect(kept.deref()).toBeUndefined();
    expect(globalThis.gc).toBeUndefined();
  });
});

function createGarbage(): object {
  return { some: Array.from({ length: 1000 }, (_, index) => index) };
}

test('createOwnBudget stretches nothing, and has no figures, before its first window', () => {
  const log = createLog({ level: 'info', format: 'logfmt', hasColor: false, write: () => {} }).forComponent('budget');
  const budget = createOwnBudget({ components: () => [], board: () => createBoard(), log });
  onTestFinished(() => budget.stop());
  budget.limit({ cpu: 0.05, memory: 1e9 });
  expect([budget.factorOf('cpu'), budget.figures]).toEqual([1, undefined]);
});
