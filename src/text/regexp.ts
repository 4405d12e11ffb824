/**
 * Regular expressions that cannot hang the event loop: RE2's syntax, matched in time linear in the length of the text
 * whatever the expression (JavaScript's own need seconds for `(a+)+$` on 28 characters). They search: an expression
 * matches a text that contains a match anywhere, unless `^` and `$` say otherwise. `$` is the end of the text.
 */
import { holds, kindOf, type Kind } from './regexp_assertions.ts';
import { contains, createDfa } from './regexp_dfa.ts';
import { createOnePass, type FindSlots } from './regexp_one_pass.ts';
import { compileProgram, type Program } from './regexp_program.ts';
import { parseRegExp, type Syntax } from './regexp_syntax.ts';

export interface LinearRegExp {
  /** Whether the text contains a match. */
  matches(text: string): boolean;
  /** The leftmost match, with its groups. Slower than `matches`, but for expressions that begin with `^` and leave no choice
   * (regexp_one_pass.ts): ask that first where most texts do not match. */
  find(text: string): Match | undefined;
  /**
   * All matches that do not overlap, from left to right. The search for one match may read far beyond it, so that many
   * would take time quadratic in the text: after so many steps it is given up, and `end` is how far the matches are
   * all known.
   */
  findAll(text: string): { readonly matches: readonly Match[]; readonly end: number };
  /** Number of capture groups. */
  readonly groupCount: number;
  /** Number of each named group. */
  readonly groupNames: ReadonlyMap<string, number>;
}

export interface Match {
  readonly start: number;
  readonly end: number;
  /** Text of each group by its number; group 0 is the whole match. Undefined where a group took no part. */
  readonly groups: readonly (string | undefined)[];
  /** Where each group is, by its number. */
  readonly spans: readonly (readonly [start: number, end: number] | undefined)[];
}

/**
 * @throws {SyntaxError} where the expression is none, or uses what has no linear match (look-around, back-references)
 * @throws {RangeError} where it is too large
 */
export function compileRegExp(source: string): LinearRegExp {
  return compileSyntax(parseRegExp(source));
}

/** Like {@link compileRegExp}, of an expression that is parsed already. */
export function compileSyntax(syntax: Syntax): LinearRegExp {
  const program = compileProgram(syntax);
  const search = createSearch(program);
  let onePass: FindSlots | null | undefined;
  return {
    matches: createDfa(program),
    find: (text) => {
      // Most expressions are only asked whether they match.
      if (onePass === undefined) onePass = createOnePass(program) ?? null;
      if (onePass === null) return search(text, 0, { steps: Infinity });
      const slots = onePass(text);
      return slots && toMatch(slots, text);
    },
    findAll: (text) => findAll(search, text),
    groupCount: syntax.groupCount,
    groupNames: new Map(Array.from(syntax.groupNames, ([index, name]) => [name, index])),
  };
}

/** Characters that the searches for all matches of a text may read, for each character of the text. */
const STEPS_PER_CHARACTER = 16;

function findAll(search: Search, text: string): { matches: Match[]; end: number } {
  const matches: Match[] = [];
  const budget = { steps: 1024 + text.length * STEPS_PER_CHARACTER };
  let position = 0;
  while (position <= text.length) {
    const match = search(text, position, budget);
    if (budget.steps < 0) return { matches, end: position };
    if (match === undefined) break;
    matches.push(match);
    // After an empty match the search goes on behind the next character, or it would find it again.
    position = match.end > match.start ? match.end : match.end + ((text.codePointAt(match.end) ?? 0) > 0xffff ? 2 : 1);
  }
  return { matches, end: text.length };
}

/** Takes the steps that it made from the budget; a search that used it up has found nothing. */
type Search = (text: string, from: number, budget: { steps: number }) => Match | undefined;

/**
 * Runs all alternatives side by side, in order of preference, each with its own captures (Pike's virtual machine).
 * Prefers as Perl and RE2 do: leftmost, then the first alternative, then the greedy one.
 */
