/** An event as a line for people: time, severity, name, what it says, and its attributes. */
import type { AnyValue } from '../model/attributes.ts';
import { printable } from '../text/printable.ts';
import { valueJson } from '../text/value_json.ts';
import { painter, type Paint, type Style, type Terminal } from './terminal.ts';

export interface EventFrame {
  readonly frame: 'event';
  readonly time: string;
  readonly type: string;
  readonly severity_number: number;
  readonly severity_text?: string;
  readonly body?: unknown;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly truncated?: true;
}

const LONGEST_BODY = 2000;
const LONGEST_VALUE = 200;
/** As many characters as FATAL and INFO2. */
const SEVERITY_WIDTH = 5;

/**
 * `12:00:01.250 INFO  file.modify  changed  file.path=/etc/hosts file.size=221`: on a terminal the local time of day, in a
 * pipe the whole time in UTC. Control characters of the data are escaped.
 */
export function eventText(frame: EventFrame, terminal: Pick<Terminal, 'hasColor' | 'isInteractive'>): string {
  const paint = painter(terminal);
  const { type, body, severity_number, severity_text = '' } = frame;
  const parts = [
    paint('dim', terminal.isInteractive ? timeOfDay(frame.time) : frame.time),
    paintSeverity(paint, severity_number, printable(severity_text, 12).padEnd(SEVERITY_WIDTH)),
  ];
  if (type !== '') parts.push(paint('cyan', printable(type, LONGEST_VALUE)));
  if (body !== undefined) parts.push(printable(textOf(body), LONGEST_BODY));
  const attributes = Object.entries(frame.attributes).map(
    ([key, value]) =>
      `${paint('dim', `${printable(key, LONGEST_VALUE)}=`)}${quoted(printable(textOf(value), LONGEST_VALUE))}`,
  );
  if (attributes.length > 0) parts.push(attributes.join(' '));
  if (frame.truncated === true) parts.push(paint('yellow', '(truncated)'));
  return `${parts.join('  ').replace('  ', ' ')}\n`;
}

function paintSeverity(paint: Paint, severity: number, text: string): string {
  const style: Style | undefined = severity >= 17 ? 'red' : severity >= 13 ? 'yellow' : severity >= 9 ? 'green' : 'dim';
  return paint(style, text);
}

/** `2026-01-31T12:00:01.250999999Z` → `12:00:01.250` where this is; what is no such time stays. */
function timeOfDay(time: string): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  const two = (number: number): string => String(number).padStart(2, '0');
  const milliseconds = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${milliseconds}`;
}

/** A value as `parseExact` gives it. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : valueJson(value as AnyValue);
}

function quoted(text: string): string {
  return text === '' || /[\s"=]/.test(text) ? JSON.stringify(text) : text;
}
