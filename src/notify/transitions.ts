/** What a notifier has told of each alert, and what it has still to tell: only changes, each alert’s latest. */
import type { Notification } from '../rules/alert.ts';
import { createFilter } from './channel.ts';
import { keyOf } from './identity.ts';
import { isResolved } from './message.ts';
import type { TransitionConfig } from './options.ts';
import type { Silences } from './silences.ts';

export interface Transition {
  readonly key: string;
  readonly notification: Notification;
}

export interface Transitions {
  /** Alerts with a change that is to be told. */
  readonly waiting: number;
  /** Since when the first of them is. */
  readonly waitingSince_ms: number;
  add(notifications: readonly Notification[], now_ms: number): void;
  /** Those of which nothing was heard as long as they were announced for are over. */
  expire(now_ms: number): void;
  /** Forgets what was silenced while it waited. */
  forgetSilenced(now_ms: number): void;
  /** The oldest to tell; `done` or `putBack` has to follow. */
  take(most: number): { readonly items: readonly Transition[]; readonly overtaken: number };
  done(items: readonly Transition[], now_ms: number): void;
  putBack(items: readonly Transition[], overtaken: number, now_ms: number): void;
  /** Goes on with what another told and has to tell, but for what that one sends right now. */
  takeOver(before: Transitions): void;
  /** Gives that away. */
  handOver(): HandedOver;
}

export interface HandedOver {
  readonly tracks: ReadonlyMap<string, Track>;
  readonly waiting: ReadonlyMap<string, number>;
  readonly ended: ReadonlyMap<string, number>;
  /** Since when it is known who was told of what. */
  readonly since_ms: number;
}

interface Track {
  /** The latest of the alert. */
  notification: Notification;
  /** When its beginning is, if people know that it fires. */
  toldStart_ms: number | undefined;
  toldAt_ms: number;
  isUnderWay: boolean;
}

/** More alerts than that at once nobody reads one by one. */
const MOST_ALERTS = 10_000;
/** So long the end of an alert is worth telling. */
const RESOLVED_KEPT_MS = 24 * 3_600_000;

