/** Function calls: arguments are evaluated, and the function gets what its kind asks for. */
import type { Labels } from '../store/queryable.ts';
import { withoutParentheses, type Call, type Expression } from './ast.ts';
import { PromqlError } from './errors.ts';
import type { ArgumentValue, CallContext, MapFunction, RangeFunction, WholeFunction } from './functions.ts';
import { withoutMetadata } from './labels.ts';
import { createOutputs } from './outputs.ts';
import type { Compile, Node, Run, Windows } from './plan.ts';
import { emptyColumns, pushFloat, pushHistogram, type Vector } from './values.ts';
import { vectorSelectorNode } from './vector_selector.ts';
import { matrixSelectorWindows, subqueryWindows } from './windows.ts';

export function callNode(call: Call, within: Compile, compileAlone: Compile): Node {
  const { kind } = call.function;
  const parts = call.arguments.map((argument) => partOf(call, argument, within, compileAlone));
  if (kind === 'range') return rangeNode(call, call.function, parts);
  if (kind === 'map') return mapNode(call, call.function, parts);
  return wholeNode(call, call.function, parts);
}

/** An argument: a value, or windows. */
interface Part {
  readonly node: Node | undefined;
  readonly windows: Windows | undefined;
}

function partOf(call: Call, argument: Expression, within: Compile, compileAlone: Compile): Part {
  const inner = withoutParentheses(argument);
  if (inner.kind === 'matrix_selector') return { node: undefined, windows: matrixSelectorWindows(inner) };
  if (inner.kind === 'subquery')
    return { node: undefined, windows: subqueryWindows(inner, compileAlone(inner.expression)) };
  if (inner.kind === 'vector_selector' && call.function.name === 'timestamp') {
    return { node: vectorSelectorNode(inner, true), windows: undefined };
  }
  return { node: within(argument), windows: undefined };
}

/** What all kinds share: the context that the function sees, and preparing and releasing the arguments. */
function contextOf(
  call: Call,
  parts: readonly Part[],
): Omit<Node, 'evaluate'> & { context: RunningContext; readArguments(time_ms: number): void } {
  const context = createContext(call, parts);
  return {
    context,
    prepare(run, steps) {
      context.begin(run);
      for (const { node, windows } of parts) (node ?? windows)!.prepare(run, steps);
    },
    readArguments(time_ms) {
      context.time_ms = time_ms;
      for (let index = 0; index < parts.length; index++)
        context.arguments[index] = parts[index]!.node?.evaluate(time_ms);
      context.run.budget.part = call;
    },
    release() {
      context.arguments.fill(undefined);
      for (const { node, windows } of parts) (node ?? windows)!.release();
    },
  };
}

/** Sets that a call remembers of what was made of labels. */
const KEPT_DERIVED = 20_000;
/** Characters of all the labels of one series: a call may join labels, and calls of calls would double them each time. */
const MAX_LABEL_CHARACTERS = 16_384;
/** Characters that weigh as much as a sample. */
const CHARACTERS_PER_SAMPLE = 16;

interface RunningContext extends CallContext {
  time_ms: number;
  readonly arguments: ArgumentValue[];
  readonly run: Run;
  begin(run: Run): void;
}

/** Its functions need no `this`: functions take them out of it. */
function createContext(call: Call, parts: readonly Part[]): RunningContext {
  const nameless = createOutputs(withoutMetadata);
  const derived = new Map<Labels, object>();
  // Where labels are made of labels, two series must not become one, be it at different steps.
  const { name } = call.function;
  const isRelabelling = name === 'label_replace' || name === 'label_join';
  const relabelled = createOutputs((labels) => derived.get(labels) as Labels);
  let run: Run;

  const weigh = (labels: Labels): void => {
    let characters = 0;
    for (const [label, value] of labels) characters += label.length + value.length;
    if (characters > MAX_LABEL_CHARACTERS) {
      const what = `${name}() makes labels longer than ${MAX_LABEL_CHARACTERS} characters`;
      throw new PromqlError('limit', `Cannot finish query: ${what}`, call.position);
    }
    run.budget.load(Math.ceil(characters / CHARACTERS_PER_SAMPLE));
  };

  const context: RunningContext = {
    time_ms: 0,
    call,
    arguments: call.arguments.map(() => undefined),
    get run() {
      return run;
    },
    get annotations() {
      return run.annotations;
    },
    begin(ofRun) {
      run = ofRun;
      nameless.begin();
      relabelled.begin();
      if (derived.size > KEPT_DERIVED) derived.clear();
    },
    withoutName: (labels) => nameless.of(labels),
    derive<Derived extends object>(labels: Labels, make: (labels: Labels) => Derived): Derived {
      let made = derived.get(labels);
      if (made === undefined) {
        run.budget.spend(16);
        made = make(labels);
        if (made instanceof Map) weigh(made as Labels);
        derived.set(labels, made);
      }
      if (isRelabelling) relabelled.ownedBy(labels, call.position);
      return made as Derived;
    },
    eachWindow: (index, visit) => parts[index]!.windows!.each(context.time_ms, visit),
    spend: (steps) => run.budget.spend(steps),
  };
  return context;
}

function rangeNode(call: Call, definition: RangeFunction, parts: readonly Part[]): Node {
  const { context, prepare, readArguments, release } = contextOf(call, parts);
  const windows = parts.find((part) => part.windows !== undefined)!.windows!;
  const outputs = createOutputs(definition.keepsName ? (labels) => labels : withoutMetadata);
  return {
    prepare(run, steps) {
      outputs.begin();
      prepare(run, steps);
    },
    evaluate(time_ms) {
      readArguments(time_ms);
      const result = emptyColumns();
      windows.each(time_ms, (window) => {
        const value = definition.evaluate(window, context);
        if (value === undefined) return;
        const labels = outputs.ownedBy(window.labels, call.position);
        if (typeof value === 'number') pushFloat(result, labels, value);
        else pushHistogram(result, labels, value);
      });
      return result;
    },
    release,
  };
}

function mapNode(call: Call, definition: MapFunction, parts: readonly Part[]): Node {
  const { context, prepare, readArguments, release } = contextOf(call, parts);
  const outputs = createOutputs(withoutMetadata);
  return {
    prepare(run, steps) {
      outputs.begin();
      prepare(run, steps);
    },
    evaluate(time_ms) {
      readArguments(time_ms);
      outputs.beginStep();
      const { labels, values, histograms } = context.arguments[0] as Vector;
      const scalars = context.arguments.slice(1) as number[];
      const result = emptyColumns();
      if (definition.accepts?.(scalars) === false) return result;
      context.spend(labels.length);
      for (let row = 0; row < labels.length; row++) {
        if (histograms?.[row] !== undefined) continue;
        pushFloat(result, outputs.unique(labels[row]!, call.position), definition.evaluate(values[row]!, scalars));
      }
      return result;
    },
    release,
  };
}

function wholeNode(call: Call, definition: WholeFunction, parts: readonly Part[]): Node {
  const { context, prepare, readArguments, release } = contextOf(call, parts);
  const seen = createOutputs((labels) => labels);
  return {
    prepare(run, steps) {
      seen.begin();
      prepare(run, steps);
    },
    evaluate(time_ms) {
      readArguments(time_ms);
      const value = definition.evaluate(context.arguments, context);
      if (typeof value === 'number') return value;
      seen.beginStep();
      context.spend(value.labels.length);
      for (const labels of value.labels) seen.unique(labels, call.position);
      return value;
    },
    release,
  };
}
