/** Who the agent's telemetry is from. */
import { randomUUID } from 'node:crypto';
import type { LoadedConfig } from './config/load.ts';
import type { Resource } from './model/batch.ts';
import { SCHEMA_URL } from './model/semconv.ts';
import type { Host } from './procfs/host.ts';
import { detectHostResource } from './procfs/host_resource.ts';
import { sha1 } from './text/sha1.ts';

/** What is detected, overridden by what is configured. */
export function createOwnResource(
  { agent, resource }: Pick<LoadedConfig, 'agent' | 'resource'>,
  host: Host,
  version: string,
): Resource {
  const detected = detectHostResource(host);
  const attributes = {
    ...detected,
    'service.name': 'sonde',
    'service.version': version,
    'service.instance.id': agent.instance_id ?? instanceIdOf(detected['host.id']),
    ...resource.attributes,
  };
  return { attributes, schemaUrl: SCHEMA_URL };
}

/** Namespace that the semantic conventions give for a `service.instance.id` made from a stable id. */
const INSTANCE_NAMESPACE = '4d63009a8d0f11eeaad74c796ed8e320';

/** UUID version 5 of the machine's id, so that a restart goes on with the same series; random without one. */
function instanceIdOf(hostId: unknown): string {
  if (typeof hostId !== 'string' || hostId === '') return randomUUID();
  const hash = sha1(Buffer.concat([Buffer.from(INSTANCE_NAMESPACE, 'hex'), Buffer.from(hostId)]));
  hash[6] = (hash[6]! & 0x0f) | 0x50;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString('hex').slice(0, 32);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
