/**
 * From the named fields of a structured line to a record: which field is the time, the severity, the text and the trace,
 * by the names that libraries give them. What is none of these becomes attributes.
 */
import type { AnyValue, Attributes } from '../model/attributes.ts';
import { severityName } from '../model/severity.ts';
import type { ParsedLine } from './format.ts';
import { createSeverityReader, type SeverityConfig } from './levels.ts';
import type { TimeReader } from './time/reader.ts';

type Role = 'time' | 'severity' | 'body' | 'trace' | 'span' | 'flags' | 'traceparent' | 'event';

/** Names in the order in which they are believed, where a line has several. */
const NAMES: Readonly<Record<Role, string>> = {
  time:
    'timestamp @timestamp time ts datetime date eventTime event_time asctime timeStamp Timestamp @t t T instant ' +
    'time_local time_iso8601 msec',
  severity:
    'severity_number severityNumber severity level log.level lvl loglevel log_level levelname severity_text ' +
    'severityText Level @l L PRIORITY',
  body: 'message msg log short_message @m Message MESSAGE M body event',
  trace: 'trace_id traceId trace.id traceid traceID TraceId otelTraceID @tr logging.googleapis.com/trace',
  span: 'span_id spanId span.id spanid spanID SpanId otelSpanID @sp logging.googleapis.com/spanId',
  flags: 'trace_flags traceFlags TraceFlags',
  traceparent: 'traceparent',
  event: 'event.name event_name eventName',
};

export interface FieldsConfig {
  readonly timestamp: { readonly field?: string | undefined };
  readonly severity: SeverityConfig;
}

export interface FieldsReader {
  /** The record of named fields; `body`, the line, is its text where no field holds one. */
  read(fields: Attributes, body: string): ParsedLine;
  /** Whether a field of this name may be the time of the line. */
  isTime(name: string): boolean;
}

interface Meaning {
  readonly role: Role;
  readonly rank: number;
}

export function createFieldsReader(config: FieldsConfig, times: TimeReader): FieldsReader {
  const meanings = createMeanings(config);
  const severityOf = createSeverityReader(config.severity);

  /** Sets what the field says, unless it says nothing: then it is an attribute like any other. */
  function apply(role: Role, name: string, value: AnyValue, line: ParsedLine): boolean {
    switch (role) {
      case 'time': {
        const time = times.readValue(value);
        line.time = time ?? line.time;
        return time !== undefined;
      }
      case 'severity': {
        const isNumber = typeof value === 'number' || typeof value === 'bigint';
        const severityNumber = severityOf(value, name);
        if (severityNumber === undefined && (typeof value !== 'string' || value.length > 32)) return false;
        line.severityNumber = severityNumber ?? 0;
        line.severityText = isNumber ? severityName(line.severityNumber) : String(value);
        return true;
      }
      case 'body':
        if (typeof value === 'object') return false;
        line.body = value;
        return true;
      case 'trace': {
        const id = hexId(value, 32);
        line.traceId = id;
        return id !== '';
      }
      case 'span': {
        const id = hexId(value, 16);
        line.spanId = id;
        return id !== '';
      }
      case 'flags': {
        const flags = flagsOf(value);
        line.flags = flags ?? 0;
        return flags !== undefined;
      }
      case 'traceparent':
        return typeof value === 'string' && readTraceparent(value, line);
      case 'event':
        if (typeof value !== 'string') return false;
        line.eventName = value;
        return true;
    }
  }

  function read(fields: Attributes, body: string): ParsedLine {
    const line: ParsedLine = {
      time: 0n,
      severityNumber: 0,
      severityText: '',
      body,
      attributes: fields,
      traceId: '',
      spanId: '',
      flags: 0,
      eventName: '',
    };
    const names = Object.keys(fields);
    /** Fields with a meaning, sorted by rank as they come in: there are few. */
    const known: { readonly name: string; readonly meaning: Meaning }[] = [];
    for (const name of names) {
      const meaning = meanings.get(name);
      if (meaning === undefined) continue;
      let at = known.length;
      while (at > 0 && known[at - 1]!.meaning.rank > meaning.rank) at--;
      known.splice(at, 0, { name, meaning });
    }
    const consumed: string[] = [];
    const done = new Set<Role>();
    for (const { name, meaning } of known) {
      if (done.has(meaning.role) || !apply(meaning.role, name, fields[name]!, line)) continue;
      done.add(meaning.role);
      consumed.push(name);
    }
    readNested(fields, line, severityOf);
    line.attributes = without(fields, names, consumed);
    return line;
  }

  return { read, isTime: (name) => meanings.get(name)?.role === 'time' };
}

