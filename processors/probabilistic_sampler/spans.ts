/** Samples spans, by what their tracestate says. */
import { DoubleValue, type AnyValue } from '../../src/model/attributes.ts';
import type { SpanHead } from '../../src/model/otlp/rewrite_spans.ts';
import type { Decision, Item, Mode, Reason } from './decision.ts';
import { hashRandomness, traceIdRandomness } from './randomness.ts';
import { ALWAYS, type Randomness } from './threshold.ts';
import { parseTraceState, writeTraceState } from './tracestate.ts';

export interface SpanSamplingOptions {
  readonly mode: Mode;
  readonly decide: (item: Item) => Decision;
  readonly seed: number;
  readonly failClosed: boolean;
}

/** The attribute by which OpenTracing asks for a span (0: drop it, more: keep it). */
export const PRIORITY = 'sampling.priority';

/** A function that hands back the span's tracestate as it goes on, or undefined if it is left out, for a reason that it tells. */
export function createSpanSampling({ mode, decide, seed, failClosed }: SpanSamplingOptions) {
  function randomnessOf(traceId: string): Randomness | undefined {
    const ofTraceId = traceIdRandomness(traceId);
    if (mode !== 'hash_seed' || ofTraceId === undefined) return ofTraceId;
    return hashRandomness(Buffer.from(traceId, 'hex'), seed);
  }

  return (
    { traceId, traceState, attribute }: SpanHead,
    leaveOut: (reason: Reason) => undefined,
  ): string | undefined => {
    const priority = attribute === undefined ? NaN : numberOf(attribute);
    if (priority === 0) return leaveOut('not_sampled');
    const state = parseTraceState(traceState);
    // Without a tracestate that can be read, nothing can be said about the span, nor be written into it.
    if (state === undefined) return failClosed && !(priority > 0) ? leaveOut('inconsistent_threshold') : traceState;
    const randomness = state.randomness ?? randomnessOf(traceId);
    const wanted = priority > 0 ? ALWAYS : undefined;
    const decision = decide({ randomness, threshold: state.threshold, wanted });
    if (!decision.isKept) return leaveOut(decision.reason);
    const isOwn = mode === 'hash_seed' && state.randomness === undefined;
    if (decision.threshold === undefined && !isOwn) return traceState;
    return writeTraceState(state, decision.threshold, isOwn ? randomness : undefined);
  };
}

/** Clients write it in every type. */
function numberOf(value: AnyValue): number {
  if (value instanceof DoubleValue) return value.value;
  if (typeof value === 'number') return value;
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : NaN;
}
