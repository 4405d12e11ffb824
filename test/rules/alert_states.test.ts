import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  advance,
  RESOLVED_RETENTION_MS,
  takeDue,
  type ActiveAlert,
  type FoundAlert,
  type StateRules,
} from '../../src/rules/alert_states.ts';
import { FOR_GRACE_MS, OUTAGE_TOLERANCE_MS, restored, withFor } from '../../src/rules/restore.ts';

const MINUTE = 60_000;
const NONE = new Map<string, FoundAlert>();
const ONE = new Map<string, FoundAlert>([
  ['a', { labels: new Map([['alertname', 'A']]), annotations: new Map(), value: 1 }],
]);

/** States minute by minute: `1` where the expression holds, `.` where it does not. */
function play(pattern: string, rules: StateRules, step_ms = MINUTE): string {
  const active = new Map<string, ActiveAlert>();
  let states = '';
  [...pattern].forEach((held, index) => {
    advance(active, held === '1' ? ONE : NONE, index * step_ms, rules, () => false);
    states += { pending: 'p', firing: 'F', inactive: 'r', none: '.' }[active.get('a')?.state ?? 'none'];
  });
  return states;
}

describe('advance', () => {
  test.each([
    ['fires at once without for', '1.', 0, 0, 'Fr'],
    ['waits for its time', '1111', 2, 0, 'ppFF'],
    ['begins anew after a gap while pending', '11.111', 2, 0, 'pp.ppF'],
    ['is resolved when it fired', '111..1', 1, 0, 'pFFrrp'],
    ['goes on firing for keep_firing_for', '1....1', 0, 3, 'FFFFrF'],
    ['begins keep_firing_for anew with each hit', '1..1....', 0, 3, 'FFFFFFFr'],
    ['does not keep what is only pending', '1.1.', 5, 3, 'p.p.'],
    ['forgets what was resolved 15 minutes ago', `1${'.'.repeat(18)}`, 0, 0, `F${'r'.repeat(16)}..`],
  ])('advance: an alert %s', (_what, pattern, wait, keep, states) => {
    expect(play(pattern, { for_ms: wait * MINUTE, keepFiringFor_ms: keep * MINUTE })).toBe(states);
  });

  test('advance tells each transition once, and pending not where it fires at once', () => {
    const active = new Map<string, ActiveAlert>();
    const told = (found: ReadonlyMap<string, FoundAlert>, minute: number, rules: StateRules) =>
      advance(active, found, minute * MINUTE, rules, () => false).map(({ to }) => to);
    const rules = { for_ms: MINUTE, keepFiringFor_ms: 0 };
    expect([
      told(ONE, 0, rules),
      told(ONE, 1, rules),
      told(ONE, 2, rules),
      told(NONE, 3, rules),
      told(NONE, 4, rules),
    ]).toEqual([['pending'], ['firing'], [], ['resolved'], []]);
    expect(told(ONE, 5, { ...rules, for_ms: 0 })).toEqual(['firing']);
  });

  test('advance gives an alert that comes back after it was resolved a life of its own', () => {
    const active = new Map<string, ActiveAlert>();
    const rules = { for_ms: 0, keepFiringFor_ms: 0 };
    for (const [minute, found] of [ONE, NONE, ONE].entries())
      advance(active, found, minute * MINUTE, rules, () => false);
    expect(active.get('a')).toMatchObject({
      activeAt_ms: 2 * MINUTE,
      firedAt_ms: 2 * MINUTE,
      resolvedAt_ms: undefined,
    });
  });

  test('advance agrees with what Prometheus’ rules say of every history', () => {
    const history = fc.array(fc.boolean(), { maxLength: 60 });
    fc.assert(
      fc.property(history, fc.nat(5), fc.nat(5), (held, wait, keep) => {
        const pattern = held.map((each) => (each ? '1' : '.')).join('');
        const rules = { for_ms: wait * MINUTE, keepFiringFor_ms: keep * MINUTE };
        const states = play(pattern, rules);
        held.forEach((_, now) => {
          const run = /1*$/.exec(pattern.slice(0, now + 1))![0].length;
          // It fires when it has held for longer than `for`, or it fired and holds within keep_firing_for.
          const fired = run > wait;
          const before = states[now - 1] === 'F';
          const gap = /\.*$/.exec(pattern.slice(0, now + 1))![0].length;
          const keeps = before && run === 0 && keep > 0 && gap <= keep;
          expect(states[now] === 'F').toBe(fired || keeps || (before && run > 0));
          expect(states[now] === 'p').toBe(run > 0 && states[now] !== 'F');
        });
      }),
    );
  });
});

