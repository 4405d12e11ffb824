import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { createPickle, createPlaintext } from '../../../exporters/graphite/formats.ts';
import { LineWriter } from '../../../src/text/line_writer.ts';

const POINTS: readonly (readonly [path: string, value: number | bigint, time_s: number])[] = [
  ['a.b;host=x', 1.5, 1_732_220_000],
  ['ü.😀', -2e300, 1_732_220_001],
  ['min', 5e-324, 1],
  ['zero', -0, 2 ** 31 - 1],
  ['late', 42, 2 ** 31],
  ['int', 2n ** 63n - 1n, 7],
  ['inf', -Infinity, 7],
];

function write(format: ReturnType<typeof createPickle>): Buffer {
  const writer = new LineWriter();
  format.begin(writer);
  for (const [path, value, time_s] of POINTS) format.write(writer, format.path(path), value, time_s);
  format.end(writer);
  return writer.take();
}

test('createPlaintext writes a line for each, integers with all digits', () => {
  expect(write(createPlaintext()).toString()).toBe(`a.b;host=x 1.5 1732220000
ü.😀 -2e+300 1732220001
min 5e-324 1
zero -0 2147483647
late 42 2147483648
int 9223372036854775807 7
inf -inf 7
`);
});

test('createPickle writes bytes of protocol 2 behind their length', () => {
  const bytes = write(createPickle());
  expect(bytes.readUInt32BE(0)).toBe(bytes.length - 4);
  expect(bytes.subarray(4, 8)).toEqual(Buffer.from([0x80, 2, 0x5d, 0x28]));
  const first = Buffer.concat([
    Buffer.from('580a000000', 'hex'),
    Buffer.from('a.b;host=x'),
    Buffer.from('4a60943f67473ff80000000000008686', 'hex'),
  ]);
  expect(bytes.subarray(8, 8 + first.length).toString('hex')).toBe(first.toString('hex'));
  expect(bytes.subarray(-2).toString('latin1')).toBe('e.');
});

test('createPickle writes what Python reads', () => {
  const script = 'import sys,pickle,json; print(json.dumps(pickle.loads(sys.stdin.buffer.read()[4:])))';
  let answer: string;
  try {
    answer = execFileSync('python3', ['-c', script], { input: write(createPickle()), encoding: 'utf8' });
  } catch (error) {
    // Without Python the bytes above and carbon itself (test/integration) stand for it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  expect(JSON.parse(answer.replace('-Infinity', '"-Infinity"'))).toEqual(
    POINTS.map(([path, value, time_s]) => [path, [time_s, value === -Infinity ? '-Infinity' : Number(value)]]),
  );
});
