import { expect, test } from 'vitest';
import { parseSampleText } from '../../src/rules/sample_text.ts';

const shown = (text: string) =>
  parseSampleText(text).map(({ labels, value, time_ms }) => [Object.fromEntries(labels), value, time_ms]);

test('parseSampleText reads the text format of Prometheus, with milliseconds', () => {
  const text = `# HELP a A number
# TYPE a gauge
a{x="y \\"z\\", }\\n",empty=""} 1.5 2000
b +Inf

{"c.d", e="f"} -2e3 1000
`;
  expect(shown(text)).toEqual([
    [{ __name__: 'c.d', e: 'f' }, -2000, 1000],
    [{ __name__: 'a', x: 'y "z", }\n' }, 1.5, 2000],
    [{ __name__: 'b' }, Infinity, undefined],
  ]);
});

test('parseSampleText reads OpenMetrics, with seconds and exemplars', () => {
  const text = `# TYPE a counter
a_total{x="1"} 5 1.5 # {trace_id="abc"} 0.67 1.4
a_total{x="2"} NaN 2
# EOF
`;
  expect(shown(text)).toEqual([
    [{ __name__: 'a_total', x: '1' }, 5, 1500],
    [{ __name__: 'a_total', x: '2' }, NaN, 2000],
  ]);
});

test.each(['a', 'a{x=y} 1', 'a{x="y" 1', 'a b', 'a 1 x'])('parseSampleText refuses %j with its line', (line) => {
  expect(() => parseSampleText(`ok 1\n${line}\n`)).toThrow(`line 2 is no sample: ${line}`);
});
