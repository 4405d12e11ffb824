/** The budget of this very process: measured by Node.js, reported in the log and on the board. */
import { setFlagsFromString } from 'node:v8';
import type { ComponentFigures, ComponentLog } from '../component.ts';
import type { Board } from '../rules/board.ts';
import { systemClock } from '../scheduler.ts';
import { createBudget, type Budget } from './budget.ts';

export interface OwnBudgetOptions {
  readonly components: () => readonly ComponentFigures[];
  /** Of now: a reload may change it. */
  readonly board: () => Board;
  readonly log: ComponentLog;
}

/** OpenTelemetry's severities WARN and INFO. */
const WARN = 13;
const INFO = 9;

export function createOwnBudget({ components, board, log }: OwnBudgetOptions): Budget {
  return createBudget({
    components,
    log,
    clock: systemClock,
    monotonic_ms: () => performance.now(),
    collectGarbage,
    usage() {
      const { user, system } = process.cpuUsage();
      return { cpu_ms: (user + system) / 1000, memory: process.memoryUsage.rss() };
    },
    announce(state, { cpu, memory, factors }) {
      const isStretched = state === 'stretched';
      board().announce({
        eventName: `sonde.budget.${state}`,
        time_ms: Date.now(),
        severityNumber: isStretched ? WARN : INFO,
        body: isStretched
          ? 'The agent is over its budget: receivers collect less often'
          : 'The agent is within its budget again: all receivers collect at their intervals',
        attributes: {
          ...(cpu !== undefined && { 'sonde.budget.cpu.utilization': cpu }),
          ...(memory !== undefined && { 'sonde.budget.memory.utilization': memory }),
          ...(isStretched && { 'sonde.budget.receivers': [...factors.keys()] }),
        },
      });
    },
  });
}

/** V8 gives its collector to contexts made after it is told to; the context is garbage itself right after. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const { runInNewContext } = process.getBuiltinModule('node:vm');
  (runInNewContext('gc') as () => void)();
  setFlagsFromString('--no-expose-gc');
}