describe('takeDue', () => {
  const RULES = { resendDelay_ms: MINUTE, interval_ms: 15_000 };
  const at = (alert: ActiveAlert, now_ms: number) => takeDue(new Map([['a', alert]]), now_ms, RULES);

  test('takeDue tells of what fires after each resend delay, and until when it holds', () => {
    const active = new Map<string, ActiveAlert>();
    const times: number[] = [];
    for (let now_ms = 0; now_ms <= 300_000; now_ms += 15_000) {
      advance(active, ONE, now_ms, { for_ms: 30_000, keepFiringFor_ms: 0 }, () => false);
      for (const { endsAt_ms } of takeDue(active, now_ms, RULES)) {
        expect(endsAt_ms).toBe(now_ms + 4 * MINUTE);
        times.push(now_ms / 1000);
      }
    }
    // The first evaluation after more than a minute.
    expect(times).toEqual([30, 105, 180, 255]);
  });

  test('takeDue tells of what is resolved at once, and for 15 minutes after that', () => {
    const active = new Map<string, ActiveAlert>();
    const rules = { for_ms: 0, keepFiringFor_ms: 0 };
    const told: number[] = [];
    advance(active, ONE, 0, rules, () => false);
    at(active.get('a')!, 0);
    for (let now_ms = 15_000; now_ms <= 30 * MINUTE; now_ms += 15_000) {
      advance(active, NONE, now_ms, rules, () => false);
      for (const { endsAt_ms } of takeDue(active, now_ms, RULES)) {
        expect(endsAt_ms).toBe(15_000);
        told.push(now_ms);
      }
    }
    expect(told[0]).toBe(15_000);
    expect(told.at(-1)).toBeLessThanOrEqual(15_000 + RESOLVED_RETENTION_MS + 15_000);
    expect(told.length).toBeGreaterThan(10);
  });
});

const alert = (fields: Partial<ActiveAlert>): ActiveAlert => ({
  labels: new Map([['alertname', 'A']]),
  annotations: new Map(),
  state: 'pending',
  value: 1,
  activeAt_ms: 0,
  firedAt_ms: undefined,
  resolvedAt_ms: undefined,
  keepFiringSince_ms: undefined,
  lastSentAt_ms: -Infinity,
  unconfirmedUntil_ms: undefined,
  ...fields,
});

