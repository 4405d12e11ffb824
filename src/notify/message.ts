/** What people are told: some alerts at once, in the words that all kinds of notifiers share. */
import type { Notification } from '../rules/alert.ts';
import { SEVERITIES, severityOf, type Severity } from './severity.ts';

export interface Message {
  /** Worst first. */
  readonly firing: readonly Notification[];
  readonly resolved: readonly Notification[];
  /** Changes that nobody was told of, as the alert had changed again before they could be. */
  readonly overtaken: number;
}

/** What a message says of where it comes from. */
export interface Origin {
  /** Name of the notifier. */
  readonly notifier: string;
  readonly host: string;
}

export function createMessage(notifications: readonly Notification[], overtaken: number): Message {
  const ordered = notifications.toSorted((a, b) => badness(b) - badness(a) || a.startsAt_ms - b.startsAt_ms);
  return {
    firing: ordered.filter((each) => !isResolved(each)),
    resolved: ordered.filter(isResolved),
    overtaken,
  };
}

export const isResolved = ({ alert }: Notification): boolean => alert.state === 'resolved';

/** What no word says counts as an error: neither the least nor the worst. */
export function severityOrError({ alert }: Notification): Severity {
  return severityOf(alert.labels) ?? 'error';
}

const badness = (notification: Notification): number => SEVERITIES.indexOf(severityOrError(notification));

/** `[FIRING:2, RESOLVED:1] DiskFull, HostDown on db1`; one line. */
export function titleOf({ firing, resolved }: Message, { host }: Origin): string {
  const counts = [
    ...(firing.length > 0 ? [`FIRING:${firing.length}`] : []),
    ...(resolved.length > 0 ? [`RESOLVED:${resolved.length}`] : []),
  ];
  const names = [...new Set([...firing, ...resolved].map(nameOf))];
  const shown = names.slice(0, MOST_NAMES).join(', ');
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : '';
  return oneLine(`[${counts.join(', ')}] ${shown}${more} on ${host}`, 200);
}

const MOST_NAMES = 4;

export const nameOf = ({ alert }: Notification): string => alert.labels.get('alertname') ?? alert.rule;

/** What the rule says of it: its annotation `summary`, else its name. */
export function summaryOf(notification: Notification): string {
  const { annotations } = notification.alert;
  return annotations.get('summary') ?? annotations.get('description') ?? nameOf(notification);
}

/** `FIRING`, or that it is over. */
export const stateOf = (notification: Notification): string => (isResolved(notification) ? 'RESOLVED' : 'FIRING');

/** Labels but the name, as `device="sda", severity="critical"`. */
export function labelsText({ alert }: Notification): string {
  return [...alert.labels]
    .filter(([name]) => name !== 'alertname')
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(', ');
}

/** `2026-01-31 12:00:00 UTC`, and how long it lasted. */
export function sinceText({ alert, startsAt_ms, endsAt_ms }: Notification): string {
  const since = `${new Date(startsAt_ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  return alert.state === 'resolved' ? `${since}, for ${lengthText(endsAt_ms - startsAt_ms)}` : since;
}

function lengthText(time_ms: number): string {
  const s = Math.max(0, Math.round(time_ms / 1000));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  return `${Math.round(s / 360) / 10} h`;
}

export function valueText({ alert: { value } }: Notification): string {
  return Number.isInteger(value) || !Number.isFinite(value) ? String(value) : String(Number(value.toPrecision(6)));
}

/** What is to be said of changes that were overtaken; '' for none. */
export function overtakenText({ overtaken }: Message): string {
  if (overtaken === 0) return '';
  const changes = overtaken === 1 ? '1 change' : `${overtaken} changes`;
  return `${changes} before could not be told in time; the states here are the latest.`;
}

/** The first ones of a message that is for people, and what is to be said of the rest. */
export function firstOf(message: Message, most: number): { shown: readonly Notification[]; rest: string } {
  const all = [...message.firing, ...message.resolved];
  if (all.length <= most) return { shown: all, rest: '' };
  const firing = Math.max(0, message.firing.length - most);
  return { shown: all.slice(0, most), rest: `And ${firing} firing, ${all.length - most - firing} resolved.` };
}

/** Without line breaks, which could begin a header or forge a line, and not too long. */
export function oneLine(text: string, most: number): string {
  return shorten(text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim(), most);
}

/** Never half a character. */
export function shorten(text: string, most: number): string {
  if (text.length <= most) return text;
  return `${text
    .slice(0, most - 1)
    .toWellFormed()
    .replace(/\ufffd$/, '')}…`;
}
