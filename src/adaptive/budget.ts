/**
 * Holds the agent to what it may use of the machine: while it is over, receivers collect less often, in steps. Nothing
 * stops, and nothing is made up: values are later or further apart, and as true as ever.
 *
 * What is decided by is an account, not the last window alone, in which a receiver that collects every ten minutes may have
 * done so or not: of each receiver what a collection costs, and the rest of the process beside collections.
 */
import type { BudgetFigures, ComponentFigures, ComponentLog } from '../component.ts';
import type { Clock } from '../scheduler.ts';
import type { Brake } from './brake.ts';
import { FACTORS, lower, raise, raiseAll, shareOf, type Load, type Steps } from './steps.ts';

/** Shares of one processor, and bytes; undefined is no limit. */
export interface Limits {
  readonly cpu: number | undefined;
  readonly memory: number | undefined;
}

export interface BudgetOptions {
  readonly components: () => readonly ComponentFigures[];
  /** Of the process: CPU time so far, and resident bytes. */
  readonly usage: () => { readonly cpu_ms: number; readonly memory: number };
  readonly collectGarbage: () => void;
  readonly log: ComponentLog;
  /** Says that stretching began, went further or ended. */
  readonly announce: (state: 'stretched' | 'kept', figures: BudgetFigures) => void;
  readonly clock: Clock;
  /** Of time that passes, whatever happens to the clock. */
  readonly monotonic_ms: () => number;
}

export interface Budget extends Brake {
  /** From now on: steps stay as they are, unless there is no limit left. */
  limit(limits: Limits): void;
  readonly figures: BudgetFigures | undefined;
  stop(): void;
}

const WINDOW_MS = 10_000;
/** Windows in a row that have to be over the limit before anything is stretched: one that is may be a start or a reload. */
const WINDOWS_OVER = 2;
/** Windows in a row with room for a step back, and how much of the limit may then be used. */
const WINDOWS_UNDER = 3;
const ROOM = 0.8;
/** Weight of the last window in what is known of costs. */
const WEIGHT = 0.5;
/** A full collection of garbage halts everything for a tenth of a second. */
const GARBAGE_MS = 60_000;

interface Account {
  duration_ms: number;
  operations: number;
  cost_ms: number | undefined;
}

