import type { LogBatch, Resource, Scope } from '../../src/model/batch.ts';
import { printable } from '../../src/text/printable.ts';
import { attributesText, resourceText, scopeText, shown, timeText } from './text.ts';

/** A line for each record: `2026-11-21T22:57:52.123456789Z INFO started {port=4318}`. */
export function* logLines(batch: LogBatch, max_items: number, isDetailed: boolean): Iterable<string> {
  let resource: Resource | undefined;
  let scope: Scope | undefined;
  for (const record of batch.records.slice(0, max_items)) {
    if (isDetailed && (record.resource !== resource || record.scope !== scope)) {
      ({ resource, scope } = record);
      yield resourceText(resource);
      yield scopeText(scope);
    }
    const time = timeText(record.time === 0n ? record.observedTime : record.time);
    const severity =
      printable(record.severityText) || (record.severityNumber === 0 ? '-' : `severity ${record.severityNumber}`);
    const name = record.eventName === '' ? '' : `[${printable(record.eventName)}] `;
    yield `${time} ${severity} ${name}${shown(record.body)} ${attributesText(record.attributes)}`.trimEnd();
    if (!isDetailed) continue;
    yield `    observed ${timeText(record.observedTime)} severity ${record.severityNumber} flags ${record.flags} dropped attributes ${record.droppedAttributesCount}`;
    if (record.traceId !== '') yield `    trace ${record.traceId} span ${record.spanId || '-'}`;
  }
}
