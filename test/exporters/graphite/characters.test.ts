import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nodeOf, nodesOf, tagName, tagValue } from '../../../exporters/graphite/characters.ts';

const hard = fc.string({ unit: fc.constantFrom(...' .;=~!^"}{\n\t\u00a0\u0085\u2028\u001c/\\*aé😀') });
/** As Python's `str.split()` sees it. */
const BLANK = /[\s\u001c-\u001f\u0085]/;

test('tagName and tagValue never hold what ends a tag, a series or a line', () => {
  fc.assert(
    fc.property(hard, (text) => {
      expect(tagName(text)).not.toMatch(/[;!^=]/);
      expect(tagValue(text)).not.toMatch(/;|^~|"\}$/);
      for (const made of [tagName(text), tagValue(text), nodeOf(text)]) {
        expect(made).not.toMatch(BLANK);
        expect([...made]).toHaveLength([...text].length);
      }
      expect(nodeOf(text)).not.toMatch(/[./\\;*~]/);
    }),
  );
});

test('nodesOf has no empty nodes', () => {
  fc.assert(
    fc.property(hard, (text) => {
      expect(nodesOf(text)).not.toMatch(/^\.|\.\.|\.$/);
    }),
  );
});

test.each([
  ['system.cpu.time', 'system.cpu.time'],
  ['..a...b.', 'a.b'],
  ['../../etc/passwd', '_._etc_passwd'],
  ['...', ''],
  ['', ''],
])('nodesOf makes of %j %j', (name, nodes) => expect(nodesOf(name)).toBe(nodes));

test('tagName keeps name for the series itself', () => expect(tagName('name')).toBe('name_'));

test('half a surrogate pair becomes what UTF-8 has for it', () => {
  expect([nodeOf('\ud800'), tagName('\ud800'), tagValue('\ud800')]).toEqual(['\ufffd', '\ufffd', '\ufffd']);
});
