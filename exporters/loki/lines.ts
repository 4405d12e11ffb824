/** The text of a line: the body, or the whole record as JSON. */
import type { Attributes } from '../../src/model/attributes.ts';
import type { LogRecord, Resource, Scope } from '../../src/model/batch.ts';
import { textJson, valueJson } from '../../src/text/value_json.ts';
import { asText } from './names.ts';
import type { PushOptions } from './options.ts';

export interface Line {
  /** Undefined where even what is left without the body is too long. */
  readonly text: string | undefined;
  /** Bytes that are missing, 0 as a rule. */
  readonly cut_bytes: number;
}

/** An event without a body is read by its name. */
export function lineOf(record: LogRecord, level: string, { line, limits }: PushOptions): Line {
  const body = record.body === undefined || record.body === null ? record.eventName : asText(record.body);
  switch (line) {
    case 'body':
      return cutText(body, limits.line_bytes);
    case 'logfmt':
      return cutText(body + logfmtOf(record.attributes), limits.line_bytes);
    case 'json':
      return jsonLine(record, level, body, limits.line_bytes);
  }
}

/** ` key=value` for each attribute. */
function logfmtOf(attributes: Attributes): string {
  let text = '';
  for (const key of Object.keys(attributes)) {
    const value = asText(attributes[key]!);
    // Without spaces and quotes it reads as one word.
    text += ` ${key.replace(/[\s="]/g, '_')}=${/^[^\s="\p{Cc}]+$/u.test(value) ? value : textJson(value)}`;
  }
  return text;
}

function cutText(text: string, max_bytes: number): Line {
  // A UTF-16 unit takes three bytes of UTF-8 at most.
  if (text.length * 3 <= max_bytes) return { text, cut_bytes: 0 };
  const size = Buffer.byteLength(text);
  if (size <= max_bytes) return { text, cut_bytes: 0 };
  const kept = cutUtf8(text, max_bytes);
  return { text: kept, cut_bytes: size - Buffer.byteLength(kept) };
}

/** The longest beginning of `text` that takes at most `max_bytes`, and ends between characters. */
function cutUtf8(text: string, max_bytes: number): string {
  const bytes = Buffer.from(text.slice(0, max_bytes));
  let end = Math.min(max_bytes, bytes.length);
  // Bytes 10xxxxxx continue a character.
  while (end > 0 && end < bytes.length && (bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}

/** What is too long is taken from the end of a body of text, so that the line stays JSON. */
function jsonLine(record: LogRecord, level: string, body: string, max_bytes: number): Line {
  const whole = recordJson(record, level, record.body === undefined ? '' : valueJson(record.body), 0);
  const over = Buffer.byteLength(whole) - max_bytes;
  if (over <= 0) return { text: whole, cut_bytes: 0 };
  if (record.body === undefined || record.body === null) return { text: undefined, cut_bytes: over };
  const body_bytes = Buffer.byteLength(body);
  // JSON of a text takes no fewer bytes than the text, so this much less is enough; the count needs room, too.
  const kept = cutUtf8(body, Math.max(0, body_bytes - over - TRUNCATED_BYTES));
  const cut_bytes = body_bytes - Buffer.byteLength(kept);
  const text = recordJson(record, level, textJson(kept), cut_bytes);
  return { text: Buffer.byteLength(text) <= max_bytes ? text : undefined, cut_bytes: Math.max(cut_bytes, 1) };
}

/** `"truncated_bytes":` with a comma and digits, and the quotes of a body that was no text. */
const TRUNCATED_BYTES = 40;

function recordJson(record: LogRecord, level: string, body: string, cut_bytes: number): string {
  const { severityNumber, severityText, traceId, spanId, eventName, flags, observedTime, droppedAttributesCount } =
    record;
  let text = body === '' ? '' : `"body":${body},`;
  if (level !== '') text += `"level":"${level}",`;
  if (severityText !== '') text += `"severity_text":${textJson(severityText)},`;
  if (severityNumber !== 0) text += `"severity_number":${severityNumber},`;
  if (traceId !== '') text += `"trace_id":"${traceId}",`;
  if (spanId !== '') text += `"span_id":"${spanId}",`;
  if (eventName !== '') text += `"event_name":${textJson(eventName)},`;
  if (flags !== 0) text += `"flags":${flags},`;
  if (observedTime !== 0n) text += `"observed_timestamp":"${observedTime}",`;
  if (droppedAttributesCount !== 0) text += `"dropped_attributes_count":${droppedAttributesCount},`;
  if (cut_bytes > 0) text += `"truncated_bytes":${cut_bytes},`;
  if (hasAny(record.attributes)) text += `"attributes":${valueJson(record.attributes)},`;
  return `{${text}${scopeJson(record.scope)}"resource":${resourceJson(record.resource)}}`;
}

const resources = new WeakMap<Resource, string>();

function resourceJson(resource: Resource): string {
  let text = resources.get(resource);
  if (text === undefined) resources.set(resource, (text = valueJson(resource.attributes)));
  return text;
}

function scopeJson({ name, version, attributes }: Scope): string {
  let text = name === '' ? '' : `"name":${textJson(name)},`;
  if (version !== '') text += `"version":${textJson(version)},`;
  if (hasAny(attributes)) text += `"attributes":${valueJson(attributes)},`;
  return text === '' ? '' : `"scope":{${text.slice(0, -1)}},`;
}

function hasAny(attributes: Attributes): boolean {
  for (const _ in attributes) return true;
  return false;
}
