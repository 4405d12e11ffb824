/** The options of a schema as rows of a table: for `sonde describe TYPE`, the documentation and its checks. */
import type * as v from 'valibot';
import type { Definition } from './registry.ts';
import { describeAllowed, readShape, type Shape } from './shape.ts';

export interface OptionDoc {
  /** `retry.initial`; `metrics.<name>.enabled` below free keys, `rules[].action` below lists. */
  readonly path: string;
  /** In few words: `duration`, `true or false`, `one of "a", "b"`. */
  readonly type: string;
  readonly about: string;
  /** As users write it; `undefined` where there is none. */
  readonly byDefault: unknown;
  readonly isRequired: boolean;
  readonly isSecret: boolean;
}

/** Sections come before what is in them. */
export function describeSchema(schema: v.GenericSchema<never, unknown> | v.GenericSchema): OptionDoc[] {
  return describeShape(readShape(schema));
}

export function describeShape(shape: Shape, path = ''): OptionDoc[] {
  const docs = new Map<string, OptionDoc>();
  for (const doc of walk(shape, path)) if (!docs.has(doc.path)) docs.set(doc.path, doc);
  return [...docs.values()];
}

function* walk(shape: Shape, path: string): Generator<OptionDoc> {
  if (shape.kind === 'object') {
    for (const [name, entry] of shape.entries) {
      const below = path === '' ? name : `${path}.${name}`;
      const { about, byDefault, isRequired, format } = entry;
      yield { path: below, type: describeType(entry), about, byDefault, isRequired, isSecret: format === 'secret' };
      yield* walk(entry, below);
    }
  } else if (shape.kind === 'map') yield* walk(shape.value, `${path}.<name>`);
  else if (shape.kind === 'list') yield* walk(shape.item, `${path}[]`);
  else if (shape.kind === 'union') for (const choice of shape.choices) yield* walk(choice, path);
}

/** What an option takes, in few words. */
export function describeType(shape: Shape): string {
  if (shape.format !== undefined) return shape.format;
  switch (shape.kind) {
    case 'text':
      return 'text';
    case 'object':
      return 'section';
    case 'list':
      return shape.item.kind === 'any' ? 'list' : `list of ${describeType(shape.item)}`;
    case 'map':
      return shape.value.kind === 'any' ? 'map' : `map of ${describeType(shape.value)}`;
    case 'union':
      return [...new Set(shape.choices.map(describeType))].join(' or ');
    default:
      return describeAllowed({ ...shape, allowed: undefined }).replace(/^an? /, '');
  }
}

/** Paths of options that nobody described; a component with any is not finished. */
export function undocumentedOptions(definition: Definition): string[] {
  return describeSchema(definition.config)
    .filter(({ about }) => about.trim() === '')
    .map(({ path }) => path);
}
