/**
 * Regular expressions that cannot hang the event loop: RE2's syntax, matched in time linear in the length of the text
 * whatever the expression (JavaScript's own need seconds for `(a+)+$` on 28 characters). They search: an expression
 * matches a text that contains a match anywhere, unless `^` and `$` say otherwise. `$` is the end of the text.
 */
import { holds, kindOf, type Kind } from './regexp_assertions.ts';
import { contains, createDfa } from './regexp_dfa.ts';
import { compileProgram, type Program } from './regexp_program.ts';
import { parseRegExp, type Syntax } from './regexp_syntax.ts';

export interface LinearRegExp {
  /** Whether the text contains a match. */
  matches(text: string): boolean;
  /** The leftmost match, with its groups. Slower than `matches`: ask that first where most texts do not match. */
  find(text: string): Match | undefined;
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
  return {
    matches: createDfa(program),
    find: (text) => findMatch(program, text),
    groupCount: syntax.groupCount,
    groupNames: new Map(Array.from(syntax.groupNames, ([index, name]) => [name, index])),
  };
}

/**
 * Runs all alternatives side by side, in order of preference, each with its own captures (Pike's virtual machine).
 * Prefers as Perl and RE2 do: leftmost, then the first alternative, then the greedy one.
 */
function findMatch({ instructions, slotCount, isAnchored }: Program, text: string): Match | undefined {
  let current: Thread[] = [];
  let upcoming: Thread[] = [];
  const seen = new Uint32Array(instructions.length);
  let round = 0;
  let found: Int32Array | undefined;
  let previous: Kind = 'start';

  function addThread(start: number, startSlots: Int32Array, position: number, following: Kind, into: Thread[]): void {
    const stack: Thread[] = [{ at: start, slots: startSlots }];
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
        default:
          into.push(thread);
      }
    }
  }

  for (let position = 0; ;) {
    const code = text.codePointAt(position);
    const following: Kind = code === undefined ? 'end' : kindOf(code);
    // The threads of this position were added before `following` was known: they are resolved now, in order.
    round++;
    const threads: Thread[] = [];
    for (const { at, slots } of current) addThread(at, slots, position, following, threads);
    if (found === undefined && (position === 0 || !isAnchored)) {
      addThread(0, new Int32Array(slotCount).fill(-1), position, following, threads);
    }
    if (threads.length === 0 && (found !== undefined || isAnchored)) break;
    upcoming = [];
    for (const { at, slots } of threads) {
      const instruction = instructions[at]!;
      if (instruction.op === 'match') {
        // What comes after in the order of preference is cut off.
        found = slots;
        break;
      }
      if (instruction.op === 'class' && code !== undefined && contains(instruction.ranges, code)) {
        upcoming.push({ at: instruction.next, slots });
      }
    }
    if (code === undefined) break;
    current = upcoming;
    previous = following;
    position += code > 0xffff ? 2 : 1;
  }
  return found === undefined ? undefined : toMatch(found, text);
}

interface Thread {
  readonly at: number;
  readonly slots: Int32Array;
}

function toMatch(slots: Int32Array, text: string): Match {
  const groups: (string | undefined)[] = [];
  for (let slot = 0; slot < slots.length; slot += 2) {
    const start = slots[slot]!;
    const end = slots[slot + 1]!;
    groups.push(start < 0 || end < 0 ? undefined : text.slice(start, end));
  }
  return { start: slots[0]!, end: slots[1]!, groups };
}
