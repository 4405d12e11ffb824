/** What outlives a process of the alerts of a rule, and what becomes of it in the next (rules/group.go of Prometheus). */
import type { ActiveAlert } from './alert_states.ts';
import { RESOLVED_RETENTION_MS, setBack } from './alert_states.ts';

/** What is older is forgotten. */
export const OUTAGE_TOLERANCE_MS = 60 * 60_000;
/** An alert whose time is nearly up does not fire before this, and shorter waits begin anew. */
export const FOR_GRACE_MS = 10 * 60_000;
/** So long, or two intervals, what the process before left waits for its data: a rate needs two collections. */
const SETTLING_MS = 2 * 60_000;

export interface RestoreRules {
  readonly for_ms: number;
  readonly interval_ms: number;
}

/**
 * An alert as it goes on after an outage; undefined if it does not.
 * @param downAt_ms the last evaluation of the process before
 */
export function restored(
  alert: ActiveAlert,
  downAt_ms: number,
  now_ms: number,
  { for_ms, interval_ms }: RestoreRules,
): ActiveAlert | undefined {
  if (now_ms - downAt_ms > OUTAGE_TOLERANCE_MS) return undefined;
  if (now_ms < downAt_ms) {
    // A machine without a clock of its own begins where its file system ended, or long before.
    const moved = { ...alert };
    setBack(moved, downAt_ms - now_ms, now_ms);
    return restored(moved, now_ms, now_ms, { for_ms, interval_ms });
  }
  const unconfirmedUntil_ms = now_ms + Math.max(2 * interval_ms, SETTLING_MS);
  if (alert.state === 'inactive') {
    return now_ms - alert.resolvedAt_ms! > RESOLVED_RETENTION_MS ? undefined : { ...alert };
  }
  if (alert.state === 'firing') return { ...withFor(alert, for_ms, downAt_ms), unconfirmedUntil_ms };
  if (for_ms < FOR_GRACE_MS) return undefined;
  const spent_ms = Math.max(downAt_ms - alert.activeAt_ms, 0);
  const remaining_ms = for_ms - spent_ms;
  let { activeAt_ms } = alert;
  // What was to fire in the meantime fires when it is found again.
  if (remaining_ms > 0) {
    activeAt_ms = remaining_ms < FOR_GRACE_MS ? now_ms + FOR_GRACE_MS - for_ms : activeAt_ms + (now_ms - downAt_ms);
  }
  return { ...alert, activeAt_ms, unconfirmedUntil_ms };
}

/** An alert whose rule has another `for` than before: what fires too early by that is pending again. */
export function withFor(alert: ActiveAlert, for_ms: number, now_ms: number): ActiveAlert {
  if (alert.state !== 'firing' || now_ms - alert.activeAt_ms >= for_ms) return { ...alert };
  return { ...alert, state: 'pending', firedAt_ms: undefined, keepFiringSince_ms: undefined };
}
