/** Durations as Prometheus writes them (model.Duration): `1h30m`, units in this order, each at most once. */

const FORM = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;
const UNITS_MS = [31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1000, 1];
/** 2^63 nanoseconds, which is what Go can hold. */
const LONGEST_MS = 9_223_372_036_854;

/** Milliseconds; undefined where the text is no duration. */
export function parsePrometheusDuration(text: string): number | undefined {
  if (text === '0') return 0;
  const match = text === '' ? null : FORM.exec(text);
  if (match === null) return undefined;
  let total_ms = 0;
  for (const [index, unit_ms] of UNITS_MS.entries()) total_ms += Number(match[index + 1] ?? 0) * unit_ms;
  return total_ms > LONGEST_MS ? undefined : total_ms;
}

/** `90000` → `1m30s`; years and weeks only where nothing is left over, as Prometheus does. */
export function prometheusDurationText(duration_ms: number): string {
  if (duration_ms === 0) return '0s';
  let rest_ms = Math.round(duration_ms);
  let text = '';
  for (const [unit, unit_ms, isExact] of WRITTEN) {
    if (isExact && rest_ms % unit_ms !== 0) continue;
    const count = Math.floor(rest_ms / unit_ms);
    if (count === 0) continue;
    text += `${count}${unit}`;
    rest_ms -= count * unit_ms;
  }
  return text;
}

const WRITTEN: readonly (readonly [unit: string, unit_ms: number, isExact: boolean])[] = [
  ['y', 31_536_000_000, true],
  ['w', 604_800_000, true],
  ['d', 86_400_000, false],
  ['h', 3_600_000, false],
  ['m', 60_000, false],
  ['s', 1000, false],
  ['ms', 1, false],
];
