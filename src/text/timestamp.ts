/** RFC 3339 in UTC with nine decimals; of a time beyond what calendars hold the nanoseconds, as `123ns`. */
export function timestampText(time: bigint): string {
  const date = new Date(Number(time / 1_000_000n));
  if (Number.isNaN(date.getTime())) return `${time}ns`;
  return `${date.toISOString().slice(0, 19)}.${String(time % 1_000_000_000n).padStart(9, '0')}Z`;
}
