/** Export requests (protobuf) whose names and values are what carriers of data get wrong. */
import { jsonToProtobuf } from '../../src/model/otlp/json_to_protobuf.ts';
import { REQUEST_TYPES } from '../../src/model/otlp/message_types.ts';

export const ODD_TEXTS = [
  'with space',
  'q"u\'o\\te',
  'line\nfeed\ttab\r',
  'grüße 東京 🎉',
  '',
  '\u0000',
  '{{x}},=:;#|',
] as const;
export const ODD_INTEGERS = ['0', '-1', '9007199254740993', '9223372036854775807', '-9223372036854775808'] as const;
export const ODD_DOUBLES = [0, -0, 0.1, 5e-324, 1.7976931348623157e308, 'NaN', 'Infinity', '-Infinity'] as const;

const TIME = '1700000000123456789';
const resource = {
  attributes: ODD_TEXTS.map((text, index) => ({ key: `k${index}${text}`, value: { stringValue: text } })),
};
const attributesOf = (text: string) => [{ key: text === '' ? 'empty' : text, value: { stringValue: text } }];

export function oddMetrics(): Uint8Array {
  const point = { timeUnixNano: TIME, startTimeUnixNano: '1600000000000000001' };
  const integers = ODD_INTEGERS.map((asInt, index) => ({
    ...point,
    asInt,
    attributes: attributesOf(ODD_TEXTS[index]),
  }));
  const doubles = ODD_DOUBLES.map((asDouble, index) => ({
    ...point,
    // JSON has no -0.
    asDouble: Object.is(asDouble, -0) ? '-0' : asDouble,
    attributes: attributesOf(`${index} ${ODD_TEXTS[index % ODD_TEXTS.length]}`),
  }));
  const histogram = { ...point, count: '3', sum: 7.5, explicitBounds: [1, 5], bucketCounts: ['1', '1', '1'] };
  const metrics = [
    { name: 'odd "sum" 🎉', unit: 'By', sum: { dataPoints: integers, aggregationTemporality: 2, isMonotonic: true } },
    { name: 'odd gauge', gauge: { dataPoints: doubles } },
    { name: 'histogram', histogram: { dataPoints: [histogram], aggregationTemporality: 1 } },
  ];
  return encode('metrics', { resourceMetrics: [{ resource, scopeMetrics: [{ scope: { name: 's' }, metrics }] }] });
}

export function oddLogs(): Uint8Array {
  const values = [
    ...ODD_TEXTS.map((stringValue) => ({ stringValue })),
    ...ODD_INTEGERS.map((intValue) => ({ intValue })),
    { doubleValue: 'NaN' },
    { boolValue: false },
    { bytesValue: Buffer.from([0, 255, 10]).toString('base64') },
    { kvlistValue: { values: attributesOf('in "side"') } },
    { arrayValue: { values: [{ stringValue: '' }, {}] } },
  ];
  const logRecords = values.map((body) => ({ timeUnixNano: TIME, severityNumber: 9, body, traceId: 'ab'.repeat(16) }));
  return encode('logs', { resourceLogs: [{ resource, scopeLogs: [{ scope: { name: 's' }, logRecords }] }] });
}

export function oddTraces(): Uint8Array {
  const spans = ODD_TEXTS.map((name, index) => ({
    traceId: '5b8efff798038103d269b633813fc60c',
    spanId: `eee19b7ec3c1b1${String(index).padStart(2, '0')}`,
    name,
    startTimeUnixNano: TIME,
    endTimeUnixNano: TIME,
    attributes: attributesOf(name),
  }));
  return encode('traces', { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 's' }, spans }] }] });
}

function encode(signal: 'metrics' | 'logs' | 'traces', request: object): Uint8Array {
  return jsonToProtobuf(REQUEST_TYPES[signal], Buffer.from(JSON.stringify(request)));
}
