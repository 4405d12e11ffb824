/** Holds a part of the configuration against its schema and says everything that is wrong with it, in place. */
import * as v from 'valibot';
import type { ConfigProblem } from '../errors.ts';
import { describeAllowed, isNounPhrase, readShape, shapeAt, type Shape } from './shape.ts';
import { collectorHint, suggestion } from './suggest.ts';
import { formatPath, isNull, nodeAt, placeOf, type MapNode, type Node, type Path, type ScalarNode } from './tree.ts';
import { describeFound, isSensitive } from './words.ts';
import { missingBlank } from './yaml_errors.ts';
import { parseScalar } from './yaml.ts';

export interface ValidateOptions {
  readonly schema: v.GenericSchema;
  readonly node: Node;
  /** Where `node` stands in the whole configuration. */
  readonly path: Path;
  readonly problems: ConfigProblem[];
}

/** The value that the program works with, or `undefined` when problems were added. */
export function validate({ schema, node, path, problems }: ValidateOptions): unknown {
  const check = new Check(schema, node, path);
  const output = check.run();
  problems.push(...check.problems);
  return output;
}

class Check {
  readonly problems: ConfigProblem[] = [];
  readonly #schema: v.GenericSchema;
  readonly #shape: Shape;
  readonly #node: Node;
  readonly #path: Path;
  /** References whose text is read as a number or a truth value, because the option takes no text. */
  readonly #converted = new Set<ScalarNode>();

  constructor(schema: v.GenericSchema, node: Node, path: Path) {
    this.#schema = schema;
    this.#shape = readShape(schema);
    this.#node = node;
    this.#path = path;
  }

