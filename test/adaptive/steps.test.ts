import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lower, raise, raiseAll, shareOf, type Steps } from '../../src/adaptive/steps.ts';

const load = (id: string, cost_ms: number, interval_ms = 1000) => ({ id, interval_ms, cost_ms });
const loads = [load('cheap', 10), load('dear', 200), load('seldom', 400, 10_000)];

describe('raise', () => {
  test('raises the dearest, and the then dearest, until that is enough', () => {
    const steps: Steps = new Map();
    raise(loads, steps, 0.05);
    expect([...steps]).toEqual([['dear', 1]]);
    raise(loads, steps, 0.055);
    expect([...steps]).toEqual([['dear', 3]]);
    const atOnce: Steps = new Map();
    raise(loads, atOnce, 0.19);
    expect(Object.fromEntries(atOnce)).toEqual({ dear: 3, seldom: 1 });
  });

  test('goes no further than a tenth while there was another to raise, and then takes the reserve', () => {
    const steps: Steps = new Map([['dear', 3]]);
    raise(loads, steps, 1);
    expect(Object.fromEntries(steps)).toEqual({ dear: 3, seldom: 3, cheap: 3 });
    expect(shareOf(loads, steps)).toBeCloseTo(shareOf(loads, new Map()) / 10, 10);
    raise(loads, steps, 0.001);
    expect(Object.fromEntries(steps)).toEqual({ dear: 4, seldom: 3, cheap: 3 });
    raise(loads, steps, 1);
    expect(Object.fromEntries(steps)).toEqual({ dear: 4, seldom: 4, cheap: 4 });
  });
});

describe('raiseAll', () => {
  test('raises all by a step, and none into the reserve', () => {
    const steps: Steps = new Map();
    raiseAll(loads, steps);
    expect([...steps.values()]).toEqual([1, 1, 1]);
    for (let time = 0; time < 5; time++) raiseAll(loads, steps);
    expect([...steps.values()]).toEqual([3, 3, 3]);
  });
});

describe('lower', () => {
  test('lowers what costs least to lower, if there is room', () => {
    const steps: Steps = new Map([
      ['dear', 1],
      ['cheap', 1],
    ]);
    expect(lower(loads, steps, 0.004)).toBe(false);
    expect(lower(loads, steps, 0.006)).toBe(true);
    expect([...steps]).toEqual([['dear', 1]]);
    expect(lower(loads, steps, 0.05)).toBe(false);
    expect(lower(loads, steps, 0.11)).toBe(true);
    expect(lower(loads, steps, 1)).toBe(false);
  });

  test('never takes more than the room', () => {
    const some = fc.array(fc.record({ cost_ms: fc.integer({ min: 0, max: 500 }), step: fc.nat(4) }), { maxLength: 6 });
    fc.assert(
      fc.property(some, fc.double({ min: 0, max: 2, noNaN: true }), (all, room) => {
        const own = all.map(({ cost_ms }, index) => load(String(index), cost_ms));
        const steps: Steps = new Map(all.flatMap(({ step }, index) => (step === 0 ? [] : [[String(index), step]])));
        const before = shareOf(own, steps);
        const isLowered = lower(own, steps, room);
        expect(shareOf(own, steps) - before).toBeLessThanOrEqual(room + 1e-9);
        if (!isLowered) expect(shareOf(own, steps)).toBe(before);
      }),
    );
  });
});
