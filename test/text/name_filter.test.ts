import { expect, test } from 'vitest';
import * as v from 'valibot';
import { createNameFilter, globs } from '../../src/text/name_filter.ts';

test.each([
  [[], [], ['sda', 'loop0'], ['sda', 'loop0']],
  [[], ['loop*'], ['sda', 'loop0'], ['sda']],
  [['sd?'], [], ['sda', 'sda1', 'loop0'], ['sda']],
  [['sd*'], ['sdb'], ['sda', 'sdb', 'vda'], ['sda']],
  [[], ['/proc{,/*}'], ['/proc', '/proc/a/b', '/process'], ['/process']],
])('createNameFilter with %j and without %j', (include, exclude, names, expected) => {
  expect(names.filter(createNameFilter(include, exclude))).toEqual(expected);
});

test('globs says what is wrong with a glob', () => {
  const result = v.safeParse(globs(), ['eth*', '{a']);
  expect(result.issues?.map(({ message }) => message)).toEqual([expect.stringContaining('Cannot parse the glob "{a"')]);
});
