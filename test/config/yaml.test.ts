import fc from 'fast-check';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { nodeAt, toPlain } from '../../src/config/tree.ts';
import { parseScalar, parseYaml } from '../../src/config/yaml.ts';

const read = (text: string): unknown => {
  const { root, problems } = parseYaml(text, 'x.yaml');
  return problems.length > 0 ? problems.map(({ message }) => message) : root === undefined ? undefined : toPlain(root);
};

describe('parseYaml', () => {
  it('reads YAML 1.2: no octal by a leading zero, no truth in yes', () => {
    expect(read('{ a: 012, b: yes, c: 0x1f, d: ~, e: 2001-01-01, f: "true", 8080: g }')).toEqual({
      8080: 'g',
      a: 12,
      b: 'yes',
      c: 31,
      d: null,
      e: '2001-01-01',
      f: 'true',
    });
  });

  it('knows where each value stands', () => {
    const { root } = parseYaml('a:\n  - "x"\n  - { b: 12 }\n', 'x.yaml');
    expect(nodeAt(root, ['a', 1, 'b'])).toMatchObject({ source: '12', origin: { line: 3, column: 10, length: 2 } });
    expect(nodeAt(root, ['a', 0])?.origin).toMatchObject({ line: 2, column: 5, length: 3 });
  });

  it('reads anchors, aliases and merge keys; keys beside << win', () => {
    expect(read('a: &x { p: 1, q: 2 }\nb: { <<: *x, q: 3 }\nc: { <<: [*x, { r: 4 }] }\nd: *x')).toEqual({
      a: { p: 1, q: 2 },
      b: { p: 1, q: 3 },
      c: { p: 1, q: 2, r: 4 },
      d: { p: 1, q: 2 },
    });
  });

  it.each([
    ['? [a]\n: 1', 'Cannot read a key: it is neither text nor a number'],
    ['<<: 5', 'Cannot read key "<<": it takes a map or a list of maps'],
    [`${'['.repeat(70)}${']'.repeat(70)}`, 'Cannot read x.yaml: it is nested more than 64 deep'],
  ])('refuses %s', (text, message) => {
    expect(read(text)).toEqual([message]);
  });

  it('survives nesting without end', () => {
    expect(parseYaml('['.repeat(100_000), 'x.yaml').problems).toHaveLength(1);
    expect(parseYaml('{a: '.repeat(20_000), 'x.yaml').problems).toHaveLength(1);
  });

  it('reads all JSON as JSON does', () => {
    const json = fc.jsonValue({ maxDepth: 4 }).filter((value) => !JSON.stringify(value).includes('__proto__'));
    fc.assert(
      fc.property(json, (value) => {
        const text = JSON.stringify({ value });
        const isExact = !/\d{16,}|e\+?\d/i.test(text) && !/"(<<|constructor|prototype)":/.test(text);
        if (isExact) expect(read(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('never throws on text', () => {
    const unit = fc.constantFrom(...'ab:- \n\t[]{}&*!|>"\'#%,?1', '<<', '!append ', '${env:A}');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 60 }), (text) => {
        expect(parseYaml(text, 'x.yaml').problems.every(({ message }) => message !== '')).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe('parseScalar', () => {
  it.each(['1', '-1.5', '1e3', '0x1f', 'true', 'False', 'null', '~', '', 'yes', '12s', 'a', '.inf', '012'])(
    'reads %s as YAML does',
    (text) => {
      expect(parseScalar(text)).toEqual(parse(text));
    },
  );
  it.each(['[1]', '{ a: 1 }', 'a: 1', '- 1', '*x', '&x 1', '!!int 1', '1\n2', '"1"', '# 1'])(
    'leaves %s a text',
    (text) => {
      expect(parseScalar(text)).toBe(text);
    },
  );
});
