/** What a protobuf message is made of: numbers, JSON names and types of its fields. */

export type ScalarType =
  | 'string'
  | 'bytes'
  /** Bytes that OTLP/JSON writes as hex, not base64: trace and span ids. */
  | 'id'
  | 'bool'
  | 'double'
  | 'fixed32'
  | 'fixed64'
  | 'sfixed64'
  | 'int32'
  | 'uint32'
  | 'sint32'
  | 'int64'
  | 'uint64'
  | 'enum';

export interface Field {
  readonly number: number;
  /** In OTLP/JSON: lowerCamelCase. */
  readonly name: string;
  /** The name as JSON key, with its colon. */
  readonly jsonKey: string;
  readonly type: ScalarType | MessageType;
  readonly isRepeated: boolean;
  /** Of a `oneof`, or `optional`: its zero says something else than its absence. */
  readonly hasPresence: boolean;
  readonly isOneof: boolean;
  /** Number and wire type as they are written; numbers that repeat are packed. */
  readonly tag: number;
  /** Number and wire type of one element. */
  readonly elementTag: number;
}

export class MessageType {
  readonly name: string;
  /** A data point, log record or span. */
  readonly isItem: boolean;
  #fields: readonly Field[] | undefined;
  #byNumber: readonly (Field | undefined)[] | undefined;
  #byName: ReadonlyMap<string, Field> | undefined;
  #holdsItems: boolean | undefined;
  readonly #define: () => readonly Field[];

  /** `define` runs at first use, because messages refer to each other. */
  constructor(name: string, define: () => readonly Field[], isItem = false) {
    this.name = name;
    this.#define = define;
    this.isItem = isItem;
  }

  get fields(): readonly Field[] {
    return (this.#fields ??= this.#define());
  }

  get byName(): ReadonlyMap<string, Field> {
    return (this.#byName ??= new Map(this.fields.map((field) => [field.name, field])));
  }

  get byNumber(): readonly (Field | undefined)[] {
    if (this.#byNumber === undefined) {
      const numbers: (Field | undefined)[] = [];
      for (const field of this.fields) numbers[field.number] = field;
      this.#byNumber = Array.from(numbers);
    }
    return this.#byNumber;
  }

  /** Whether items lie in it, at any depth. No item holds another. */
  get holdsItems(): boolean {
    if (this.#holdsItems === undefined) {
      this.#holdsItems = false;
      this.#holdsItems = this.fields.some(({ type }) => typeof type === 'object' && (type.isItem || type.holdsItems));
    }
    return this.#holdsItems;
  }
}

const WIRE_TYPE: Readonly<Record<ScalarType, number>> = {
  string: 2,
  bytes: 2,
  id: 2,
  bool: 0,
  double: 1,
  fixed32: 5,
  fixed64: 1,
  sfixed64: 1,
  int32: 0,
  uint32: 0,
  sint32: 0,
  int64: 0,
  uint64: 0,
  enum: 0,
};

type Presence = { readonly isRepeated?: boolean; readonly isOneof?: boolean; readonly hasPresence?: boolean };

/** A field that comes at most once. */
export function one(number: number, name: string, type: ScalarType | MessageType, presence: Presence = {}): Field {
  const elementTag = number * 8 + (typeof type === 'object' ? 2 : WIRE_TYPE[type]);
  const { isRepeated = false, isOneof = false, hasPresence = isOneof } = presence;
  return {
    number,
    name,
    jsonKey: JSON.stringify(name) + ':',
    type,
    isRepeated,
    isOneof,
    hasPresence,
    elementTag,
    tag: isRepeated ? number * 8 + 2 : elementTag,
  };
}

export const optional = (number: number, name: string, type: ScalarType) =>
  one(number, name, type, { hasPresence: true });
export const oneof = (number: number, name: string, type: ScalarType | MessageType) =>
  one(number, name, type, { isOneof: true });
export const list = (number: number, name: string, type: ScalarType | MessageType) =>
  one(number, name, type, { isRepeated: true });
