/** Syslog messages: RFC 5424, and RFC 3164 as it is really written. */
import type { AnyValue, Attributes } from '../model/attributes.ts';
import { SYSLOG_SEVERITIES } from '../model/severity.ts';
import { readStructuredData, type StructuredData } from './syslog_structured_data.ts';
import { readTag } from './syslog_tag.ts';
import { createTimeReader, type TimeReader } from './time/reader.ts';
import { isDigit } from './time/scan.ts';

/** What a message says. */
export interface SyslogMessage {
  /** Unix nanoseconds; 0n where it does not say. */
  time: bigint;
  /** 0 (emergency) to 7 (debug); undefined where the message has no priority, as most lines of files. */
  severity: number | undefined;
  /** 0 (kernel) to 23 (local7); undefined where the message has no priority. */
  facility: number | undefined;
  /** As SeverityNumber; 0 where unknown. */
  severityNumber: number;
  /** As `err`; '' where unknown. */
  severityText: string;
  /** 1 for RFC 5424, 0 for RFC 3164. */
  version: number;
  hostname: string;
  appName: string;
  /** As written: mostly a number. */
  procId: string;
  msgId: string;
  /** Parameters by element, as `{ "exampleSDID@32473": { iut: "3" } }`. */
  structuredData: StructuredData | undefined;
  /** The text itself. */
  message: string;
  /** All but time, severity and message: what a record carries. */
  attributes: Attributes;
}

export interface SyslogOptions {
  /** Unix nanoseconds: a time without a year is the latest before it. */
  readonly now_ns: bigint;
  /** Where times without a zone are: `Local` (the machine's own), `UTC`, `+02:00`, `Europe/Berlin`; `Local` if left out. */
  readonly location?: string | undefined;
  /** Whether a text without priority (`<13>`) is a message, as in files; false if left out. */
  readonly isPriorityOptional?: boolean | undefined;
}

export const SYSLOG_SEVERITY_NAMES = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'] as const;

/** By code (RFC 5424, table 1), in the words of syslog(3) where it has them. */
export const SYSLOG_FACILITY_NAMES =
  'kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert clock local0 local1 local2 local3 local4 local5 local6 local7'.split(
    ' ',
  );

/** Readers of times by location; receivers name one, or few. */
const readers = new Map<string, TimeReader>();
const MAX_READERS = 64;
let now_ms = 0;

/** Undefined where the text is no syslog message. Never throws, if the location is one. */
export function parseSyslog(text: string, options: SyslogOptions): SyslogMessage | undefined {
  const { location = 'Local' } = options;
  let reader = readers.get(location);
  if (reader === undefined) {
    if (readers.size >= MAX_READERS) readers.clear();
    readers.set(location, (reader = createTimeReader({ location }, () => now_ms)));
  }
  now_ms = Number(options.now_ns / 1_000_000n);
  return parseMessage(text, reader, options.isPriorityOptional === true);
}

/** Like {@link parseSyslog}, with the reader of times given. */
export function parseMessage(text: string, reader: TimeReader, isPriorityOptional: boolean): SyslogMessage | undefined {
  const message = emptyMessage();
  let at = 0;
  if (text.charCodeAt(0) === 0x3c) {
    at = readPriority(text, message);
    if (at < 0) return undefined;
  } else if (!isPriorityOptional) {
    return undefined;
  }
  const end = trimmedEnd(text);
  const whole = end === text.length ? text : text.slice(0, end);
  if (!readRfc5424(whole, at, message, reader) && !readRfc3164(whole, at, message, reader)) return undefined;
  message.attributes = attributesOf(message);
  return message;
}

function emptyMessage(): SyslogMessage {
  return {
    time: 0n,
    severity: undefined,
    facility: undefined,
    severityNumber: 0,
    severityText: '',
    version: 0,
    hostname: '',
    appName: '',
    procId: '',
    msgId: '',
    structuredData: undefined,
    message: '',
    attributes: {},
  };
}

/** `<165>`, facility times eight plus severity, at most 191; returns where it ends, -1 where there is none. */
function readPriority(text: string, message: SyslogMessage): number {
  let priority = 0;
  let at = 1;
  for (; at < 4 && isDigit(text.charCodeAt(at)); at++) priority = priority * 10 + text.charCodeAt(at) - 0x30;
  if (at === 1 || text.charCodeAt(at) !== 0x3e || priority > 191) return -1;
  message.severity = priority & 7;
  message.facility = priority >> 3;
  message.severityNumber = SYSLOG_SEVERITIES[message.severity]!;
  message.severityText = SYSLOG_SEVERITY_NAMES[message.severity]!;
  return at + 1;
}

/** Senders end a datagram with a line feed or a zero, as C has it. */
function trimmedEnd(text: string): number {
  let end = text.length;
  for (; end > 0; end--) {
    const code = text.charCodeAt(end - 1);
    if (code !== 0x0a && code !== 0x0d && code !== 0) break;
  }
  return end;
}

