import type { Command } from 'commander';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { AGENT_OPTIONS } from '../../src/cli/agent_options.ts';
import { createProgram, runCommandLine } from '../../src/cli/program.ts';
import { AGENT_SETTINGS } from '../../src/config/agent_settings.ts';
import { VERSION } from '../../src/model/version.ts';
import { recordedTerminal } from './terminal.ts';

const lifetime = { onSignal() {}, onUncaught() {}, exit() {} };

async function sonde(...args: string[]) {
  const terminal = recordedTerminal();
  const code = await runCommandLine(args, { terminal, env: {}, lifetime });
  return { code, printed: terminal.printed, complained: terminal.complained };
}

test.each([['--version'], ['-V']])('sonde %s prints the version', async (option) => {
  expect(await sonde(option)).toEqual({ code: 0, printed: `sonde ${VERSION}\n`, complained: '' });
});

test.each([[[]], [['--help']], [['help']]])('sonde %j prints the help', async (args) => {
  const { code, printed, complained } = await sonde(...args);
  expect(code).toBe(0);
  expect(printed).toMatch(/^Usage: sonde/);
  expect(complained).toBe('');
});

test.each([
  [['rnu'], 'unknown command', 'Did you mean run?'],
  [['run', '--evn', 'x'], 'unknown option', 'Did you mean --env?'],
  [['run', '--config'], 'argument missing', 'Try "sonde run --help".'],
  [['components', 'now'], 'too many arguments', 'Try "sonde components --help".'],
  [['describe'], 'missing required argument', 'Try "sonde describe --help".'],
  [['config', 'shwo'], 'unknown command', 'Did you mean show?'],
  [['config', 'show', '--format', 'xml'], 'Allowed choices are yaml, json', 'Try "sonde config show --help".'],
  [['config', 'diff', 'a'], 'missing required argument', 'Try "sonde config diff --help".'],
])('sonde %j is wrong usage', async (args, found, hint) => {
  const { code, printed, complained } = await sonde(...args);
  expect(code).toBe(2);
  expect(printed).toBe('');
  expect(complained).toContain(found);
  expect(complained).toContain(hint);
});

test('sonde config alone is wrong usage, and prints its help', async () => {
  const { code, complained } = await sonde('config');
  expect(code).toBe(2);
  expect(complained).toMatch(/^Usage: sonde config/);
});

describe('createProgram', () => {
  const program = createProgram({ terminal: recordedTerminal(), env: {}, lifetime }, () => {});
  const commands = function* (command: Command, name: string): Generator<[string, Command]> {
    yield [name, command];
    for (const below of command.commands) yield* commands(below, `${name} ${below.name()}`);
  };

  test.each([...commands(program, 'sonde')])('shows examples in the help of %s', async (name) => {
    const { code, printed } = await sonde(...name.split(' ').slice(1), '--help');
    expect(code).toBe(0);
    expect(printed).toContain(`Usage: ${name}`);
    expect(printed).toContain('\nExamples:\n  ');
  });

  test('has an option for every setting of the agent, and no other', () => {
    const settings = Object.values(AGENT_SETTINGS).map(({ arg }) => arg);
    expect(AGENT_OPTIONS.map(({ name }) => name).toSorted()).toEqual(settings.toSorted());
  });
});

test('main.ts loads neither configuration nor components before it knows the command', () => {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(file, 'utf8');
    for (const [, specifier] of text.matchAll(/^import (?!type )[^;]*?'([^']+)';/gms)) {
      if (specifier!.startsWith('.') && specifier!.endsWith('.ts')) visit(join(dirname(file), specifier!));
      else seen.add(specifier!);
    }
  };
  visit(join(import.meta.dirname, '../../src/main.ts'));
  const packages = [...seen].filter((name) => !name.startsWith('/') && !name.startsWith('.'));
  expect(packages.toSorted()).toEqual(['commander', 'node:util']);
});
