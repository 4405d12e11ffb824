/** Samples log records. What traces have in their tracestate stands in attributes: sampling.threshold, sampling.randomness. */
import type { AnyValue } from '../../src/model/attributes.ts';
import type { LogRecord } from '../../src/model/batch.ts';
import { DoubleValue } from '../../src/model/attributes.ts';
import { valueText } from '../../src/text/value_text.ts';
import type { Decision, Item, Mode, Reason } from './decision.ts';
import { hashRandomness, traceIdRandomness } from './randomness.ts';
import {
  parseRandomness,
  parseThreshold,
  thresholdOf,
  thresholdText,
  type Randomness,
  type Threshold,
} from './threshold.ts';

export interface LogSamplingOptions {
  readonly mode: Mode;
  readonly decide: (item: Item) => Decision;
  readonly seed: number;
  readonly isByAttribute: boolean;
  readonly attribute: string | undefined;
  readonly priority: string | undefined;
  readonly precision: number;
}

const THRESHOLD = 'sampling.threshold';
const RANDOMNESS = 'sampling.randomness';

/** A function that hands back the record as it goes on, or undefined if it is left out, for a reason that it tells. */
export function createLogSampling(options: LogSamplingOptions) {
  const { mode, decide, seed, isByAttribute, attribute, priority, precision } = options;

  function ofAttribute({ attributes, resource }: LogRecord): Randomness | undefined {
    if (attribute === undefined) return undefined;
    const holder = Object.hasOwn(attributes, attribute) ? attributes : resource.attributes;
    if (!Object.hasOwn(holder, attribute)) return undefined;
    const bytes = bytesOf(holder[attribute]!);
    return bytes.length === 0 ? undefined : hashRandomness(bytes, seed);
  }

  function randomnessOf(record: LogRecord): Randomness | undefined {
    if (mode !== 'hash_seed') return traceIdRandomness(record.traceId) ?? ofAttribute(record);
    if (isByAttribute || traceIdRandomness(record.traceId) === undefined) return ofAttribute(record);
    return hashRandomness(Buffer.from(record.traceId, 'hex'), seed);
  }

  return (record: LogRecord, leaveOut: (reason: Reason) => undefined): LogRecord | undefined => {
    const { attributes } = record;
    const stated = parseRandomness(textOf(attributes[RANDOMNESS]));
    const randomness = stated ?? randomnessOf(record);
    const threshold = parseThreshold(textOf(attributes[THRESHOLD]));
    const wanted = priority === undefined ? undefined : wantedThreshold(attributes[priority], precision);
    const decision = decide({ randomness, threshold, wanted });
    if (!decision.isKept) return leaveOut(decision.reason);
    // A randomness that cannot be had from the trace id goes with the record, for samplers that come after.
    const isOwn = mode === 'hash_seed' && stated === undefined && randomness !== undefined;
    if (decision.threshold === undefined && !isOwn) return record;
    return {
      ...record,
      attributes: {
        ...attributes,
        ...(decision.threshold !== undefined && { [THRESHOLD]: thresholdText(decision.threshold) }),
        ...(isOwn && { [RANDOMNESS]: randomness }),
      },
    };
  };
}

/** Of a percentage; undefined for what is none. */
function wantedThreshold(value: AnyValue | undefined, precision: number): Threshold | undefined {
  const percentage = value instanceof DoubleValue ? value.value : value;
  if (typeof percentage !== 'number' || !(percentage > 0)) return undefined;
  return thresholdOf(percentage / 100, precision);
}

function textOf(value: AnyValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

function bytesOf(value: AnyValue): Uint8Array {
  return value instanceof Uint8Array ? value : Buffer.from(valueText(value));
}
