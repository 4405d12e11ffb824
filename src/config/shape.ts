/**
 * Reads valibot schemas as data. Everything that is generated from options (documentation, the reference
 * configuration, the JSON Schema, error messages, which values are secret) looks at the shape of a schema, so what
 * valibot can say is understood in this one place.
 */
import type * as v from 'valibot';

interface Common {
  /** What the option does; '' where nobody said. */
  readonly about: string;
  /** Whether leaving it out is an error. */
  readonly isRequired: boolean;
  /** As users write it; `undefined` where it has none. */
  readonly byDefault: unknown;
  /** `duration`, `size`, `secret`, `host:port`, …: what `v.metadata({ format })` says. */
  readonly format: string | undefined;
  /** The schema's own words for what it takes: `a duration such as "10s"`. */
  readonly allowed: string | undefined;
}

export interface ObjectShape extends Common {
  readonly kind: 'object';
  readonly entries: ReadonlyMap<string, Shape>;
  /** Whether it takes keys beyond its entries. */
  readonly isOpen: boolean;
}
export interface MapShape extends Common {
  readonly kind: 'map';
  readonly value: Shape;
}
export interface ListShape extends Common {
  readonly kind: 'list';
  readonly item: Shape;
  readonly minLength: number | undefined;
  readonly maxLength: number | undefined;
}
export interface UnionShape extends Common {
  readonly kind: 'union';
  readonly choices: readonly Shape[];
}
export interface ChoiceShape extends Common {
  readonly kind: 'choice';
  readonly values: readonly (string | number | boolean | null)[];
}
export interface TextShape extends Common {
  readonly kind: 'text';
  readonly pattern: string | undefined;
  readonly minLength: number | undefined;
  readonly maxLength: number | undefined;
}
export interface NumberShape extends Common {
  readonly kind: 'number';
  readonly isInteger: boolean;
  readonly min: number | undefined;
  readonly max: number | undefined;
}
export interface PlainShape extends Common {
  readonly kind: 'boolean' | 'any';
}
export type Shape =
  | ObjectShape
  | MapShape
  | ListShape
  | UnionShape
  | ChoiceShape
  | TextShape
  | NumberShape
  | PlainShape;

/** What any valibot schema or action may carry; each kind has a part of it. */
interface Introspected {
  readonly kind: 'schema' | 'validation' | 'transformation' | 'metadata';
  readonly type: string;
  readonly pipe?: readonly Introspected[];
  readonly wrapped?: Introspected;
  readonly default?: unknown;
  readonly entries?: Readonly<Record<string, Introspected>>;
  readonly item?: Introspected;
  readonly items?: readonly Introspected[];
  readonly value?: Introspected;
  readonly options?: readonly unknown[];
  readonly literal?: string | number | boolean;
  readonly requirement?: unknown;
  readonly message?: unknown;
  readonly description?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly getter?: (input: undefined) => Introspected;
}

const OPTIONAL = new Set(['optional', 'exact_optional', 'nullish', 'nullable', 'undefinedable']);
/** So often a schema that contains itself is unfolded; deeper levels are shown as free. */
const MAX_UNFOLDED = 2;
/** For schemas that are made anew each time they are asked for. */
const MAX_LAZY = 8;
const shapes = new WeakMap<object, Shape>();

/** The shape of a schema; the same object for the same schema. */
export function readShape(schema: v.GenericSchema<never, unknown> | v.GenericSchema): Shape {
  const known = shapes.get(schema);
  if (known !== undefined) return known;
  const shape = read(schema as unknown as Introspected, []);
  shapes.set(schema, shape);
  return shape;
}

