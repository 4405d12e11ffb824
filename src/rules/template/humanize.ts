/** Numbers, durations and times for people, as Prometheus writes them. */
import { floatText } from './float_text.ts';
import { Instant, TemplateError } from './values.ts';

const short = (value: number): string => floatText(value, 'g', 4);
const isPlain = (value: number): boolean => value === 0 || !Number.isFinite(value);
const LARGE = ['k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'];
const SMALL = ['m', 'u', 'n', 'p', 'f', 'a', 'z', 'y'];
const BINARY = ['ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'Zi', 'Yi'];

/** `1234567` → `1.235M`. */
export function humanize(value: number): string {
  if (isPlain(value)) return short(value);
  return Math.abs(value) >= 1 ? scaledDown(value, LARGE, 1000) : scaledUp(value);
}

/** `1048576` → `1Mi`. */
export function humanize1024(value: number): string {
  if (Math.abs(value) <= 1 || !Number.isFinite(value)) return short(value);
  return scaledDown(value, BINARY, 1024);
}

function scaledDown(value: number, prefixes: readonly string[], base: number): string {
  let rest = value;
  let prefix = '';
  for (const next of prefixes) {
    if (Math.abs(rest) < base) break;
    prefix = next;
    rest /= base;
  }
  return short(rest) + prefix;
}

function scaledUp(value: number): string {
  let rest = value;
  let prefix = '';
  for (const next of SMALL) {
    if (Math.abs(rest) >= 1) break;
    prefix = next;
    rest *= 1000;
  }
  return short(rest) + prefix;
}

/** `5400` → `1h 30m 0s`. */
export function humanizeDuration(value: number): string {
  if (!Number.isFinite(value)) return short(value);
  if (value === 0) return `${short(value)}s`;
  if (Math.abs(value) < 1) return `${scaledUp(value)}s`;
  const sign = value < 0 ? '-' : '';
  const total = BigInt(Math.trunc(Math.abs(value)));
  const seconds = total % 60n;
  const minutes = (total / 60n) % 60n;
  const hours = (total / 3600n) % 24n;
  const days = total / 86_400n;
  if (days !== 0n) return `${sign}${days}d ${hours}h ${minutes}m ${seconds}s`;
  if (hours !== 0n) return `${sign}${hours}h ${minutes}m ${seconds}s`;
  if (minutes !== 0n) return `${sign}${minutes}m ${seconds}s`;
  return `${sign}${short(Math.abs(value))}s`;
}

export function humanizePercentage(value: number): string {
  return `${short(value * 100)}%`;
}

/** Unix seconds; a text where they are none. */
export function humanizeTimestamp(value: number): Instant | string {
  return Number.isFinite(value) ? toInstant(value) : short(value);
}

/** @throws {TemplateError} beyond the nanoseconds that 64 bits hold, about the year 2262 */
export function toInstant(value: number): Instant {
  const nanoseconds = value * 1e9;
  if (!(Math.abs(nanoseconds) < 2 ** 63)) {
    const found = floatText(value, 'g', -1);
    throw new TemplateError(`${found} cannot be represented as a nanoseconds timestamp since it overflows int64`);
  }
  return new Instant(Math.trunc(Math.trunc(nanoseconds) / 1e6));
}
