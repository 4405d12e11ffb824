import { describe, expect, test, vi } from 'vitest';
import { createPace, type PaceOptions } from '../../src/adaptive/pace.ts';
import { createScheduler } from '../../src/scheduler.ts';
import { createTestClock } from '../support/clock.ts';
import { createTestBoard } from './alerts.ts';

const BURST = { interval: 1000, for: 120_000, per_hour: 600_000, alerts: [] };

function createHarness(burst: PaceOptions['burst'] = BURST) {
  const clock = createTestClock();
  const scheduler = createScheduler('i', clock);
  const alerts = createTestBoard();
  const ticks: number[] = [];
  const figures = { interval_s: 0, stretched: 0, bursts: 0 };
  const state = { factor: 1 };
  const pace = createPace({
    receiver: 'cpu',
    collector: { tick: async (now_ms) => void ticks.push(now_ms) },
    interval_ms: 15_000,
    burst,
    board: alerts.board,
    brake: { factorOf: () => state.factor },
    figures,
    clock,
  });
  return { clock, scheduler, ...alerts, ticks, figures, state, pace, running: pace.run(scheduler) };
}

const gaps = (ticks: readonly number[]): number[] => ticks.slice(1).map((tick, at) => tick - ticks[at]!);

describe('createPace', () => {
  test('collects at each tick of the interval', () => {
    const { clock, ticks, figures } = createHarness();
    clock.advance(150_000);
    expect(new Set(gaps(ticks))).toEqual(new Set([15_000]));
    expect(figures).toEqual({ interval_s: 15, stretched: 0, bursts: 0 });
  });

  test('leaves ticks out while it is braked, at the same ones as all others, and comes back to its cadence', () => {
    const { clock, ticks, figures, state, pace, scheduler } = createHarness();
    clock.advance(150_000);
    state.factor = 4;
    const others: number[] = [];
    scheduler.every(15_000, (now_ms, tick) => void (tick % 4 === 0 && others.push(now_ms)));
    const before = ticks.length;
    clock.advance(600_000);
    expect(new Set(gaps(ticks.slice(before)))).toEqual(new Set([60_000]));
    expect(ticks.slice(before)).toEqual(others);
    expect(figures.stretched).toBe(30);
    expect(pace.shortest_ms).toBe(60_000);
    state.factor = 1;
    clock.advance(300_000);
    expect(new Set(ticks.map((tick) => tick % 15_000)).size).toBe(1);
    expect(gaps(ticks).slice(-5)).toEqual([15_000, 15_000, 15_000, 15_000, 15_000]);
    expect(pace.shortest_ms).toBe(0);
  });

  test('looks once at the alerts, however many are announced at a time', async () => {
    const { set, announce, board, figures } = createHarness();
    const looks = vi.spyOn([...board.judges][0]!, 'groups');
    set('High pending');
    for (let i = 0; i < 500; i++) announce();
    await Promise.resolve();
    expect(looks).toHaveBeenCalledTimes(1);
    expect(figures.bursts).toBe(1);
    set('High firing');
    announce();
    await Promise.resolve();
    expect(looks).toHaveBeenCalledTimes(2);
  });

  test('collects in bursts from the moment an alert is announced, for its time, and returns to its cadence', async () => {
    const { clock, ticks, figures, set, announce } = createHarness();
    clock.advance(20_000);
    set('High pending');
    announce();
    await Promise.resolve();
    expect(figures).toMatchObject({ interval_s: 1, bursts: 1 });
    clock.advance(3000);
    expect(gaps(ticks).slice(-2)).toEqual([1000, 1000]);
    const phase = ticks[0]! % 15_000;
    clock.advance(117_000);
    const before = ticks.length;
    expect(before).toBeGreaterThanOrEqual(118);
    clock.advance(300_000);
    expect(figures).toMatchObject({ interval_s: 15, bursts: 1 });
    expect(new Set(ticks.slice(before + 1).map((tick) => tick % 15_000))).toEqual(new Set([phase]));
    expect(gaps(ticks).every((gap) => gap > 0 && gap <= 16_000)).toBe(true);
  });

  test('collects in no bursts while the agent is over its budget', async () => {
    const { clock, ticks, figures, state, set, announce } = createHarness();
    set('High firing');
    announce();
    await Promise.resolve();
    clock.advance(5000);
    state.factor = 10;
    clock.advance(2000);
    const before = ticks.length;
    clock.advance(100_000);
    expect(ticks.length - before).toBeLessThanOrEqual(1);
    expect(figures.interval_s).toBe(15);
  });

  test('collects at its own interval where a burst would be slower', async () => {
    const { clock, ticks, set, announce, figures } = createHarness({ ...BURST, interval: 15_000 });
    set('High firing');
    announce();
    await Promise.resolve();
    clock.advance(60_000);
    expect([ticks.length, figures.bursts]).toEqual([4, 0]);
  });

  test('collects no more and listens no more when it is stopped', async () => {
    const { clock, ticks, running, set, announce, listeners } = createHarness();
    set('High firing');
    announce();
    await Promise.resolve();
    clock.advance(10_000);
    running.stop();
    const before = ticks.length;
    clock.advance(100_000);
    expect([ticks.length, listeners.size]).toEqual([before, 0]);
  });
});
