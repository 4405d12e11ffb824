/** What a mail says: as text, and as HTML in which nothing of an alert is markup. */
import type { Notification } from '../rules/alert.ts';
import {
  firstOf,
  isResolved,
  labelsText,
  nameOf,
  oneLine,
  overtakenText,
  severityOrError,
  shorten,
  sinceText,
  stateOf,
  summaryOf,
  titleOf,
  valueText,
  type Message,
  type Origin,
} from './message.ts';
import type { Severity } from './severity.ts';

const MOST_ALERTS = 50;
const MOST_CHARACTERS = 4000;
const MOST_TITLE = 200;

export function emailText(message: Message, origin: Origin): string {
  const { shown, rest } = firstOf(message, MOST_ALERTS);
  const alerts = shown.map((notification) => {
    const rows = rowsOf(notification, origin).map(([name, value]) => `  ${name}: ${value}`);
    return [headOf(notification), ...rows].join('\n');
  });
  return [...alerts, ...remarks(message, rest), `Sent by Sonde on ${origin.host} (${origin.notifier}).`].join('\n\n');
}

const COLORS: Readonly<Record<Severity, string>> = {
  info: '#1d6fa5',
  warning: '#a86b00',
  error: '#c0392b',
  critical: '#8b0000',
};
const RESOLVED_COLOR = '#1e7e4a';

export function emailHtml(message: Message, origin: Origin): string {
  const { shown, rest } = firstOf(message, MOST_ALERTS);
  const alerts = shown.map((notification) => {
    const color = isResolved(notification) ? RESOLVED_COLOR : COLORS[severityOrError(notification)];
    const rows = rowsOf(notification, origin).map(
      ([name, value]) =>
        `<tr><td style="padding-right:1em;color:#666;vertical-align:top">${escape(name)}</td><td>${valueHtml(value)}</td></tr>`,
    );
    return `<div style="border-left:4px solid ${color};padding-left:1em;margin-bottom:1.5em"><h3 style="color:${color};margin:0">${escape(headOf(notification))}</h3><table>${rows.join('')}</table></div>`;
  });
  const below = [...remarks(message, rest), `Sent by Sonde on ${origin.host} (${origin.notifier}).`];
  return `<!doctype html><html><head><meta charset="utf-8"><title>${escape(titleOf(message, origin))}</title></head><body style="font-family:sans-serif">${alerts.join('')}${below.map((text) => `<p style="color:#666">${escape(text)}</p>`).join('')}</body></html>`;
}

const headOf = (notification: Notification): string =>
  oneLine(`[${stateOf(notification)}] ${nameOf(notification)}`, MOST_TITLE);

function rowsOf(notification: Notification, { host }: Origin): [name: string, value: string][] {
  const { labels, annotations, generatorURL } = notification.alert;
  const summary = summaryOf(notification);
  const others = [...annotations].filter(([name, value]) => name !== 'summary' && value !== summary);
  const rows: [string, string][] = [
    ['Summary', summary],
    ['Severity', labels.get('severity') ?? 'none given'],
    ['Host', host],
    ['Since', sinceText(notification)],
    ['Value', valueText(notification)],
    ['Labels', labelsText(notification) || 'none'],
    ...others,
    ...(generatorURL === '' ? [] : [['Source', generatorURL] as [string, string]]),
  ];
  return rows.map(([name, value]) => [name, shorten(value, MOST_CHARACTERS)]);
}

const remarks = (message: Message, rest: string): string[] =>
  [rest, overtakenText(message)].filter((text) => text !== '');

function valueHtml(value: string): string {
  const text = escape(value).replaceAll('\n', '<br>');
  return /^https?:\/\/[^\s"'<>]+$/.test(value) ? `<a href="${text}">${text}</a>` : text;
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
