/** From an entry of the journal to a record; the mapping is docs/receivers/journald.md. */
import { isUtf8 } from 'node:buffer';
import { SYSLOG_FACILITY_NAMES, SYSLOG_SEVERITY_NAMES } from '../../src/logs/syslog.ts';
import type { AnyValue } from '../../src/model/attributes.ts';
import type { LogRecord, Resource, Scope } from '../../src/model/batch.ts';
import { SYSLOG_SEVERITIES } from '../../src/model/severity.ts';
import type { Entry } from './export_stream.ts';

export interface Origin {
  readonly resource: Resource;
  readonly scope: Scope;
}

type Kind = 'text' | 'number';

/** Fields (systemd.journal-fields(7)) for which the conventions, or the Collector, have a name. */
const NAMED: Readonly<Record<string, readonly [attribute: string, kind: Kind]>> = {
  __CURSOR: ['log.record.uid', 'text'],
  _PID: ['process.pid', 'number'],
  _COMM: ['process.executable.name', 'text'],
  _EXE: ['process.executable.path', 'text'],
  _CMDLINE: ['process.command_line', 'text'],
  _UID: ['process.user.id', 'number'],
  _SYSTEMD_CGROUP: ['process.linux.cgroup', 'text'],
  _SYSTEMD_UNIT: ['systemd.unit.name', 'text'],
  _HOSTNAME: ['host.name', 'text'],
  _MACHINE_ID: ['host.id', 'text'],
  CONTAINER_ID_FULL: ['container.id', 'text'],
  CONTAINER_NAME: ['container.name', 'text'],
  IMAGE_NAME: ['container.image.name', 'text'],
  CODE_FILE: ['code.file.path', 'text'],
  CODE_LINE: ['code.line.number', 'number'],
  CODE_FUNC: ['code.function.name', 'text'],
  TID: ['thread.id', 'number'],
  SYSLOG_IDENTIFIER: ['syslog.appname', 'text'],
};
const PREFIX = 'journald.';

export function recordOf(entry: Entry, { resource, scope }: Origin, now: bigint): LogRecord {
  const attributes: Record<string, AnyValue> = {};
  let body: AnyValue | undefined;
  let severity: number | undefined;
  let received = 0n;
  let source = 0n;
  for (const { name, value } of entry.fields) {
    if (name === 'MESSAGE' && body === undefined) {
      body = valueOf(value);
    } else if (name === 'PRIORITY' && severity === undefined && isPriority(value)) {
      severity = value[0]! - 0x30;
    } else {
      if (name === '__REALTIME_TIMESTAMP') received = microseconds(value);
      if (name === '_SOURCE_REALTIME_TIMESTAMP') source = microseconds(value);
      addField(attributes, name, value);
    }
  }
  if (entry.truncated.length > 0) attributes['journald.truncated_fields'] = entry.truncated;
  return {
    resource,
    scope,
    time: source > 0n ? source : received,
    observedTime: now,
    severityNumber: severity === undefined ? 0 : SYSLOG_SEVERITIES[severity]!,
    severityText: severity === undefined ? '' : SYSLOG_SEVERITY_NAMES[severity]!,
    body,
    attributes,
    droppedAttributesCount: entry.droppedFields,
    flags: 0,
    traceId: '',
    spanId: '',
    eventName: '',
  };
}

function addField(attributes: Record<string, AnyValue>, name: string, bytes: Uint8Array): void {
  let key = PREFIX + name;
  let value: AnyValue = valueOf(bytes);
  const named = Object.hasOwn(NAMED, name) ? NAMED[name] : undefined;
  if (name === 'SYSLOG_FACILITY') {
    const facility = numberOf(value);
    const word = facility === undefined ? undefined : SYSLOG_FACILITY_NAMES[facility];
    if (word !== undefined) {
      key = 'syslog.facility';
      value = word;
    }
  } else if (named !== undefined) {
    const [attribute, kind] = named;
    const read = kind === 'text' ? value : numberOf(value);
    // What is not what the conventions say stays under its own name.
    if (read !== undefined && !(read instanceof Uint8Array)) {
      key = attribute;
      value = read;
    }
  }
  const before = attributes[key];
  if (before === undefined) attributes[key] = value;
  // An entry may hold a field several times.
  else attributes[key] = Array.isArray(before) ? [...(before as readonly AnyValue[]), value] : [before, value];
}

/** Text where it is text: a zero byte or invalid UTF-8 is none. */
function valueOf(bytes: Uint8Array): AnyValue {
  if (!isUtf8(bytes) || bytes.includes(0)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function numberOf(value: AnyValue): number | undefined {
  if (typeof value !== 'string' || !/^-?\d{1,16}$/.test(value)) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

function isPriority(value: Uint8Array): boolean {
  return value.length === 1 && value[0]! >= 0x30 && value[0]! <= 0x37;
}

/** `1763787600123456` → Unix nanoseconds; 0n for what is no time. */
function microseconds(value: Uint8Array): bigint {
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1');
  return /^\d{1,16}$/.test(text) ? BigInt(text) * 1000n : 0n;
}
