/** Generator of trace requests, which only travel: protobufjs encodes them. */
import fc from 'fast-check';
import { TraceRequest } from './oracle.ts';

const text = fc.string({ unit: 'binary', maxLength: 12 });
const uint64 = fc.bigInt(0n, 2n ** 64n - 1n).map(String);
const uint32 = fc.nat({ max: 2 ** 32 - 1 });
const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size });
const some = <T>(element: fc.Arbitrary<T>) => fc.array(element, { maxLength: 3 });
const value = fc.oneof(
  text.map((stringValue) => ({ stringValue })),
  fc.boolean().map((boolValue) => ({ boolValue })),
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map((intValue) => ({ intValue: String(intValue) })),
  fc.double().map((doubleValue) => ({ doubleValue })),
  fc.uint8Array({ maxLength: 5 }).map((bytesValue) => ({ bytesValue })),
  some(text).map((texts) => ({ arrayValue: { values: texts.map((stringValue) => ({ stringValue })) } })),
);
const attributes = some(fc.record({ key: text, value }));
const noted = { attributes, droppedAttributesCount: uint32 };
const span = fc.record(
  {
    traceId: bytes(16),
    spanId: bytes(8),
    traceState: text,
    parentSpanId: bytes(8),
    name: text,
    kind: fc.nat({ max: 5 }),
    startTimeUnixNano: uint64,
    endTimeUnixNano: uint64,
    ...noted,
    events: some(fc.record({ timeUnixNano: uint64, name: text, ...noted })),
    droppedEventsCount: uint32,
    links: some(fc.record({ traceId: bytes(16), spanId: bytes(8), traceState: text, ...noted, flags: uint32 })),
    droppedLinksCount: uint32,
    status: fc.record({ message: text, code: fc.nat({ max: 2 }) }),
    flags: uint32,
  },
  { requiredKeys: [] },
);
const scopeSpans = fc.record({
  scope: fc.record({ name: text, version: text, ...noted }),
  spans: some(span),
  schemaUrl: text,
});
const resourceSpans = fc.record({ resource: fc.record(noted), scopeSpans: some(scopeSpans), schemaUrl: text });

/** An encoded request and the number of spans in it. */
export const traceRequest = some(resourceSpans).map((resources) => ({
  otlp: TraceRequest.encode(TraceRequest.fromObject({ resourceSpans: resources })).finish() as Uint8Array,
  count: resources.flatMap((one) => one.scopeSpans.flatMap(({ spans }) => spans)).length,
}));
