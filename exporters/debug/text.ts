/** How values look on a terminal. */
import type { AnyValue, Attributes } from '../../src/model/attributes.ts';
import type { Resource, Scope } from '../../src/model/batch.ts';
import { printable } from '../../src/text/printable.ts';
import { valueText } from '../../src/text/value_text.ts';

/** `{cpu="0", state="idle"}`, or nothing. */
export function attributesText(attributes: Attributes): string {
  const entries = Object.entries(attributes);
  if (entries.length === 0) return '';
  return `{${entries.map(([key, value]) => `${printable(key)}=${quoted(value)}`).join(', ')}}`;
}

/** What a person reads of one value at most. */
const MAX_CHARACTERS = 4096;

export function shown(value: AnyValue | undefined): string {
  return printable(valueText(value), MAX_CHARACTERS);
}

/** A text in quotes, anything else as it is. */
function quoted(value: AnyValue | undefined): string {
  const text = shown(value);
  return typeof value === 'string' ? `"${text}"` : text;
}

export function resourceText({ attributes, schemaUrl }: Resource): string {
  return `resource ${attributesText(attributes) || '{}'}${schemaUrl === '' ? '' : ` schema ${printable(schemaUrl)}`}`;
}

export function scopeText({ name, version, attributes }: Scope): string {
  return `scope ${printable(name)} ${printable(version)} ${attributesText(attributes)}`.trimEnd();
}

/** Unix nanoseconds → `2026-11-21T22:57:52.123456789Z`; `-` where unknown. */
export function timeText(time: bigint): string {
  if (time === 0n) return '-';
  const seconds = new Date(Number(time / 1_000_000_000n) * 1000);
  if (Number.isNaN(seconds.getTime())) return `${time}ns`;
  return `${seconds.toISOString().slice(0, 19)}.${String(time % 1_000_000_000n).padStart(9, '0')}Z`;
}
