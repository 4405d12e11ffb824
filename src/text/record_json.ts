/** A log record as the fields of a JSON object, for what people and programs look at live: the stream and `sonde tap`. */
import { perAttributes, type Attributes } from '../model/attributes.ts';
import type { LogRecord } from '../model/batch.ts';
import { severityName } from '../model/severity.ts';
import { timestampText } from './timestamp.ts';
import { textJson, valueJson } from './value_json.ts';

/**
 * `"time":"…","type":"file.modify",…` without the braces. Times are RFC 3339 with nanoseconds; what is empty is left out,
 * but for `time`, `type`, `severity_number` and `attributes`. A record without a time has that of its observation.
 */
export function recordFields(record: LogRecord): string {
  const { time, observedTime, severityNumber, severityText, body, traceId, spanId, flags } = record;
  let text = `"time":"${timestampText(time === 0n ? observedTime : time)}"`;
  if (time !== 0n && observedTime !== 0n && observedTime !== time) {
    text += `,"observed_time":"${timestampText(observedTime)}"`;
  }
  text += `,"type":${textJson(record.eventName)},"severity_number":${severityNumber}`;
  const severity = severityText === '' ? severityName(severityNumber) : severityText;
  if (severity !== '') text += `,"severity_text":${textJson(severity)}`;
  if (body !== undefined && body !== null) text += `,"body":${valueJson(body)}`;
  text += `,"attributes":${attributesJson(record.attributes)}`;
  if (record.droppedAttributesCount > 0) text += `,"dropped_attributes_count":${record.droppedAttributesCount}`;
  if (record.scope.name !== '') text += `,"scope":${textJson(record.scope.name)}`;
  if (traceId !== '') text += `,"trace_id":"${traceId}"`;
  if (spanId !== '') text += `,"span_id":"${spanId}"`;
  if (flags !== 0) text += `,"flags":${flags}`;
  return text;
}

/** Attributes as a JSON object, made once for a set that comes again. */
export const attributesJson = perAttributes((attributes: Attributes): string => valueJson(attributes));