describe('restored', () => {
  const HOUR = 60 * MINUTE;
  test.each([
    // Remaining for, downtime → when it fires after the restart.
    ['shifts the wait by the downtime', { spent: 20, down: 5, wait: 60 }, 40],
    ['grants ten minutes where less is left', { spent: 55, down: 5, wait: 60 }, 10],
    ['fires when found again what had its time', { spent: 60, down: 5, wait: 60 }, 0],
  ])('restored %s', (_what, { spent, down, wait }, after) => {
    const downAt_ms = 10 * HOUR;
    const now_ms = downAt_ms + down * MINUTE;
    const before = alert({ activeAt_ms: downAt_ms - spent * MINUTE });
    const next = restored(before, downAt_ms, now_ms, { for_ms: wait * MINUTE, interval_ms: 15_000 })!;
    const fires_ms = next.activeAt_ms + wait * MINUTE;
    expect(Math.max(fires_ms - now_ms, 0)).toBe(after * MINUTE);
  });

  test('restored forgets what is older than the outage tolerance, and waits shorter than the grace', () => {
    const rules = { for_ms: HOUR, interval_ms: 15_000 };
    const now_ms = 10 * HOUR;
    expect(restored(alert({}), now_ms - OUTAGE_TOLERANCE_MS, now_ms, rules)).toBeDefined();
    expect(restored(alert({}), now_ms - OUTAGE_TOLERANCE_MS - 1, now_ms, rules)).toBeUndefined();
    expect(restored(alert({}), now_ms, now_ms, { ...rules, for_ms: FOR_GRACE_MS - 1 })).toBeUndefined();
    expect(restored(alert({}), now_ms, now_ms, { ...rules, for_ms: FOR_GRACE_MS })).toBeDefined();
  });

  test('restored lets what fires go on with the time it fired, and waits two minutes for its data', () => {
    const before = alert({ state: 'firing', firedAt_ms: 5 * MINUTE });
    const rules = { for_ms: 0, interval_ms: 15_000 };
    const next = restored(before, HOUR, HOUR + 10 * MINUTE, rules)!;
    expect(next).toMatchObject({ state: 'firing', firedAt_ms: 5 * MINUTE, unconfirmedUntil_ms: HOUR + 12 * MINUTE });
    const active = new Map([['a', next]]);
    const states = { for_ms: 0, keepFiringFor_ms: 0 };
    const at = (minute: number) =>
      advance(active, NONE, HOUR + minute * MINUTE, states, () => false).map(({ to }) => to);
    expect([at(10), at(11), at(12)]).toEqual([[], [], ['resolved']]);
  });

  test('restored takes times ahead of now for those of a clock that was set back', () => {
    const rules = { for_ms: HOUR, interval_ms: 15_000 };
    const downAt_ms = 1000 * HOUR;
    const pending = restored(alert({ activeAt_ms: downAt_ms - 20 * MINUTE }), downAt_ms, HOUR, rules)!;
    expect(pending.activeAt_ms).toBe(HOUR - 20 * MINUTE);
    const fired = { state: 'firing', activeAt_ms: downAt_ms - HOUR, firedAt_ms: downAt_ms } as const;
    expect(restored(alert({ ...fired, lastSentAt_ms: downAt_ms }), downAt_ms, HOUR, rules)).toMatchObject({
      state: 'pending',
      lastSentAt_ms: -Infinity,
    });
    const firing = restored(alert({ ...fired, lastSentAt_ms: downAt_ms }), downAt_ms, HOUR, { ...rules, for_ms: 0 })!;
    expect(firing).toMatchObject({ state: 'firing', activeAt_ms: HOUR, firedAt_ms: HOUR, lastSentAt_ms: -Infinity });
    expect(firing.unconfirmedUntil_ms).toBe(HOUR + 2 * MINUTE);
  });

  test('restored goes on telling what was resolved until it was told long enough', () => {
    const before = alert({ state: 'inactive', firedAt_ms: 0, resolvedAt_ms: HOUR });
    const rules = { for_ms: 0, interval_ms: 15_000 };
    expect(restored(before, HOUR, HOUR + RESOLVED_RETENTION_MS, rules)).toEqual(before);
    expect(restored(before, HOUR, HOUR + RESOLVED_RETENTION_MS + 1, rules)).toBeUndefined();
  });
});

describe('withFor', () => {
  test('withFor makes pending again what fires before its new time', () => {
    const firing = alert({ state: 'firing', firedAt_ms: MINUTE });
    expect(withFor(firing, 10 * MINUTE, 5 * MINUTE)).toMatchObject({ state: 'pending', firedAt_ms: undefined });
    expect(withFor(firing, 5 * MINUTE, 5 * MINUTE)).toEqual(firing);
  });
});
