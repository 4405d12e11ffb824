/** Detectors that need nothing but this machine. */
import { readFileSync } from 'node:fs';
import type { Attributes } from '../../src/model/attributes.ts';
import { detectContainerId } from '../../src/procfs/container_id.ts';
import { detectHost, detectOs } from '../../src/procfs/host_resource.ts';
import type { Host } from '../../src/procfs/host.ts';

export type LocalName = 'env' | 'system' | 'host' | 'os' | 'container';

export const LOCAL_DETECTORS: Readonly<Record<LocalName, (host: Host) => Attributes | Promise<Attributes>>> = {
  env: () => parseEnvironment(process.env),
  system: async (host) => ({ ...(await detectWholeHost(host)), ...detectOs(host) }),
  host: detectWholeHost,
  os: detectOs,
  container(): Attributes {
    const id = detectContainerId((path) => readFileSync(path, 'utf8'));
    return id === undefined ? {} : { 'container.id': id };
  },
};

/** With `host.id` on macOS and Windows too, where it takes a child process to read it. */
async function detectWholeHost(host: Host): Promise<Attributes> {
  const attributes = detectHost(host);
  if (attributes['host.id'] !== undefined || (host.platform !== 'darwin' && host.platform !== 'win32')) {
    return attributes;
  }
  const { uuid } = await host.systeminformation();
  const { os } = await uuid();
  return os === '' ? attributes : { ...attributes, 'host.id': os };
}

/**
 * `OTEL_RESOURCE_ATTRIBUTES`, as `key=value,key=value` with values percent-encoded; `OTEL_SERVICE_NAME` wins over its
 * `service.name` (resource SDK of the OpenTelemetry specification).
 * @throws {SyntaxError} where the list is none: then all of it is discarded, as the specification wants
 */
export function parseEnvironment(env: Readonly<Record<string, string | undefined>>): Attributes {
  const attributes: Record<string, string> = {};
  for (const pair of (env['OTEL_RESOURCE_ATTRIBUTES'] ?? '').split(',')) {
    if (pair.trim() === '') continue;
    const equals = pair.indexOf('=');
    const key = pair.slice(0, equals).trim();
    if (equals === -1 || key === '') throw badPair(pair);
    try {
      attributes[decodeURIComponent(key)] = decodeURIComponent(pair.slice(equals + 1).trim());
    } catch (error) {
      throw badPair(pair, error);
    }
  }
  const serviceName = env['OTEL_SERVICE_NAME'];
  return serviceName === undefined || serviceName === '' ? attributes : { ...attributes, 'service.name': serviceName };
}

function badPair(pair: string, cause?: unknown): SyntaxError {
  return new SyntaxError(`Cannot parse OTEL_RESOURCE_ATTRIBUTES: "${pair}" is no key=value`, { cause });
}
