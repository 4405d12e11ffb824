import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TransitionConfig } from '../../src/notify/options.ts';
import { createSilences } from '../../src/notify/silences.ts';
import { createTransitions, type Transitions } from '../../src/notify/transitions.ts';
import { firing, resolved } from './notifications.ts';

const CONFIG: TransitionConfig = { min_severity: undefined, matchers: [], send_resolved: true, repeat: undefined };

function make(config: Partial<TransitionConfig> = {}, createdAt_ms = 0) {
  const dropped: string[] = [];
  const silences = createSilences();
  const transitions = createTransitions(
    { ...CONFIG, ...config },
    silences,
    (reason) => void dropped.push(reason),
    createdAt_ms,
  );
  return { transitions, silences, dropped };
}

/** Tells all that waits. */
function tellAll(transitions: Transitions, now_ms: number): string[] {
  const { items } = transitions.take(Infinity);
  transitions.done(items, now_ms);
  return items.map(({ notification: { alert } }) => alert.state);
}

test('an alert of which nothing is heard any more is over at its endsAt', () => {
  const { transitions } = make();
  transitions.add([firing({ startsAt_ms: 0, endsAt_ms: 100 })], 0);
  expect(tellAll(transitions, 1)).toEqual(['firing']);
  transitions.expire(99);
  expect(transitions.waiting).toBe(0);
  transitions.add([firing({ startsAt_ms: 0, endsAt_ms: 200 })], 50);
  transitions.expire(199);
  expect(transitions.waiting).toBe(0);
  transitions.expire(200);
  const { items } = transitions.take(1);
  expect(items[0]!.notification).toMatchObject({ startsAt_ms: 0, endsAt_ms: 200 });
  expect(items[0]!.notification.alert).toMatchObject({ state: 'resolved', resolvedAt_ms: 200 });
});

test('an end of what the process before told is told once, and not what it told itself', () => {
  const { transitions } = make({}, 1000);
  transitions.add([resolved({ startsAt_ms: 10, endsAt_ms: 999 })], 1001);
  expect(transitions.waiting).toBe(0);
  const over = resolved({ startsAt_ms: 10, endsAt_ms: 1002, labels: { a: 'b' } });
  transitions.add([over], 1002);
  expect(tellAll(transitions, 1003)).toEqual(['resolved']);
  transitions.add([over, resolved({ startsAt_ms: 1001, endsAt_ms: 1002, labels: { a: 'c' } })], 1004);
  expect(transitions.waiting).toBe(0);
});

test('repeat tells again when its time has passed, and not before', () => {
  const { transitions } = make({ repeat: 1000 });
  const about = { startsAt_ms: 0, endsAt_ms: 1e9 };
  transitions.add([firing(about)], 0);
  expect(tellAll(transitions, 10)).toEqual(['firing']);
  transitions.add([firing(about)], 1009);
  expect(tellAll(transitions, 1009)).toEqual([]);
  transitions.add([firing(about)], 1010);
  expect(tellAll(transitions, 1010)).toEqual(['firing']);
});

test('what was silenced while it waited is forgotten, and told when the silence is over', () => {
  const { transitions, silences } = make();
  const matchers = [{ name: 'alertname', op: '=', value: 'DiskFull' }] as const;
  transitions.add([firing({ startsAt_ms: 0, endsAt_ms: 1e9 })], 0);
  silences.set({ matchers, startsAt_ms: 5, endsAt_ms: 50, createdBy: '', comment: '', untilResolved: false }, 5);
  transitions.forgetSilenced(6);
  expect(transitions.waiting).toBe(0);
  transitions.add([firing({ startsAt_ms: 0, endsAt_ms: 1e9 })], 49);
  expect(transitions.waiting).toBe(0);
  transitions.add([firing({ startsAt_ms: 0, endsAt_ms: 1e9 })], 50);
  expect(tellAll(transitions, 50)).toEqual(['firing']);
});

test('an end that cannot be told for a day is dropped', () => {
  const { transitions, dropped } = make();
  transitions.add([firing({ startsAt_ms: 0, endsAt_ms: 1e9 })], 0);
  tellAll(transitions, 0);
  transitions.add([resolved({ startsAt_ms: 0, endsAt_ms: 1000 })], 1000);
  transitions.expire(1000 + 24 * 3_600_000 - 1);
  expect(transitions.waiting).toBe(1);
  transitions.expire(1000 + 24 * 3_600_000);
  expect(transitions.waiting).toBe(0);
  expect(dropped).toEqual(['too_old']);
});

test('more alerts than can be followed are dropped and counted', () => {
  const { transitions, dropped } = make();
  const many = Array.from({ length: 10_002 }, (_, index) => firing({ labels: { index: String(index) } }));
  transitions.add(many, 0);
  expect(transitions.waiting).toBe(10_000);
  expect(dropped).toEqual(['too_many', 'too_many']);
});

const step = fc.oneof(
  fc.record({ kind: fc.constantFrom('firing', 'resolved', 'take'), alert: fc.integer({ min: 0, max: 2 }) }),
  fc.record({ kind: fc.constantFrom('done', 'fail'), alert: fc.constant(0) }),
);

test('whatever fails and flaps, people hear of beginnings and ends in turn, and at last how it is', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { transitions } = make();
      /** What people believe, and what is so, by alert. */
      const [told, real] = [new Map<string, string>(), new Map<string, string>()];
      let underWay: ReturnType<Transitions['take']> | undefined;
      let now_ms = 0;
      const finish = (isTaken: boolean): void => {
        if (underWay === undefined) return;
        if (isTaken) {
          transitions.done(underWay.items, now_ms);
          for (const { key, notification } of underWay.items) {
            const { state } = notification.alert;
            const start = `${state} ${notification.startsAt_ms}`;
            expect(told.get(key)).not.toBe(start);
            told.set(key, start);
          }
        } else transitions.putBack(underWay.items, underWay.overtaken, now_ms);
        underWay = undefined;
      };
      const starts = new Map<number, number>();
      for (const { kind, alert } of steps) {
        now_ms++;
        const labels = { index: String(alert) };
        if (kind === 'firing') {
          if (!starts.has(alert)) starts.set(alert, now_ms);
          const notification = firing({ labels, startsAt_ms: starts.get(alert)!, endsAt_ms: 1e9 });
          real.set(JSON.stringify([...notification.alert.labels]), `firing ${starts.get(alert)}`);
          transitions.add([notification], now_ms);
        } else if (kind === 'resolved' && starts.has(alert)) {
          const notification = resolved({ labels, startsAt_ms: starts.get(alert)!, endsAt_ms: now_ms });
          real.set(JSON.stringify([...notification.alert.labels]), `resolved ${starts.get(alert)}`);
          starts.delete(alert);
          transitions.add([notification], now_ms);
        } else if (kind === 'take' && underWay === undefined && transitions.waiting > 0) underWay = transitions.take(2);
        else if (kind === 'done') finish(true);
        else if (kind === 'fail') finish(false);
      }
      finish(true);
      while (transitions.waiting > 0) {
        underWay = transitions.take(2);
        finish(true);
      }
      expect(told).toEqual(real);
    }),
    { numRuns: 500 },
  );
});
