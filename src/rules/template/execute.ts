/** Carries templates out, within limits: what a template may take is bounded, whatever it asks for. */
import { refusalOf, type Functions, type Kind } from './function.ts';
import { builtins } from './builtins.ts';
import type { Arg, Body, Command, Node, Pipe, Syntax } from './syntax.ts';
import {
  AnyMap,
  isList,
  isTrue,
  sortedKeys,
  Struct,
  TemplateError,
  TextMap,
  typeName,
  valueText,
  type Value,
} from './values.ts';

export interface Limits {
  /** Nodes, arguments, rounds, and what functions go through. */
  readonly steps: number;
  /** Characters of what comes out: then it ends there. */
  readonly output: number;
  /** Characters of any text on the way. */
  readonly text: number;
  /** Templates within templates. */
  readonly depth: number;
}

export const DEFAULT_LIMITS: Limits = { steps: 20_000, output: 4096, text: 65_536, depth: 50 };

export interface Expansion {
  readonly text: string;
  /** It was longer than the limit. */
  readonly isCut: boolean;
}

/** @throws {TemplateError} with the place, as Go says it */
export function execute(
  syntax: Syntax,
  data: Value,
  functions: Functions,
  /** Where a position is, as `template: NAME:LINE:COLUMN`. */
  placeOf: (pos: number) => string,
  limits: Limits = DEFAULT_LIMITS,
): Expansion {
  const executor = new Executor(syntax, functions, placeOf, limits);
  return executor.run(data);
}

class OutputFull extends Error {}

type Flow = 'on' | 'break' | 'continue';

class Executor {
  readonly #syntax: Syntax;
  readonly #functions: Functions;
  readonly #placeOf: (pos: number) => string;
  readonly #limits: Limits;
  #output = '';
  #steps = 0;
  #depth = 0;
  #variables: { readonly name: string; value: Value }[] = [];

  constructor(syntax: Syntax, functions: Functions, placeOf: (pos: number) => string, limits: Limits) {
    this.#syntax = syntax;
    this.#functions = functions;
    this.#placeOf = placeOf;
    this.#limits = limits;
  }

  run(data: Value): Expansion {
    this.#variables = [{ name: '$', value: data }];
    try {
      this.#walk(this.#syntax.main, data);
      return { text: this.#output, isCut: false };
    } catch (error) {
      if (error instanceof OutputFull) return { text: this.#output, isCut: true };
      throw error;
    }
  }

  #walk(body: Body, dot: Value): Flow {
    for (const node of body) {
      this.#step();
      const flow = this.#node(node, dot);
      if (flow !== 'on') return flow;
    }
    return 'on';
  }

  #node(node: Node, dot: Value): Flow {
    switch (node.kind) {
      case 'text':
        this.#write(node.text);
        return 'on';
      case 'action': {
        const value = this.#pipe(node.pipe, dot);
        if (node.pipe.variables.length === 0) this.#write(valueText(value));
        return 'on';
      }
      case 'break':
      case 'continue':
        return node.kind;
      case 'template':
        this.#invoke(node, dot);
        return 'on';
      default:
        return this.#control(node, dot);
    }
  }

