import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRemainder } from '../../../receivers/process/remainder.ts';
import { Unit } from '../../../receivers/process/units.ts';
import { COUNTERS, createNumbers, Process, READ, USER } from '../../../src/procfs/process/process.ts';

const NO_TOTALS = createNumbers(COUNTERS);
const totals = (user: number): number[] => NO_TOTALS.with(USER, user);

function unit(counter: number, value: number, collection = 0): Unit {
  const made = new Unit(0, collection, new Process(1, 1, 1));
  made.counters[counter] = value;
  return made;
}

/** Ends a collection as the receiver does. */
function settle(units: readonly Unit[], reported: readonly Unit[], collection: number): void {
  for (const one of reported) one.reportedIn = collection;
  for (const one of units) one.settle();
}

test('createRemainder begins with what the host counted and nobody reports', () => {
  const remainder = createRemainder();
  const [a, b] = [unit(USER, 30), unit(USER, 50)];
  remainder.advance(totals(1000), [a, b], [a], 0);
  expect(remainder.values[USER]).toBe(970);
});

test('createRemainder stands still while the reported rise more than the host, and makes up for it', () => {
  const remainder = createRemainder();
  const a = unit(USER, 0);
  const values = [
    [100, 0],
    [100, 5],
    [103, 5],
    [110, 5],
  ].map(([total, own], collection) => {
    a.counters[USER] = own;
    remainder.advance(totals(total), [a], [a], collection);
    settle([a], [a], collection);
    return remainder.values[USER];
  });
  expect(values).toEqual([100, 100, 100, 105]);
});

test('createRemainder tells nothing while the host’s total cannot be read, and loses nothing', () => {
  const remainder = createRemainder();
  const a = unit(USER, 10);
  const values = [
    [100, 10],
    [NaN, 14],
    [120, 15],
  ].map(([total, own], collection) => {
    a.counters[USER] = own;
    remainder.advance(totals(total), [a], [a], collection);
    settle([a], [a], collection);
    return remainder.values[USER];
  });
  expect(values).toEqual([90, NaN, 105]);
});

test('createRemainder takes a total that fell for a machine that was moved', () => {
  const remainder = createRemainder();
  const values = [500, 20, 25].map((total, collection) => {
    remainder.advance(totals(total), [], [], collection);
    return remainder.values[USER];
  });
  expect(values).toEqual([500, 500, 505]);
});

test('createRemainder tells nothing of what no process tells', () => {
  const remainder = createRemainder();
  remainder.advance(NO_TOTALS, [unit(USER, 3)], [], 0);
  expect(remainder.values[READ]).toBeNaN();
});

/** In each collection: what each of six slots does. */
const step = fc.record({
  rises: fc.array(fc.nat(50), { minLength: 6, maxLength: 6 }),
  ends: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
  reported: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
  unseen: fc.nat(50),
});

test.each([
  ['a total of the host', USER],
  ['the sum of the processes', READ],
])('createRemainder and the reported rise together as %s does, whoever comes and goes', (_, counter) => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 2, maxLength: 20 }), (steps) => {
      const remainder = createRemainder();
      const slots: (Unit | undefined)[] = Array.from({ length: 6 }, () => undefined);
      let [whole, read, wholeAtFirst, remainderBefore] = [0, 0, 0, 0];
      const seen = new Map<Unit, number>();
      steps.forEach(({ rises, ends, reported, unseen }, collection) => {
        if (counter === USER) whole += unseen;
        for (let slot = 0; slot < 6; slot++) {
          const isNew = slots[slot] === undefined;
          const one = (slots[slot] ??= unit(counter, 0, collection));
          // What ends is read no more.
          one.hasEnded = ends[slot] && !isNew;
          if (counter === USER || !one.hasEnded) whole += rises[slot];
          if (!one.hasEnded) one.counters[counter] += rises[slot];
        }
        const all = slots as Unit[];
        const shown = all.filter((one, slot) => reported[slot] && !one.hasEnded);
        remainder.advance(counter === USER ? totals(whole) : NO_TOTALS, all, shown, collection);
        const value = remainder.values[counter];
        expect(value).toBeGreaterThanOrEqual(remainderBefore);
        if (collection === 0) wholeAtFirst = whole;
        else {
          read += value - remainderBefore;
          for (const one of shown) {
            const before = seen.get(one) ?? (one.firstCollection === collection ? 0 : one.counters[counter]);
            read += one.counters[counter] - before;
          }
        }
        remainderBefore = value;
        seen.clear();
        for (const one of shown) seen.set(one, one.counters[counter]);
        settle(all, shown, collection);
        all.forEach((one, slot) => one.hasEnded && (slots[slot] = undefined));
        expect(read).toBe(whole - wholeAtFirst);
      });
    }),
  );
});
