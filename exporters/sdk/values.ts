/** Values of our model as the SDK's. */
import type { Attributes as SdkAttributes, HrTime } from '@opentelemetry/api';
import type { InstrumentationScope } from '@opentelemetry/core';
import type { Resource as SdkResource } from '@opentelemetry/resources';
import { DoubleValue, type AnyValue, type Attributes } from '../../src/model/attributes.ts';
import type { Resource, Scope } from '../../src/model/batch.ts';

export type MakeResource = (resource: Resource) => SdkResource;

export function toSdkAttributes(attributes: Attributes): SdkAttributes {
  return Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, toSdkValue(value)]));
}

/** The SDK has one kind of number, the double: larger integers lose their last digits. */
export function toSdkValue(value: AnyValue | undefined): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (value instanceof DoubleValue) return value.value;
  if (Array.isArray(value)) return value.map(toSdkValue);
  return toSdkAttributes(value as Attributes);
}

/** Unix nanoseconds → seconds and the rest. */
export function toHrTime(time: bigint): HrTime {
  return [Number(time / 1_000_000_000n), Number(time % 1_000_000_000n)];
}

export function toSdkScope({
  name,
  version,
  schemaUrl,
  attributes,
}: Scope): InstrumentationScope & { attributes: SdkAttributes } {
  return {
    name,
    ...(version !== '' && { version }),
    ...(schemaUrl !== '' && { schemaUrl }),
    attributes: toSdkAttributes(attributes),
  };
}

/** Values by key, each made once, in the order of their first use. */
export function createCache<K, V>(make: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    let value = known.get(key);
    if (value === undefined) known.set(key, (value = make(key)));
    return value;
  };
}
