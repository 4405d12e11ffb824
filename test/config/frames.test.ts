import fc from 'fast-check';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { formatProblems } from '../../src/config/frames.ts';
import { ConfigError } from '../../src/errors.ts';
import { load } from './folder.ts';

const PROBLEM = {
  message: 'Cannot use a: found "x"',
  path: 'a',
  place: { file: 'f.yaml', line: 12, column: 4, length: 3, frame: { text: 'a: xyz', start: 3, length: 3 } },
  hint: 'do this',
};

describe('formatProblems', () => {
  it('shows place, sentence, line, underline and what to do', () => {
    expect(formatProblems([PROBLEM])).toBe(
      'f.yaml:12:4: Cannot use a: found "x"\n  12 | a: xyz\n     |    ^^^\n  hint: do this\n',
    );
  });

  it('adds nothing but colours for a terminal', () => {
    const colored = formatProblems([PROBLEM], { color: true });
    expect(colored).not.toBe(formatProblems([PROBLEM]));
    expect(stripVTControlCharacters(colored)).toBe(formatProblems([PROBLEM]));
  });

  it('obeys no control characters of a file', () => {
    const frame = { text: 'a: \u001b[2J\u202e\u0007', start: 3, length: 3 };
    const shown = formatProblems([{ ...PROBLEM, place: { ...PROBLEM.place, frame } }]);
    expect(shown).toContain('a: ·[2J··');
  });
});

describe('a secret', () => {
  const SECRET = 'hunter2hunter2';
  const quoted = [
    SECRET,
    `"${SECRET}"`,
    `'${SECRET}'`,
    `[${SECRET}]`,
    `{ a: ${SECRET} }`,
    `!append ${SECRET}`,
    `"${SECRET}`,
  ];
  const places = [
    (value: string) => `exporters: { otlp: { headers: { authorization: ${value} }, timeout: x } }`,
    (value: string) => `exporters:\n  otlp:\n    headers:\n      a: 1\n      b: ${value}\n    bad: 1`,
    (value: string) => `exporters:\n  otlp:\n    haeders: { x: ${value}, y: ${value} }`,
    (value: string) => `exporters:\n  sdk:\n    options: { password: ${value} }\n    pakage: x`,
    (value: string) =>
      `exporters:\n  otlp:\n    endpoint: https://user:${SECRET}@host:x:y\n    headers: { token: ${value} }`,
    (value: string) => `agent: { token: ${value}, password: ${value} }`,
    (value: string) => `exporters:\n  otlp:\n    headers:\n      password: ${value}\n\t  tab: 1`,
  ];

  it('is in no message, wherever it stands and whatever else is wrong', () => {
    const mistakes = fc.constantFrom('', '\nservice: 5', '\nreceivers: { cpu: { x: } }', '\n]', '\nexporters: {}');
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.constantFrom(...quoted), mistakes, (place, value, mistake) => {
        try {
          load(place(value) + mistake);
          expect.unreachable('every one of these is wrong');
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error;
          expect(formatProblems(error.problems) + error.message).not.toContain(SECRET);
        }
      }),
      { numRuns: 300 },
    );
  });
});