export function createTransitions(
  config: TransitionConfig,
  silences: Silences,
  drop: (reason: string, count: number) => void,
  createdAt_ms: number,
): Transitions {
  const isWanted = createFilter(config);
  const tracks = new Map<string, Track>();
  /** Keys by the time since when they wait, oldest first. */
  const waiting = new Map<string, number>();
  /** Ends of alerts that the process before told of, by key: they are repeated, and told once. */
  const ended = new Map<string, number>();
  let overtaken = 0;
  /** Of what began before, another may have told. */
  let since_ms = createdAt_ms;

  const isSilenced = ({ alert, ownLabels = alert.labels }: Notification, now_ms: number): boolean =>
    silences.silencedBy(ownLabels, now_ms).length > 0;

  function addFiring(key: string, notification: Notification, now_ms: number): void {
    const track = tracks.get(key);
    if (isSilenced(notification, now_ms)) {
      if (track === undefined) return;
      track.notification = notification;
      forgetFiring(key, track);
      return;
    }
    if (track === undefined) {
      if (tracks.size >= MOST_ALERTS) return drop('too_many', 1);
      tracks.set(key, { notification, toldStart_ms: undefined, toldAt_ms: 0, isUnderWay: false });
      waiting.set(key, now_ms);
      return;
    }
    const wasOver = isResolved(track.notification);
    track.notification = notification;
    if (waiting.has(key)) {
      // It was to be said that it is over, and it is not.
      if (wasOver) overtaken++;
      return;
    }
    const isRepeated = config.repeat !== undefined && now_ms - track.toldAt_ms >= config.repeat;
    const isKnown = track.toldStart_ms === notification.startsAt_ms && !wasOver;
    if (!track.isUnderWay ? !isKnown || isRepeated : wasOver) waiting.set(key, now_ms);
  }

  function addResolved(key: string, notification: Notification, now_ms: number): void {
    const track = tracks.get(key);
    if (track === undefined) return addInherited(key, notification, now_ms);
    // All know that it is over.
    if (isResolved(track.notification)) return;
    const isUntold = track.toldStart_ms === undefined && !track.isUnderWay;
    const wasWaiting = waiting.has(key);
    if (!config.send_resolved || (isUntold && !wasWaiting)) {
      if (isUntold && wasWaiting) drop('resolved_before_sent', 1);
      waiting.delete(key);
      if (track.isUnderWay) track.notification = notification;
      else tracks.delete(key);
      return;
    }
    if (wasWaiting) overtaken++;
    track.notification = notification;
    if (!wasWaiting) waiting.set(key, now_ms);
  }

  /** One that this process never saw firing: people know of it by the one before, if it began then and ended since. */
  function addInherited(key: string, notification: Notification, now_ms: number): void {
    const { startsAt_ms, endsAt_ms } = notification;
    const isInherited = startsAt_ms < since_ms && endsAt_ms >= since_ms;
    if (!isInherited || !config.send_resolved || ended.get(key) === endsAt_ms || tracks.size >= MOST_ALERTS) return;
    ended.set(key, endsAt_ms);
    tracks.set(key, { notification, toldStart_ms: startsAt_ms, toldAt_ms: 0, isUnderWay: false });
    waiting.set(key, now_ms);
  }

  /** It fires, and is not to be told now. */
  function forgetFiring(key: string, track: Track): void {
    waiting.delete(key);
    if (track.toldStart_ms === undefined && !track.isUnderWay) tracks.delete(key);
  }

  return {
    get waiting() {
      return waiting.size;
    },
    get waitingSince_ms() {
      return waiting.values().next().value ?? 0;
    },
    add(notifications, now_ms) {
      for (const notification of notifications) {
        if (notification.alert.state === 'pending' || !isWanted(notification.alert.labels)) continue;
        const key = keyOf(notification.alert.labels);
        if (isResolved(notification)) addResolved(key, notification, now_ms);
        else addFiring(key, notification, now_ms);
      }
    },
    expire(now_ms) {
      for (const [key, endsAt_ms] of ended) if (endsAt_ms < now_ms - RESOLVED_KEPT_MS) ended.delete(key);
      for (const [key, { notification }] of tracks) {
        if (isResolved(notification)) {
          if (!waiting.has(key) || notification.endsAt_ms > now_ms - RESOLVED_KEPT_MS) continue;
          waiting.delete(key);
          tracks.delete(key);
          drop('too_old', 1);
        } else if (notification.endsAt_ms <= now_ms) {
          const { alert, endsAt_ms } = notification;
          const over = { ...notification, alert: { ...alert, state: 'resolved', resolvedAt_ms: endsAt_ms } as const };
          addResolved(key, over, now_ms);
        }
      }
    },
    forgetSilenced(now_ms) {
      for (const key of waiting.keys()) {
        const track = tracks.get(key)!;
        if (!isResolved(track.notification) && isSilenced(track.notification, now_ms)) forgetFiring(key, track);
      }
    },
    take(most) {
      const items = [...waiting.keys().take(most)].map((key) => {
        waiting.delete(key);
        const track = tracks.get(key)!;
        track.isUnderWay = true;
        return { key, notification: track.notification };
      });
      const told = overtaken;
      overtaken = 0;
      return { items, overtaken: told };
    },
    done(items, now_ms) {
      for (const { key, notification } of items) {
        const track = tracks.get(key);
        if (track === undefined) continue;
        track.isUnderWay = false;
        track.toldAt_ms = now_ms;
        track.toldStart_ms = isResolved(notification) ? undefined : notification.startsAt_ms;
        if (isResolved(notification) && notification.startsAt_ms < since_ms) ended.set(key, notification.endsAt_ms);
        // Over, and all there is to say was said.
        if (isResolved(track.notification) && !waiting.has(key)) tracks.delete(key);
      }
    },
    takeOver(before) {
      const given = before.handOver();
      since_ms = Math.min(since_ms, given.since_ms);
      for (const [key, track] of given.tracks) {
        if (tracks.has(key) || !isWanted(track.notification.alert.labels)) continue;
        tracks.set(key, track);
        const waitsSince_ms = given.waiting.get(key);
        if (waitsSince_ms !== undefined) waiting.set(key, waitsSince_ms);
      }
      for (const [key, endsAt_ms] of given.ended) ended.set(key, endsAt_ms);
    },
    handOver() {
      const free = [...tracks].filter(([, { isUnderWay }]) => !isUnderWay);
      const given = { tracks: new Map(free), waiting: new Map(waiting), ended: new Map(ended), since_ms };
      for (const [key] of free) {
        tracks.delete(key);
        waiting.delete(key);
      }
      return given;
    },
    putBack(items, more, now_ms) {
      overtaken += more;
      for (const { key } of items) {
        const track = tracks.get(key);
        if (track === undefined) continue;
        track.isUnderWay = false;
        if (waiting.has(key)) overtaken++;
        else if (isResolved(track.notification) && !config.send_resolved) {
          drop('resolved_before_sent', 1);
          tracks.delete(key);
        } else waiting.set(key, now_ms);
      }
    },
  };
}
