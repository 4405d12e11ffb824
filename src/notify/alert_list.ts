/** The alerts there are now, as Alertmanager’s API v2 shows them. */
import type { Alert } from '../rules/alert.ts';
import type { Board } from '../rules/board.ts';
import { fingerprintOf } from './identity.ts';
import type { Matches } from './matchers.ts';

export interface AlertQuery {
  readonly matches: Matches;
  /** Those that fire and are not silenced. */
  readonly active: boolean;
  /** Those that fire and are silenced. */
  readonly silenced: boolean;
  readonly pending: boolean;
}

export interface ListedAlert {
  readonly alert: Alert;
  readonly silencedBy: readonly string[];
  /** How often its group is evaluated. */
  readonly interval_ms: number;
}

/** `gettableAlert` of API v2. */
export interface GettableAlert {
  readonly annotations: Readonly<Record<string, string>>;
  readonly endsAt: string;
  readonly fingerprint: string;
  readonly receivers: readonly { readonly name: string }[];
  readonly startsAt: string;
  readonly status: {
    /** `unprocessed` are those that are pending. */
    readonly state: 'active' | 'suppressed' | 'unprocessed';
    readonly silencedBy: readonly string[];
    readonly inhibitedBy: readonly string[];
    readonly mutedBy: readonly string[];
  };
  readonly updatedAt: string;
  readonly generatorURL: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** One of each, though several rules may make alerts with the same labels: the one that fires longest. */
export function alertsOf(
  { judges, silences }: Pick<Board, 'judges' | 'silences'>,
  { matches, active, silenced, pending }: AlertQuery,
  now_ms: number,
): ListedAlert[] {
  const found = new Map<string, ListedAlert>();
  for (const judge of judges) {
    for (const { rules, interval_ms } of judge.groups()) {
      for (const alert of rules.flatMap((rule) => rule.alerts)) {
        if (alert.state === 'resolved' || !matches(alert.labels)) continue;
        const isPending = alert.state === 'pending';
        const silencedBy = silences.silencedBy(alert.labels, now_ms);
        if (isPending ? !pending : silencedBy.length > 0 ? !silenced : !active) continue;
        const key = fingerprintOf(alert.labels);
        const known = found.get(key);
        if (known === undefined || since(alert) < since(known.alert))
          found.set(key, { alert, silencedBy, interval_ms });
      }
    }
  }
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, listed]) => listed);
}

/** Since when it is in its state; one that fires counts as older than any that is pending. */
function since({ state, firedAt_ms, activeAt_ms }: Alert): number {
  return state === 'firing' ? (firedAt_ms ?? activeAt_ms) : activeAt_ms + Number.MAX_SAFE_INTEGER / 2;
}

/** As Prometheus counts it: that long an alert holds of which nothing more is heard. */
const RESEND_MS = 60_000;

export function toGettableAlert(
  { alert, silencedBy, interval_ms }: ListedAlert,
  receiver: string,
  now_ms: number,
): GettableAlert {
  const isPending = alert.state === 'pending';
  const time = (time_ms: number): string => new Date(time_ms).toISOString();
  return {
    annotations: Object.fromEntries(alert.annotations),
    endsAt: time(now_ms + 4 * Math.max(interval_ms, RESEND_MS)),
    fingerprint: fingerprintOf(alert.labels),
    receivers: [{ name: receiver }],
    startsAt: time(isPending ? alert.activeAt_ms : (alert.firedAt_ms ?? alert.activeAt_ms)),
    status: {
      state: isPending ? 'unprocessed' : silencedBy.length > 0 ? 'suppressed' : 'active',
      silencedBy,
      inhibitedBy: [],
      mutedBy: [],
    },
    updatedAt: time(now_ms),
    generatorURL: alert.generatorURL,
    labels: Object.fromEntries(alert.labels),
  };
}
