/** Small batches of every signal for tests of what carries them. */
import { Series, type LogBatch, type Metric, type MetricBatch, type TraceBatch } from '../../src/model/batch.ts';
import { decodeTracesJson } from '../../src/model/otlp/json.ts';

const RESOURCE = { attributes: { 'service.name': 'shop' }, schemaUrl: '' };
const SCOPE = { name: 'test', version: '1', attributes: {}, schemaUrl: '' };
export const NANOSECONDS_PER_S = 1_000_000_000n;
const START = 1_700_000_000n * NANOSECONDS_PER_S;

/** A monotonic sum: `values` of `series` many series at `at_s` seconds after their start. */
export function createSums(values: readonly number[], at_s = 60, changes: Partial<Metric> = {}): MetricBatch {
  const metric: Metric = {
    name: 'requests',
    description: 'Requests served.',
    unit: '{request}',
    kind: 'sum',
    isMonotonic: true,
    temporality: 'cumulative',
    valueType: 'int',
    ...changes,
  };
  return {
    signal: 'metrics',
    count: values.length,
    series: values.map((_, index) => new Series(RESOURCE, SCOPE, metric, { route: `/${index}` }, START)),
    values: Float64Array.from(values),
    time: START + BigInt(at_s) * NANOSECONDS_PER_S,
  };
}

export function createLogs(...bodies: string[]): LogBatch {
  return {
    signal: 'logs',
    count: bodies.length,
    records: bodies.map((body) => ({
      resource: RESOURCE,
      scope: SCOPE,
      time: START,
      observedTime: START,
      severityNumber: 9,
      severityText: 'INFO',
      body,
      attributes: { user: 'me' },
      droppedAttributesCount: 0,
      flags: 0,
      traceId: '',
      spanId: '',
      eventName: '',
    })),
  };
}

export function createSpans(...names: string[]): TraceBatch {
  const spans = names.map((name, index) => ({
    traceId: '5b8efff798038103d269b633813fc60c',
    spanId: `eee19b7ec3c1b1${String(index).padStart(2, '0')}`,
    name,
    kind: 2,
    startTimeUnixNano: String(START),
    endTimeUnixNano: String(START + NANOSECONDS_PER_S),
  }));
  const request = {
    resourceSpans: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] },
        scopeSpans: [{ scope: { name: 'test' }, spans }],
      },
    ],
  };
  return decodeTracesJson(Buffer.from(JSON.stringify(request)));
}
