/** Sets of labels: keys, texts, and sets made from others. */
import type { Labels } from '../store/queryable.ts';

export const NO_LABELS: Labels = new Map();

const keys = new WeakMap<Labels, string>();

/** Equal exactly for equal sets; remembered by identity. */
export function labelsKey(labels: Labels): string {
  let key = keys.get(labels);
  if (key === undefined) {
    key = '';
    for (const [name, value] of labels) key += `${name}\u0000${value}\u0001`;
    keys.set(labels, key);
  }
  return key;
}

/** Key of just these labels; `names` in any one fixed order. */
export function keyWith(labels: Labels, names: readonly string[]): string {
  let key = '';
  for (const name of names) key += `${labels.get(name) ?? ''}\u0001`;
  return key;
}

/** Key of all labels but these. */
export function keyWithout(labels: Labels, names: ReadonlySet<string>): string {
  let key = '';
  for (const [name, value] of labels) if (!names.has(name)) key += `${name}\u0000${value}\u0001`;
  return key;
}

export function labelsWith(labels: Labels, names: readonly string[]): Labels {
  const kept = new Map<string, string>();
  for (const [name, value] of labels) if (names.includes(name)) kept.set(name, value);
  return kept;
}

export function labelsWithout(labels: Labels, names: ReadonlySet<string>): Labels {
  const kept = new Map<string, string>();
  for (const [name, value] of labels) if (!names.has(name)) kept.set(name, value);
  return kept;
}

/** What operators and functions take off: the name, and type and unit where they are labels (Prometheus 3). */
const METADATA_LABELS: ReadonlySet<string> = new Set(['__name__', '__type__', '__unit__']);

export function withoutMetadata(labels: Labels): Labels {
  for (const name of METADATA_LABELS) if (labels.has(name)) return labelsWithout(labels, METADATA_LABELS);
  return labels;
}

/** Changed labels in the order that the contract asks for; an empty value takes the label off. */
export function labelsChanged(labels: Labels, changes: Iterable<readonly [string, string]>): Labels {
  const changed = new Map(labels);
  let isOrdered = true;
  for (const [name, value] of changes) {
    if (value === '') changed.delete(name);
    else {
      isOrdered &&= changed.has(name);
      changed.set(name, value);
    }
  }
  return isOrdered ? changed : new Map([...changed].sort(([a], [b]) => compareBytes(a, b)));
}

/** By UTF-8 bytes, which is by code points: UTF-16 units differ from that where surrogates meet U+E000 to U+FFFF. */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left !== right) return orderOf(left) - orderOf(right);
  }
  return a.length - b.length;
}

function orderOf(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** As Prometheus orders series: label by label, name before value. */
export function compareLabels(a: Labels, b: Labels): number {
  const right = b[Symbol.iterator]();
  for (const [name, value] of a) {
    const other = right.next();
    if (other.done === true) return 1;
    const order = compareBytes(name, other.value[0]) || compareBytes(value, other.value[1]);
    if (order !== 0) return order;
  }
  return right.next().done === true ? 0 : -1;
}

const LEGACY_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

export function isLegacyLabel(name: string): boolean {
  return LEGACY_LABEL.test(name);
}

/** `{a="b", c="d"}` */
export function labelsText(labels: Labels): string {
  const parts = [...labels].map(([name, value]) => `${isLegacyLabel(name) ? name : quote(name)}=${quote(value)}`);
  return `{${parts.join(', ')}}`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': String.raw`\"`,
  '\\': String.raw`\\`,
  '\u0007': String.raw`\a`,
  '\b': String.raw`\b`,
  '\f': String.raw`\f`,
  '\n': String.raw`\n`,
  '\r': String.raw`\r`,
  '\t': String.raw`\t`,
  '\v': String.raw`\v`,
};

/** In double quotes as Go's %q does it, so that PromQL reads it back. */
export function quote(text: string): string {
  let quoted = '"';
  for (const character of text) {
    const code = character.codePointAt(0)!;
    const escape = ESCAPES[character];
    if (escape !== undefined) quoted += escape;
    else if (code < 0x20 || code === 0x7f) quoted += `\\x${code.toString(16).padStart(2, '0')}`;
    else if (code >= 0xd800 && code < 0xe000) quoted += '\ufffd';
    else if (/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character)) quoted += character;
    else
      quoted += code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  }
  return `${quoted}"`;
}
