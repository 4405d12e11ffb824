import fc from 'fast-check';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { substitute } from '../../src/config/substitute.ts';
import { fromPlain, toPlain } from '../../src/config/tree.ts';
import type { ConfigProblem } from '../../src/errors.ts';
import { folderOf } from './folder.ts';

function substituted(text: string, env: NodeJS.ProcessEnv = {}, file = 'x.yaml'): unknown {
  const problems: ConfigProblem[] = [];
  const result = substitute(fromPlain(text, { file, line: 1, column: 1 }), { env, problems });
  return problems.length > 0 ? problems.map(({ message }) => message) : toPlain(result);
}

describe('substitute', () => {
  it.each([
    ['${env:A}', 'one'],
    ['<${env:A}|${env:A}>', '<one|one>'],
    ['${env:EMPTY}', ''],
    ['${env:EMPTY:-other}', 'other'],
    ['${env:NONE:-}', ''],
    ['${env:NONE:-a:-b $x}', 'a:-b $x'],
    ['$$', '$'],
    ['$${env:A}', '${env:A}'],
    ['$$${env:A}', '$one'],
    ['pa$word$1', 'pa$word$1'],
    ['cost: 5$', 'cost: 5$'],
    ['${env:NESTED}', '${env:A} $$'],
  ])('makes of %s the text %s', (text, expected) => {
    expect(substituted(text, { A: 'one', EMPTY: '', NESTED: '${env:A} $$' })).toBe(expected);
  });

  it('reads files beside the configuration, without their last line break', () => {
    const folder = folderOf({ 'keys/a': 'one\n', 'keys/b': 'two\r\n', 'keys/c': '\nthree\n\n' });
    const text = '${file:keys/a},${file:./keys/b},${file:keys/c}';
    expect(substituted(text, {}, join(folder, 'sonde.yaml'))).toBe('one,two,\nthree\n');
    expect(substituted(`\${file:${folder}/keys/a}`)).toBe('one');
  });

  it('refuses files that are too large, are folders or never end', () => {
    const folder = folderOf({ large: 'x'.repeat(2 ** 20 + 1) });
    expect(substituted(`\${file:${folder}/large}`)).toEqual([expect.stringContaining('larger than 1048576 bytes')]);
    expect(substituted(`\${file:${folder}}`)).toEqual([expect.stringContaining('it is a folder')]);
    expect(substituted('${file:/dev/zero}')).toEqual([expect.stringContaining('no ordinary file')]);
  });

  it('never throws, and brings any value of a variable as it is', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, value) => {
        substituted(text, {});
        expect(substituted('${env:V}', { V: value })).toBe(value);
      }),
    );
  });

  it('gives back any text whose dollars are doubled', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('$', '{', '}', 'env:', 'A', ':-') }), (text) => {
        expect(substituted(text.replaceAll('$', '$$$$'), {})).toBe(text);
      }),
    );
  });
});
