import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { alertData, checkAlertText, compileAlertText } from '../../../src/rules/template/alert_text.ts';
import { floatText } from '../../../src/rules/template/float_text.ts';
import type { Surroundings } from '../../../src/rules/template/functions.ts';
import { SAID_OTHERWISE, TEMPLATE_CASES } from './cases.ts';

const labels = new Map([
  ['__name__', 'x'],
  ['a', 'b'],
  ['instance', 'web-1.example.com:9100'],
]);
const surroundings: Surroundings = {
  externalURL: '',
  query(text) {
    if (text === 'x') return [{ labels, value: 1234567 }];
    if (text === 'nope') return [];
    if (!text.startsWith('vector')) throw new Error('1:5: parse error: unclosed left parenthesis');
    return [
      { labels: new Map(), value: 1 },
      { labels: new Map([['z', 'y']]), value: 2 },
    ];
  },
};

const expand = (text: string, value: number | string = 1234567, around = surroundings) =>
  compileAlertText(text, 'A').expand(
    alertData({ labels, externalLabels: new Map([['host', 'h1']]), externalURL: around.externalURL, value }),
    around,
  );

/** What promtool 3.5 printed; test/integration/rule_templates.test.ts asks it again. */
const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../golden/rules/templates.json'), 'utf8'),
) as Record<string, string>;

describe('compileAlertText', () => {
  test.each(Object.entries(TEMPLATE_CASES).filter(([name]) => !SAID_OTHERWISE.has(name)))(
    'compileAlertText makes of %s what Prometheus makes of it: %s',
    (name, text) => {
      const { text: mine } = compileAlertText(text, 'A').expand(
        alertData({ labels, externalLabels: new Map(), externalURL: '', value: 1234567 }),
        surroundings,
      );
      expect(mine).toBe(golden[name]);
    },
  );

  test.each([
    ['{{ match "(" "x" }}', /error calling match: .*not closed>$/],
    ['{{ reReplaceAll "[" "x" "y" }}', /error calling reReplaceAll: .*not closed>$/],
    ['{{ len nil }}', /error calling len: len of nil pointer>$/],
    ['{{ call "x" }}', /error calling call: non-function of type string>$/],
    ['{{ if }}', /^<error expanding template: error parsing template __alert_A: line 1: missing value for if>$/],
  ])('compileAlertText says what is wrong with %s', (text, said) => {
    expect(expand(text)).toMatchObject({
      text: expect.stringMatching(said) as string,
      error: expect.any(String) as string,
    });
  });

  test('compileAlertText knows the external labels and the external URL', () => {
    const around = { ...surroundings, externalURL: 'http://agent:9464/base' };
    const text = '{{ $externalLabels.host }} {{ externalURL }} {{ pathPrefix }} {{ $externalURL }}';
    expect(expand(text, 1, around).text).toBe('h1 http://agent:9464/base /base http://agent:9464/base');
  });

  test('compileAlertText takes a histogram as a text', () => {
    expect(expand('{{ $value }}', '{count:1, sum:2}').text).toBe('{count:1, sum:2}');
  });

  test.each([
    [
      'itself',
      '{{ define "a" }}x{{ template "a" . }}{{ end }}{{ template "a" . }}',
      'exceeded maximum template depth (50)',
    ],
    [
      'two of itself',
      '{{ define "a" }}{{ template "a" . }}{{ template "a" . }}{{ end }}{{ template "a" . }}',
      'exceeded maximum template depth (50)',
    ],
    ['many rounds', '{{ range 1000000 }}{{ range 1000000 }}{{ end }}{{ end }}', 'it takes more than 20000 steps'],
    ['many queries', '{{ range 1000 }}{{ $x := query "x" }}{{ end }}', 'it takes more than 20000 steps'],
    [
      'ever new patterns',
      '{{ range $i := 1000 }}{{ $x := match (printf "(a{1,99}%d){1,9}" $i) "aaaa" }}{{ end }}',
      'it takes more than 20000 steps',
    ],
    [
      'large texts again and again',
      '{{ $x := "0123456789abcdef" }}{{ range 11 }}{{ $x = print $x $x }}{{ end }}{{ range 1000 }}{{ $y := toUpper $x }}{{ end }}',
      'it takes more than 20000 steps',
    ],
    ['a wide number', '{{ printf "%999999999d" 1 }}', 'a width of more than 1000'],
    [
      'a text that doubles',
      '{{ $x := "0123456789abcdef" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}{{ $x }}',
      'a text of more than 65536 characters',
    ],
    ['a hostile pattern', '{{ match "((a{1,500}){1,500}){1,500}" "aaaa" }}', 'error calling match'],
  ])('compileAlertText ends a template that asks for %s', (_what, text, said) => {
    const { text: mine, error } = expand(text);
    expect(mine).toContain('<error expanding template: ');
    expect(error).toContain(said);
  });

  test('compileAlertText answers patterns that hang others in linear time', () => {
    expect(expand(`{{ match "(a+)+$" "${'a'.repeat(5000)}b" }}`).text).toBe('false');
  });

  test('compileAlertText cuts what is longer than 4096 characters, and says so', () => {
    const { text, error } = expand('{{ range 3000 }}ab{{ end }}');
    expect(text).toBe(`${'ab'.repeat(2048)}…`);
    expect(error).toContain('4096');
  });

  test('compileAlertText gives every text back that is no template', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        fc.pre(!text.includes('{{'));
        expect(expand(text)).toEqual({ text, error: undefined });
      }),
    );
  });

  test('compileAlertText never throws, whatever the template', () => {
    const words = '{{ }} . $x $value $labels := = | ( ) "a" 1 - end else if range with define template block';
    const more = 'query first printf "%d" nil index break a args humanize continue true , `b`';
    const piece = fc.constantFrom(...`${words} ${more}`.split(' '), ' ');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        expect(typeof expand(`{{ ${pieces.join(' ')} }}`).text).toBe('string');
        expect(typeof expand(pieces.join(' ')).text).toBe('string');
      }),
      { numRuns: 1000 },
    );
  });
});

