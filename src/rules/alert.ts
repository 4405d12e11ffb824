/** An alert, as notifiers, pages and events see it. Times are Unix milliseconds. */
import type { Labels } from '../store/queryable.ts';

export type AlertState = 'pending' | 'firing' | 'resolved';

export interface Alert {
  /** With `alertname`, without `__name__`: they identify it. */
  readonly labels: Labels;
  readonly annotations: ReadonlyMap<string, string>;
  readonly state: AlertState;
  /** Of the last evaluation at which the expression held. */
  readonly value: number;
  readonly activeAt_ms: number;
  /** Undefined while it is pending. */
  readonly firedAt_ms: number | undefined;
  readonly resolvedAt_ms: number | undefined;
  readonly group: string;
  readonly rule: string;
  readonly generatorURL: string;
}

/** What is sent to Alertmanagers and the like: an alert that fires or is resolved, and until when that holds by itself. */
export interface Notification {
  readonly alert: Alert;
  /** Its labels as the board has them, without external ones: silences go by them. Those of `alert` if left out. */
  readonly ownLabels?: Labels;
  /** Since when it fires: the same in every repetition. */
  readonly startsAt_ms: number;
  /** When it was resolved; of one that fires, when it counts as resolved if nothing more is heard of it. */
  readonly endsAt_ms: number;
}

/** Takes what is due to be sent; waits for nobody, bounds what it keeps, and never throws. */
export interface Notifier {
  notify(notifications: readonly Notification[], now_ms: number): void;
}
