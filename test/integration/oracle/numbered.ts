/** Items that carry a number, from which all else in them follows: whoever finds one can tell which, and if it is whole. */
import { decodeLogs } from '../../../src/model/otlp/decode_logs.ts';
import { decodeMetrics } from '../../../src/model/otlp/decode_metrics.ts';
import { jsonToProtobuf } from '../../../src/model/otlp/json_to_protobuf.ts';
import { REQUEST_TYPES } from '../../../src/model/otlp/message_types.ts';

export type NumberedSignal = 'metrics' | 'logs';
export const NUMBERED_SIGNALS: readonly NumberedSignal[] = ['metrics', 'logs'];

/** 2024-01-01 in nanoseconds. */
const EPOCH = 1_704_067_200_000_000_000n;
const timeOf = (number: number): bigint => EPOCH + BigInt(number) * 1_000_003n;
/** Some of them are beyond what a double holds. */
const intOf = (number: number): bigint => BigInt(number) * 2_654_435_761_123n - 2n ** 53n;
const doubleOf = (number: number): number => (number + 1) / 3;
/** From a few bytes to a few kilobytes. */
const textOf = (number: number): string => `record ${number} \u2603 "line"\n${'x'.repeat((number * 7919) % 1500)}`;

/** An export request as JSON. */
export function encodeJson(signal: NumberedSignal, numbers: readonly number[]): Buffer {
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'generator' } }] };
  const scope = { name: 'numbers' };
  const attributesOf = (number: number) => [{ key: 'number', value: { intValue: String(number) } }];
  const document =
    signal === 'metrics'
      ? {
          resourceMetrics: [
            {
              resource,
              scopeMetrics: [
                {
                  scope,
                  metrics: [true, false]
                    .map((isInt) => ({
                      name: isInt ? 'numbered.int' : 'numbered.double',
                      gauge: {
                        dataPoints: numbers
                          .filter((number) => isIntPoint(number) === isInt)
                          .map((number) => ({
                            timeUnixNano: String(timeOf(number)),
                            attributes: attributesOf(number),
                            ...(isInt ? { asInt: String(intOf(number)) } : { asDouble: doubleOf(number) }),
                          })),
                      },
                    }))
                    .filter(({ gauge }) => gauge.dataPoints.length > 0),
                },
              ],
            },
          ],
        }
      : {
          resourceLogs: [
            {
              resource,
              scopeLogs: [
                {
                  scope,
                  logRecords: numbers.map((number) => ({
                    timeUnixNano: String(timeOf(number)),
                    severityNumber: 9,
                    body: { stringValue: textOf(number) },
                    attributes: attributesOf(number),
                  })),
                },
              ],
            },
          ],
        };
  return Buffer.from(JSON.stringify(document));
}

export function encodeProtobuf(signal: NumberedSignal, numbers: readonly number[]): Uint8Array {
  return jsonToProtobuf(REQUEST_TYPES[signal], encodeJson(signal, numbers));
}

const isIntPoint = (number: number): boolean => number % 2 === 0;

/**
 * The numbers in a request (protobuf), in order.
 * @throws {Error} an item is not as it was sent
 */
export function decodeNumbers(signal: NumberedSignal, body: Uint8Array): number[] {
  if (signal === 'logs') {
    return decodeLogs(body).records.map(({ attributes, body: text, time }) => {
      const number = Number(attributes['number']);
      if (text !== textOf(number) || time !== timeOf(number)) throw new Error(`Record ${number} is changed: ${text}`);
      return number;
    });
  }
  const batch = decodeMetrics(body);
  return batch.series.map(({ attributes, metric }, row) => {
    const number = Number(attributes['number']);
    const value = batch.exactValues?.get(row) ?? batch.values[row]!;
    const time = batch.times?.[row] ?? batch.time;
    const isWhole = isIntPoint(number)
      ? metric.name === 'numbered.int' && BigInt(value) === intOf(number)
      : metric.name === 'numbered.double' && value === doubleOf(number);
    if (!isWhole || time !== timeOf(number)) throw new Error(`Point ${number} is changed: ${metric.name} ${value}`);
    return number;
  });
}