describe('checkAlertText', () => {
  test.each([
    ['{{ nope }}', 'line 1: function "nope" not defined'],
    ['a\n{{ $nope }}', 'line 2: undefined variable "$nope"'],
    ['{{ if true }}', 'line 1: unexpected EOF'],
    ['{{ end }}', 'line 1: unexpected {{end}}'],
    ['{{ "open }}', 'line 1: unterminated quoted string'],
    ['{{ 5', 'line 1: unclosed action'],
    ['{{ break }}', 'line 1: {{break}} outside {{range}}'],
    ['{{ "a" | 5 }}', 'line 1: non executable command in pipeline stage 2'],
    [`${'{{ if true }}'.repeat(200)}`, 'line 1: it is nested too deeply'],
    [`{{ ${'('.repeat(200)} }}`, 'line 1: it is nested too deeply'],
  ])('checkAlertText refuses %s', (text, said) => {
    expect(() => checkAlertText(text)).toThrow(new SyntaxError(said));
  });
});

describe('floatText', () => {
  test('floatText writes every number so that it can be read back', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        for (const verb of ['e', 'f', 'g'] as const) expect(Number(floatText(value, verb, -1))).toBe(value);
      }),
    );
  });

  test('floatText rounds ties to even, as Go does', () => {
    expect([0.5, 1.5, 2.5].map((value) => floatText(value, 'f', 0))).toEqual(['0', '2', '2']);
    expect([0.125, 0.375].map((value) => floatText(value, 'f', 2))).toEqual(['0.12', '0.38']);
    expect([1234.5, 1235.5, 9999.5].map((value) => floatText(value, 'g', 4))).toEqual(['1234', '1236', '1e+04']);
    expect([NaN, Infinity, -Infinity, -0].map((value) => floatText(value, 'g', 4))).toEqual([
      'NaN',
      '+Inf',
      '-Inf',
      '-0',
    ]);
  });
});
