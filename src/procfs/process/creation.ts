/** When a process began: with its pid, what tells it from every other. */

const NS_PER_TICK = 10_000_000n;

/** Unix nanoseconds of the start of a process: from the boot, which is one stable value, so every observer agrees. */
export function startTimeOf({ startTicks }: { readonly startTicks: number }, bootTime: bigint): bigint {
  return bootTime + BigInt(startTicks) * NS_PER_TICK;
}

/** RFC 3339 with milliseconds: `process.creation.time`. */
export function creationTime(startTime: bigint): string {
  return new Date(Number(startTime / 1_000_000n)).toISOString();
}