  run(): unknown {
    if (this.#node.kind === 'list') {
      this.#mismatch([], this.#node, describeAllowed(this.#shape));
      return undefined;
    }
    let result = v.safeParse(this.#schema, this.#toInput(this.#node, this.#shape, []));
    if (!result.success && this.#convertReferences(result.issues)) {
      this.problems.length = 0;
      result = v.safeParse(this.#schema, this.#toInput(this.#node, this.#shape, []));
    }
    if (!result.success) for (const issue of result.issues) this.#explain(issue, []);
    return this.problems.length === 0 ? result.output : undefined;
  }

  /** Plain values for the schema; unknown keys are reported here, all of them, and left out. */
  #toInput(node: Node, shape: Shape | undefined, path: Path): unknown {
    if (node.kind === 'scalar') return this.#converted.has(node) ? parseScalar(String(node.value)) : node.value;
    if (node.kind === 'list') {
      // A schema for keys and values would take a list for an object with the keys 0, 1, …
      if (shape?.kind === 'object' || shape?.kind === 'map') return 'a list';
      const item = shape?.kind === 'list' ? shape.item : undefined;
      return node.items.map((child, at) => this.#toInput(child, item, [...path, at]));
    }
    const input: Record<string, unknown> = {};
    for (const [key, { value }] of node.entries) {
      const below = [...path, key];
      if (shape?.kind === 'object' && !shape.isOpen && !shape.entries.has(key)) {
        this.#unknownKey(key, [...shape.entries.keys()], below);
        continue;
      }
      const child = shape?.kind === 'object' ? shape.entries.get(key) : shape?.kind === 'map' ? shape.value : undefined;
      if (!isNull(value)) input[key] = this.#toInput(value, child, below);
      // `grpc:` with nothing after it asks for the section with its defaults; other empty options are left out.
      else if (child?.kind === 'object') input[key] = {};
      else if (child === undefined || child.kind === 'any') input[key] = null;
    }
    return input;
  }

  #unknownKey(key: string, known: readonly string[], path: Path): void {
    const full = [...this.#path, ...path];
    const where = full.length === 1 ? '' : ` in ${formatPath(full.slice(0, -1))}`;
    this.problems.push({
      message: `Cannot use key ${JSON.stringify(key)}${where}: there is no such option`,
      path: formatPath(full),
      place: placeOf(this.#node, path, 'key'),
      hint: collectorHint(formatPath(full)) ?? suggestion(key, known),
    });
  }

  /** Marks the references at fault that read as something other than text; whether there was any. */
  #convertReferences(issues: readonly v.BaseIssue<unknown>[]): boolean {
    const before = this.#converted.size;
    for (const issue of issues) {
      const node = nodeAt(this.#node, keysOf(issue));
      for (const scalar of referencesIn(node)) {
        if (typeof parseScalar(String(scalar.value)) !== 'string') this.#converted.add(scalar);
      }
    }
    return this.#converted.size > before;
  }

  #explain(issue: v.BaseIssue<unknown>, above: Path): void {
    const path = [...above, ...keysOf(issue)];
    const node = nodeAt(this.#node, path);
    // Where a union has one choice that is a section and a section was written, its own faults tell more.
    const deeper = issue.issues?.filter((sub) => keysOf(sub).length > 0) ?? [];
    if (deeper.length > 0 && node !== undefined && node.kind !== 'scalar') {
      for (const sub of deeper) this.#explain(sub, path);
      return;
    }
    const shape = shapeOf(this.#shape, this.#node, path);
    if (issue.expected === 'never' && issue.type === 'strict_object') {
      const parent = shapeOf(this.#shape, this.#node, path.slice(0, -1));
      this.#unknownKey(String(path.at(-1)), keysIn(parent), path);
    } else if (node === undefined || isNull(node)) {
      this.#missing(path, shape, issue);
    } else if (issue.kind === 'validation' && node.kind !== 'scalar' && isOwnSentence(issue)) {
      const full = [...this.#path, ...path];
      const place = placeOf(this.#node, path, 'key');
      this.problems.push({
        message: `Cannot use ${formatPath(full)}: ${issue.message}`,
        path: formatPath(full),
        place,
      });
    } else {
      this.#mismatch(path, node, allowedBy(issue, shape, this.#isSecret(node, path)));
    }
  }

  #isSecret(node: Node, path: Path): boolean {
    return node.kind === 'scalar' && isSensitive(node, path, (at) => shapeAt(this.#shape, at));
  }

  #missing(path: Path, shape: Shape | undefined, issue: v.BaseIssue<unknown>): void {
    const parent = [...this.#path, ...path.slice(0, -1)];
    const allowed = shape === undefined ? issue.message : describeAllowed(shape);
    this.problems.push({
      message: `Cannot use ${formatPath(parent)}: "${String(path.at(-1))}" is missing, ${allowed}`,
      path: formatPath([...this.#path, ...path]),
      place: placeOf(this.#node, path, 'key'),
      hint: shape === undefined || shape.about === '' ? undefined : shape.about,
    });
  }

  #mismatch(path: Path, node: Node, allowed: string): void {
    const full = formatPath([...this.#path, ...path]);
    const isSecret = this.#isSecret(node, path);
    const verdict = isNounPhrase(allowed) ? `allowed is ${allowed}` : allowed;
    this.problems.push({
      message: `Cannot use ${full}: found ${describeFound(node, isSecret)}, ${verdict}`,
      path: full,
      place: placeOf(this.#node, path, 'value'),
      hint: mismatchHint(node, shapeOf(this.#shape, this.#node, path), isSecret),
    });
  }
}

function keysOf(issue: v.BaseIssue<unknown>): (string | number)[] {
  return issue.path?.map(({ key }) => (typeof key === 'number' ? key : String(key))) ?? [];
}

/** The shape at `path`, where a union branches that of the choices which the node can be. */
function shapeOf(shape: Shape, node: Node | undefined, path: Path): Shape | undefined {
  if (shape.kind === 'union') {
    const choices = shape.choices.filter((choice) => isPossible(choice, node));
    const possible = choices.length === 0 ? shape.choices : choices;
    if (path.length === 0) return possible.length === 1 ? possible[0] : { ...shape, choices: possible };
    return joined(possible.map((choice) => shapeOf(choice, node, path)).filter((found) => found !== undefined));
  }
  const [first, ...rest] = path;
  if (first === undefined) return shape;
  const child = shapeAt(shape, [first]);
  return child === undefined ? undefined : shapeOf(child, nodeAt(node, [first]), rest);
}

/** Whether every key that can have one value only, as `action: insert`, has that value. */
function isPossible(shape: Shape, node: Node | undefined): boolean {
  if (shape.kind !== 'object' || node?.kind !== 'map') return shape.kind !== 'object' && node?.kind !== 'map';
  return [...shape.entries].every(([key, entry]) => {
    if (entry.kind !== 'choice' || entry.values.length !== 1) return true;
    const written = node.entries.get(key)?.value;
    return written?.kind === 'scalar' && written.value === entry.values[0];
  });
}

/** Words that tell choices apart become one option with all of them. */
function joined(shapes: readonly Shape[]): Shape | undefined {
  const [first] = shapes;
  if (first?.kind !== 'choice' || shapes.length === 1) return first;
  const values = shapes.flatMap((shape) => (shape.kind === 'choice' ? shape.values : []));
  return { ...first, about: '', values: [...new Set(values)] };
}

function keysIn(shape: Shape | undefined): string[] {
  if (shape?.kind === 'object') return [...shape.entries.keys()];
  return shape?.kind === 'union' ? [...new Set(shape.choices.flatMap(keysIn))] : [];
}

function* referencesIn(node: Node | undefined): Generator<ScalarNode> {
  if (node?.kind === 'scalar' && node.isReference === true) yield node;
  if (node?.kind === 'list') for (const item of node.items) yield* referencesIn(item);
  if (node?.kind === 'map') for (const { value } of node.entries.values()) yield* referencesIn(value);
}

/** A message that the schema's author wrote, rather than valibot's "Invalid type: Expected …". */
function isOwnSentence({ message }: v.BaseIssue<unknown>): boolean {
  return !message.startsWith('Invalid ') && !isNounPhrase(message);
}

function allowedBy(issue: v.BaseIssue<unknown>, shape: Shape | undefined, isSecret: boolean): string {
  // A message may be made from the value itself.
  const isOwn = !issue.message.startsWith('Invalid ') && !isSecret;
  if (isOwn) return issue.message;
  if (shape === undefined) return `allowed is ${issue.expected ?? 'another value'}`;
  return describeAllowed(shape);
}

function mismatchHint(node: Node, shape: Shape | undefined, isSecret: boolean): string | undefined {
  if (node.kind !== 'scalar' || shape === undefined) return undefined;
  if (typeof node.value === 'string') {
    const key = shape.kind === 'object' || shape.kind === 'map' ? missingBlank(node.source) : undefined;
    if (key !== undefined) return `put a space after the colon of "${key}:"`;
    if (shape.kind === 'choice')
      return suggestion(node.value, shape.values.map(String))?.replace(/^known.*/s, '') || undefined;
    const isQuoted = (shape.kind === 'number' || shape.kind === 'boolean') && node.origin.via === undefined;
    const isOther = isQuoted && typeof parseScalar(node.value) === shape.kind;
    return isOther ? 'write it without quotes' : undefined;
  }
  if (shape.kind === 'text' && shape.format === undefined && !isSecret) return `put it in quotes: "${node.source}"`;
  return shape.kind === 'text' && isSecret ? 'put it in quotes' : undefined;
}

/** `node` as a map, with a problem where it is something else; nothing at all is an empty map. */
export function asMap(node: Node | undefined, path: Path, problems: ConfigProblem[]): MapNode | undefined {
  if (node === undefined || isNull(node)) return undefined;
  if (node.kind === 'map') return node;
  const key = node.kind === 'scalar' ? missingBlank(node.source) : undefined;
  problems.push({
    message: `Cannot use ${formatPath(path)}: found ${describeFound(node, true)}, allowed are keys with values`,
    path: formatPath(path),
    place: node.origin,
    hint: key === undefined ? undefined : `put a space after the colon of "${key}:"`,
  });
  return undefined;
}
