/**
 * The life of the alerts of one rule, as in rules/alerting.go of Prometheus 3.5: inactive → pending → firing → inactive, and
 * what Prometheus has no words for: hysteresis, and data that are gone.
 */
import type { Labels } from '../store/queryable.ts';

/** A resolved alert is told for so long, should who is told have missed it. */
export const RESOLVED_RETENTION_MS = 15 * 60_000;

/** Changes in place. */
export interface ActiveAlert {
  readonly labels: Labels;
  annotations: ReadonlyMap<string, string>;
  state: 'pending' | 'firing' | 'inactive';
  value: number;
  activeAt_ms: number;
  firedAt_ms: number | undefined;
  resolvedAt_ms: number | undefined;
  keepFiringSince_ms: number | undefined;
  lastSentAt_ms: number;
  /** Of one that an earlier process left: until then it need not be found again. */
  unconfirmedUntil_ms: number | undefined;
}

/** An alert that the expression gives now. */
export interface FoundAlert {
  readonly labels: Labels;
  readonly annotations: ReadonlyMap<string, string>;
  readonly value: number;
}

export interface Transition {
  readonly alert: ActiveAlert;
  readonly to: 'pending' | 'firing' | 'resolved';
}

export interface StateRules {
  readonly for_ms: number;
  readonly keepFiringFor_ms: number;
}

/**
 * Moves `active` on by one evaluation.
 * @param found what the expression gives, by the key of the labels
 * @param isHeld whether an alert that the expression does not give stays as it is all the same
 */
export function advance(
  active: Map<string, ActiveAlert>,
  found: ReadonlyMap<string, FoundAlert>,
  now_ms: number,
  rules: StateRules,
  isHeld: (key: string, alert: ActiveAlert) => boolean,
): Transition[] {
  const transitions: Transition[] = [];
  const begun = new Set<ActiveAlert>();
  for (const [key, { labels, annotations, value }] of found) {
    const known = active.get(key);
    if (known !== undefined && known.state !== 'inactive') {
      known.value = value;
      known.annotations = annotations;
      continue;
    }
    const alert = begin(labels, annotations, value, now_ms);
    active.set(key, alert);
    begun.add(alert);
  }
  for (const [key, alert] of active) {
    if (!found.has(key)) {
      miss(active, key, alert, now_ms, rules, isHeld, transitions);
      continue;
    }
    alert.keepFiringSince_ms = undefined;
    alert.unconfirmedUntil_ms = undefined;
    if (alert.state === 'pending' && now_ms - alert.activeAt_ms >= rules.for_ms) {
      alert.state = 'firing';
      alert.firedAt_ms = now_ms;
      transitions.push({ alert, to: 'firing' });
    } else if (begun.has(alert)) {
      transitions.push({ alert, to: 'pending' });
    }
  }
  return transitions;
}

function begin(labels: Labels, annotations: ReadonlyMap<string, string>, value: number, now_ms: number): ActiveAlert {
  return {
    labels,
    annotations,
    state: 'pending',
    value,
    activeAt_ms: now_ms,
    firedAt_ms: undefined,
    resolvedAt_ms: undefined,
    keepFiringSince_ms: undefined,
    lastSentAt_ms: -Infinity,
    unconfirmedUntil_ms: undefined,
  };
}

/** What becomes of an alert that the expression does not give. */
function miss(
  active: Map<string, ActiveAlert>,
  key: string,
  alert: ActiveAlert,
  now_ms: number,
  { keepFiringFor_ms }: StateRules,
  isHeld: (key: string, alert: ActiveAlert) => boolean,
  transitions: Transition[],
): void {
  if (alert.state === 'inactive') {
    if (now_ms - alert.resolvedAt_ms! > RESOLVED_RETENTION_MS) active.delete(key);
    return;
  }
  // After a start its data may not be there again yet.
  if (alert.unconfirmedUntil_ms !== undefined && now_ms < alert.unconfirmedUntil_ms) return;
  if (isHeld(key, alert)) return;
  if (alert.state === 'pending') {
    active.delete(key);
    return;
  }
  if (keepFiringFor_ms > 0) {
    alert.keepFiringSince_ms ??= now_ms;
    if (now_ms - alert.keepFiringSince_ms < keepFiringFor_ms) return;
  }
  alert.state = 'inactive';
  alert.resolvedAt_ms = now_ms;
  transitions.push({ alert, to: 'resolved' });
}

/**
 * The clock was set back to `now_ms`: what waits has waited as long as before, and nothing lies ahead of now.
 * @param by_ms how far, since the last evaluation
 */
export function setBack(alert: ActiveAlert, by_ms: number, now_ms: number): void {
  if (alert.state === 'pending') alert.activeAt_ms -= by_ms;
  alert.activeAt_ms = Math.min(alert.activeAt_ms, now_ms);
  if (alert.firedAt_ms !== undefined) alert.firedAt_ms = Math.min(alert.firedAt_ms, now_ms);
  if (alert.resolvedAt_ms !== undefined) alert.resolvedAt_ms = Math.min(alert.resolvedAt_ms, now_ms);
  if (alert.keepFiringSince_ms !== undefined) alert.keepFiringSince_ms -= by_ms;
  if (alert.unconfirmedUntil_ms !== undefined) alert.unconfirmedUntil_ms -= by_ms;
  if (alert.lastSentAt_ms > now_ms) alert.lastSentAt_ms = -Infinity;
}

/** When what fires is told again, and until when it holds if nothing more is heard of it. */
export interface ResendRules {
  readonly resendDelay_ms: number;
  readonly interval_ms: number;
}

/** Alerts that are due to be told; they count as told now. */
export function takeDue(
  active: ReadonlyMap<string, ActiveAlert>,
  now_ms: number,
  { resendDelay_ms, interval_ms }: ResendRules,
): { readonly alert: ActiveAlert; readonly endsAt_ms: number }[] {
  const due: { alert: ActiveAlert; endsAt_ms: number }[] = [];
  for (const alert of active.values()) {
    if (!needsTelling(alert, now_ms, resendDelay_ms)) continue;
    alert.lastSentAt_ms = now_ms;
    const validUntil_ms = now_ms + 4 * Math.max(interval_ms, resendDelay_ms);
    due.push({ alert, endsAt_ms: alert.resolvedAt_ms ?? validUntil_ms });
  }
  return due;
}

function needsTelling(alert: ActiveAlert, now_ms: number, resendDelay_ms: number): boolean {
  if (alert.state === 'pending') return false;
  if (alert.resolvedAt_ms !== undefined && alert.resolvedAt_ms > alert.lastSentAt_ms) return true;
  return alert.lastSentAt_ms + resendDelay_ms < now_ms;
}
