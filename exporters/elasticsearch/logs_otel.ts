import type { LogRecord } from '../../src/model/batch.ts';
import { textJson, valueJson } from '../../src/text/value_json.ts';
import { bodyText, countMember, isMap, objectOf, textMember, timeText, usableTime, withNames } from './fields.ts';
import { attributesMember, dataStreamMember, resourceMember, scopeMember } from './otel_fields.ts';
import type { Target } from './targets.ts';

/** A record in OpenTelemetry's own fields. */
export function otelLog(record: LogRecord, target: Target): string {
  const { time, observedTime, severityText, severityNumber, traceId, spanId, eventName } = record;
  return objectOf(
    `"@timestamp":"${timeText(usableTime(time, observedTime))}",` +
      `"observed_timestamp":"${timeText(usableTime(observedTime, time))}",` +
      dataStreamMember(target) +
      textMember('severity_text', severityText) +
      countMember('severity_number', severityNumber) +
      textMember('trace_id', traceId) +
      textMember('span_id', spanId) +
      textMember('event_name', eventName) +
      attributesMember(record.attributes, false) +
      countMember('dropped_attributes_count', record.droppedAttributesCount) +
      resourceMember(record.resource, false) +
      scopeMember(record.scope, false) +
      bodyMember(record),
  );
}

/** Texts to `body.text`; maps, and lists of maps, to `body.structured`, which can hold nothing else. */
function bodyMember({ body }: LogRecord): string {
  if (body === undefined || body === null) return '';
  if (isMap(body) || Array.isArray(body)) {
    const json = valueJson(withNames(body), 'null');
    if (isMap(body)) return `"body":{"structured":${json}},`;
    return `"body":{"structured":${body.every(isMap) ? json : `{"value":${json}}`}},`;
  }
  return `"body":{"text":${textJson(bodyText(body))}},`;
}
