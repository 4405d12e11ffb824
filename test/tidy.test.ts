/** Holds the structure rules, and shows that each finds what breaks it. */
import { describe, expect, test } from 'vitest';
import {
  checkExtensions,
  checkHeavyImports,
  checkImportDirection,
  checkLengths,
  checkNames,
  checkTexts,
  type LongFiles,
  readTree,
  type Tree,
} from './support/tidy.ts';

const LONG: LongFiles = {
  'src/component.ts': 'the contract is read in one place',
  'src/text/regexp_syntax.ts': 'one grammar, one recursive descent',
};

describe('the project', () => {
  const tree = readTree();

  test('readTree finds the files of every folder', () => {
    for (const path of [
      'src/component.ts',
      'receivers/index.ts',
      'receivers/cpu/index.ts',
      'test/conformance.test.ts',
    ]) {
      expect(tree.has(path)).toBe(true);
    }
  });
  test('imports only downwards', () => expect(checkImportDirection(tree)).toEqual([]));
  test('loads heavy modules where they are used', () => expect(checkHeavyImports(tree)).toEqual([]));
  test('names files with their extension in imports', () => expect(checkExtensions(tree)).toEqual([]));
  test('has no file longer than 350 lines', () => expect(checkLengths(tree, LONG)).toEqual([]));
  test('names files after what they hold', () => expect(checkNames(tree)).toEqual([]));
  test('leaves nothing undone, untyped or unexplained', () => expect(checkTexts(tree)).toEqual([]));
});

const of = (files: Readonly<Record<string, string>>): Tree => new Map(Object.entries(files));
const importing = (path: string, from: string): Tree => of({ [path]: `import { x } from '${from}';\n` });

describe('checkImportDirection', () => {
  test.each([
    ['the model knows no contract', 'src/model/batch.ts', '../component.ts'],
    ['the contract knows no agent', 'src/component.ts', './agent.ts'],
    ['kernel files know no meter', 'src/procfs/host.ts', '../otel/meter.ts'],
    ['a receiver knows no other', 'receivers/cpu.ts', './load.ts'],
    ['a receiver knows no part of another', 'receivers/cpu/index.ts', '../network/links.ts'],
    ['a receiver knows no list', 'receivers/cpu.ts', './index.ts'],
    ['a receiver knows no processor', 'receivers/cpu.ts', '../processors/cpu.ts'],
    ['a processor knows no delivery', 'processors/batch.ts', '../src/delivery/push.ts'],
    ['an exporter knows no agent', 'exporters/otlp/http.ts', '../../src/agent.ts'],
    ['a component reads no configuration', 'exporters/otlp.ts', '../src/config/load.ts'],
    ['a list knows no agent', 'receivers/index.ts', '../src/agent.ts'],
    ['delivery knows no component', 'src/delivery/push.ts', '../../exporters/otlp.ts'],
    ['the agent knows components by their list alone', 'src/agent.ts', '../receivers/cpu.ts'],
    ['nobody knows main', 'src/cli/run.ts', '../main.ts'],
    ['delivery knows no agent', 'src/delivery/push.ts', '../agent.ts'],
    ['what runs knows no tests', 'src/agent.ts', '../test/support/collect.ts'],
  ])('finds that %s', (_, path, from) => {
    expect(checkImportDirection(importing(path, from))).toHaveLength(1);
    expect(checkImportDirection(of({ [path]: `export {} from '${from}';\n` }))).toHaveLength(1);
    expect(checkImportDirection(of({ [path]: `const x = await import('${from}');\n` }))).toHaveLength(1);
    expect(checkImportDirection(of({ [path]: `import {\n  a,\n  type b,\n} from '${from}';\n` }))).toHaveLength(1);
  });

  test.each([
    ['src/component.ts', './model/batch.ts'],
    ['receivers/cpu/index.ts', './times.ts'],
    ['receivers/otlp.ts', './otlp/http.ts'],
    ['receivers/cpu.ts', '../src/procfs/bytes.ts'],
    ['receivers/index.ts', './cpu/index.ts'],
    ['src/agent.ts', '../receivers/index.ts'],
    ['src/main.ts', './agent.ts'],
    ['test/agent.test.ts', '../src/main.ts'],
    ['receivers/cpu.ts', 'valibot'],
  ])('allows %s to import %s', (path, from) => {
    expect(checkImportDirection(importing(path, from))).toEqual([]);
  });
});

