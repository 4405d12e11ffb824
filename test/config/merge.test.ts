import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeTrees } from '../../src/config/merge.ts';
import { fromPlain, isSame, toPlain } from '../../src/config/tree.ts';
import { parseYaml } from '../../src/config/yaml.ts';
import type { ConfigProblem } from '../../src/errors.ts';

function merged(base: string, over: string): unknown {
  const problems: ConfigProblem[] = [];
  const tree = mergeTrees(parseYaml(base, 'base').root, parseYaml(over, 'over').root, problems);
  return problems.length > 0 ? problems.map(({ message }) => message) : toPlain(tree!);
}

describe('mergeTrees', () => {
  it.each([
    [
      'merges maps key by key',
      '{ a: { x: 1, y: 2 }, b: 1 }',
      '{ a: { y: 3, z: 4 } }',
      { a: { x: 1, y: 3, z: 4 }, b: 1 },
    ],
    ['removes a key that is set to null', '{ a: { x: 1 }, b: 1 }', '{ a: }', { b: 1 }],
    ['keeps an empty key that is empty in both', '{ a: }', '{ a: }', { a: null }],
    ['removes an empty key by a null that is written out', '{ a: , b: 1 }', '{ a: null }', { b: 1 }],
    ['adds an empty key that is not there', '{ b: 1 }', '{ a: }', { b: 1, a: null }],
    ['fills an empty key', '{ a: }', '{ a: { x: 1 } }', { a: { x: 1 } }],
    ['appends', '{ a: [1] }', '{ a: !append [2, 3] }', { a: [1, 2, 3] }],
    ['prepends', '{ a: [1] }', '{ a: !prepend [2, 3] }', { a: [2, 3, 1] }],
    ['replaces a list', '{ a: [1] }', '{ a: !replace [2] }', { a: [2] }],
    ['replaces a map', '{ a: { x: 1 } }', '{ a: !replace { y: 2 } }', { a: { y: 2 } }],
    ['replaces a map by a number', '{ a: { x: 1 } }', '{ a: !replace 5 }', { a: 5 }],
    ['appends to what is not there', '{ }', '{ a: !append [1] }', { a: [1] }],
    ['takes a list over an empty one', '{ a: [] }', '{ a: [1] }', { a: [1] }],
    ['takes a list over an equal one', '{ a: [1, { b: 2 }] }', '{ a: [1, { b: 2 }] }', { a: [1, { b: 2 }] }],
  ])('%s', (_, base, over, expected) => {
    expect(merged(base, over)).toEqual(expected);
  });

  it.each([
    ['{ a: { b: [1, 2] } }', '{ a: { b: [3] } }', 'Cannot merge a.b: a list would overwrite a list of 2 items'],
    ['{ a: [1] }', '{ a: { b: 1 } }', 'Cannot merge a: a section would overwrite a list of 1 item'],
    ['{ a: { b: 1 } }', '{ a: [1] }', 'Cannot merge a: a list would overwrite a section of 1 key'],
    ['{ a: 1 }', '{ a: !append [1] }', 'Cannot append to a: there is a single value, not a list'],
    ['{ a: [1] }', '{ a: !prepend { b: 1 } }', 'Cannot prepend to a: it is a section, not a list'],
  ])('refuses to lay over %s this: %s', (base, over, message) => {
    expect(merged(base, over)).toEqual([message]);
  });

  it('changes nothing when a tree is laid over itself', () => {
    const origin = { file: 'x', line: 0, column: 0 };
    const value = fc.dictionary(
      fc.string({ minLength: 1, maxLength: 3 }).filter((key) => key !== '__proto__'),
      fc.oneof(fc.integer(), fc.array(fc.string()), fc.dictionary(fc.constantFrom('a', 'b'), fc.integer())),
    );
    fc.assert(
      fc.property(value, (plain) => {
        const tree = fromPlain(plain, origin);
        const problems: ConfigProblem[] = [];
        expect(isSame(mergeTrees(tree, tree, problems)!, tree)).toBe(true);
        expect(problems).toEqual([]);
      }),
    );
  });
});
