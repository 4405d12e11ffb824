/**
 * Parses the regular expressions that can be matched in linear time: the syntax of RE2
 * (https://github.com/google/re2/wiki/Syntax) without Unicode property classes.
 */
import { foldCase, invert, normalize, type Range } from './char_class.ts';

export type Assertion = 'text_start' | 'text_end' | 'line_start' | 'line_end' | 'word_boundary' | 'no_word_boundary';

export type Node =
  | { readonly type: 'empty' }
  | { readonly type: 'class'; readonly ranges: readonly Range[] }
  | { readonly type: 'assertion'; readonly assertion: Assertion }
  | { readonly type: 'sequence'; readonly nodes: readonly Node[] }
  | { readonly type: 'alternatives'; readonly nodes: readonly Node[] }
  | { readonly type: 'group'; readonly node: Node; readonly index: number }
  | {
      readonly type: 'repeat';
      readonly node: Node;
      readonly min: number;
      /** Infinity for no bound. */
      readonly max: number;
      readonly isLazy: boolean;
    };

export interface Syntax {
  readonly node: Node;
  /** Number of capture groups; group 0, the whole match, not among them. */
  readonly groupCount: number;
  /** Names of capture groups, by their number. */
  readonly groupNames: ReadonlyMap<number, string>;
}

/** RE2's bound for `{n,m}`. */
const MAX_REPEAT = 1000;
const MAX_LENGTH = 8192;
/** Groups in groups; the parser and the compiler recurse. */
const MAX_DEPTH = 200;

interface Flags {
  readonly ignoreCase: boolean;
  /** `^` and `$` match at lines. */
  readonly multiline: boolean;
  /** `.` matches a line feed. */
  readonly dotAll: boolean;
  /** `(?U)`: `x*` is lazy, `x*?` is greedy. */
  readonly ungreedy: boolean;
}

const NO_FLAGS: Flags = { ignoreCase: false, multiline: false, dotAll: false, ungreedy: false };

const DIGIT: readonly Range[] = [[0x30, 0x39]];
const WORD: readonly Range[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
/** RE2's `\s`: no vertical tab, nothing beyond ASCII. */
const SPACE: readonly Range[] = [
  [0x09, 0x0a],
  [0x0c, 0x0d],
  [0x20, 0x20],
];
const PERL_CLASSES: Readonly<Record<string, readonly Range[]>> = { d: DIGIT, w: WORD, s: SPACE };
const ALPHA: readonly Range[] = [
  [0x41, 0x5a],
  [0x61, 0x7a],
];
const POSIX_CLASSES: Readonly<Record<string, readonly Range[]>> = {
  alnum: normalize([...DIGIT, ...ALPHA]),
  alpha: ALPHA,
  ascii: [[0, 0x7f]],
  blank: [
    [0x09, 0x09],
    [0x20, 0x20],
  ],
  cntrl: [
    [0, 0x1f],
    [0x7f, 0x7f],
  ],
  digit: DIGIT,
  graph: [[0x21, 0x7e]],
  lower: [[0x61, 0x7a]],
  print: [[0x20, 0x7e]],
  punct: [
    [0x21, 0x2f],
    [0x3a, 0x40],
    [0x5b, 0x60],
    [0x7b, 0x7e],
  ],
  space: [
    [0x09, 0x0d],
    [0x20, 0x20],
  ],
  upper: [[0x41, 0x5a]],
  word: WORD,
  xdigit: [
    [0x30, 0x39],
    [0x41, 0x46],
    [0x61, 0x66],
  ],
};
const CONTROL_ESCAPES: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };
const ANY_BUT_LINE_FEED = invert([[0x0a, 0x0a]]);
const ANY: readonly Range[] = [[0, 0x10ffff]];

/**
 * @throws {SyntaxError} with the place and, for what cannot be matched in linear time, with what to write instead
 * @throws {RangeError} where the expression is too long or nested too deep
 */
