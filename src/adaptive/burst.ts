/** Says when a receiver is to collect in bursts: from when an alert begins to wait or to fire, for a bounded time. */
import type { Alert } from '../rules/alert.ts';
import type { Board } from '../rules/board.ts';

export interface BurstOptions {
  /** Milliseconds, as the rest. */
  readonly interval: number;
  /** Longest time for one alert that begins to wait, or to fire. */
  readonly for: number;
  /** Longest time within an hour, however many alerts there are. */
  readonly per_hour: number;
  /** Names of alert rules; all if empty. */
  readonly alerts: readonly string[];
}

export interface Burst {
  /** Whether one is on, now that the state of alerts or the time has changed. */
  look(now_ms: number): boolean;
  /** Ends one that is on: something more important wants so. */
  end(now_ms: number): void;
}

const HOUR_MS = 3_600_000;

export function createBurst(options: BurstOptions, board: Pick<Board, 'judges'>): Burst {
  let begin_ms: number | undefined;
  let until_ms = 0;
  /** What has had its burst. */
  let answered: ReadonlySet<string> = new Set();
  /** Bursts of the last hour. */
  let past: { readonly end_ms: number; readonly length_ms: number }[] = [];

  function left_ms(now_ms: number): number {
    past = past.filter(({ end_ms }) => end_ms <= now_ms && now_ms - end_ms < HOUR_MS);
    return options.per_hour - past.reduce((sum, { length_ms }) => sum + length_ms, 0);
  }

  function end(now_ms: number): void {
    if (begin_ms === undefined) return;
    // A clock that is set while one is on says nothing about how long it was.
    const length_ms = now_ms >= begin_ms ? Math.min(now_ms, until_ms) - begin_ms : options.for;
    past.push({ end_ms: now_ms, length_ms });
    begin_ms = undefined;
  }

  return {
    end,
    look(now_ms) {
      const active = activeAlerts(board, options.alerts);
      const isNew = [...active].some((key) => !answered.has(key));
      if (begin_ms !== undefined && (now_ms < begin_ms || now_ms >= until_ms || active.size === 0)) end(now_ms);
      if (isNew && begin_ms === undefined) {
        const length_ms = Math.min(options.for, left_ms(now_ms));
        if (length_ms >= options.interval) {
          begin_ms = now_ms;
          until_ms = now_ms + length_ms;
        }
      }
      answered = active;
      return begin_ms !== undefined;
    },
  };
}

/** Alerts that wait or fire, as text: one that waited and now fires is another. */
function activeAlerts(board: Pick<Board, 'judges'>, names: readonly string[]): Set<string> {
  const active = new Set<string>();
  for (const judge of board.judges) {
    for (const group of judge.groups()) {
      for (const rule of group.rules) {
        if (rule.alerts.length === 0 || (names.length > 0 && !names.includes(rule.name))) continue;
        for (const alert of rule.alerts) if (alert.state !== 'resolved') active.add(keyOf(judge.id, group.name, alert));
      }
    }
  }
  return active;
}

function keyOf(judge: string, group: string, { rule, labels, state }: Alert): string {
  return JSON.stringify([judge, group, rule, state, ...labels]);
}
