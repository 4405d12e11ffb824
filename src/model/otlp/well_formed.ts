/**
 * Whether a message is well-formed at every depth, and how many items it holds, from tags and lengths alone.
 *
 * Passing telemetry on costs little besides this, so it goes through plain tables with local variables. It knows what
 * encoders write. Everything else (groups, tags and lengths written longer than they need be, and every kind of damage)
 * it leaves to the thorough check, which knows the words for it.
 */
import type { MessageType } from './message_type.ts';
import { AnyValue, KeyValue } from './message_types.ts';
import { FIXED32, FIXED64, LENGTH_DELIMITED, MAX_DEPTH, VARINT } from './reader.ts';

/** Not an answer: the thorough check must look. */
export const UNDECIDED = -1;

/** Data points, log records or spans of a well-formed message; {@link UNDECIDED} if it may not be one. */
export function countWellFormed(bytes: Uint8Array, type: MessageType): number {
  return walk(bytes, planOf(type), 0, bytes.length, 0);
}

const MAX_VARINT_BYTES = 10;

/** What a message type says of each tag of one byte: all messages and packed numbers of OTLP have such. */
class Plan {
  readonly isItem: boolean;
  readonly isValue: boolean;
  readonly isAttribute: boolean;
  readonly nested: (Plan | undefined)[] = Array.from({ length: 128 });
  /** Bytes of each of the numbers that are packed there; 1 stands for varints, 0 for anything that is not packed. */
  readonly packed = new Uint8Array(128);

  constructor(type: MessageType) {
    this.isItem = type.isItem;
    this.isValue = type === AnyValue;
    this.isAttribute = type === KeyValue;
  }
}

const plans = new Map<MessageType, Plan>();

function planOf(type: MessageType): Plan {
  let plan = plans.get(type);
  if (plan !== undefined) return plan;
  plans.set(type, (plan = new Plan(type)));
  for (const field of type.fields) {
    if (typeof field.type === 'object') plan.nested[field.tag] = planOf(field.type);
    else if (field.isRepeated && field.tag !== field.elementTag) {
      plan.packed[field.tag] = (field.elementTag & 7) === VARINT ? 1 : 8;
    }
  }
  return plan;
}

function walk(bytes: Uint8Array, plan: Plan, from: number, end: number, valuesAround: number): number {
  const depth = plan.isValue ? valuesAround + 1 : valuesAround;
  if (depth > MAX_DEPTH) return UNDECIDED;
  let items = plan.isItem ? 1 : 0;
  let at = from;
  // Reading past the end gives undefined, which every comparison below takes for a small number: `at` passes `end`.
  while (at < end) {
    let tag = bytes[at++]!;
    if (tag > 127) {
      const high = bytes[at++]!;
      if (high > 127 || high === 0) return UNDECIDED;
      // Nothing nests behind a field number above 15: only its wire type counts.
      tag &= 7;
    } else if (tag < 8) return UNDECIDED;
    switch (tag & 7) {
      case VARINT: {
        const start = at;
        while (bytes[at++]! > 127) if (at - start === MAX_VARINT_BYTES) return UNDECIDED;
        break;
      }
      case FIXED64:
        at += 8;
        break;
      case FIXED32:
        at += 4;
        break;
      case LENGTH_DELIMITED: {
        let size = bytes[at++]!;
        if (size > 127) {
          const second = bytes[at++]!;
          size = (size & 127) | ((second & 127) << 7);
          if (second > 127) {
            const third = bytes[at++]!;
            if (third > 127) {
              const fourth = bytes[at++]!;
              if (fourth > 127) return UNDECIDED;
              size |= fourth << 21;
            }
            size |= (third & 127) << 14;
          }
        }
        const stop = at + size;
        if (!(stop <= end)) return UNDECIDED;
        const nested = plan.nested[tag];
        if (nested !== undefined) {
          if (nested.isAttribute && depth < MAX_DEPTH && isPlainAttribute(bytes, at, stop)) {
            at = stop;
            break;
          }
          const inside = walk(bytes, nested, at, stop, depth);
          if (inside === UNDECIDED) return UNDECIDED;
          items += inside;
        } else if (plan.packed[tag] !== 0 && !isPacked(bytes, plan.packed[tag]!, at, stop)) return UNDECIDED;
        at = stop;
        break;
      }
      default:
        return UNDECIDED;
    }
  }
  return at === end ? items : UNDECIDED;
}

function isPacked(bytes: Uint8Array, width: number, from: number, end: number): boolean {
  if (width !== 1) return (end - from) % width === 0;
  let at = from;
  while (at < end) {
    const start = at;
    while (bytes[at++]! > 127) if (at - start === MAX_VARINT_BYTES) return false;
  }
  return at === end;
}

/** Whether it is an attribute as most are: a short key, then a short string, a number or a boolean, and nothing else. */
function isPlainAttribute(bytes: Uint8Array, from: number, end: number): boolean {
  if (bytes[from] !== 0x0a) return false;
  const keySize = bytes[from + 1]!;
  const value = from + keySize + 4;
  const size = end - value;
  if (keySize > 127 || size > 127 || bytes[value - 2] !== 0x12 || bytes[value - 1] !== size) return false;
  switch (bytes[value]) {
    case 0x0a: // string_value
      return bytes[value + 1] === size - 2;
    case 0x10: // bool_value
      return size === 2 && bytes[value + 1]! < 128;
    case 0x18: // int_value
      return size <= MAX_VARINT_BYTES && endsVarint(bytes, value + 1, end);
    case 0x21: // double_value
      return size === 9;
    default:
      return false;
  }
}

/** Whether exactly one varint lies there. */
function endsVarint(bytes: Uint8Array, from: number, end: number): boolean {
  let at = from;
  while (at < end && bytes[at]! > 127) at++;
  return at === end - 1;
}