/** `1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3"] text` */
function readRfc5424(text: string, start: number, message: SyslogMessage, reader: TimeReader): boolean {
  if (text.charCodeAt(start) !== 0x31 || text.charCodeAt(start + 1) !== 0x20) return false;
  let at = start + 2;
  let time = 0n;
  if (text.charCodeAt(at) === 0x2d) {
    at++;
  } else {
    // A year first tells it from a message of RFC 3164 that begins with a one.
    const read = isDigit(text.charCodeAt(at + 3)) ? reader.readAt(text, at) : undefined;
    if (read === undefined) return false;
    time = read;
    at = reader.end;
  }
  if (text.charCodeAt(at) !== 0x20) return false;
  const fields = ['', '', '', ''];
  for (let index = 0; index < 4; index++) {
    const from = at + 1;
    const space = text.indexOf(' ', from);
    at = space < 0 ? text.length : space;
    if (at <= from) return false;
    // RFC 5424, 6: the longest of these fields is HOSTNAME with 255.
    if (at - from > 1024 || (space < 0 && index < 3)) return false;
    const field = text.slice(from, at);
    fields[index] = field === '-' ? '' : field;
  }
  message.version = 1;
  message.time = time;
  [message.hostname, message.appName, message.procId, message.msgId] = fields as [string, string, string, string];
  at = Math.min(at + 1, text.length);
  if (text.charCodeAt(at) === 0x2d && (at + 1 === text.length || text.charCodeAt(at + 1) === 0x20)) {
    at += 2;
  } else if (text.charCodeAt(at) === 0x5b) {
    const read = readStructuredData(text, at);
    // What is no structured data after all stays, as part of the message.
    if (read !== undefined) {
      message.structuredData = read.data;
      at = read.end + (text.charCodeAt(read.end) === 0x20 ? 1 : 0);
    }
  }
  // The mark of UTF-8.
  if (text.charCodeAt(at) === 0xfeff) at++;
  message.message = text.slice(at);
  return true;
}

/**
 * `Oct 11 22:14:15 mymachine su[230]: text`. The time may be missing or of ISO 8601, may have a fraction, a year or a mark
 * of Cisco's (`123: *Oct 11 22:14:15.003: %SYS-5-CONFIG_I: text`); host and tag may be missing.
 */
function readRfc3164(text: string, start: number, message: SyslogMessage, reader: TimeReader): boolean {
  const hasPriority = message.severity !== undefined;
  let at = start;
  let time = timeAt(text, at, reader);
  if (time === undefined && hasPriority) {
    const sequence = endOfSequence(text, at);
    time = timeAt(text, sequence, reader);
    if (time === undefined && sequence > at) time = timeAt(text, sequence + 1, reader);
    if (time === undefined && (text[at] === '*' || text[at] === '.')) time = timeAt(text, at + 1, reader);
  }
  if (time !== undefined) {
    message.time = time;
    at = reader.end;
    if (text.charCodeAt(at) === 0x3a) at++;
    if (at < text.length && text.charCodeAt(at) !== 0x20) return false;
    at++;
  } else if (!hasPriority) {
    return false;
  }
  while (text.charCodeAt(at) === 0x20) at++;
  const tag = readTag(text, at);
  if (tag !== undefined) {
    message.appName = tag.name;
    message.procId = tag.procId;
    message.message = text.slice(tag.end);
    return true;
  }
  if (time === undefined) {
    message.message = text.slice(at);
    return true;
  }
  const space = text.indexOf(' ', at);
  const host = text.slice(at, space < 0 ? text.length : space);
  if (!isHost(host)) {
    message.message = text.slice(at);
    return hasPriority;
  }
  message.hostname = host;
  at += host.length;
  while (text.charCodeAt(at) === 0x20) at++;
  const second = readTag(text, at);
  message.appName = second?.name ?? '';
  message.procId = second?.procId ?? '';
  message.message = text.slice(second?.end ?? at);
  return true;
}

function timeAt(text: string, at: number, reader: TimeReader): bigint | undefined {
  const first = text.charCodeAt(at);
  // A number of four digits, or a month: other times are not syslog's.
  if (isDigit(first) && !isDigit(text.charCodeAt(at + 3))) return undefined;
  return reader.readAt(text, at);
}

/** Behind `123: `, with which Cisco counts. */
function endOfSequence(text: string, at: number): number {
  let end = at;
  while (end < at + 12 && isDigit(text.charCodeAt(end))) end++;
  return end > at && text.startsWith(': ', end) ? end + 2 : at;
}

const HOST = /^[A-Za-z0-9_][A-Za-z0-9_.:%-]{0,254}$|^::[0-9A-Fa-f.:]*$|^\[[0-9A-Fa-f:.]{2,64}\]$/;

function isHost(text: string): boolean {
  return text.length <= 255 && HOST.test(text);
}

function attributesOf(message: SyslogMessage): Attributes {
  const attributes: Record<string, AnyValue> = {};
  const { hostname, appName, procId, msgId, structuredData, facility } = message;
  if (facility !== undefined) attributes['syslog.facility'] = SYSLOG_FACILITY_NAMES[facility]!;
  if (hostname !== '') attributes['host.name'] = hostname;
  if (appName !== '') attributes['syslog.appname'] = appName;
  if (/^[1-9]\d{0,9}$/.test(procId)) attributes['process.pid'] = Number(procId);
  else if (procId !== '') attributes['syslog.procid'] = procId;
  if (msgId !== '') attributes['syslog.msgid'] = msgId;
  if (structuredData !== undefined) attributes['syslog.structured_data'] = structuredData;
  return attributes;
}