export function parseRegExp(source: string): Syntax {
  if (source.length > MAX_LENGTH) {
    throw new RangeError(
      `Cannot use a regular expression of ${source.length} characters: at most ${MAX_LENGTH} are allowed`,
    );
  }
  let at = 0;
  let depth = 0;
  let flags = NO_FLAGS;
  let groupCount = 0;
  const groupNames = new Map<number, string>();

  const fail = (reason: string): never => {
    throw new SyntaxError(`Cannot parse the regular expression ${JSON.stringify(source)}: ${reason}`);
  };
  const take = (text: string): boolean => {
    if (!source.startsWith(text, at)) return false;
    at += text.length;
    return true;
  };

  function parseAlternatives(): Node {
    if (++depth > MAX_DEPTH) {
      throw new RangeError(`Cannot use a regular expression with groups nested deeper than ${MAX_DEPTH}`);
    }
    // Flags set inside a group, as in (?i), end with the group.
    const flagsBefore = flags;
    const nodes = [parseSequence()];
    while (take('|')) nodes.push(parseSequence());
    flags = flagsBefore;
    depth--;
    return nodes.length === 1 ? nodes[0]! : { type: 'alternatives', nodes };
  }

  function parseSequence(): Node {
    const nodes: Node[] = [];
    while (at < source.length && source[at] !== '|' && source[at] !== ')') {
      if (take('\\Q')) {
        const start = at;
        nodes.push(...parseQuoted());
        const last = nodes.pop();
        if (last !== undefined) nodes.push(parseQuantifier(last, start));
        continue;
      }
      const start = at;
      const node = parseAtom();
      if (node !== undefined) nodes.push(parseQuantifier(node, start));
    }
    if (nodes.length === 0) return { type: 'empty' };
    return nodes.length === 1 ? nodes[0]! : { type: 'sequence', nodes };
  }

  function parseQuoted(): Node[] {
    const end = source.indexOf('\\E', at);
    const text = source.slice(at, end === -1 ? undefined : end);
    at = end === -1 ? source.length : end + 2;
    return Array.from(text, (character) => literal(character.codePointAt(0)!));
  }

  /** Undefined for what sets flags only. */
  function parseAtom(): Node | undefined {
    const start = at;
    const code = source.codePointAt(at)!;
    at += code > 0xffff ? 2 : 1;
    switch (String.fromCodePoint(code)) {
      case '(':
        return parseGroup(start);
      case '[':
        return { type: 'class', ranges: parseClass(start) };
      case '\\':
        return parseEscape(start);
      case '.':
        return { type: 'class', ranges: flags.dotAll ? ANY : ANY_BUT_LINE_FEED };
      case '^':
        return { type: 'assertion', assertion: flags.multiline ? 'line_start' : 'text_start' };
      case '$':
        return { type: 'assertion', assertion: flags.multiline ? 'line_end' : 'text_end' };
      case '*':
      case '+':
      case '?':
        return fail(`nothing to repeat before "${source[start]}" at ${start}`);
      default:
        return literal(code);
    }
  }

  function literal(code: number): Node {
    return { type: 'class', ranges: fold([[code, code]]) };
  }

  function fold(ranges: readonly Range[]): readonly Range[] {
    return flags.ignoreCase ? foldCase(ranges) : ranges;
  }

  /** `\d`, `\W` and their like, where `at` is behind the backslash. */
  function parsePerlClass(): readonly Range[] | undefined {
    const letter = source[at] ?? '';
    const ranges = PERL_CLASSES[letter.toLowerCase()];
    if (ranges === undefined) return undefined;
    at++;
    // Folded before it is inverted, or (?i)\W would match an s by way of the long s.
    return letter === letter.toLowerCase() ? fold(ranges) : invert(fold(ranges));
  }

  function parseQuantifier(node: Node, start: number): Node {
    let repeat: { min: number; max: number } | undefined;
    if (take('*')) repeat = { min: 0, max: Infinity };
    else if (take('+')) repeat = { min: 1, max: Infinity };
    else if (take('?')) repeat = { min: 0, max: 1 };
    else repeat = parseBounds(start);
    if (repeat === undefined) return node;
    const isLazy = take('?') !== flags.ungreedy;
    const next = source[at];
    if (next === '*' || next === '+' || next === '?' || /^\{\d+(,\d*)?\}/.test(source.slice(at, at + 12))) {
      fail(`"${source.slice(start, at)}" at ${start} is repeated twice; put it into a group (?:…)`);
    }
    return { type: 'repeat', node, ...repeat, isLazy };
  }

  /** `{2}`, `{2,}`, `{2,5}`; any other brace is a brace. */
  function parseBounds(start: number): { min: number; max: number } | undefined {
    if (source[at] !== '{') return undefined;
    const match = /^\{(\d+)(?:(,)(\d*))?\}/.exec(source.slice(at));
    if (match === null) return undefined;
    at += match[0].length;
    const min = Number(match[1]);
    const max = match[2] === undefined ? min : match[3] === '' ? Infinity : Number(match[3]);
    if (min > MAX_REPEAT || (max !== Infinity && max > MAX_REPEAT)) {
      fail(`"${match[0]}" at ${start} repeats more than ${MAX_REPEAT} times`);
    }
    if (max < min) fail(`"${match[0]}" at ${start} has its bounds the wrong way round`);
    return { min, max };
  }

  function parseGroup(start: number): Node | undefined {
    let index = 0;
    if (take('?')) {
      if (take('=') || take('!'))
        fail(`look-ahead at ${start} ${NOT_LINEAR}; use a second pattern, as an exclude rule`);
      if (take('<=') || take('<!'))
        fail(`look-behind at ${start} ${NOT_LINEAR}; match what stands before too, and capture the rest`);
      if (take('>')) fail(`an atomic group at ${start} is not supported; matching is linear without it: use (?:…)`);
      if (take('P=')) fail(`a back-reference at ${start} ${NOT_LINEAR}`);
      const name = /^P?<([A-Za-z_][A-Za-z0-9_]*)>/.exec(source.slice(at));
      if (name !== null) {
        at += name[0].length;
        index = ++groupCount;
        if ([...groupNames.values()].includes(name[1]!)) fail(`the group name "${name[1]}" at ${start} is used twice`);
        groupNames.set(index, name[1]!);
      } else {
        const outer = flags;
        flags = parseFlags(start);
        if (take(')')) return undefined;
        at++;
        const node = parseAlternatives();
        flags = outer;
        if (!take(')')) fail(`the group at ${start} is not closed`);
        return node;
      }
    } else {
      index = ++groupCount;
    }
    const node = parseAlternatives();
    if (!take(')')) fail(`the group at ${start} is not closed`);
    return { type: 'group', node, index };
  }

  /** What stands between `(?` and `:` or `)`, as `i`, `s-m` or nothing. */
  function parseFlags(start: number): Flags {
    const match = /^([imsU]*)(?:-([imsU]+))?(?=[:)])/.exec(source.slice(at));
    if (match === null)
      return fail(
        `the group at ${start} begins with "${source.slice(start, at + 2)}", which is none of (?:…), (?P<name>…), (?<name>…) and the flags i, m, s, U`,
      );
    at += match[0].length;
    const set = (letter: string, before: boolean): boolean =>
      match[2]?.includes(letter) === true ? false : match[1]!.includes(letter) || before;
    return {
      ignoreCase: set('i', flags.ignoreCase),
      multiline: set('m', flags.multiline),
      dotAll: set('s', flags.dotAll),
      ungreedy: set('U', flags.ungreedy),
    };
  }

  function parseEscape(start: number): Node {
    const ranges = parsePerlClass();
    if (ranges !== undefined) return { type: 'class', ranges };
    const letter = source[at];
    if (letter !== undefined) {
      const assertion = ASSERTION_ESCAPES[letter];
      if (assertion !== undefined) {
        at++;
        return { type: 'assertion', assertion };
      }
      if (/[1-9]/.test(letter) || letter === 'k') fail(`the back-reference "\\${letter}" at ${start} ${NOT_LINEAR}`);
      if (letter === 'Z' || letter === 'G')
        fail(`"\\${letter}" at ${start} is not supported; the end of the text is \\z or $`);
      if (letter === 'C') fail(`"\\C" at ${start} is not supported; any character is (?s:.)`);
    }
    return literal(parseCharacterEscape(start));
  }

  /** The code point of `\n`, `\x41`, `\x{1F600}`, `\.` and the like; `at` is behind the backslash. */
  function parseCharacterEscape(start: number): number {
    const hex = /^x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})/.exec(source.slice(at, at + 9));
    if (hex !== null) {
      at += hex[0].length;
      const code = Number.parseInt(hex[1] ?? hex[2]!, 16);
      if (code > 0x10ffff) fail(`"\\${hex[0]}" at ${start} is no character`);
      return code;
    }
    const letter = source[at];
    if (letter === undefined) return fail('it ends with a backslash');
    if (letter === 'p' || letter === 'P') {
      return fail(`the Unicode class "\\${letter}" at ${start} is not supported; write its ranges, as [a-zà-ÿ]`);
    }
    if (letter === '0') {
      at++;
      return 0;
    }
    const control = CONTROL_ESCAPES[letter];
    if (control !== undefined) {
      at++;
      return control;
    }
    const code = source.codePointAt(at)!;
    if (code > 0x7f || /[A-Za-z0-9]/.test(letter))
      return fail(`the escape "\\${String.fromCodePoint(code)}" at ${start} means nothing`);
    at++;
    return code;
  }

  function parseClass(start: number): readonly Range[] {
    const isNegated = take('^');
    const ranges: Range[] = [];
    let isFirst = true;
    for (;;) {
      if (at >= source.length) fail(`the class at ${start} is not closed`);
      // A bracket that stands first is one of the characters.
      if (source[at] === ']' && !isFirst) break;
      isFirst = false;
      ranges.push(...parseClassItem(start));
    }
    at++;
    return isNegated ? invert(ranges) : normalize(ranges);
  }

  function parseClassItem(start: number): readonly Range[] {
    const posix = /^\[:(\^?)([a-z]+):\]/.exec(source.slice(at, at + 16));
    if (posix !== null) {
      const name = posix[2]!;
      if (!Object.hasOwn(POSIX_CLASSES, name)) fail(`the class "${posix[0]}" in the class at ${start} is unknown`);
      const ranges = POSIX_CLASSES[name]!;
      at += posix[0].length;
      return posix[1] === '^' ? invert(fold(ranges)) : fold(ranges);
    }
    if (take('\\')) {
      const perl = parsePerlClass();
      if (perl !== undefined) return perl;
      at--;
    }
    const from = parseClassCharacter(start);
    if (source[at] !== '-' || at + 1 >= source.length || source[at + 1] === ']') return fold([[from, from]]);
    at++;
    const to = parseClassCharacter(start);
    if (to < from) fail(`a range in the class at ${start} has its ends the wrong way round`);
    return fold([[from, to]]);
  }

  function parseClassCharacter(start: number): number {
    if (take('\\')) return parseCharacterEscape(start);
    const code = source.codePointAt(at)!;
    at += code > 0xffff ? 2 : 1;
    return code;
  }

  const node = parseAlternatives();
  if (at < source.length) fail(`")" at ${at} closes no group`);
  return { node, groupCount, groupNames };
}

const NOT_LINEAR = 'is not supported, because it cannot be matched in linear time';

const ASSERTION_ESCAPES: Readonly<Record<string, Assertion>> = {
  b: 'word_boundary',
  B: 'no_word_boundary',
  A: 'text_start',
  z: 'text_end',
};
