import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import attributes from '../../processors/attributes.ts';
import { DoubleValue, type Attributes } from '../../src/model/attributes.ts';
import type { HistogramPoint } from '../../src/model/batch.ts';
import { logBatch, logRecord, metric, metricBatch, runProcessor, series, table } from '../support/processor.ts';

async function act(actions: readonly unknown[], before: Attributes): Promise<Attributes> {
  const run = runProcessor(attributes, { actions });
  await run.consume(metricBatch([series('m', before)], [1]));
  const [batch] = run.metrics();
  const [only] = batch!.series;
  const logs = runProcessor(attributes, { actions });
  await logs.consume(logBatch([logRecord('', { attributes: before })]));
  // Records and points are changed alike.
  expect(logs.out).toMatchObject([{ records: [{ attributes: only!.attributes }] }]);
  return only!.attributes;
}

describe('attributes', () => {
  test.each<[unknown, Attributes, Attributes]>([
    [{ key: 'a', action: 'insert', value: 1 }, {}, { a: 1 }],
    [{ key: 'a', action: 'insert', value: 1 }, { a: 'x' }, { a: 'x' }],
    [{ key: 'a', action: 'update', value: true }, {}, {}],
    [{ key: 'a', action: 'update', value: true }, { a: 'x' }, { a: true }],
    [{ key: 'a', action: 'upsert', value: 1.5 }, {}, { a: 1.5 }],
    [{ key: 'a', action: 'upsert', value: ['x', 'y'] }, { a: 1 }, { a: ['x', 'y'] }],
    [{ key: 'a', action: 'upsert', from_attribute: 'b' }, { b: 2n ** 60n }, { b: 2n ** 60n, a: 2n ** 60n }],
    [{ key: 'a', action: 'upsert', from_attribute: 'c' }, { b: 1 }, { b: 1 }],
    [
      { key: 'a', action: 'rename', new_key: 'b' },
      { a: 1, c: 2 },
      { b: 1, c: 2 },
    ],
    [{ key: 'a', action: 'rename', new_key: 'b' }, { a: 1, b: 2 }, { b: 1 }],
    [{ key: 'a', action: 'rename', new_key: 'b' }, { b: 2 }, { b: 2 }],
    [{ key: 'a', action: 'delete' }, { a: 1, b: 2 }, { b: 2 }],
    [{ pattern: '^k8s\\.', action: 'delete' }, { 'k8s.pod': 1, 'k8s.node': 2, b: 2 }, { b: 2 }],
    [{ key: 'b', pattern: '^k8s\\.', action: 'delete' }, { 'k8s.pod': 1, b: 2, c: 3 }, { c: 3 }],
    [
      { key: 'url', action: 'extract', pattern: '^(?P<scheme>\\w+)://(?P<host>[^/]+)(?P<path>/.*)?' },
      { url: 'http://a.b' },
      { url: 'http://a.b', scheme: 'http', host: 'a.b' },
    ],
    [{ key: 'a', action: 'convert', converted_type: 'int' }, { a: '-12' }, { a: -12 }],
    [{ key: 'a', action: 'convert', converted_type: 'int' }, { a: '9007199254740993' }, { a: 9007199254740993n }],
    [{ key: 'a', action: 'convert', converted_type: 'int' }, { a: 'x' }, { a: 'x' }],
    [{ key: 'a', action: 'convert', converted_type: 'int' }, { a: '' }, { a: '' }],
    [{ key: 'a', action: 'convert', converted_type: 'int' }, { a: 2.9 }, { a: 2 }],
    [{ key: 'a', action: 'convert', converted_type: 'double' }, { a: '3' }, { a: new DoubleValue(3) }],
    [{ key: 'a', action: 'convert', converted_type: 'double' }, { a: '3.5' }, { a: 3.5 }],
    [{ key: 'a', action: 'convert', converted_type: 'string' }, { a: true }, { a: 'true' }],
    [{ key: 'a', action: 'convert', converted_type: 'bool' }, { a: 1 }, { a: true }],
    [{ key: '__proto__', action: 'insert', value: 'x' }, {}, JSON.parse('{"__proto__":"x"}') as Attributes],
  ])('%j makes of %o %o', async (action, before, after) => {
    expect(await act([action], before)).toEqual(after);
  });

  test('hash puts the SHA-256 of the text in place of the value', async () => {
    const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
    expect(await act([{ key: 'user', action: 'hash' }], { user: 'jürgen' })).toEqual({ user: sha256('jürgen') });
    expect(await act([{ pattern: '^id', action: 'hash' }], { id1: 7, id2: false, b: 1 })).toEqual({
      id1: sha256('7'),
      id2: sha256('false'),
      b: 1,
    });
  });

  test('carries out actions one after the other', async () => {
    const actions = [
      { key: 'a', action: 'rename', new_key: 'b' },
      { key: 'b', action: 'upsert', value: 'x' },
      { key: 'c', action: 'insert', from_attribute: 'b' },
    ];
    expect(await act(actions, { a: 1 })).toEqual({ b: 'x', c: 'x' });
  });

  test('hands over the very same batch where it changes nothing, and the same layout for the same layout', async () => {
    const same = runProcessor(attributes, { actions: [{ key: 'zz', action: 'delete' }] });
    const batch = metricBatch([series('m', { a: 1 })], [1], { otlp: Uint8Array.of(1) });
    await same.consume(batch);
    expect(same.out[0]).toBe(batch);

    const run = runProcessor(attributes, { actions: [{ key: 'a', action: 'delete' }] });
    const collection = { receiver: 'r', onDemand: false };
    await run.consume({ ...batch, collection });
    await run.consume({ ...batch, collection, values: Float64Array.of(2) });
    const [first, second] = run.metrics();
    expect(first!.series).toBe(second!.series);
    expect(first!.collection).toBe(collection);
    expect(first).not.toHaveProperty('otlp');
    expect(table(second!)).toEqual([['m', {}, 2]]);
  });

  test('keeps the changed series of a layout when the next layout has them too', async () => {
    const run = runProcessor(attributes, { actions: [{ key: 'x', action: 'insert', value: 1 }] });
    const kept = series('m', { pid: 1 });
    await run.consume(metricBatch([kept], [1]));
    await run.consume(metricBatch([series('m', { pid: 2 }), kept], [1, 2]));
    const [first, second] = run.metrics();
    expect(second!.series[1]).toBe(first!.series[0]);
  });

  test('changes only what include and exclude mean', async () => {
    const run = runProcessor(attributes, {
      actions: [{ key: 'x', action: 'insert', value: 1 }],
      metrics: { include: [{ match: 'glob', metric_names: ['a*'] }], exclude: [{ metric_names: ['ab'] }] },
      logs: { include: [{ severity_number: { min: 'error' } }] },
    });
    const layout = ['a', 'ab', 'b'].map((name) => series(name));
    await run.consume(metricBatch(layout, [1, 2, 3]));
    expect(run.metrics().flatMap(table)).toEqual([
      ['a', { x: 1 }, 1],
      ['ab', {}, 2],
      ['b', {}, 3],
    ]);
    expect(run.metrics()[0]!.series[1]).toBe(layout[1]);
    const info = logRecord('info');
    await run.consume(logBatch([info, logRecord('error', { severityNumber: 17 })]));
    expect(run.out[1]).toMatchObject({ records: [info, { attributes: { x: 1 } }] });
  });

  test.each([
    [{ key: 'a', action: 'insert' }, 'either "value" or "from_attribute"'],
    [{ key: 'a', action: 'insert', value: 1, from_attribute: 'b' }, 'either "value" or "from_attribute"'],
    [{ action: 'insert', value: 1 }, '"key"'],
    [{ key: 'a', action: 'rename' }, '"new_key"'],
    [{ action: 'delete' }, '"key" or "pattern"'],
    [{ key: 'a', action: 'delete', value: 1 }, 'does not use "value"'],
    [{ key: 'a', action: 'extract', pattern: '(x)' }, 'named groups'],
    [{ pattern: '(?=x)', action: 'hash' }, 'look-ahead'],
    [{ key: 'a', action: 'convert' }, '"converted_type"'],
  ])('refuses the action %j', (action, message) => {
    expect(() => runProcessor(attributes, { actions: [action] })).toThrow(message);
  });
});

