/**
 * A record of /dev/kmsg (Documentation/ABI/testing/dev-kmsg of the kernel):
 * `6,339,5140900,-,caller=T1;NET: Registered protocol family 10`, then lines ` KEY=value` of its dictionary.
 */
import { isUtf8 } from 'node:buffer';
import { SYSLOG_FACILITY_NAMES, SYSLOG_SEVERITY_NAMES } from '../../src/logs/syslog.ts';
import type { AnyValue } from '../../src/model/attributes.ts';
import type { LogRecord, Resource, Scope } from '../../src/model/batch.ts';
import { SYSLOG_SEVERITIES } from '../../src/model/severity.ts';

export interface KernelMessage {
  /** 0 (emergency) to 7 (debug). */
  readonly severity: number;
  readonly facility: number;
  readonly sequence: number;
  /** Since boot, without the time that the machine was suspended. */
  readonly time_us: number;
  /** Part of a line that was printed in several. */
  readonly isFragment: boolean;
  /** `T1` for a thread, `C2` for a CPU; '' where the kernel does not say. */
  readonly caller: string;
  readonly text: string | Uint8Array;
  readonly dictionary: readonly (readonly [key: string, value: string | Uint8Array])[];
}

const LINE_FEED = 0x0a;
const PREFIX = /^(\d{1,6}),(\d{1,16}),(\d{1,16}),([^,;]*)((?:,[^,;]*)*);/;
const LONGEST_PREFIX = 200;

/** Undefined where the bytes are no record. */
export function parseKmsg(bytes: Uint8Array): KernelMessage | undefined {
  const match = PREFIX.exec(Buffer.from(bytes.subarray(0, LONGEST_PREFIX)).toString('latin1'));
  if (match === null) return undefined;
  const [prefix, priority, sequence, time, flag, more] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const first = bytes.indexOf(LINE_FEED, prefix.length);
  const end = first < 0 ? bytes.length : first;
  const dictionary: [string, string | Uint8Array][] = [];
  for (let at = end + 1; at < bytes.length;) {
    const next = bytes.indexOf(LINE_FEED, at);
    const line = bytes.subarray(at, next < 0 ? bytes.length : next);
    at += line.length + 1;
    const equals = line.indexOf(0x3d);
    if (line[0] !== 0x20 || equals < 2) continue;
    dictionary.push([Buffer.from(line.subarray(1, equals)).toString('latin1'), unescape(line.subarray(equals + 1))]);
  }
  return {
    severity: Number(priority) & 7,
    facility: Number(priority) >> 3,
    sequence: Number(sequence),
    time_us: Number(time),
    isFragment: flag === 'c' || flag === '+',
    caller: /,caller=([TC]\d+)/.exec(more)?.[1] ?? '',
    text: unescape(bytes.subarray(prefix.length, end)),
    dictionary,
  };
}

/** The kernel writes bytes beyond printable ASCII, and the backslash, as `\x0a`. */
function unescape(bytes: Uint8Array): string | Uint8Array {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  if (!text.includes('\\x') && isUtf8(bytes)) return Buffer.from(text, 'latin1').toString('utf8');
  const whole = Buffer.from(
    text.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  return isUtf8(whole) && !whole.includes(0) ? whole.toString('utf8') : new Uint8Array(whole);
}

export interface KernelRecordOptions {
  readonly resource: Resource;
  readonly scope: Scope;
  /** Unix nanoseconds. */
  readonly time: bigint;
  readonly observedTime: bigint;
  /** By how many seconds `time` may be too late. */
  readonly uncertainty_s: number;
}

export function recordOf(message: KernelMessage, options: KernelRecordOptions): LogRecord {
  const { resource, scope, time, observedTime, uncertainty_s } = options;
  const { severity, facility, sequence, time_us, caller } = message;
  const attributes: Record<string, AnyValue> = {
    'syslog.facility': SYSLOG_FACILITY_NAMES[facility] ?? String(facility),
    'kmsg.sequence': sequence,
    'kmsg.uptime_us': time_us,
  };
  if (uncertainty_s > 0) attributes['kmsg.time.uncertainty'] = uncertainty_s;
  if (message.isFragment) attributes['kmsg.is_fragment'] = true;
  if (caller !== '') attributes[caller.startsWith('T') ? 'thread.id' : 'cpu.logical_number'] = Number(caller.slice(1));
  for (const [key, value] of message.dictionary) attributes[`kmsg.${key}`] = value;
  return {
    resource,
    scope,
    time,
    observedTime,
    severityNumber: SYSLOG_SEVERITIES[severity]!,
    severityText: SYSLOG_SEVERITY_NAMES[severity]!,
    body: message.text,
    attributes,
    droppedAttributesCount: 0,
    flags: 0,
    traceId: '',
    spanId: '',
    eventName: '',
  };
}

export function lossRecord(
  lost: number,
  next: number,
  options: Omit<KernelRecordOptions, 'time' | 'uncertainty_s'>,
): LogRecord {
  const { resource, scope, observedTime } = options;
  return {
    resource,
    scope,
    time: observedTime,
    observedTime,
    severityNumber: 13,
    severityText: 'warning',
    body: `${lost} kernel messages were overwritten before they could be read`,
    attributes: { 'kmsg.lost.count': lost, 'kmsg.sequence': next },
    droppedAttributesCount: 0,
    flags: 0,
    traceId: '',
    spanId: '',
    eventName: 'kmsg.lost',
  };
}
