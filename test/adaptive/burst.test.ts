import { describe, expect, test } from 'vitest';
import { createBurst } from '../../src/adaptive/burst.ts';
import { createTestBoard } from './alerts.ts';

const OPTIONS = { interval: 1000, for: 120_000, per_hour: 600_000, alerts: [] };

describe('createBurst', () => {
  test('begins with an alert that waits, and ends after its time though the alert goes on', () => {
    const { board, set } = createTestBoard();
    const burst = createBurst(OPTIONS, board);
    expect(burst.look(0)).toBe(false);
    set('High pending');
    expect(burst.look(1000)).toBe(true);
    expect(burst.look(120_999)).toBe(true);
    expect(burst.look(121_000)).toBe(false);
    expect(burst.look(3_000_000)).toBe(false);
  });

  test('begins anew when what waited fires, and with each further alert', () => {
    const { board, set } = createTestBoard();
    const burst = createBurst(OPTIONS, board);
    set('High pending');
    expect(burst.look(0)).toBe(true);
    expect(burst.look(120_000)).toBe(false);
    set('High firing');
    expect(burst.look(300_000)).toBe(true);
    expect(burst.look(420_000)).toBe(false);
    set('High firing', 'Other pending');
    expect(burst.look(500_000)).toBe(true);
  });

  test('ends when no alert waits or fires any more', () => {
    const { board, set } = createTestBoard();
    const burst = createBurst(OPTIONS, board);
    set('High firing');
    expect(burst.look(0)).toBe(true);
    set('High resolved');
    expect(burst.look(10_000)).toBe(false);
    set('High firing');
    expect(burst.look(20_000)).toBe(true);
  });

  test('begins with the alerts that are named alone', () => {
    const { board, set } = createTestBoard();
    const burst = createBurst({ ...OPTIONS, alerts: ['High'] }, board);
    set('Other firing');
    expect(burst.look(0)).toBe(false);
    set('Other firing', 'High firing');
    expect(burst.look(1000)).toBe(true);
  });

  test('takes no more than its time of any hour, however many alerts there are', () => {
    const { board, set } = createTestBoard();
    const burst = createBurst({ ...OPTIONS, per_hour: 300_000 }, board);
    const seconds: number[] = [];
    for (let second = 0; second < 3 * 3600; second++) {
      set(`Alert${Math.floor(second / 150)} firing`);
      if (burst.look(second * 1000)) seconds.push(second);
    }
    for (let from = 0; from < 2 * 3600; from += 60) {
      const within = seconds.filter((second) => second >= from && second < from + 3600).length;
      expect(within).toBeLessThanOrEqual(301);
    }
    expect(seconds.length).toBeGreaterThan(700);
  });

  test('ends when the clock is set back, and when something more important wants so', () => {
    const { board, set } = createTestBoard();
    const burst = createBurst(OPTIONS, board);
    set('High firing');
    expect(burst.look(1_000_000)).toBe(true);
    expect(burst.look(900_000)).toBe(false);
    set('High firing', 'Other firing');
    expect(burst.look(1_000_000)).toBe(true);
    burst.end(1_001_000);
    expect(burst.look(1_002_000)).toBe(false);
  });
});
