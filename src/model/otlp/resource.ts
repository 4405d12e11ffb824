/** Resources and scopes (opentelemetry/proto/resource/v1/resource.proto, InstrumentationScope). */
import type { EntityRef, Resource, Scope } from '../batch.ts';
import { type AttributesBuilder, finishAttributes, readAttribute, writeAttributes } from './any_value.ts';
import type { Reader } from './reader.ts';
import { names } from './string_table.ts';
import type { Writer } from './writer.ts';

/** Writes field 1 of ResourceMetrics, ResourceLogs; its schema URL is a field of those. */
export function writeResource(writer: Writer, resource: Resource): void {
  const start = writer.begin(0x0a);
  writeAttributes(writer, 0x0a, resource.attributes);
  if (resource.droppedAttributesCount) writer.uint(0x10, resource.droppedAttributesCount);
  for (const entity of resource.entityRefs ?? []) {
    const entityStart = writer.begin(0x1a);
    if (entity.schemaUrl !== '') writer.string(0x0a, entity.schemaUrl);
    if (entity.type !== '') writer.string(0x12, entity.type);
    for (const key of entity.idKeys) writer.string(0x1a, key);
    for (const key of entity.descriptionKeys) writer.string(0x22, key);
    writer.end(entityStart);
  }
  writer.end(start);
}

/** Writes field 1 of ScopeMetrics, ScopeLogs; its schema URL is a field of those. */
export function writeScope(writer: Writer, scope: Scope): void {
  const start = writer.begin(0x0a);
  if (scope.name !== '') writer.string(0x0a, scope.name);
  if (scope.version !== '') writer.string(0x12, scope.version);
  writeAttributes(writer, 0x1a, scope.attributes);
  if (scope.droppedAttributesCount) writer.uint(0x20, scope.droppedAttributesCount);
  writer.end(start);
}

/** The parts of ResourceMetrics, ResourceLogs, ScopeMetrics or ScopeLogs, which share their layout. */
interface Envelope<T> {
  readonly about: T;
  /** Where the nested ScopeX or items begin, each at its length. */
  readonly contents: readonly number[];
}

/** Reads ResourceMetrics or ResourceLogs up to `end`, but only notes where its scopes are: its schema URL comes last. */
export function readResourceEnvelope(reader: Reader, end: number): Envelope<Resource> {
  let attributes: AttributesBuilder | undefined;
  const entityRefs: EntityRef[] = [];
  let dropped = 0;
  const readBody = (bodyEnd: number): void => {
    while (!reader.isAtEnd(bodyEnd)) {
      const tag = reader.tag();
      if (tag === 0x0a) attributes = readAttribute(reader, attributes);
      else if (tag === 0x10) dropped = reader.uint32();
      else if (tag === 0x1a) entityRefs.push(readEntityRef(reader));
      else reader.skip(tag);
    }
  };
  const { contents, schemaUrl } = readEnvelope(reader, end, readBody);
  const about = {
    attributes: finishAttributes(attributes),
    schemaUrl,
    ...(dropped > 0 && { droppedAttributesCount: dropped }),
    ...(entityRefs.length > 0 && { entityRefs }),
  };
  return { about, contents };
}

/** Reads ScopeMetrics or ScopeLogs up to `end`, but only notes where its metrics or records are. */
export function readScopeEnvelope(reader: Reader, end: number): Envelope<Scope> {
  let attributes: AttributesBuilder | undefined;
  let name = '';
  let version = '';
  let dropped = 0;
  const readBody = (bodyEnd: number): void => {
    while (!reader.isAtEnd(bodyEnd)) {
      const tag = reader.tag();
      if (tag === 0x0a) name = names.read(reader);
      else if (tag === 0x12) version = names.read(reader);
      else if (tag === 0x1a) attributes = readAttribute(reader, attributes);
      else if (tag === 0x20) dropped = reader.uint32();
      else reader.skip(tag);
    }
  };
  const { contents, schemaUrl } = readEnvelope(reader, end, readBody);
  const about = {
    name,
    version,
    attributes: finishAttributes(attributes),
    schemaUrl,
    ...(dropped > 0 && { droppedAttributesCount: dropped }),
  };
  return { about, contents };
}

/** Field 1 says what it is about, 2 are the contents, 3 is the schema URL; in any order. */
function readEnvelope(reader: Reader, end: number, readBody: (bodyEnd: number) => void) {
  const contents: number[] = [];
  let schemaUrl = '';
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    if (tag === 0x0a) readBody(reader.message());
    else if (tag === 0x12) {
      contents.push(reader.position);
      reader.skip(tag);
    } else if (tag === 0x1a) schemaUrl = names.read(reader);
    else reader.skip(tag);
  }
  return { contents, schemaUrl };
}

function readEntityRef(reader: Reader): EntityRef {
  const end = reader.message();
  let schemaUrl = '';
  let type = '';
  const idKeys: string[] = [];
  const descriptionKeys: string[] = [];
  while (!reader.isAtEnd(end)) {
    const tag = reader.tag();
    if (tag === 0x0a) schemaUrl = names.read(reader);
    else if (tag === 0x12) type = names.read(reader);
    else if (tag === 0x1a) idKeys.push(names.read(reader));
    else if (tag === 0x22) descriptionKeys.push(names.read(reader));
    else reader.skip(tag);
  }
  return { schemaUrl, type, idKeys, descriptionKeys };
}