export function createBudget(options: BudgetOptions): Budget {
  const { usage, collectGarbage, log, announce, clock, monotonic_ms } = options;
  const steps: Steps = new Map();
  const accounts = new Map<string, Account>();
  let limits: Limits = { cpu: undefined, memory: undefined };
  let cancel: (() => void) | undefined;
  let before: { readonly time_ms: number; readonly cpu_ms: number } | undefined;
  /** Share of a processor that goes elsewhere than into collections. */
  let rest: number | undefined;
  let [over, under] = [0, 0];
  let collectedGarbageAt_ms = -Infinity;
  let figures: BudgetFigures | undefined;

  const isLimited = (): boolean => limits.cpu !== undefined || limits.memory !== undefined;

  /** Enters what happened since the window before; undefined in the first. */
  function measure(): readonly Load[] | undefined {
    const now = { time_ms: monotonic_ms(), cpu_ms: usage().cpu_ms };
    const elapsed_ms = before === undefined ? 0 : now.time_ms - before.time_ms;
    const cpu_ms = before === undefined ? 0 : now.cpu_ms - before.cpu_ms;
    const isFirst = before === undefined;
    before = now;
    const receivers = options.components().filter(({ interval_s }) => interval_s > 0);
    const spent = receivers.map(({ id, duration_s, operations }) => {
      const account = accounts.get(id);
      // A receiver that was made anew counts from 0.
      const isKnown = account !== undefined && operations >= account.operations;
      const count = operations - (isKnown ? account.operations : 0);
      const duration_ms = duration_s * 1000 - (isKnown ? account.duration_ms : 0);
      accounts.set(id, { duration_ms: duration_s * 1000, operations, cost_ms: account?.cost_ms });
      return { id, count, duration_ms };
    });
    for (const id of accounts.keys()) {
      if (receivers.some((receiver) => receiver.id === id)) continue;
      accounts.delete(id);
      steps.delete(id);
    }
    if (isFirst || elapsed_ms <= 0) return undefined;
    // Who waits for a file takes time, but no CPU: together collections took no more than the process did.
    const sum_ms = spent.reduce((total, { duration_ms }) => total + duration_ms, 0);
    const scale = sum_ms > cpu_ms ? cpu_ms / sum_ms : 1;
    for (const { id, count, duration_ms } of spent) {
      const account = accounts.get(id)!;
      if (count > 0) account.cost_ms = mix(account.cost_ms, (duration_ms * scale) / count);
    }
    rest = mix(rest, Math.max(cpu_ms - sum_ms, 0) / elapsed_ms);
    return receivers.map(({ id, interval_s }) => ({
      id,
      interval_ms: interval_s * 1000,
      cost_ms: accounts.get(id)!.cost_ms ?? 0,
    }));
  }

  function look(): void {
    cancel = clock.after(WINDOW_MS, look);
    const text = (): string => JSON.stringify([...steps]);
    const stepsBefore = text();
    const loads = measure();
    if (loads === undefined) return;
    const memory = measureMemory();
    const cpu = rest! + shareOf(loads, steps);
    const excess = limits.cpu === undefined ? 0 : cpu - limits.cpu;
    const isMemoryOver = limits.memory !== undefined && memory > limits.memory;
    const isOver = excess > 0 || isMemoryOver;
    over = isOver ? over + 1 : 0;
    if (over >= WINDOWS_OVER || (isOver && steps.size > 0)) {
      if (isMemoryOver) raiseAll(loads, steps);
      else raise(loads, steps, excess);
    }
    const hasRoom = limits.memory === undefined || memory < limits.memory * ROOM;
    const room = limits.cpu === undefined ? Infinity : limits.cpu * ROOM - cpu;
    under = !isOver && hasRoom && steps.size > 0 && room > 0 ? under + 1 : 0;
    if (under >= WINDOWS_UNDER && lower(loads, steps, room)) under = 0;
    figures = {
      cpu: limits.cpu === undefined ? undefined : cpu / limits.cpu,
      memory: limits.memory === undefined ? undefined : memory / limits.memory,
      factors: new Map([...steps].map(([id, step]) => [id, FACTORS[step]!])),
    };
    if (text() !== stepsBefore) report(figures, stepsBefore === '[]');
  }

  function measureMemory(): number {
    const { memory } = usage();
    const now_ms = monotonic_ms();
    if (limits.memory === undefined || memory <= limits.memory) return memory;
    if (now_ms - collectedGarbageAt_ms < GARBAGE_MS) return memory;
    collectedGarbageAt_ms = now_ms;
    collectGarbage();
    return usage().memory;
  }

  function report(now: BudgetFigures, isFirst: boolean): void {
    const isStretched = now.factors.size > 0;
    if (isStretched) {
      log.once('budget', 'Over its budget: receivers collect less often', {
        ...(now.cpu !== undefined && { cpu_of_limit: Math.round(now.cpu * 100) / 100 }),
        ...(now.memory !== undefined && { memory_of_limit: Math.round(now.memory * 100) / 100 }),
        receivers: [...now.factors].map(([id, factor]) => `${id} 1/${factor}`).join(', '),
      });
    } else {
      log.over('budget', 'Within its budget: all receivers collect at their intervals again');
    }
    if (isFirst || !isStretched) announce(isStretched ? 'stretched' : 'kept', now);
  }

  function factorOf(receiver: string): number {
    return FACTORS[steps.get(receiver) ?? 0]!;
  }

  function stop(): void {
    cancel?.();
    cancel = undefined;
  }

  return {
    factorOf,
    get figures() {
      return figures;
    },
    limit(next) {
      limits = next;
      if (isLimited()) {
        cancel ??= clock.after(WINDOW_MS, look);
        return;
      }
      stop();
      if (steps.size > 0) log.over('budget', 'Has no budget any more: all receivers collect at their intervals again');
      steps.clear();
      accounts.clear();
      [before, rest, figures] = [undefined, undefined, undefined];
    },
    stop,
  };
}

function mix(known: number | undefined, now: number): number {
  return known === undefined ? now : known + WEIGHT * (now - known);
}