test('checkHeavyImports finds a static import, and allows types and what loads later', () => {
  expect(checkHeavyImports(importing('receivers/x.ts', 'node:http'))).toEqual([
    'receivers/x.ts loads node:http at start',
  ]);
  const later = "import type { Server } from 'node:http';\nconst http = await import('node:http');\n";
  expect(checkHeavyImports(of({ 'receivers/x.ts': later }))).toEqual([]);
});

test('checkExtensions finds an import without .ts', () => {
  expect(checkExtensions(importing('src/a.ts', './b'))).toEqual(['src/a.ts imports ./b without .ts']);
  expect(checkExtensions(importing('src/a.ts', './b.js'))).toHaveLength(1);
  expect(checkExtensions(importing('src/a.ts', './b.ts'))).toEqual([]);
});

test('checkLengths finds a file over 350 lines, and an exception that is not needed any more', () => {
  const tree = of({ 'src/long.ts': 'x\n'.repeat(351), 'src/short.ts': 'x\n'.repeat(350) });
  expect(checkLengths(tree, {})).toEqual(['src/long.ts has 351 lines, more than 350']);
  expect(checkLengths(tree, { 'src/long.ts': 'a table', 'src/short.ts': 'was longer' })).toEqual([
    'src/short.ts has 350 lines and needs no exception',
  ]);
});

test('checkNames finds names that say nothing', () => {
  const paths = ['src/util.ts', 'src/helpers/x.ts', 'src/queue_manager.ts', 'test/common.ts', 'src/utils.test.ts'];
  expect(checkNames(of(Object.fromEntries(paths.map((path) => [path, '']))))).toHaveLength(paths.length);
  expect(checkNames(of({ 'src/uncommon.ts': '', 'receivers/utilization.ts': '' }))).toEqual([]);
});

test.each([
  ['src/a.ts', '// TODO: later', 'leaves something to do'],
  ['test/a.test.ts', "test.skip('x', () => {});", 'leaves tests out'],
  ['test/a.test.ts', "describe.only('x', () => {});", 'leaves tests out'],
  ['src/a.ts', '// @ts-expect-error', 'silences the type checker'],
  ['src/a.ts', 'const a: any = 1;', 'uses any'],
  ['src/a.ts', 'f(x as any);', 'uses any'],
  ['src/a.ts', 'const a = new Map<string, any>();', 'uses any'],
  ['src/agent.ts', 'process.exit(1);', 'ends the process'],
  ['src/a.ts', 'export default 1;', 'has a default export'],
  ['receivers/index.ts', 'export default [];', 'has a default export'],
  ['src/a.ts', "export * from './b.ts';", 'exports what another file holds'],
  ['src/a.ts', "export type { B } from './b.ts';", 'exports what another file holds'],
  ['src/a.ts', 'try {\n} catch {\n  return 1;\n}', 'catches without saying why'],
])('checkTexts finds in %s: %s', (path, text, problem) => {
  expect(checkTexts(of({ [path]: `\n${text}\n` }))).toEqual([expect.stringContaining(problem)]);
});

test('checkTexts allows what is meant to be', () => {
  const tree = of({
    'src/main.ts': 'process.exit(1);\n',
    'receivers/x.ts': 'export default 1;\n',
    'src/a.ts': '/** For any reason: any of them. */\ntry {} catch {\n  // It was not there.\n}\n',
  });
  expect(checkTexts(tree)).toEqual([]);
});
