import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileRegExp } from '../../src/text/regexp.ts';
import { createOnePass } from '../../src/text/regexp_one_pass.ts';
import { compileProgram } from '../../src/text/regexp_program.ts';
import { parseRegExp } from '../../src/text/regexp_syntax.ts';

const create = (source: string) => createOnePass(compileProgram(parseRegExp(source)));

describe('createOnePass', () => {
  test.each([
    String.raw`^(?P<time>\S+) \[(?P<level>\w+)\] (?P<message>.*)$`,
    String.raw`^(\S+) (?:\[([^\]]*)\] )?([a-z]+)=(\d+)`,
    String.raw`^(a+?)(b)?\bc*`,
    '^$',
  ])('takes %s', (source) => expect(create(source)).toBeDefined());

  test.each([
    ['without an anchor', 'a(b)'],
    ['with two ways for a character', '^(a*)(a*)$'],
    ['where the end of a group is open', '^(.*) (.*)$'],
    ['with an empty repetition', '^(a*)*$'],
  ])('takes no expression %s', (_, source) => expect(create(source)).toBeUndefined());

  test('finds what the search with all alternatives finds', () => {
    const atom = fc.constantFrom(
      'a',
      'b',
      '1',
      ' ',
      '\\.',
      '.',
      '\\d',
      '\\w',
      '\\S',
      '[^ ]',
      '[^a]',
      'é',
      '😀',
      '\\b',
      '\\B',
      '$',
    );
    const quantified = fc
      .tuple(atom, fc.constantFrom('', '', '*', '+', '?', '*?', '+?', '??', '{2}', '{1,2}'))
      .map(([one, quantifier]) => (/^(\\[bB]|\$)$/.test(one) ? one : one + quantifier));
    const piece = fc.oneof(
      quantified,
      quantified.map((one) => `(${one})`),
      fc.tuple(quantified, quantified).map(([one, other]) => `(${one}|${other})?`),
      fc.array(quantified, { minLength: 1, maxLength: 3 }).map((ones) => `(?:(${ones.join('')}))*`),
    );
    const source = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => `^${pieces.join('')}`);
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '1', ' ', '.', 'é', '😀', '\n'), maxLength: 8 });
    let taken = 0;
    fc.assert(
      fc.property(source, fc.array(text, { minLength: 1, maxLength: 8 }), (expression, texts) => {
        if (create(expression) === undefined) return;
        taken++;
        const compiled = compileRegExp(expression);
        for (const each of texts) {
          expect([expression, each, compiled.find(each)]).toEqual([
            expression,
            each,
            compiled.findAll(each).matches[0],
          ]);
        }
      }),
      { numRuns: 3000 },
    );
    expect(taken).toBeGreaterThan(300);
  });
});
