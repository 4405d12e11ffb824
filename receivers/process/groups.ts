/** Groups of processes, whose counters go on when members end. */
import { COUNTERS, LEVELS } from '../../src/procfs/process/process.ts';
import { Unit } from './units.ts';

/** A group without a process is kept for an hour: what runs by the hour, as a job of cron, stays one series. */
const KEPT_EMPTY_s = 3600;

export interface Groups {
  readonly units: ReadonlyMap<string, Unit>;
  /** Before a collection's processes are added. */
  begin(collection: number): void;
  /** The group of this name; made if it is not there. */
  get(name: string, collection: number): Unit;
  /** Adds what a process did since the collection before, and what it holds, unless it has ended. */
  add(group: Unit, unit: Unit, collection: number): void;
  /** Gives up the groups that have been empty for long, after `elapsed_s` more. */
  end(collection: number, elapsed_s: number): void;
}

export function createGroups(measures: number): Groups {
  const units = new Map<string, Unit>();
  const emptyFor_s = new Map<Unit, number>();

  return {
    units,
    begin() {
      for (const group of units.values()) {
        group.size = 0;
        group.isPinned = false;
        group.levels.fill(0);
      }
    },
    get(name, collection) {
      let group = units.get(name);
      if (group === undefined) {
        units.set(name, (group = new Unit(measures, collection)));
        group.levels.fill(0);
      }
      return group;
    },
    add(group, unit, collection) {
      for (let i = 0; i < COUNTERS; i++) {
        if (Number.isNaN(unit.counters[i])) continue;
        group.counters[i] = (Number.isNaN(group.counters[i]) ? 0 : group.counters[i]) + unit.increment(i);
      }
      if (unit.hasEnded) return;
      for (let i = 0; i < LEVELS; i++) if (!Number.isNaN(unit.levels[i])) group.levels[i] += unit.levels[i];
      group.size++;
      group.isPinned ||= unit.isPinned;
      group.populatedIn = collection;
    },
    end(collection, elapsed_s) {
      for (const [name, group] of units) {
        if (group.populatedIn === collection) {
          emptyFor_s.delete(group);
          continue;
        }
        const empty_s = (emptyFor_s.get(group) ?? 0) + elapsed_s;
        emptyFor_s.set(group, empty_s);
        // One that is not reported has nobody who would miss its counters.
        if (empty_s < KEPT_EMPTY_s && group.reportedIn === collection) continue;
        group.hasEnded = true;
        units.delete(name);
        emptyFor_s.delete(group);
      }
    },
  };
}
