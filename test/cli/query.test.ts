import { describe, expect, onTestFinished, test } from 'vitest';
import { createServe } from '../../src/api/http_server.ts';
import { runCommandLine } from '../../src/cli/program.ts';
import { shortNumber, sparkline } from '../../src/cli/query_text.ts';
import { metric, metricBatch, series } from '../support/processor.ts';
import { createRecordedLog } from '../support/recorded_log.ts';
import { startStore } from '../exporters/store/run.ts';
import { recordedTerminal } from './terminal.ts';

async function sonde(...words: readonly string[]) {
  const terminal = recordedTerminal();
  const lifetime = { onSignal() {}, onUncaught() {}, exit() {} };
  const code = await runCommandLine(words, { terminal, env: {}, lifetime });
  return { code, printed: terminal.printed, complained: terminal.complained };
}

const now_s = Math.floor(Date.now() / 1000);

async function filled(): Promise<string> {
  const run = await startStore();
  const gauge = metric('room', { kind: 'gauge', unit: '', valueType: 'double' });
  const layout = ['a b', '😀'].map((name) => series(gauge, { name }));
  for (let step = 0; step <= 8; step++) {
    const time = BigInt(now_s - 80 + step * 10) * 1_000_000_000n;
    await run.consume(metricBatch(layout, [step, 1 / 3], { time }));
  }
  return run.url;
}

describe('sonde query', () => {
  test('shows the values of now as a table', async () => {
    const { code, printed } = await sonde('query', 'room', '--url', await filled());
    expect(code).toBe(0);
    expect(printed).toBe(
      ['   VALUE  SERIES', '       8  room{name="a b"}', '0.333333  room{name="😀"}', '', '2 series', ''].join('\n'),
    );
  });

  test('shows a range as small graphs', async () => {
    const url = await filled();
    const { printed } = await sonde(
      'query',
      'room{name="a b"}',
      '--url',
      url,
      '--range',
      '80s',
      '--step',
      '10s',
      '--time',
      new Date(now_s * 1000).toISOString(),
    );
    expect(printed.split('\n').slice(0, 2)).toEqual([
      'LAST  LEAST  MOST  GRAPH      SERIES',
      '8     0      8     ▁▂▃▄▅▆▇██  room{name="a b"}',
    ]);
  });

  test('prints scalars, strings, nothing and JSON', async () => {
    const url = `${await filled()}/api/v1`;
    expect((await sonde('query', '1/3', '--url', url)).printed).toBe('0.333333\n');
    expect((await sonde('query', '"a\\n"', '--url', url)).printed).toBe('a\\n\n');
    expect((await sonde('query', 'none', '--url', url)).printed).toBe('There is no such series.\n');
    const { printed } = await sonde('query', 'room{name="😀"}', '--url', url, '--json');
    expect(JSON.parse(printed)).toMatchObject({
      resultType: 'vector',
      result: [{ value: [expect.any(Number), String(1 / 3)] }],
    });
    expect((await sonde('query', 'room', '--url', url, '--time', '1h')).printed).toBe('There is no such series.\n');
    expect((await sonde('query', 'rate(room[1m])', '--url', url)).complained).toContain(
      '[query] PromQL info: metric might not be',
    );
  });

  test('marks where the mistake is', async () => {
    const url = await filled();
    const wrong = await sonde('query', 'sum by (é) (room)\n  + sum(room', '--url', url);
    expect(wrong.code).toBe(1);
    expect(wrong.complained).toMatch(/^Cannot read the query: unclosed left parenthesis\n {4}\+ sum\(room\n {9}\^\n$/);
    const unknown = await sonde('query', 'é + nope(room)', '--url', url);
    expect(unknown.complained).toContain('\n  é + nope(room)\n');
    const many = await sonde('query', 'sum(room) + on() room', '--url', url);
    expect(many.complained).toMatch(/^Cannot answer the query: /);
  });

  test('marks the part that a limit ended', async () => {
    const run = await startStore({ limits: { samples: 5 } });
    const { code, complained } = await sonde('query', '1 + count_over_time(vector(1)[1h:1s])', '--url', run.url);
    expect(code).toBe(1);
    expect(complained).toMatch(/^Cannot finish query: .*\n {2}1 \+ count_over_time\(vector\(1\)\[1h:1s\]\)\n +\^+\n$/);
  });

  test('says what is wrong with the command line, and with whom it asks', async () => {
    const url = await filled();
    expect(await sonde('query', 'up', '--url', url, '--range', 'ever')).toMatchObject({ code: 2 });
    expect(await sonde('query', 'up', '--url', url, '--step', '15s')).toMatchObject({ code: 2 });
    expect(await sonde('query', 'up', '--url', url, '--time', 'noon')).toMatchObject({ code: 2 });
    expect(await sonde('query', 'up', '--url', 'http://127.0.0.1:1')).toMatchObject({
      code: 1,
      complained: expect.stringContaining('nothing listens there'),
    });
    const open = createServe({ log: createRecordedLog(), page: () => {} });
    const other = await open({
      endpoint: '127.0.0.1:0',
      routes: { '/p/api/v1/query': (_, response) => void response.end('<html>') },
    });
    onTestFinished(() => other.close());
    const none = await sonde('query', 'up', '--url', other.url);
    expect(none).toMatchObject({ code: 1, complained: expect.stringContaining('it answers no queries') });
    expect(none.complained).toContain('exporters: [store]');
    expect(await sonde('query', 'up', '--url', `${other.url}/p/`)).toMatchObject({
      code: 1,
      complained: expect.stringContaining('none of a Prometheus'),
    });
  });
});

test.each([
  ['0.06444987753673333', '0.0644499'],
  ['1234567.891', '1234568'],
  ['9007199254740992', '9007199254740992'],
  ['123456789', '123456789'],
  ['+Inf', '+Inf'],
  ['NaN', 'NaN'],
])('shortNumber shows %s as %s', (text, short) => expect(shortNumber(text)).toBe(short));

test('sparkline leaves blanks where there is nothing, and joins steps beyond sixty', () => {
  expect(
    sparkline(
      [
        [0, 1],
        [20, 3],
        [30, NaN],
      ],
      0,
      40,
      10,
    ),
  ).toBe('▁ █  ');
  expect(sparkline([], 0, 40, 10)).toBe('');
  const rising = Array.from({ length: 600 }, (_, index) => [index, index] as const);
  expect(sparkline(rising, 0, 599, 1)).toHaveLength(60);
});