/** @param lazy the schemas that contain themselves and are being read */
function read(schema: Introspected, lazy: readonly Introspected[]): Shape {
  const [base, actions] = flatten(schema);
  const common = readCommon(base, actions);
  if (OPTIONAL.has(base.type)) {
    const inner = read(base.wrapped!, lazy);
    const value = typeof base.default === 'function' ? (base.default as () => unknown)() : base.default;
    return {
      ...inner,
      about: common.about === '' ? inner.about : common.about,
      format: common.format ?? inner.format,
      isRequired: false,
      byDefault: value,
    };
  }
  switch (base.type) {
    case 'strict_object':
    case 'object':
    case 'loose_object':
    case 'object_with_rest': {
      const entries = Object.entries(base.entries ?? {}).map(([name, entry]) => [name, read(entry, lazy)] as const);
      return { ...common, kind: 'object', entries: new Map(entries), isOpen: base.type !== 'strict_object' };
    }
    case 'record':
    case 'map':
      return { ...common, kind: 'map', value: read(base.value!, lazy) };
    case 'array':
    case 'tuple':
    case 'strict_tuple':
      return readList(base, actions, common, lazy);
    case 'union':
    case 'variant': {
      const choices = (base.options as readonly Introspected[]).map((choice) => read(choice, lazy));
      return { ...common, kind: 'union', choices };
    }
    case 'picklist':
    case 'enum':
      return { ...common, kind: 'choice', values: base.options as ChoiceShape['values'] };
    case 'literal':
      return { ...common, kind: 'choice', values: [base.literal!] };
    case 'null':
      return { ...common, kind: 'choice', values: [null] };
    case 'string':
      return readText(actions, common);
    case 'number':
    case 'bigint':
      return readNumber(actions, common, base.type === 'bigint');
    case 'boolean':
      return { ...common, kind: 'boolean' };
    case 'lazy': {
      const unfolded = lazy.filter((each) => each === base).length;
      return unfolded === MAX_UNFOLDED || lazy.length === MAX_LAZY
        ? { ...common, kind: 'any' }
        : read(base.getter!(undefined), [...lazy, base]);
    }
    default:
      return { ...common, kind: 'any' };
  }
}

/** The innermost schema of nested pipes, and everything that is done to its value, in order. */
function flatten(schema: Introspected): [Introspected, Introspected[]] {
  if (schema.pipe === undefined) return [schema, []];
  const [first, ...rest] = schema.pipe;
  const [base, actions] = flatten(first!);
  return [base, [...actions, ...rest]];
}

function readCommon(base: Introspected, actions: readonly Introspected[]): Common {
  const format = actions.findLast(({ metadata }) => typeof metadata?.['format'] === 'string')?.metadata!['format'];
  const messages = [base, ...actions].map(({ message }) => message);
  return {
    about: actions.findLast(({ type }) => type === 'description')?.description ?? '',
    isRequired: true,
    byDefault: undefined,
    format: format as string | undefined,
    // A check may say what is wrong ("a name is there twice") instead of what is right.
    allowed: messages.find((message) => typeof message === 'string' && isNounPhrase(message)) as string | undefined,
  };
}

/** Whether words fit after "allowed is": `a duration`, `one of …`, `"x"`. */
export function isNounPhrase(text: string): boolean {
  return /^(an?|one|the|any|true|keys|at least|at most|\d)\b|^"[^"]*"$|^\S+ such as /.test(text);
}

function requirement(actions: readonly Introspected[], ...types: string[]): number | undefined {
  const found = actions.find(({ type }) => types.includes(type))?.requirement;
  return typeof found === 'number' ? found : undefined;
}

function readList(
  base: Introspected,
  actions: readonly Introspected[],
  common: Common,
  lazy: readonly Introspected[],
): ListShape {
  const items = base.items?.map((item) => read(item, lazy));
  const any: Shape = {
    kind: 'any',
    about: '',
    isRequired: true,
    byDefault: undefined,
    format: undefined,
    allowed: undefined,
  };
  const item = base.item === undefined ? (items?.[0] ?? any) : read(base.item, lazy);
  const isNonEmpty = actions.some(({ type }) => type === 'non_empty');
  return {
    ...common,
    kind: 'list',
    item,
    minLength: items?.length ?? requirement(actions, 'min_length', 'length') ?? (isNonEmpty ? 1 : undefined),
    maxLength: items?.length ?? requirement(actions, 'max_length', 'length'),
  };
}

