import { expect, test } from 'vitest';
import { attempt, createSource } from '../../src/procfs/source.ts';

function recorder() {
  const said: string[] = [];
  const log = {
    info() {},
    warn() {},
    error() {},
    once: (key: string, message: string) => void said.push(`once ${key}: ${message}`),
    over: (key: string) => void said.push(`over ${key}`),
  };
  return { said, log };
}

const failWith = (code: string) => () => {
  throw Object.assign(new Error(`${code}: /hostfs/x`), { code });
};

test.each([
  ['ENOENT', 'Cannot read /x: it does not exist (ENOENT)'],
  ['ENODEV', 'Cannot read /x: it does not exist (ENODEV)'],
  ['EACCES', 'Cannot read /x: permission denied (EACCES)'],
  ['EIO', 'Cannot read /x: EIO'],
])('attempt says what %s means', (code, message) => {
  const { said, log } = recorder();
  expect(attempt(log, '/x', failWith(code))).toBeUndefined();
  expect(said).toEqual([`once /x: ${message}`]);
});

test('attempt is silent about an optional source that is absent, not about one that is denied', () => {
  const { said, log } = recorder();
  attempt(log, '/x', failWith('ENOENT'), { isOptional: true });
  expect(said).toEqual([]);
  attempt(log, '/x', failWith('EACCES'), { isOptional: true });
  expect(said).toHaveLength(1);
});

test('attempt lets the parser say what it found', () => {
  const { said, log } = recorder();
  attempt(log, '/x', () => {
    throw new SyntaxError('Cannot parse /x: found "y"');
  });
  expect(said).toEqual(['once /x: Cannot parse /x: found "y"']);
});

test('createSource reads and parses one file, and says when that works again', () => {
  const { said, log } = recorder();
  const host = { read: () => new Uint8Array([55]) } as never;
  expect(createSource({ host, log }, '/x', (file) => file[0])()).toBe(55);
  expect(said).toEqual(['over /x']);
});
