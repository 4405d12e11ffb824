/** Numbers, sizes and times as people read them. */
import { durationText } from '../text/duration.ts';

export function bytesText(bytes: number): string {
  if (bytes < 2 ** 10) return `${bytes} B`;
  if (bytes < 2 ** 20) return `${(bytes / 2 ** 10).toFixed(1)} KiB`;
  return bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}

export function numberText(number: number): string {
  return number.toLocaleString('en-US');
}

/** `1,234 items`, `1 item`. */
export function countText(number: number, noun: string): string {
  return `${numberText(number)} ${noun}${number === 1 ? '' : 's'}`;
}

/** `2 h 3 min`. */
export function ageText(age_ms: number): string {
  return durationText(Math.max(0, Math.floor(age_ms / 1000)));
}

/** `2026-11-22T02:20:42Z`; what is no time stays a number. */
export function timeText(time_ms: number): string {
  const date = new Date(time_ms);
  return Number.isNaN(date.getTime()) ? `${time_ms}` : `${date.toISOString().slice(0, 19)}Z`;
}