/** By what was chosen: a receiver has many sources, and each asks. */
const knownMeanings = new Map<string, ReadonlyMap<string, Meaning>>();
const MAX_KNOWN_MEANINGS = 64;

function createMeanings({ timestamp, severity }: FieldsConfig): ReadonlyMap<string, Meaning> {
  const choice = JSON.stringify([timestamp.field, severity.field]);
  const known = knownMeanings.get(choice);
  if (known !== undefined) return known;
  const meanings = new Map<string, Meaning>();
  for (const role of Object.keys(NAMES) as Role[]) {
    NAMES[role].split(' ').forEach((name, rank) => meanings.set(name, { role, rank }));
  }
  const chosen: [Role, string | undefined][] = [
    ['time', timestamp.field],
    ['severity', severity.field],
  ];
  for (const [role, name] of chosen) {
    if (name === undefined) continue;
    for (const usual of NAMES[role].split(' ')) meanings.delete(usual);
    meanings.set(name, { role, rank: 0 });
  }
  if (knownMeanings.size >= MAX_KNOWN_MEANINGS) knownMeanings.clear();
  knownMeanings.set(choice, meanings);
  return meanings;
}

/** ECS may nest what it names with a point: `{"log": {"level": "info"}, "trace": {"id": "…"}}`. The attributes stay. */
function readNested(fields: Attributes, line: ParsedLine, severityOf: ReturnType<typeof createSeverityReader>): void {
  const level = line.severityNumber === 0 && line.severityText === '' ? memberOf(fields, 'log', 'level') : undefined;
  if (typeof level === 'string') {
    line.severityNumber = severityOf(level, 'log.level') ?? 0;
    line.severityText = level;
  }
  if (line.traceId === '') line.traceId = hexId(memberOf(fields, 'trace', 'id'), 32);
  if (line.spanId === '') line.spanId = hexId(memberOf(fields, 'span', 'id'), 16);
}

function memberOf(fields: Attributes, name: string, member: string): AnyValue | undefined {
  const value = fields[name];
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, member)) return undefined;
  return (value as Attributes)[member];
}

function without(fields: Attributes, names: readonly string[], consumed: readonly string[]): Attributes {
  const rest: Record<string, AnyValue> = {};
  for (const name of names) {
    if (!consumed.includes(name)) setField(rest, name, fields[name]!);
  }
  return rest;
}

/** Sets a field whatever its name: `__proto__` would set what the object inherits from. */
export function setField(fields: Record<string, AnyValue>, name: string, value: AnyValue): void {
  if (name === '__proto__') {
    Object.defineProperty(fields, name, { value, enumerable: true, writable: true, configurable: true });
  } else {
    fields[name] = value;
  }
}

/** Lower-case hex of an id that is one; of Google's, what stands behind `projects/NAME/traces/`. All zeros are no id. */
function hexId(value: AnyValue | undefined, length: number): string {
  if (typeof value !== 'string' || value.length < length) return '';
  const id = value.length > length ? value.slice(value.lastIndexOf('/') + 1) : value;
  return id.length === length && /^[0-9a-fA-F]+$/.test(id) && !/^0+$/.test(id) ? id.toLowerCase() : '';
}

function flagsOf(value: AnyValue): number | undefined {
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 && value <= 255 ? value : undefined;
  return typeof value === 'string' && /^[0-9a-fA-F]{2}$/.test(value) ? Number.parseInt(value, 16) : undefined;
}

/** `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`: https://www.w3.org/TR/trace-context/ */
function readTraceparent(value: string, line: ParsedLine): boolean {
  const match = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(value);
  if (match === null) return false;
  const traceId = hexId(match[1], 32);
  const spanId = hexId(match[2], 16);
  if (traceId === '' || spanId === '') return false;
  line.traceId = traceId;
  line.spanId = spanId;
  line.flags = Number.parseInt(match[3]!, 16);
  return true;
}
