/** Log batches to ExportLogsServiceRequest (opentelemetry/proto/logs/v1/logs.proto). */
import { isLasting, type Attributes } from '../attributes.ts';
import type { LogBatch, LogRecord, Resource, Scope } from '../batch.ts';
import { writeAnyValue, writeAttributes } from './any_value.ts';
import { Groups, resourceKey, scopeKey } from './layout_groups.ts';
import { writeResource, writeScope } from './resource.ts';
import { sharedWriter, type Writer } from './writer.ts';

/** The bytes are the caller's to keep; those of a batch that came encoded (`batch.otlp`) are these very bytes. */
export function encodeLogs(batches: LogBatch | readonly LogBatch[]): Uint8Array {
  if (!isList(batches)) return encodeBatch(batches);
  const encoded = batches.filter((batch) => batch.count > 0 || batch.otlp !== undefined).map(encodeBatch);
  return encoded.length === 1 ? (encoded[0] as Uint8Array) : Buffer.concat(encoded);
}

function isList(batches: LogBatch | readonly LogBatch[]): batches is readonly LogBatch[] {
  return Array.isArray(batches);
}

function encodeBatch(batch: LogBatch): Uint8Array {
  if (batch.otlp !== undefined) return batch.otlp;
  const resources = new Groups<Resource, Groups<Scope, LogRecord[]>>(resourceKey);
  for (const record of batch.records) {
    resources.get(record.resource, newScopes).get(record.scope, newRecords).push(record);
  }
  const writer = sharedWriter;
  // What an encoder that threw left behind.
  writer.position = 0;
  for (const [resource, scopes] of resources.list) {
    const resourceSize = expectedSize(scopes.list.map(([, records]) => records));
    const resourceStart = writer.begin(0x0a, resourceSize);
    writeResource(writer, resource);
    for (const [scope, records] of scopes.list) {
      const scopeSize = expectedSize([records]);
      const scopeStart = writer.begin(0x12, scopeSize);
      writeScope(writer, scope);
      for (const record of records) writeRecord(writer, record);
      if (scope.schemaUrl !== '') writer.string(0x1a, scope.schemaUrl);
      writer.end(scopeStart, scopeSize);
    }
    if (resource.schemaUrl !== '') writer.string(0x1a, resource.schemaUrl);
    writer.end(resourceStart, resourceSize);
  }
  return writer.take();
}

const newScopes = () => new Groups<Scope, LogRecord[]>(scopeKey);
const newRecords = (): LogRecord[] => [];

/** Roughly how many bytes the records take: a right guess of the width of a length saves moving what follows it. */
function expectedSize(lists: readonly (readonly LogRecord[])[]): number {
  return lists.reduce((size, records) => size + 200 * records.length, 32);
}

function writeRecord(writer: Writer, record: LogRecord): void {
  // Records take 128 bytes and more, so their length two.
  const expected = 128;
  const start = writer.begin(0x12, expected);
  if (record.time !== 0n) writer.fixed64(0x09, record.time);
  if (record.severityNumber !== 0) writer.uint(0x10, record.severityNumber);
  if (record.severityText !== '') writer.string(0x1a, record.severityText);
  if (record.body !== undefined) writeAnyValue(writer, 0x2a, record.body);
  writeOwnAttributes(writer, record.attributes);
  if (record.droppedAttributesCount !== 0) writer.uint(0x38, record.droppedAttributesCount);
  if (record.flags !== 0) writer.fixed32(0x45, record.flags);
  if (record.traceId !== '') writer.hex(0x4a, record.traceId);
  if (record.spanId !== '') writer.hex(0x52, record.spanId);
  if (record.observedTime !== 0n) writer.fixed64(0x59, record.observedTime);
  if (record.eventName !== '') writer.string(0x62, record.eventName);
  writer.end(start, expected);
}

/** Fields of sets that come again as the same object. */
const encodedAttributes = new WeakMap<Attributes, Buffer>();

function writeOwnAttributes(writer: Writer, attributes: Attributes): void {
  if (!isLasting(attributes)) return writeAttributes(writer, 0x32, attributes);
  const known = encodedAttributes.get(attributes);
  if (known !== undefined) return writer.raw(known);
  const start = writer.position;
  writeAttributes(writer, 0x32, attributes);
  encodedAttributes.set(attributes, Buffer.from(writer.bytes.subarray(start, writer.position)));
}
