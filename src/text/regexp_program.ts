/** Compiles a parsed regular expression to the instructions of a non-deterministic automaton (Thompson, 1968). */
import type { Range } from './char_class.ts';
import type { Assertion, Node, Syntax } from './regexp_syntax.ts';

/**
 * One instruction. `split` goes on at both places and prefers the first, which is how greedy and lazy differ;
 * `save` notes the position of a group's start or end.
 */
export type Instruction =
  | { readonly op: 'class'; readonly ranges: readonly Range[]; next: number }
  | { readonly op: 'split'; first: number; second: number }
  | { readonly op: 'jump'; next: number }
  | { readonly op: 'save'; readonly slot: number; next: number }
  | { readonly op: 'assertion'; readonly assertion: Assertion; next: number }
  | { readonly op: 'match' };

export interface Program {
  readonly instructions: readonly Instruction[];
  /** Number of `save` slots: two for the whole match and for each group. */
  readonly slotCount: number;
  readonly hasAssertions: boolean;
  /** Can only match at the start of the text, so that a search need not try anywhere else. */
  readonly isAnchored: boolean;
}

/** `{n,m}` multiplies: the work per character is bounded by this. */
const MAX_INSTRUCTIONS = 10_000;

/** @throws {RangeError} where `{n,m}` blow the program up */
export function compileProgram(syntax: Syntax): Program {
  const instructions: Instruction[] = [];
  let hasAssertions = false;

  let steps = 0;
  const tooLarge = (): never => {
    throw new RangeError(
      `Cannot use a regular expression that takes more than ${MAX_INSTRUCTIONS} instructions: its repetitions {n,m} multiply`,
    );
  };
  const add = <I extends Instruction>(instruction: I): I => {
    if (instructions.length >= MAX_INSTRUCTIONS) tooLarge();
    instructions.push(instruction);
    return instruction;
  };
  /** Every piece of code falls through to the instruction after its last. */
  const here = (): number => instructions.length;

  function emit(node: Node): void {
    // Counted apart, because (?:(?:){1000}){1000} takes a million steps and no instruction.
    if (++steps > MAX_INSTRUCTIONS * 4) tooLarge();
    switch (node.type) {
      case 'empty':
        return;
      case 'class':
        add({ op: 'class', ranges: node.ranges, next: here() + 1 });
        return;
      case 'assertion':
        hasAssertions = true;
        add({ op: 'assertion', assertion: node.assertion, next: here() + 1 });
        return;
      case 'sequence':
        for (const each of node.nodes) emit(each);
        return;
      case 'alternatives':
        emitAlternatives(node.nodes);
        return;
      case 'group':
        add({ op: 'save', slot: node.index * 2, next: here() + 1 });
        emit(node.node);
        add({ op: 'save', slot: node.index * 2 + 1, next: here() + 1 });
        return;
      case 'repeat':
        emitRepeat(node);
    }
  }

  function emitAlternatives(nodes: readonly Node[]): void {
    const exits: { next: number }[] = [];
    nodes.forEach((node, index) => {
      if (index === nodes.length - 1) {
        emit(node);
        return;
      }
      const split = add({ op: 'split', first: here() + 1, second: 0 });
      emit(node);
      exits.push(add({ op: 'jump', next: 0 }));
      split.second = here();
    });
    for (const exit of exits) exit.next = here();
  }

  function emitRepeat({ node, min, max, isLazy }: Extract<Node, { type: 'repeat' }>): void {
    for (let i = 0; i < min; i++) emit(node);
    if (max === Infinity) {
      const split = addSplit(isLazy);
      emit(node);
      add({ op: 'jump', next: split.at });
      split.leaveTo(here());
      return;
    }
    const splits = [];
    for (let i = min; i < max; i++) {
      splits.push(addSplit(isLazy));
      emit(node);
    }
    for (const split of splits) split.leaveTo(here());
  }

  /** A choice between going into what follows and leaving it. */
  function addSplit(isLazy: boolean) {
    const at = here();
    const split = add({ op: 'split', first: at + 1, second: at + 1 });
    return {
      at,
      leaveTo(target: number) {
        if (isLazy) split.first = target;
        else split.second = target;
      },
    };
  }

  emit({ type: 'group', node: syntax.node, index: 0 });
  add({ op: 'match' });
  return {
    instructions,
    slotCount: (syntax.groupCount + 1) * 2,
    hasAssertions,
    isAnchored: startsAnchored(syntax.node),
  };
}

function startsAnchored(node: Node): boolean {
  switch (node.type) {
    case 'assertion':
      return node.assertion === 'text_start';
    case 'sequence':
      return startsAnchored(node.nodes[0]!);
    case 'alternatives':
      return node.nodes.every(startsAnchored);
    case 'group':
      return startsAnchored(node.node);
    case 'repeat':
      return node.min > 0 && startsAnchored(node.node);
    default:
      return false;
  }
}
