/** ExportLogsServiceRequest to a log batch (opentelemetry/proto/logs/v1/logs.proto). */
import { NO_ATTRIBUTES, type AnyValue, type Attributes } from '../attributes.ts';
import type { LogBatch, LogRecord, Resource, Scope } from '../batch.ts';
import { readAnyValue, readAttribute, type AttributesBuilder } from './any_value.ts';
import { attributeSets } from './attribute_table.ts';
import { Reader } from './reader.ts';
import { readResourceEnvelope, readScopeEnvelope } from './resource.ts';
import { names } from './string_table.ts';

/**
 * Records are in the order of the message.
 * @throws {SyntaxError} if it is no protobuf message of this kind
 */
export function decodeLogs(bytes: Uint8Array): LogBatch {
  const reader = new Reader(bytes);
  const records: LogRecord[] = [];
  while (!reader.isAtEnd(reader.size)) {
    const tag = reader.tag();
    if (tag === 0x0a) readResourceLogs(reader, records);
    else reader.skip(tag);
  }
  return { signal: 'logs', count: records.length, records };
}

function readResourceLogs(reader: Reader, records: LogRecord[]): void {
  const end = reader.message();
  const { about: resource, contents } = readResourceEnvelope(reader, end);
  for (const scopePosition of contents) {
    reader.position = scopePosition;
    const { about: scope, contents: recordPositions } = readScopeEnvelope(reader, reader.message());
    for (const position of recordPositions) {
      reader.position = position;
      records.push(readRecord(reader, resource, scope));
    }
  }
  reader.position = end;
}

function readRecord(reader: Reader, resource: Resource, scope: Scope): LogRecord {
  const end = reader.message();
  let attributes: Attributes | undefined;
  let ownAttributes: AttributesBuilder | undefined;
  let body: AnyValue | undefined;
  let time = 0n;
  let observedTime = 0n;
  let severityNumber = 0;
  let severityText = '';
  let droppedAttributesCount = 0;
  let flags = 0;
  let traceId = '';
  let spanId = '';
  let eventName = '';
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    switch (tag) {
      case 0x09: // time_unix_nano
        time = reader.fixed64();
        break;
      case 0x59: // observed_time_unix_nano
        observedTime = reader.time();
        break;
      case 0x10: // severity_number
        severityNumber = reader.int32();
        break;
      case 0x1a: // severity_text
        severityText = names.read(reader);
        break;
      case 0x2a: // body
        body = readAnyValue(reader);
        break;
      case 0x32: // attributes
        // A second run is added to a copy: the first may be that of other records, too.
        if (attributes === undefined) attributes = attributeSets.read(reader, tag, end);
        else attributes = ownAttributes = readAttribute(reader, ownAttributes ?? { ...attributes });
        break;
      case 0x38: // dropped_attributes_count
        droppedAttributesCount = reader.uint32();
        break;
      case 0x45: // flags
        flags = reader.fixed32();
        break;
      case 0x4a: // trace_id
        traceId = reader.hex();
        break;
      case 0x52: // span_id
        spanId = reader.hex();
        break;
      case 0x62: // event_name
        eventName = names.read(reader);
        break;
      default:
        reader.skip(tag);
    }
  }
  return {
    resource,
    scope,
    time,
    observedTime,
    severityNumber,
    severityText,
    body,
    attributes: attributes ?? NO_ATTRIBUTES,
    droppedAttributesCount,
    flags,
    traceId,
    spanId,
    eventName,
  };
}