function createSearch({ instructions, slotCount, isAnchored }: Program): Search {
  const startsWith = firstCharacters(instructions);
  const unset = new Int32Array(slotCount).fill(-1);
  const seen = new Uint32Array(instructions.length);
  const stack: Thread[] = [];
  let round = 0;

  /**
   * Takes a thread over the character `code` at `position`, into all threads that stand behind it, in their order.
   * Returns the captures where it meets a match instead: what comes after in the order of preference is cut off.
   */
  function advance(start: Thread, position: number, { code, previous, following }: Place, into: Thread[]) {
    stack.length = 0;
    stack.push(start);
    for (let thread = stack.pop(); thread !== undefined; thread = stack.pop()) {
      const { at, slots } = thread;
      if (seen[at] === round) continue;
      seen[at] = round;
      const instruction = instructions[at]!;
      switch (instruction.op) {
        case 'jump':
          stack.push({ at: instruction.next, slots });
          break;
        case 'split':
          stack.push({ at: instruction.second, slots }, { at: instruction.first, slots });
          break;
        case 'save': {
          const saved = slots.slice();
          saved[instruction.slot] = position;
          stack.push({ at: instruction.next, slots: saved });
          break;
        }
        case 'assertion':
          if (holds(instruction.assertion, previous, following)) stack.push({ at: instruction.next, slots });
          break;
        case 'class':
          if (code !== undefined && contains(instruction.ranges, code)) into.push({ at: instruction.next, slots });
          break;
        case 'match':
          return slots;
      }
    }
    return undefined;
  }

  return (text, from, budget) => {
    let current: Thread[] = [];
    let found: Int32Array | undefined;
    let position = from;
    // Where no match can begin nothing need be done.
    const skip = (): void => {
      while (position < text.length && !startsWith(text.charCodeAt(position))) position++;
    };
    skip();
    let previous = kindBefore(text, position);
    for (;;) {
      if (--budget.steps < 0) return undefined;
      // The array holds 32 bits: numbers of rounds must not come again by going round.
      if (round === 0xffff_ffff) {
        seen.fill(0);
        round = 0;
      }
      round++;
      const code = text.codePointAt(position);
      const place: Place = { code, previous, following: code === undefined ? 'end' : kindOf(code) };
      const upcoming: Thread[] = [];
      let matched: Int32Array | undefined;
      for (const thread of current) {
        matched = advance(thread, position, place, upcoming);
        if (matched !== undefined) break;
      }
      const mayBegin =
        found === undefined &&
        matched === undefined &&
        (position === 0 || !isAnchored) &&
        startsWith(text.charCodeAt(position));
      if (mayBegin) matched = advance({ at: 0, slots: unset }, position, place, upcoming);
      found = matched ?? found;
      if (code === undefined || (upcoming.length === 0 && (found !== undefined || isAnchored))) break;
      current = upcoming;
      previous = place.following;
      position += code > 0xffff ? 2 : 1;
      if (upcoming.length === 0) {
        const reached = position;
        skip();
        if (position > reached) previous = kindBefore(text, position);
      }
    }
    return found === undefined ? undefined : toMatch(found, text);
  };
}

/** What assertions and classes are decided by at a position. */
interface Place {
  /** Undefined at the end of the text. */
  readonly code: number | undefined;
  readonly previous: Kind;
  readonly following: Kind;
}

function kindBefore(text: string, position: number): Kind {
  if (position === 0) return 'start';
  // The second half of a surrogate pair is of the kind of the pair.
  return kindOf(text.charCodeAt(position - 1));
}

/**
 * Says of a UTF-16 unit whether a match may begin with it; yes to all, and to the end of the text (NaN), where a match may
 * be empty.
 */
function firstCharacters(instructions: Program['instructions']): (unit: number) => boolean {
  const ascii = new Uint8Array(128);
  let isBeyond = false;
  const seen = new Set<number>();
  const stack = [0];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    const instruction = instructions[at]!;
    switch (instruction.op) {
      case 'match':
        return () => true;
      case 'split':
        stack.push(instruction.first, instruction.second);
        break;
      case 'class':
        for (const [low, high] of instruction.ranges) {
          if (high > 127) isBeyond = true;
          for (let code = low; code <= Math.min(high, 127); code++) ascii[code] = 1;
        }
        break;
      default:
        stack.push(instruction.next);
    }
  }
  return (unit) => (unit < 128 ? ascii[unit] === 1 : isBeyond);
}

interface Thread {
  readonly at: number;
  readonly slots: Int32Array;
}

function toMatch(slots: Int32Array, text: string): Match {
  const spans: ([number, number] | undefined)[] = [];
  for (let slot = 0; slot < slots.length; slot += 2) {
    const start = slots[slot]!;
    const end = slots[slot + 1]!;
    spans.push(start < 0 || end < 0 ? undefined : [start, end]);
  }
  const groups = spans.map((span) => span && text.slice(...span));
  return { start: slots[0]!, end: slots[1]!, groups, spans };
}
