/**
 * Says whether a program matches anywhere in a text: a deterministic automaton whose states are made as texts need
 * them, so that most characters cost one table look-up. Work per character is bounded by the size of the program.
 */
import type { Range } from './char_class.ts';
import type { Instruction, Program } from './regexp_program.ts';
import { holds, kindOf, type Kind } from './regexp_assertions.ts';

/** Numbers kept, over all states; beyond it the states are forgotten and made anew. */
const MAX_CELLS = 1 << 18;

interface State {
  /** Places in the program that this state stands at: instructions of the kinds class, assertion and match. */
  readonly places: readonly number[];
  /** What stands before; decides assertions. */
  readonly previous: Kind;
  /** By character class; the last entry is the end of the text. */
  readonly next: (State | undefined)[];
}

export function createDfa(program: Program): (text: string) => boolean {
  const { instructions, hasAssertions, isAnchored } = program;
  const classes = createClasses(program);
  const width = classes.count + 1;
  const ACCEPT: State = { places: [], previous: 'start', next: [] };
  const DEAD: State = { places: [], previous: 'start', next: [] };
  const states = new Map<string, State>();
  const seen = new Uint32Array(instructions.length);
  let round = 0;
  let cells = 0;
  let initial: State | undefined;

  /** Follows what needs no character from `start`, and says whether a match was met. */
  function close(start: number, into: number[]): boolean {
    const stack = [start];
    let isMatch = false;
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (seen[at] === round) continue;
      seen[at] = round;
      const instruction = instructions[at]!;
      if (instruction.op === 'jump' || instruction.op === 'save') stack.push(instruction.next);
      else if (instruction.op === 'split') stack.push(instruction.first, instruction.second);
      else if (instruction.op === 'match') isMatch = true;
      else into.push(at);
    }
    return isMatch;
  }

  function stateOf(places: number[], previous: Kind): State {
    if (places.length === 0) return DEAD;
    places.sort((a, b) => a - b);
    const key = `${previous}:${places.join()}`;
    let state = states.get(key);
    if (state === undefined) {
      if (cells > MAX_CELLS) {
        states.clear();
        cells = 0;
        initial = undefined;
      }
      // The key's text weighs about as much as the places themselves.
      cells += width + 2 * places.length;
      state = { places, previous, next: Array.from({ length: width }) };
      states.set(key, state);
    }
    return state;
  }

  function firstState(): State {
    round++;
    const places: number[] = [];
    return close(0, places) ? ACCEPT : stateOf(places, 'start');
  }

  /** `entry` is a character class, or the last entry for the end of the text. */
  function step(state: State, entry: number): State {
    const character = entry === classes.count ? undefined : classes.representatives[entry]!;
    const reached = hasAssertions ? resolve(state, character) : state.places;
    if (reached === undefined) return ACCEPT;
    if (character === undefined) return DEAD;
    round++;
    const places: number[] = [];
    let isMatch = false;
    for (const at of reached) {
      const instruction = instructions[at]!;
      if (instruction.op === 'class' && contains(instruction.ranges, character)) {
        isMatch = close(instruction.next, places) || isMatch;
      }
    }
    if (isMatch) return ACCEPT;
    // A search may begin at every character.
    if (!isAnchored && close(0, places)) return ACCEPT;
    return stateOf(places, hasAssertions ? kindOf(character) : 'start');
  }

  /** The places left when the assertions are decided, or undefined where one leads to a match. */
  function resolve(state: State, character: number | undefined): readonly number[] | undefined {
    round++;
    for (const at of state.places) seen[at] = round;
    const pending = [...state.places];
    const reached: number[] = [];
    const following = character === undefined ? 'end' : kindOf(character);
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      const instruction = instructions[at]!;
      if (instruction.op !== 'assertion') reached.push(at);
      else if (holds(instruction.assertion, state.previous, following) && close(instruction.next, pending)) {
        return undefined;
      }
    }
    return reached;
  }

  return (text) => {
    let state = (initial ??= firstState());
    for (let i = 0; i < text.length; i++) {
      if (state === ACCEPT) return true;
      if (state === DEAD) return false;
      let code = text.charCodeAt(i);
      if (code >= 0xd800 && code <= 0xdbff) {
        code = text.codePointAt(i)!;
        if (code > 0xffff) i++;
      }
      const entry = code < 128 ? classes.ascii[code]! : classes.find(code);
      state = state.next[entry] ??= step(state, entry);
    }
    if (state === ACCEPT) return true;
    if (state === DEAD) return false;
    return (state.next[classes.count] ??= step(state, classes.count)) === ACCEPT;
  };
}

export function contains(ranges: readonly Range[], code: number): boolean {
  let low = 0;
  let high = ranges.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const range = ranges[middle]!;
    if (code < range[0]) high = middle - 1;
    else if (code > range[1]) low = middle + 1;
    else return true;
  }
  return false;
}

interface Classes {
  readonly count: number;
  /** One character of each class. */
  readonly representatives: readonly number[];
  readonly ascii: Uint16Array;
  find(code: number): number;
}

/** Characters that no instruction tells apart share a column of the tables. */
function createClasses({ instructions, hasAssertions }: Program): Classes {
  const starts = new Set<number>([0]);
  const addRanges = (ranges: readonly Range[]): void => {
    for (const [from, to] of ranges) starts.add(from).add(to + 1);
  };
  for (const instruction of new Set(instructions)) if (isClass(instruction)) addRanges(instruction.ranges);
  if (hasAssertions) addRanges(TOLD_APART_BY_ASSERTIONS);
  starts.delete(0x110000);
  const sorted = Uint32Array.from(starts).sort();
  const find = (code: number): number => {
    let low = 0;
    let high = sorted.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (sorted[middle]! <= code) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  return {
    count: sorted.length,
    representatives: Array.from(sorted),
    ascii: Uint16Array.from({ length: 128 }, (_, code) => find(code)),
    find,
  };
}

function isClass(instruction: Instruction): instruction is Extract<Instruction, { op: 'class' }> {
  return instruction.op === 'class';
}

/** Line feed and the characters of words. */
const TOLD_APART_BY_ASSERTIONS: readonly Range[] = [
  [0x0a, 0x0a],
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
