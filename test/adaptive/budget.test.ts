import { describe, expect, test } from 'vitest';
import { createBudget, type Limits } from '../../src/adaptive/budget.ts';
import { createFigures } from '../../src/pipeline.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createTestClock } from '../support/clock.ts';

interface SimulatedReceiver {
  readonly interval_s: number;
  /** CPU of one collection. */
  cost_ms: number;
  /** Time that one takes beside, waiting. */
  readonly wait_ms?: number;
}

/** A process of receivers that collect as the budget lets them, and of `rest`, a share of a processor that the rest takes. */
function simulate(receivers: Record<string, SimulatedReceiver>, { rest = 0.005, memory = 70e6, garbage = 0 } = {}) {
  const clock = createTestClock(0);
  const lines: string[] = [];
  const announced: string[] = [];
  const state = { rest, memory, garbage, collected: 0 };
  const figures = new Map(
    Object.entries(receivers).map(([id, { interval_s }]) => [
      id,
      { ...createFigures({ id, kind: 'receiver', signal: 'metrics', pipeline: undefined }), interval_s },
    ]),
  );
  let cpu_ms = 0;
  const budget = createBudget({
    components: () => [...figures.values()],
    usage: () => ({ cpu_ms, memory: state.memory }),
    collectGarbage() {
      state.collected++;
      state.memory -= state.garbage;
    },
    log: createLog({
      level: 'info',
      format: 'logfmt',
      hasColor: false,
      write: (line) => void lines.push(line),
    }).forComponent('budget'),
    announce: (what) => void announced.push(what),
    clock,
    monotonic_ms: () => clock.now(),
  });
  let second = 0;
  /** Lets time pass; the share of a processor that was used. */
  const run = (seconds: number): number => {
    const before = cpu_ms;
    for (let past = 0; past < seconds; past++) {
      second++;
      cpu_ms += state.rest * 1000;
      for (const [id, { interval_s, cost_ms, wait_ms = 0 }] of Object.entries(receivers)) {
        if (second % interval_s !== 0 || (second / interval_s) % budget.factorOf(id) !== 0) continue;
        const own = figures.get(id);
        if (own === undefined) continue;
        cpu_ms += cost_ms;
        own.operations++;
        own.duration_s += (cost_ms + wait_ms) / 1000;
      }
      clock.advance(1000);
    }
    return (cpu_ms - before) / 1000 / seconds;
  };
  const limit = (limits: Partial<Limits>): void => budget.limit({ cpu: undefined, memory: undefined, ...limits });
  const factors = (): Record<string, number> =>
    Object.fromEntries(Object.keys(receivers).map((id) => [id, budget.factorOf(id)]));
  return { budget, run, limit, factors, state, lines, announced, figures, receivers };
}