function readText(actions: readonly Introspected[], common: Common): TextShape {
  const regex = actions.find(({ type }) => type === 'regex')?.requirement;
  const isNonEmpty = actions.some(({ type }) => type === 'non_empty');
  return {
    ...common,
    kind: 'text',
    pattern: regex instanceof RegExp && regex.flags === '' ? regex.source : undefined,
    minLength: requirement(actions, 'min_length', 'length') ?? (isNonEmpty ? 1 : undefined),
    maxLength: requirement(actions, 'max_length', 'length'),
  };
}

function readNumber(actions: readonly Introspected[], common: Common, isBigInt: boolean): NumberShape {
  return {
    ...common,
    kind: 'number',
    isInteger: isBigInt || actions.some(({ type }) => type === 'integer' || type === 'safe_integer'),
    min: requirement(actions, 'min_value'),
    max: requirement(actions, 'max_value'),
  };
}

/**
 * The shape at a path of keys and list positions, as far as the schema knows it. Where a union branches, the first
 * choice that has the path.
 */
export function shapeAt(shape: Shape, path: readonly (string | number)[]): Shape | undefined {
  const [first, ...rest] = path;
  if (first === undefined) return shape;
  if (shape.kind === 'object') {
    const entry = shape.entries.get(String(first));
    return entry === undefined ? undefined : shapeAt(entry, rest);
  }
  if (shape.kind === 'map') return shapeAt(shape.value, rest);
  if (shape.kind === 'list') return shapeAt(shape.item, rest);
  if (shape.kind !== 'union') return undefined;
  return shape.choices.map((choice) => shapeAt(choice, path)).find((found) => found !== undefined);
}

/** Whether it, or anything in it, is a secret. */
export function holdsSecret(shape: Shape): boolean {
  if (shape.format === 'secret') return true;
  if (shape.kind === 'object') return [...shape.entries.values()].some(holdsSecret);
  if (shape.kind === 'map') return holdsSecret(shape.value);
  if (shape.kind === 'list') return holdsSecret(shape.item);
  return shape.kind === 'union' && shape.choices.some(holdsSecret);
}

/** What an option takes, in words that fit after "allowed is": `a whole number of at least 1`. */
export function describeAllowed(shape: Shape): string {
  if (shape.allowed !== undefined) return shape.allowed;
  switch (shape.kind) {
    case 'boolean':
      return 'true or false';
    case 'number':
      return describeNumber(shape);
    case 'text':
      return shape.minLength === undefined ? 'a text' : 'a text that is not empty';
    case 'choice':
      return shape.values.length === 1
        ? JSON.stringify(shape.values[0])
        : `one of ${shape.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'list':
      return describeList(shape);
    case 'map':
      return `keys with values${shape.value.kind === 'any' ? '' : `, each ${describeAllowed(shape.value)}`}`;
    case 'object':
      return `a section with the keys ${[...shape.entries.keys()].join(', ')}`;
    case 'union':
      return shape.choices.map(describeAllowed).join(', or ');
    case 'any':
      return 'any value';
  }
}

function describeList({ item, minLength }: ListShape): string {
  const count = minLength === undefined || minLength === 0 ? '' : ` of at least ${minLength}`;
  return `a list${count}${item.kind === 'any' ? '' : `, each item ${describeAllowed(item)}`}`;
}

function describeNumber({ isInteger, min, max }: NumberShape): string {
  const what = isInteger ? 'a whole number' : 'a number';
  if (min !== undefined && max !== undefined) return `${what} from ${min} to ${max}`;
  if (min !== undefined) return `${what} of at least ${min}`;
  return max === undefined ? what : `${what} of at most ${max}`;
}