describe('attributes that make series the same', () => {
  const DELETE_PID = { actions: [{ key: 'pid', action: 'delete' }] };

  test('adds sums, to the bit', async () => {
    const run = runProcessor(attributes, DELETE_PID);
    const layout = [series('m', { pid: 1, s: 'a' }), series('m', { pid: 2, s: 'a' }), series('m', { pid: 2, s: 'b' })];
    await run.consume(metricBatch(layout, [1, 2, 4]));
    await run.consume(
      metricBatch(layout, [2 ** 53, 3, 4], { exactValues: new Map([[0, 2n ** 53n + 1n]]), time: 2_000_000_000n }),
    );
    const [first, second] = run.metrics();
    expect(table(first!)).toEqual([
      ['m', { s: 'a' }, 3],
      ['m', { s: 'b' }, 4],
    ]);
    expect(second!.exactValues).toEqual(new Map([[0, 2n ** 53n + 4n]]));
    expect(second!.series).toBe(first!.series);
    expect(Object.fromEntries(run.dropped)).toEqual({ merged: 2 });
  });

  test('averages gauges', async () => {
    const run = runProcessor(attributes, DELETE_PID);
    const [whole, real] = [metric('i', { kind: 'gauge' }), metric('d', { kind: 'gauge', valueType: 'double' })];
    const layout = [whole, whole, real, real].map((each, row) => series(each, { pid: row }));
    await run.consume(metricBatch(layout, [1, 4, 1, 4]));
    expect(table(run.metrics()[0]!)).toEqual([
      ['i', {}, 3],
      ['d', {}, 2.5],
    ]);
  });

  test('adds histograms of the same bounds, and keeps the first of others', async () => {
    const run = runProcessor(attributes, DELETE_PID);
    const histogram = metric('h', { kind: 'histogram', isMonotonic: false });
    const point = (count: bigint, bounds: number[], more = {}): HistogramPoint => ({
      type: 'histogram',
      count,
      explicitBounds: bounds,
      bucketCounts: [count, 0n],
      ...more,
    });
    const points = [
      point(1n, [1], { sum: 1, min: 1, max: 1 }),
      point(2n, [1], { sum: 2, min: 0, max: 2 }),
      point(4n, [2]),
    ];
    const layout = points.map((_, row) => series(histogram, { pid: row }));
    await run.consume(metricBatch(layout, [NaN, NaN, NaN], { points }));
    expect(run.metrics()[0]!.points).toEqual([point(3n, [1], { sum: 3, min: 0, max: 2 })]);
    expect(Object.fromEntries(run.dropped)).toEqual({ merged: 1, not_mergeable: 1 });
  });

  test('leaves out series that ended; the sum ends with the last of them', async () => {
    const run = runProcessor(attributes, DELETE_PID);
    const layout = [series('m', { pid: 1 }), series('m', { pid: 2 })];
    await run.consume(metricBatch(layout, [NaN, 5], { flags: Uint32Array.of(1, 0) }));
    await run.consume(metricBatch(layout, [NaN, NaN], { flags: Uint32Array.of(1, 1) }));
    const [first, second] = run.metrics();
    expect([...first!.values, ...first!.flags!]).toEqual([5, 0]);
    expect([...second!.values, ...second!.flags!]).toEqual([NaN, 1]);
  });

  test('begins a new run of unknown start where the sum falls because a series is gone', async () => {
    const run = runProcessor(attributes, DELETE_PID);
    const [a, b, c] = [3n, 2n, 4n].map((startTime, pid) => series('m', { pid }, { startTime }));
    await run.consume(metricBatch([a!, b!], [10, 20], { time: 100n }));
    await run.consume(metricBatch([a!, c!], [11, 1], { time: 200n }));
    await run.consume(metricBatch([a!, c!], [12, 2], { time: 300n }));
    const runs = run.metrics().map((each) => [each.values[0], each.series[0]!.startTime]);
    expect(runs).toEqual([
      [30, 2n],
      [12, 200n],
      [14, 200n],
    ]);
    const [, second, third] = run.metrics();
    expect(third!.series[0]).toBe(second!.series[0]);
  });

  test('merges only points of the same time', async () => {
    const run = runProcessor(attributes, DELETE_PID);
    const [a, b] = [series('m', { pid: 1 }), series('m', { pid: 2 })];
    await run.consume(metricBatch([a, a, b, b], [1, 2, 10, 20], { times: BigUint64Array.of(5n, 6n, 5n, 6n) }));
    const [batch] = run.metrics();
    expect([...batch!.values]).toEqual([11, 22]);
    expect([...batch!.times!]).toEqual([5n, 6n]);
  });

  test('never hands over a series twice, and loses nothing of a sum', async () => {
    const attribute = fc.record(
      { pid: fc.nat(3), s: fc.constantFrom('a', 'b'), t: fc.constantFrom('x', 'y') },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(fc.constantFrom('m', 'n'), attribute), {
          selector: (row) => JSON.stringify(series(...row).key),
        }),
        fc.constantFrom<unknown>(
          { key: 'pid', action: 'delete' },
          { key: 's', action: 'rename', new_key: 't' },
          { key: 't', action: 'upsert', value: 'x' },
          { key: 's', action: 'insert', value: 'a' },
        ),
        async (rows, action) => {
          const run = runProcessor(attributes, { actions: [action] });
          const batch = metricBatch(
            rows.map((row) => series(...row)),
            rows.map((_, row) => 2 ** row),
          );
          await run.consume(batch);
          const [out] = run.metrics();
          expect(new Set(out!.series.map(({ key }) => key)).size).toBe(out!.count);
          const total = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0);
          expect(total(out!.values)).toBe(total(batch.values));
          expect(out!.count + (run.dropped.get('merged') ?? 0)).toBe(batch.count);
        },
      ),
    );
  });
});
