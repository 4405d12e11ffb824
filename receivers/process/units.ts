/** What is ranked and reported: a process, or a group of them. */
import {
  COUNTERS,
  createNumbers,
  DESCRIPTORS,
  INVOLUNTARY,
  LEVELS,
  MAJOR_FAULTS,
  MINOR_FAULTS,
  READ,
  RESIDENT,
  SWAP,
  SYSTEM,
  THREADS,
  USER,
  VOLUNTARY,
  WRITTEN,
} from '../../src/procfs/process/process.ts';
import type { Process } from '../../src/procfs/process/process.ts';
import type { UnitSeries } from './series.ts';

/** What a ranking goes by: how fast counters rise, or a level. */
export interface Measure {
  readonly counters: readonly number[];
  readonly level: number;
}

const rate = (...counters: number[]): Measure => ({ counters, level: -1 });
const level = (place: number): Measure => ({ counters: [], level: place });

/** By the name of the option below `top`. */
export const MEASURES = {
  cpu: rate(USER, SYSTEM),
  memory: level(RESIDENT),
  io: rate(READ, WRITTEN),
  faults: rate(MINOR_FAULTS, MAJOR_FAULTS),
  context_switches: rate(VOLUNTARY, INVOLUNTARY),
  swap: level(SWAP),
  threads: level(THREADS),
  file_descriptors: level(DESCRIPTORS),
} as const satisfies Record<string, Measure>;

export type MeasureName = keyof typeof MEASURES;

export class Unit {
  /** Undefined for a group. */
  readonly process: Process | undefined;
  /** Of a process these are the table's own arrays. */
  readonly counters: number[];
  readonly levels: number[];
  /** Counters at the collection before; 0 before there was one. */
  readonly last = createNumbers(COUNTERS, 0);
  /** By place in the list of measures that are ranked. */
  readonly scores: number[];
  /** Number of the collection that met it first. */
  readonly firstCollection: number;
  /** Number of the last collection that reported it, -1 before. */
  reportedIn = -1;
  isPinned = false;
  isExcluded = false;
  /** The group that a process belongs to. */
  group: Unit | undefined;
  /** Processes in a group. */
  size = 0;
  /** Number of the collection that last found a process in a group. */
  populatedIn: number;
  hasEnded = false;
  /** The program and the owner for which a process was put under rules, and for which it was described. */
  ruledName = NaN;
  ruledOwner = NaN;
  describedName = NaN;
  describedOwner = NaN;
  /** While it is reported. */
  series: UnitSeries | undefined;

  constructor(measures: number, collection: number, process?: Process) {
    this.process = process;
    this.counters = process?.counters ?? createNumbers(COUNTERS);
    this.levels = process?.levels ?? createNumbers(LEVELS);
    this.scores = createNumbers(measures, 0);
    this.firstCollection = collection;
    this.populatedIn = collection;
  }

  /** What a counter rose since the collection before; 0 where either is not known. */
  increment(counter: number): number {
    const { counters, last } = this;
    const difference = counters[counter] - last[counter];
    return difference > 0 ? difference : 0;
  }

  /** Ends the collection. A counter that is not known yet must not count from 0 when it is. */
  settle(): void {
    const { counters, last } = this;
    for (let i = 0; i < COUNTERS; i++) last[i] = counters[i];
  }
}

/** How much of the new rate a score takes over: one quiet interval costs a busy process half of its score. */
const WEIGHT = 0.5;

/** Scores a unit, `elapsed_s` after the collection before, or after its start in the first one. */
export function score(unit: Unit, measures: readonly Measure[], elapsed_s: number, isFirst: boolean): void {
  for (let m = 0; m < measures.length; m++) {
    const { counters, level: place } = measures[m];
    if (place !== -1) {
      unit.scores[m] = unit.levels[place];
      continue;
    }
    let total = 0;
    for (const counter of counters) total += unit.increment(counter);
    const now = total / Math.max(elapsed_s, 0.01);
    unit.scores[m] = isFirst ? now : unit.scores[m] * (1 - WEIGHT) + now * WEIGHT;
  }
}
