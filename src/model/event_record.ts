/** Log records that say that something happened: those of receivers that watch, and of processors that tell what they did. */
import type { LogRecord } from './batch.ts';
import { severityName } from './severity.ts';

export const INFO = 9;
export const WARN = 13;

export interface EventFields extends Pick<
  LogRecord,
  'resource' | 'scope' | 'time' | 'observedTime' | 'severityNumber' | 'attributes' | 'eventName'
> {
  readonly body: string;
}

/** An event of no trace, with all that a record has. */
export function eventRecord(fields: EventFields): LogRecord {
  const { resource, scope, time, observedTime, severityNumber, body, attributes, eventName } = fields;
  return {
    resource,
    scope,
    time,
    observedTime,
    severityNumber,
    severityText: severityName(severityNumber),
    body,
    attributes,
    droppedAttributesCount: 0,
    flags: 0,
    traceId: '',
    spanId: '',
    eventName,
  };
}