describe('createBudget', () => {
  test('leaves an agent within its budget alone, whatever a start or one window takes', () => {
    const { run, limit, factors, state, lines } = simulate({ cpu: { interval_s: 15, cost_ms: 5 } });
    limit({ cpu: 0.05 });
    state.rest = 0.5;
    run(10);
    state.rest = 0.005;
    run(30);
    state.rest = 0.09;
    run(10);
    state.rest = 0.005;
    run(600);
    expect([factors(), lines]).toEqual([{ cpu: 1 }, []]);
  });

  test.each([1, 15, 60])('holds under a load ten times too large, at an interval of %d s', (interval_s) => {
    // 0.5 of a processor, with what the rest takes, where 0.05 is allowed.
    const { run, limit, factors } = simulate(
      {
        dear: { interval_s, cost_ms: 490 * interval_s },
        cheap: { interval_s, cost_ms: 5 * interval_s },
      },
      { rest: 0.005 },
    );
    limit({ cpu: 0.05 });
    run(30 + interval_s * 4);
    run(60);
    const used = run(interval_s * 200);
    expect(used).toBeLessThanOrEqual(0.05);
    expect(factors()['dear']).toBe(20);
  });

  test('stretches the dearest first, and no more than needed', () => {
    const { run, limit, factors } = simulate({
      dear: { interval_s: 1, cost_ms: 80 },
      cheap: { interval_s: 1, cost_ms: 1 },
    });
    limit({ cpu: 0.05 });
    run(300);
    expect(factors()).toEqual({ dear: 2, cheap: 1 });
    expect(run(600)).toBeLessThan(0.05);
  });

  test('swings neither to nor fro at a load of any size', () => {
    for (const cost_ms of [30, 44, 46, 60, 95, 100, 150, 400]) {
      const { run, limit, factors } = simulate({ one: { interval_s: 15, cost_ms: cost_ms * 15 } });
      limit({ cpu: 0.05 });
      run(600);
      const settled = factors()['one'];
      const seen = new Set<number | undefined>();
      for (let window = 0; window < 120; window++) {
        run(10);
        seen.add(factors()['one']);
      }
      expect([...seen], `cost ${cost_ms}`).toEqual([settled]);
    }
  });

  test('comes back step by step when the load is gone, says so once each, and counts windows before', () => {
    const { run, limit, factors, receivers, lines, announced, budget } = simulate({
      one: { interval_s: 1, cost_ms: 400 },
    });
    limit({ cpu: 0.05 });
    run(120);
    expect(factors()).toEqual({ one: 10 });
    expect(budget.figures).toMatchObject({ factors: new Map([['one', 10]]), memory: undefined });
    receivers['one']!.cost_ms = 2;
    const seen: number[] = [];
    for (let window = 0; window < 60; window++) {
      run(10);
      if (seen.at(-1) !== factors()['one']) seen.push(factors()['one']!);
    }
    expect(seen).toEqual([10, 4, 2, 1]);
    expect(lines.map((line) => /msg="([^"]+)"/.exec(line)?.[1])).toEqual([
      'Over its budget: receivers collect less often',
      'Within its budget: all receivers collect at their intervals again',
    ]);
    expect(announced).toEqual(['stretched', 'kept']);
  });

  test('does not take waiting for CPU', () => {
    const { run, limit, factors } = simulate({ mounts: { interval_s: 1, cost_ms: 1, wait_ms: 500 } });
    limit({ cpu: 0.05 });
    run(300);
    expect(factors()).toEqual({ mounts: 1 });
  });

  test('collects garbage before it stretches because of memory, and comes back with room', () => {
    const spared = simulate({ one: { interval_s: 1, cost_ms: 1 } }, { memory: 160e6, garbage: 50e6 });
    spared.limit({ memory: 150e6 });
    spared.run(120);
    expect([spared.state.collected, spared.factors()]).toEqual([1, { one: 1 }]);

    const { run, limit, factors, state } = simulate({ one: { interval_s: 1, cost_ms: 1 } }, { memory: 160e6 });
    limit({ memory: 150e6 });
    run(300);
    expect(factors()).toEqual({ one: 10 });
    expect(state.collected).toBeLessThanOrEqual(6);
    state.memory = 140e6;
    run(300);
    expect(factors()).toEqual({ one: 10 });
    state.memory = 100e6;
    run(300);
    expect(factors()).toEqual({ one: 1 });
  });

  test('keeps steps of a receiver that a reload made anew, and forgets those of one that is gone', () => {
    const { run, limit, factors, figures, lines } = simulate({
      one: { interval_s: 1, cost_ms: 200 },
      two: { interval_s: 1, cost_ms: 200 },
    });
    limit({ cpu: 0.05 });
    run(120);
    Object.assign(figures.get('one')!, { operations: 0, duration_s: 0 });
    limit({ cpu: 0.05 });
    expect(factors()).toEqual({ one: 10, two: 10 });
    run(30);
    expect(factors()).toEqual({ one: 10, two: 10 });
    figures.delete('two');
    run(10);
    expect(factors()['two']).toBe(1);
    figures.delete('one');
    run(10);
    expect(lines.at(-1)).toContain('Within its budget');
  });

  test('lets all go when it has no limit any more', () => {
    const { run, limit, factors, budget, lines } = simulate({ one: { interval_s: 1, cost_ms: 400 } });
    limit({ cpu: 0.05 });
    run(120);
    limit({});
    expect([factors(), budget.figures, lines.length]).toEqual([{ one: 1 }, undefined, 2]);
    run(120);
    expect(factors()).toEqual({ one: 1 });
  });
});