  #control(node: Extract<Node, { kind: 'if' | 'with' | 'range' }>, dot: Value): Flow {
    const mark = this.#variables.length;
    try {
      if (node.kind === 'range') return this.#range(node, dot, mark);
      const value = this.#pipe(node.pipe, dot);
      const inner = node.kind === 'with' ? value : dot;
      return isTrue(value) ? this.#walk(node.body, inner) : this.#walk(node.otherwise, dot);
    } finally {
      this.#variables.length = mark;
    }
  }

  #range(node: Extract<Node, { kind: 'if' | 'with' | 'range' }>, dot: Value, mark: number): Flow {
    const { pipe } = node;
    const value = this.#pipe(pipe, dot, true);
    let isEmpty = true;
    for (const [key, element] of this.#elements(value, pipe)) {
      isEmpty = false;
      this.#step();
      this.#variables.length = mark;
      const [first, second] = pipe.variables;
      const set = (name: string, given: Value): void => this.#bind(name, given, pipe.isAssignment);
      if (second !== undefined) {
        set(first!, key);
        set(second, element);
      } else if (first !== undefined) {
        set(first, element);
      }
      if (this.#walk(node.body, element) === 'break') break;
    }
    return isEmpty ? this.#walk(node.otherwise, dot) : 'on';
  }

  *#elements(value: Value, pipe: Pipe): Generator<readonly [Value, Value]> {
    if (value === undefined) return;
    if (isList(value)) {
      for (const [index, element] of value.entries()) yield [BigInt(index), element];
    } else if (value instanceof TextMap || value instanceof AnyMap) {
      for (const key of sortedKeys(value.entries)) yield [key, value.entries.get(key)];
    } else if (typeof value === 'bigint') {
      for (let index = 0n; index < value; index++) yield [index, index];
    } else {
      throw this.#fail(pipe, `range can't iterate over ${valueText(value, 1)}`);
    }
  }

  #invoke(node: Extract<Node, { kind: 'template' }>, dot: Value): void {
    const body = this.#syntax.templates.get(node.name);
    if (body === undefined) throw this.#fail(node, `template ${JSON.stringify(node.name)} not defined`);
    if (this.#depth >= this.#limits.depth) {
      throw this.#fail(node, `exceeded maximum template depth (${this.#limits.depth})`);
    }
    const data = node.pipe === undefined ? undefined : this.#pipe(node.pipe, dot);
    const variables = this.#variables;
    this.#variables = [{ name: '$', value: data }];
    this.#depth++;
    this.#walk(body, data);
    this.#depth--;
    this.#variables = variables;
  }

  #pipe(pipe: Pipe, dot: Value, isRange = false): Value {
    let value: Value;
    let isFirst = true;
    for (const command of pipe.commands) {
      value = this.#command(command, dot, isFirst ? NOTHING : [value]);
      isFirst = false;
    }
    if (!isRange) for (const name of pipe.variables) this.#bind(name, value, pipe.isAssignment);
    return value;
  }

  #bind(name: string, value: Value, isAssignment: boolean): void {
    if (!isAssignment) {
      this.#variables.push({ name, value });
      return;
    }
    const variable = this.#variables.findLast((each) => each.name === name);
    if (variable !== undefined) variable.value = value;
  }

  #command(command: Command, dot: Value, final: readonly Value[]): Value {
    this.#step();
    const [first] = command.args;
    if (first!.kind === 'function') return this.#call(first!.name, command, dot, final);
    if (command.args.length > 1 || final.length > 0) {
      const path = 'path' in first! ? first.path : [];
      if (path.length > 0) throw this.#fail(first!, `${path.at(-1)} is not a method but has arguments`);
      throw this.#fail(first!, `can't give argument to non-function ${first!.text}`);
    }
    if (first!.kind === 'nil') throw this.#fail(first!, 'nil is not a command');
    return this.#arg(first!, dot);
  }

  #arg(arg: Arg, dot: Value): Value {
    this.#step();
    switch (arg.kind) {
      case 'constant':
        return arg.value;
      case 'nil':
        return undefined;
      case 'dot':
        return dot;
      case 'pipe':
        return this.#pipe(arg, dot);
      case 'field':
        return this.#fields(dot, arg.path, arg);
      case 'chain':
        return this.#fields(this.#arg(arg.of, dot), arg.path, arg);
      case 'variable':
        return this.#fields(this.#variables.findLast(({ name }) => name === arg.name)?.value, arg.path, arg);
      case 'function':
        return this.#call(arg.name, { pos: arg.pos, text: arg.text, args: [arg] }, dot, NOTHING);
    }
  }

  #fields(value: Value, path: readonly string[], at: Arg): Value {
    let found = value;
    for (const name of path) {
      if (found instanceof TextMap) found = found.entries.get(name) ?? '';
      else if (found instanceof AnyMap) found = found.entries.get(name);
      else if (found instanceof Struct && found.fields.has(name)) found = found.fields.get(name);
      else if (found === undefined) throw this.#fail(at, `nil data; no entry for key ${JSON.stringify(name)}`);
      else throw this.#fail(at, `can't evaluate field ${name} in type ${typeName(found)}`);
    }
    return found;
  }

  #call(name: string, command: Command, dot: Value, final: readonly Value[]): Value {
    const given = command.args.slice(1);
    // They leave out what they need not look at.
    if (name === 'and' || name === 'or') return this.#shortCircuit(name, given, dot, final, command);
    const called = this.#functions.get(name) ?? builtins.get(name)!;
    const count = given.length + final.length;
    const { kinds, isVariadic = false } = called;
    const least = isVariadic ? kinds.length - 1 : kinds.length;
    if (count < least || (!isVariadic && count > least)) {
      const wanted = isVariadic ? `at least ${least}` : `${least}`;
      throw this.#fail(command.args[0]!, `wrong number of args for ${name}: want ${wanted} got ${count}`);
    }
    const kindOf = (index: number): Kind => kinds[Math.min(index, kinds.length - 1)]!;
    const args = given.map((arg, index) => this.#typed(this.#arg(arg, dot), kindOf(index), arg));
    for (const value of final) args.push(this.#typed(value, kindOf(args.length), command));
    this.#step((called.cost ?? 0) + args.reduce((size: number, arg) => size + sizeOf(arg), 0) / SIZE_OF_STEP);
    let result: Value;
    try {
      result = called.call(args);
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      throw this.#fail(command, `error calling ${name}: ${error.message}`);
    }
    if (typeof result === 'string' && result.length > this.#limits.text) {
      throw this.#fail(command, `error calling ${name}: a text of more than ${this.#limits.text} characters`);
    }
    return result;
  }

  #shortCircuit(
    name: 'and' | 'or',
    given: readonly Arg[],
    dot: Value,
    final: readonly Value[],
    { args: [first] }: Command,
  ): Value {
    if (given.length + final.length === 0) {
      throw this.#fail(first!, `wrong number of args for ${name}: want at least 1 got 0`);
    }
    let value: Value;
    for (const arg of given) {
      value = this.#arg(arg, dot);
      if (isTrue(value) === (name === 'or')) return value;
    }
    return final.length > 0 ? final[0] : value;
  }

  #typed(value: Value, kind: Kind, at: { readonly pos: number; readonly text: string }): Value {
    const refusal = refusalOf(value, kind, at.text);
    if (refusal !== undefined) throw this.#fail(at, refusal);
    return value;
  }

  #write(text: string): void {
    const room = this.#limits.output - this.#output.length;
    if (text.length > room) {
      // Half of a surrogate pair is no text.
      this.#output = (this.#output + text.slice(0, room)).replace(/[\ud800-\udbff]$/, '');
      throw new OutputFull();
    }
    this.#output += text;
  }

  #step(count = 1): void {
    this.#steps += count;
    if (this.#steps > this.#limits.steps) {
      throw new TemplateError(`it takes more than ${this.#limits.steps} steps`);
    }
  }

  #fail(at: { readonly pos: number; readonly text: string }, found: string): TemplateError {
    return new TemplateError(`${this.#placeOf(at.pos)} at <${at.text}>: ${found}`);
  }
}

const NOTHING: readonly Value[] = [];

/** Characters, or elements, that functions go through in about the time of a step. */
const SIZE_OF_STEP = 32;

function sizeOf(value: Value): number {
  return typeof value === 'string' || isList(value) ? value.length : 0;
}
