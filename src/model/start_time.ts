/** When what a set of attributes describes began, for sources that know it better than boot or the agent's start. */
import type { Attributes } from './attributes.ts';

const startTimes = new WeakMap<Attributes, bigint>();

/** Says since when (Unix nanoseconds) counters observed with this very object have counted, as a process's. */
export function setStartTime(attributes: Attributes, time: bigint): void {
  startTimes.set(attributes, time);
}

/** What was said by {@link setStartTime}. */
export function startTimeOf(attributes: Attributes): bigint | undefined {
  return startTimes.get(attributes);
}
