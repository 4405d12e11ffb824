/** Globs over names: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`, and `\` before a character that means itself. */
import { invert, normalize, type Range } from './char_class.ts';
import { compileSyntax } from './regexp.ts';
import type { Node } from './regexp_syntax.ts';

const ANY: readonly Range[] = [[0, 0x10ffff]];
/** Braces in braces; the parser recurses. */
const MAX_DEPTH = 20;
const MAX_LENGTH = 8192;

/**
 * A function that says whether a whole text fits the glob. `*` is any number of any characters: names have no
 * separators that it would stop at.
 * @throws {SyntaxError} @throws {RangeError}
 */
export function compileGlob(source: string): (text: string) => boolean {
  const nodes: Node[] = [
    { type: 'assertion', assertion: 'text_start' },
    parseGlob(source),
    { type: 'assertion', assertion: 'text_end' },
  ];
  const { matches } = compileSyntax({ node: { type: 'sequence', nodes }, groupCount: 0, groupNames: new Map() });
  return matches;
}

function parseGlob(source: string): Node {
  const fail = (reason: string): never => {
    throw new SyntaxError(`Cannot parse the glob ${JSON.stringify(source)}: ${reason}`);
  };
  if (source.length > MAX_LENGTH) {
    throw new RangeError(`Cannot use a glob of ${source.length} characters: at most ${MAX_LENGTH} are allowed`);
  }
  const characters = Array.from(source);
  let at = 0;

  function parseSequence(depth: number): Node {
    const nodes: Node[] = [];
    while (at < characters.length) {
      const character = characters[at]!;
      if (depth > 0 && (character === ',' || character === '}')) break;
      nodes.push(parseItem(depth));
    }
    return nodes.length === 0 ? { type: 'empty' } : { type: 'sequence', nodes };
  }

  function parseItem(depth: number): Node {
    const character = characters[at++]!;
    switch (character) {
      case '*':
        return { type: 'repeat', node: { type: 'class', ranges: ANY }, min: 0, max: Infinity, isLazy: false };
      case '?':
        return { type: 'class', ranges: ANY };
      case '[':
        return parseClass();
      case '{':
        return parseBraces(depth + 1);
      default:
        return literal(character === '\\' ? escaped() : character);
    }
  }

  function escaped(): string {
    return characters[at++] ?? fail('it ends with a backslash');
  }

  function parseBraces(depth: number): Node {
    if (depth > MAX_DEPTH) throw new RangeError(`Cannot use a glob with braces nested deeper than ${MAX_DEPTH}`);
    const start = at - 1;
    const nodes = [parseSequence(depth)];
    while (characters[at] === ',') {
      at++;
      nodes.push(parseSequence(depth));
    }
    if (characters[at++] !== '}') fail(`the brace at ${start} is not closed`);
    return { type: 'alternatives', nodes };
  }

  function parseClass(): Node {
    const start = at - 1;
    const isNegated = characters[at] === '!' || characters[at] === '^';
    if (isNegated) at++;
    const ranges: Range[] = [];
    const takeCharacter = (): number => {
      const character = characters[at++] ?? fail(`the bracket at ${start} is not closed`);
      return (character === '\\' ? escaped() : character).codePointAt(0)!;
    };
    do {
      const from = takeCharacter();
      let to = from;
      if (characters[at] === '-' && characters[at + 1] !== undefined && characters[at + 1] !== ']') {
        at++;
        to = takeCharacter();
      }
      if (to < from) fail(`a range in the bracket at ${start} has its ends the wrong way round`);
      ranges.push([from, to]);
    } while (characters[at] !== ']');
    at++;
    return { type: 'class', ranges: isNegated ? invert(ranges) : normalize(ranges) };
  }

  return parseSequence(0);
}

function literal(character: string): Node {
  const code = character.codePointAt(0)!;
  return { type: 'class', ranges: [[code, code]] };
}
