import { expect, test } from 'vitest';
import { createTurns } from '../../../exporters/store/turns.ts';

const here = (): boolean => false;

test('turns run one after the other, each with a turn of the event loop before it', async () => {
  const turns = createTurns(10);
  const order: string[] = [];
  const first = turns.run(() => {
    order.push('first');
    setImmediate(() => order.push('between'));
  }, here);
  const second = turns.run(() => order.push('second'), here);
  expect(order).toEqual([]);
  await Promise.all([first, second]);
  expect(order).toEqual(['first', 'between', 'second']);
});

test('what fails is the failure of its own turn alone', async () => {
  const turns = createTurns(10);
  const failing = turns.run(() => {
    throw new TypeError('no');
  }, here);
  const next = turns.run(() => 7, here);
  await expect(failing).rejects.toThrow('no');
  expect(await next).toBe(7);
});

test('more than may wait are refused, and those whose client has gone are left out', async () => {
  const turns = createTurns(2);
  let ran = 0;
  const gone = turns.run(
    () => ran++,
    () => true,
  );
  const waiting = turns.run(() => ran++, here);
  await expect(turns.run(() => ran++, here)).rejects.toMatchObject({ errorType: 'unavailable', limit: 'waiting' });
  expect(await gone).toBeUndefined();
  await waiting;
  expect(ran).toBe(1);
});

test('a long turn is followed by a pause', async () => {
  let now = 0;
  const turns = createTurns(10, () => now);
  let began_ms = 0;
  let paused_ms = 0;
  const long = turns.run(() => {
    now += 400;
    began_ms = performance.now();
  }, here);
  const next = turns.run((waited_ms) => {
    paused_ms = performance.now() - began_ms;
    return waited_ms;
  }, here);
  await long;
  expect(await next).toBe(400);
  // A quarter of what it took; timers may be a millisecond early.
  expect(paused_ms).toBeGreaterThan(90);
});

test('close refuses those that wait, and those that come', async () => {
  const turns = createTurns(10);
  const waiting = turns.run(() => 1, here);
  turns.close();
  await expect(waiting).rejects.toMatchObject({ errorType: 'unavailable' });
  await expect(turns.run(() => 1, here)).rejects.toMatchObject({ errorType: 'unavailable' });
});
