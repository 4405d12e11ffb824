/** The member `ot` of a W3C tracestate: https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/ */
import { parseRandomness, parseThreshold, thresholdText, type Randomness, type Threshold } from './threshold.ts';

export interface SamplingState {
  readonly threshold: Threshold | undefined;
  readonly randomness: Randomness | undefined;
  /** As they were written. */
  readonly thresholdText: string | undefined;
  readonly randomnessText: string | undefined;
  /** Other fields of `ot`, as `key:value`. */
  readonly fields: readonly string[];
  /** Other members, as `key=value`. */
  readonly members: readonly string[];
}

const MAX_LENGTH = 256;
const OT = /^[a-z][a-z0-9]*:[A-Za-z0-9._-]*(?:;[a-z][a-z0-9]*:[A-Za-z0-9._-]*)*$/;

/** Undefined where `ot` is none. */
export function parseTraceState(text: string): SamplingState | undefined {
  let ot: string | undefined;
  const members: string[] = [];
  for (const part of text.split(',')) {
    const member = part.trim();
    if (member.startsWith('ot=')) ot ??= member.slice(3);
    else if (member !== '') members.push(member);
  }
  const state: { -readonly [K in keyof SamplingState]: SamplingState[K] } = {
    threshold: undefined,
    randomness: undefined,
    thresholdText: undefined,
    randomnessText: undefined,
    fields: [],
    members,
  };
  if (ot === undefined) return state;
  if (ot.length > MAX_LENGTH || !OT.test(ot)) return undefined;
  const fields: string[] = [];
  for (const field of ot.split(';')) {
    const value = field.slice(3);
    if (field.startsWith('th:')) {
      state.threshold = parseThreshold(value);
      if (state.threshold === undefined) return undefined;
      state.thresholdText = value;
    } else if (field.startsWith('rv:')) {
      state.randomness = parseRandomness(value);
      if (state.randomness === undefined) return undefined;
      state.randomnessText = value;
    } else fields.push(field);
  }
  return { ...state, fields };
}

/** The tracestate with another threshold, and with the randomness if it is not that of the trace id. */
export function writeTraceState(
  { thresholdText: before, randomnessText, fields, members }: SamplingState,
  threshold: Threshold | undefined,
  randomness: Randomness | undefined,
): string {
  const th = threshold === undefined ? before : thresholdText(threshold);
  const rv = randomnessText ?? randomness;
  const ot = [...(rv === undefined ? [] : [`rv:${rv}`]), ...(th === undefined ? [] : [`th:${th}`]), ...fields];
  return [...(ot.length === 0 ? [] : [`ot=${ot.join(';')}`]), ...members].join(',');
}
