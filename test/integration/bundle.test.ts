/** Of the bundle as users run it: what it keeps out of the file that every agent has in memory. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { catalog } from '../../src/cli/catalog.ts';
import { loadWithComponents } from '../../src/config/load.ts';
import { loadRegistry, SECTIONS } from '../../src/config/registry.ts';
import { sondeCommand } from './servers.ts';

test('main.cjs holds the components of the default configuration, and no others', async () => {
  const [, ...args] = sondeCommand();
  const main = readFileSync(join(dirname(args.at(-1)!), 'agent/main.cjs'), 'utf8');
  const all = await loadRegistry(catalog);
  const { registry } = await loadWithComponents({ files: [], env: {}, catalog });
  for (const section of SECTIONS) {
    const used = registry[section].map(({ type }) => type);
    // As far as it looks in the bundle as it does in the source.
    const held = all[section].filter(({ about }) => main.includes(/^[^"'`\\\u0080-\uffff]{0,60}/.exec(about)![0]));
    expect(held.map(({ type }) => type)).toEqual(used);
  }
});

test('every component and command is found from there', async () => {
  const [command, ...args] = sondeCommand();
  const sonde = (...words: string[]): string => execFileSync(command, [...args, ...words], { encoding: 'utf8' });
  const listed = JSON.parse(sonde('components', '--json')) as { type: string }[];
  const { types } = await loadRegistry(catalog);
  expect(listed.map(({ type }) => type)).toEqual(SECTIONS.flatMap((section) => types[section]));
  expect(sonde('describe', 'exporter/loki')).toContain('exporter loki');
  expect(sonde('config', 'reference')).toContain('exporters:');
});
