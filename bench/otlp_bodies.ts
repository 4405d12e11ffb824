/** What applications send: export requests of 1,000 items each. */
import type { LogRecord, Resource, Signal } from '../src/model/batch.ts';
import { encodeLogs } from '../src/model/otlp/encode_logs.ts';
import { encodeMetrics } from '../src/model/otlp/encode_metrics.ts';
import { ObservableMeter } from '../src/otel/meter.ts';
import { createTimeLimit } from '../src/time_limit.ts';

export const ITEMS = 1000;

/** So many applications send in turn, and each so many collections that differ in times and values. */
const APPLICATIONS = 8;
const COLLECTIONS = 4;
const INTERVAL_NS = 10_000_000_000n;

const scope = { name: 'bench', version: '1', attributes: {}, schemaUrl: '' };
const resources = Array.from({ length: APPLICATIONS }, (_, index) => ({
  attributes: { 'service.name': 'shop', 'service.instance.id': `instance-${index}` },
  schemaUrl: '',
}));
const routes = Array.from({ length: ITEMS / 10 }, (_, index) => ({
  'http.route': `/things/${index}`,
  'http.request.method': 'GET',
  'http.response.status_code': 200,
}));

/** The bodies of all applications, in the order in which they come. */
export async function bodiesOf(signal: Signal): Promise<readonly Uint8Array[]> {
  const start = BigInt(Date.now()) * 1_000_000n;
  const meters = resources.map(createMeter);
  const bodies: Uint8Array[] = [];
  for (let collection = 0; collection < COLLECTIONS; collection++) {
    const time = start + BigInt(collection) * INTERVAL_NS;
    for (const [index, resource] of resources.entries()) {
      bodies.push(signal === 'metrics' ? await collect(meters[index]!, time) : createLogs(resource, time));
    }
  }
  return bodies;
}

/** Ten counters of a hundred series. */
function createMeter(resource: Resource): ObservableMeter {
  const meter = new ObservableMeter({ resource, scope, bootTime: 1n, agentStartTime: 1n });
  let value = 0;
  for (let index = 0; index < 10; index++) {
    meter.createObservableCounter(`shop.requests.${index}`, { unit: '{request}' }).addCallback((result) => {
      for (const route of routes) result.observe((value += 17), route);
    });
  }
  return meter;
}

async function collect(meter: ObservableMeter, time: bigint): Promise<Uint8Array> {
  const { batches } = await meter.collect({ time, receiver: 'bench', onDemand: false, limit: createTimeLimit() });
  return encodeMetrics(batches);
}

/** A line for each request that was answered. */
function createLogs(resource: Resource, time: bigint): Uint8Array {
  const records = Array.from({ length: ITEMS }, (_, index): LogRecord => {
    const route = routes[index % routes.length]!;
    const at = time + BigInt(index) * 1_234_567n;
    return {
      resource,
      scope,
      time: at,
      observedTime: at,
      severityNumber: 9,
      severityText: 'INFO',
      body: `GET ${route['http.route']} answered 200 in ${(index * 7919) % 997} ms`,
      attributes: route,
      droppedAttributesCount: 0,
      flags: 1,
      traceId: (index * 7919).toString(16).padStart(32, '5'),
      spanId: (index * 104_729).toString(16).padStart(16, '7'),
      eventName: '',
    };
  });
  return encodeLogs({ signal: 'logs', count: records.length, records });
}
