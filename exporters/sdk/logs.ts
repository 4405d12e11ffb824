/** Log batches as the SDK's records. */
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import type { LogBatch, Resource, Scope } from '../../src/model/batch.ts';
import { createCache, toHrTime, toSdkAttributes, toSdkScope, toSdkValue, type MakeResource } from './values.ts';

export function toReadableLogRecords(batch: LogBatch, makeResource: MakeResource): readonly ReadableLogRecord[] {
  // SDK exporters group records by the identity of these objects.
  const resourceOf = createCache<Resource, ReturnType<MakeResource>>(makeResource);
  const scopeOf = createCache<Scope, ReturnType<typeof toSdkScope>>(toSdkScope);
  return batch.records.map((record): ReadableLogRecord => {
    const { time, observedTime, severityNumber, severityText, body, eventName, traceId, spanId, flags } = record;
    return {
      hrTime: toHrTime(time),
      hrTimeObserved: toHrTime(observedTime),
      ...(traceId !== '' && { spanContext: { traceId, spanId, traceFlags: flags & 0xff } }),
      ...(severityText !== '' && { severityText }),
      ...(severityNumber !== 0 && { severityNumber }),
      body: toSdkValue(body),
      ...(eventName !== '' && { eventName }),
      resource: resourceOf(record.resource),
      instrumentationScope: scopeOf(record.scope),
      attributes: toSdkAttributes(record.attributes),
      droppedAttributesCount: record.droppedAttributesCount,
    };
  });
}
