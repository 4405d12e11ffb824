import { expect, test } from 'vitest';
import { describe as describeName, listComponents } from '../../src/cli/describe.ts';
import { catalog } from './few_components.ts';
import { recordedTerminal } from './terminal.ts';

const GOLDEN = `${import.meta.dirname}/../golden/cli`;

async function described(name: string, options: { json?: true } = {}) {
  const terminal = recordedTerminal();
  return { code: await describeName(name, options, { terminal, catalog }), terminal };
}

test.each([
  ['a receiver', 'lamp', 'describe_receiver.txt'],
  ['a processor', 'shade', 'describe_processor.txt'],
  ['every component of a name', 'door', 'describe_both.txt'],
])('describe shows %s', async (_, name, golden) => {
  const { code, terminal } = await described(name);
  expect(code).toBe(0);
  await expect(terminal.printed).toMatchFileSnapshot(`${GOLDEN}/${golden}`);
});

test('describe fits the width of a terminal', async () => {
  const terminal = recordedTerminal({ columns: 80 });
  await describeName('post', {}, { terminal, catalog });
  await expect(terminal.printed).toMatchFileSnapshot(`${GOLDEN}/describe_narrow.txt`);
});

test('describe --json gives machines everything', async () => {
  const { terminal } = await described('lamp', { json: true });
  expect(JSON.parse(terminal.printed)).toHaveLength(1);
  await expect(terminal.printed).toMatchFileSnapshot(`${GOLDEN}/describe.json`);
});

test.each([
  ['receiver/door', ['receiver door']],
  ['receivers/door', ['receiver door']],
  ['exporter door', ['exporter door']],
  ['lamp.hours', ['receiver lamp']],
])('describe finds %s', async (name, heads) => {
  const { terminal } = await described(name);
  const lines = terminal.printed.split('\n');
  const found = lines.filter((line) => /^(receiver|processor|exporter) /.test(line));
  expect(found.map((line) => line.split('  ')[0])).toEqual(heads);
});

test.each([
  ['lmap', 'did you mean "lamp"?'],
  ['lamp.lihgt', 'did you mean "lamp.light"?'],
  ['processor/lamp', 'see "sonde components"'],
  ['kubernetes', 'see "sonde components"'],
])('describe knows no %s and says what to do', async (name, hint) => {
  const { code, terminal } = await described(name);
  expect(code).toBe(2);
  expect(terminal.printed).toBe('');
  expect(terminal.complained).toBe(
    `Cannot describe "${name}": there is no such component or metric\n  hint: ${hint}\n`,
  );
});

test('listComponents shows the first sentence about each', async () => {
  const terminal = recordedTerminal();
  expect(await listComponents({}, { terminal, catalog })).toBe(0);
  await expect(terminal.printed).toMatchFileSnapshot(`${GOLDEN}/components.txt`);
});

test('listComponents --json gives machines all of them', async () => {
  const terminal = recordedTerminal();
  await listComponents({ json: true }, { terminal, catalog });
  expect(JSON.parse(terminal.printed)).toContainEqual({
    kind: 'processor',
    type: 'shade',
    about: 'Makes it darker.',
    signals: ['metrics'],
  });
  expect(JSON.parse(terminal.printed)).toHaveLength(8);
});

test('describe uses colours where the terminal has them', async () => {
  const terminal = recordedTerminal({ hasColor: true });
  await describeName('shade', {}, { terminal, catalog });
  expect(terminal.printed).toContain('\x1b[1mprocessor shade\x1b[22m');
});
