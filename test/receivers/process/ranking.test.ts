import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Candidate, createRanking } from '../../../receivers/process/ranking.ts';

interface Named extends Candidate {
  readonly name: string;
  scores: number[];
  isExcluded: boolean;
  hasEnded: boolean;
}
const candidate = (name: string, ...scores: number[]): Named => ({ name, scores, isExcluded: false, hasEnded: false });
const names = (chosen: Iterable<Named>): string[] => [...chosen].map(({ name }) => name);
const ranking = (places: number[], hysteresis = 0.25, minStay_ms = 0) =>
  createRanking<Named>({ places, hysteresis, minStay_ms });

test('createRanking chooses the first by each measure', () => {
  const all = [candidate('a', 9, 0), candidate('b', 1, 5), candidate('c', 5, 1), candidate('d', 8, 2)];
  expect(names(ranking([2, 1]).select(all, 0))).toEqual(['a', 'd', 'b']);
});

test('createRanking leaves a place empty rather than give it to one that does nothing, or that nobody knows', () => {
  expect(names(ranking([3]).select([candidate('a', 0), candidate('b', NaN), candidate('c', 1)], 0))).toEqual(['c']);
});

test('createRanking keeps who is in until another is clearly more', () => {
  const [a, b] = [candidate('a', 10), candidate('b', 9)];
  const chosen = ranking([1]);
  expect(names(chosen.select([a, b], 0))).toEqual(['a']);
  b.scores = [12];
  expect(names(chosen.select([a, b], 1))).toEqual(['a']);
  b.scores = [13];
  expect(names(chosen.select([a, b], 2))).toEqual(['b']);
  a.scores = [0];
  b.scores = [0];
  expect(names(chosen.select([a, b], 3))).toEqual(['b']);
});

test('createRanking keeps a place safe for a while', () => {
  const [a, b] = [candidate('a', 1), candidate('b', 0)];
  const chosen = ranking([1], 0, 1000);
  chosen.select([a, b], 0);
  b.scores = [100];
  expect(names(chosen.select([a, b], 999))).toEqual(['a']);
  expect(names(chosen.select([a, b], 1000))).toEqual(['b']);
});

test('createRanking gives the place of one that ended or is excluded away at once', () => {
  const [a, b, c] = [candidate('a', 3), candidate('b', 2), candidate('c', 1)];
  const chosen = ranking([1], 10, 1e6);
  expect(names(chosen.select([a, b, c], 0))).toEqual(['a']);
  a.hasEnded = true;
  expect(names(chosen.select([a, b, c], 1))).toEqual(['b']);
  b.isExcluded = true;
  expect(names(chosen.select([b, c], 2))).toEqual(['c']);
});

test('createRanking never gives more places than there are, and without hysteresis gives them to the first', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.nat(20), { minLength: 8, maxLength: 8 }), { minLength: 1, maxLength: 10 }),
      fc.integer({ min: 1, max: 4 }),
      (rounds, places) => {
        const all = Array.from({ length: 8 }, (_, i) => candidate(`${i}`, 0));
        const [eager, lazy] = [ranking([places], 0), ranking([places], 0.5, 2)];
        rounds.forEach((scores, round) => {
          all.forEach((one, i) => (one.scores = [scores[i]]));
          const chosen = [...eager.select(all, round)];
          const least = Math.min(...chosen.map((one) => one.scores[0]));
          for (const one of all)
            if (!chosen.includes(one) && chosen.length > 0) expect(one.scores[0]).toBeLessThanOrEqual(least);
          expect(chosen.length).toBeLessThanOrEqual(places);
          expect(lazy.select(all, round).size).toBeLessThanOrEqual(places);
        });
      },
    ),
  );
});
