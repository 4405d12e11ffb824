/**
 * What all processes did that are not reported singly, those that have ended or were never seen included: the increase
 * of the whole less the increase of what is reported, from collection to collection. So what a reader adds up over any
 * time is the whole, and the remainder only rises, whoever comes in or goes out.
 *
 * Where the kernel has a total of the host (CPU time, page faults), that is the whole. It counts CPU time by what ran at
 * each tick, and a process's by what it ran, so for moments the reported may rise by more than the whole: the remainder
 * then stands still until it has made up for that.
 */
import { COUNTERS, createNumbers, MAJOR_FAULTS, MINOR_FAULTS, SYSTEM, USER } from '../../src/procfs/process/process.ts';
import type { Unit } from './units.ts';

export interface Remainder {
  /** By counter; NaN where it cannot be told now. */
  readonly values: readonly number[];
  /**
   * Ends a collection.
   * @param totals of the host, by counter; NaN where they could not be read
   * @param units all of them, those that ended since the collection before included
   * @param reported those of them that are reported in this collection
   * @param collection its number; the first is 0
   */
  advance(totals: readonly number[], units: Iterable<Unit>, reported: Iterable<Unit>, collection: number): void;
}

/** What the host has totals of. */
const HAS_TOTAL: readonly boolean[] = Array.from({ length: COUNTERS }, (_, counter) =>
  [USER, SYSTEM, MINOR_FAULTS, MAJOR_FAULTS].includes(counter),
);

export function createRemainder(): Remainder {
  const values = createNumbers(COUNTERS);
  /** What was told last. */
  const sums = createNumbers(COUNTERS);
  const totalsBefore = createNumbers(COUNTERS);
  /** What the reported rose more than the whole, and was not made up for yet. */
  const debts = createNumbers(COUNTERS, 0);
  /** Of one collection: all that rose without a total, all that rose and is reported, and the reported as they are. */
  const risen = createNumbers(COUNTERS, 0);
  const seen = createNumbers(COUNTERS, 0);
  const standing = createNumbers(COUNTERS, 0);

  function addAll(units: Iterable<Unit>): void {
    risen.fill(NaN);
    for (const unit of units) {
      for (let i = 0; i < COUNTERS; i++) {
        if (HAS_TOTAL[i] || Number.isNaN(unit.counters[i])) continue;
        risen[i] = (Number.isNaN(risen[i]) ? 0 : risen[i]) + unit.increment(i);
      }
    }
  }

  function addReported(reported: Iterable<Unit>, collection: number): void {
    seen.fill(0);
    standing.fill(0);
    for (const unit of reported) {
      // What came in later has a first value, which no reader takes for an increase.
      const isSeen = unit.reportedIn === collection - 1 || unit.firstCollection === collection;
      for (let i = 0; i < COUNTERS; i++) {
        if (isSeen) seen[i] += unit.increment(i);
        standing[i] += unit.counters[i] || 0;
      }
    }
  }

  /** How much the whole rose; NaN where that cannot be told now. */
  function wholeOf(counter: number, total: number): number {
    if (!HAS_TOTAL[counter]) return risen[counter];
    const before = totalsBefore[counter];
    if (!Number.isNaN(total)) totalsBefore[counter] = total;
    if (Number.isNaN(sums[counter])) return total - standing[counter] + seen[counter];
    // One that fell, as of a container that moved to another machine, says nothing of this interval.
    return total < before ? seen[counter] : total - before;
  }

  return {
    values,
    advance(totals, units, reported, collection) {
      addAll(units);
      addReported(reported, collection);
      for (let i = 0; i < COUNTERS; i++) {
        const whole = wholeOf(i, totals[i]);
        if (Number.isNaN(whole)) {
          // The next total that can be read has it.
          values[i] = NaN;
          if (HAS_TOTAL[i] && !Number.isNaN(sums[i])) debts[i] += seen[i];
          continue;
        }
        const rise = whole - seen[i] - debts[i];
        debts[i] = Math.max(0, -rise);
        sums[i] = (Number.isNaN(sums[i]) ? 0 : sums[i]) + Math.max(0, rise);
        values[i] = sums[i];
      }
    },
  };
}
