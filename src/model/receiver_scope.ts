import { NO_ATTRIBUTES } from './attributes.ts';
import type { Resource, Scope } from './batch.ts';
import { VERSION } from './version.ts';

/** The scope of log records that a receiver makes itself; `type` as in the configuration. */
export function receiverScope(type: string, { schemaUrl }: Resource): Scope {
  return { name: `sonde.receiver.${type}`, version: VERSION, attributes: NO_ATTRIBUTES, schemaUrl };
}
