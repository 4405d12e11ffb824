import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import filter from '../../processors/filter.ts';
import { RetryableError } from '../../src/errors.ts';
import type { MetricBatch } from '../../src/model/batch.ts';
import { logBatch, logRecord, metric, metricBatch, runProcessor, series, table } from '../support/processor.ts';

const CPU = metric('system.cpu.time');
const layout = [
  series(CPU, { 'cpu.mode': 'user', cpu: 0 }),
  series(CPU, { 'cpu.mode': 'idle', cpu: 0 }),
  series('system.memory.usage', { state: 'used' }),
];
const batch = metricBatch(layout, [1, 2, 3]);

describe('filter of metrics', () => {
  test('passes on the very same batch where everything is kept', async () => {
    const run = runProcessor(filter);
    await run.consume(batch);
    expect(run.out[0]).toBe(batch);
    expect(run.dropped.size).toBe(0);
  });

  test.each([
    [{ include: [{ metric_names: ['system.cpu.time'] }] }, [1, 2]],
    [{ include: [{ match: 'glob', metric_names: ['system.{cpu,disk}.*'] }] }, [1, 2]],
    [{ exclude: [{ match: 'regexp', metric_names: ['^system\\.cpu'] }] }, [3]],
    [{ exclude: [{ match: 'regexp', metric_names: ['cpu', 'disk'] }] }, [3]],
    [{ exclude: [{ metric_names: ['system.cpu'] }] }, [1, 2, 3]],
    [{ exclude: [{ attributes: [{ key: 'cpu.mode', value: 'idle' }] }] }, [1, 3]],
    [{ include: [{ attributes: [{ key: 'cpu', value: 0 }] }] }, [1, 2]],
    [{ include: [{ attributes: [{ key: 'cpu.mode' }] }] }, [1, 2]],
    [{ include: [{ attributes: [{ key: 'toString' }] }] }, []],
    [{ include: [{ metric_names: ['system.cpu.time'], attributes: [{ key: 'cpu.mode', value: 'user' }] }] }, [1]],
    [
      {
        include: [{ metric_names: ['system.memory.usage'] }, { metric_names: ['system.cpu.time'] }],
        exclude: [{ match: 'glob', attributes: [{ key: 'cpu.mode', value: 'u*' }] }],
      },
      [2, 3],
    ],
    [{ include: [{ resource_attributes: [{ key: 'host.name', value: 'test' }] }] }, [1, 2, 3]],
    [{ exclude: [{ resource_attributes: [{ key: 'host.name', value: 'other' }] }] }, [1, 2, 3]],
  ])('%j keeps %j', async (metrics, kept) => {
    const run = runProcessor(filter, { metrics });
    await run.consume(batch);
    expect(run.metrics().flatMap((each) => [...each.values])).toEqual(kept);
    expect(run.dropped.get('filtered') ?? 0).toBe(3 - kept.length);
  });

  test('counts under the name of the rule that excluded', async () => {
    const run = runProcessor(filter, {
      metrics: {
        include: [{ match: 'glob', metric_names: ['*cpu*'] }],
        exclude: [{ name: 'idle', attributes: [{ key: 'cpu.mode', value: 'idle' }] }],
      },
    });
    await run.consume(batch);
    await run.consume(batch);
    expect(Object.fromEntries(run.dropped)).toEqual({ filtered: 2, 'filtered:idle': 2 });
  });

  test('hands over one layout for one layout, and all columns of the kept rows', async () => {
    const run = runProcessor(filter, { metrics: { exclude: [{ attributes: [{ key: 'cpu.mode', value: 'user' }] }] } });
    const whole = metricBatch(layout, [1, 2 ** 60, NaN], {
      times: BigUint64Array.of(10n, 20n, 30n),
      flags: Uint32Array.of(0, 0, 1),
      exactValues: new Map([[1, 2n ** 60n + 1n]]),
      collection: { receiver: 'cpu', onDemand: true },
      otlp: Uint8Array.of(1),
    });
    await run.consume(whole);
    await run.consume(whole);
    const [first, second] = run.metrics();
    expect(first).toEqual({
      signal: 'metrics',
      count: 2,
      series: [layout[1], layout[2]],
      values: Float64Array.of(2 ** 60, NaN),
      time: whole.time,
      times: BigUint64Array.of(20n, 30n),
      flags: Uint32Array.of(0, 1),
      exactValues: new Map([[0, 2n ** 60n + 1n]]),
      collection: { receiver: 'cpu', onDemand: true },
    });
    expect(second!.series).toBe(first!.series);
    expect(table(whole)).toEqual(table(metricBatch(layout, [1, 2 ** 60, NaN])));
  });

  test('forwards nothing of a batch without kept rows, except a whole collection', async () => {
    const run = runProcessor(filter, { metrics: { include: [{ metric_names: ['none'] }] } });
    await run.consume(batch);
    expect(run.out).toEqual([]);
    await run.consume(metricBatch(layout, [1, 2, 3], { collection: { receiver: 'cpu', onDemand: false } }));
    expect(run.metrics()).toMatchObject([{ count: 0, series: [], collection: { receiver: 'cpu' } }]);
  });

  test('keeps with exclude exactly what it drops with include', async () => {
    const names = fc.constantFrom('a', 'b', 'ab', 'ba', '');
    const modes = fc.constantFrom('x', 'y', 1, true);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(names, modes), { minLength: 1 }),
        fc.constantFrom('a*', '[ab]', '?b', '*'),
        modes,
        async (rows, glob, mode) => {
          const rule = { match: 'glob', metric_names: [glob], attributes: [{ key: 'mode', value: mode }] };
          const all = metricBatch(
            rows.map(([name, value]) => series(name, { mode: value })),
            rows.map((_, row) => row),
          );
          const kept = [];
          for (const kind of ['include', 'exclude']) {
            const run = runProcessor(filter, { metrics: { [kind]: [rule] } });
            await run.consume(all);
            const values = run.metrics().flatMap((each) => [...each.values]);
            expect(values.length + (run.dropped.get('filtered') ?? 0)).toBe(rows.length);
            kept.push(...values);
          }
          expect(kept.sort((a, b) => a - b)).toEqual(rows.map((_, row) => row));
        },
      ),
    );
  });

  test('hands on the refusal of what follows', async () => {
    const run = runProcessor(filter);
    run.answer = () => Promise.reject(new RetryableError('Cannot send: queue full'));
    await expect(run.consume(batch)).rejects.toThrow(RetryableError);
  });
});

describe('filter of logs', () => {
  const records = [
    logRecord('all is well', { severityNumber: 9, attributes: { unit: 'sshd.service' } }),
    logRecord('login failed', { severityNumber: 13, attributes: { unit: 'sshd.service' } }),
    logRecord({ message: 'disk failed' }, { severityNumber: 17, eventName: 'disk.failed' }),
    logRecord('no severity', { severityNumber: 0 }),
  ];

  test.each([
    [{ include: [{ severity_number: { min: 'warn' } }] }, [1, 2]],
    [{ include: [{ severity_number: { min: 10, match_undefined: true } }] }, [1, 2, 3]],
    [{ include: [{ match: 'regexp', bodies: ['failed$'] }] }, [1]],
    [{ include: [{ match: 'regexp', bodies: ['failed'] }] }, [1, 2]],
    [{ include: [{ match: 'glob', bodies: ['*"disk failed"*'] }] }, [2]],
    [{ exclude: [{ match: 'glob', event_names: ['disk.*'] }] }, [0, 1, 3]],
    [{ exclude: [{ match: 'glob', attributes: [{ key: 'unit', value: 'ssh*' }] }] }, [2, 3]],
    [{ exclude: [{ severity_number: { min: 13 }, attributes: [{ key: 'unit' }] }] }, [0, 2, 3]],
  ])('%j keeps %j', async (logs, kept) => {
    const run = runProcessor(filter, { logs });
    await run.consume(logBatch(records));
    expect(run.out).toEqual([logBatch(kept.map((index) => records[index]!))]);
    expect(run.dropped.get('filtered')).toBe(4 - kept.length);
  });

  test('passes on the very same batch where everything is kept, nothing where all is dropped', async () => {
    const run = runProcessor(filter, { logs: { exclude: [{ bodies: ['x'] }] } });
    const kept = logBatch(records, { otlp: Uint8Array.of(1) });
    await run.consume(kept);
    await run.consume(logBatch([logRecord('x')]));
    expect(run.out).toHaveLength(1);
    expect(run.out[0]).toBe(kept);
  });
});

test('filter does not decode a batch that it has no rules for', async () => {
  const run = runProcessor(filter, { logs: { exclude: [{ bodies: ['x'] }] } });
  const encoded: MetricBatch = {
    ...batch,
    get series(): never {
      throw new Error('decoded');
    },
  };
  await run.processor.consume(encoded);
  expect(run.out[0]).toBe(encoded);
});

describe('filter options', () => {
  test.each([
    [{ metrics: { include: [{}] } }, 'a rule needs at least one condition'],
    [{ metrics: { include: [{ match: 'regexp', metric_names: ['a(?=b)'] }] } }, 'look-ahead'],
    [
      { metrics: { include: [{ match: 'glob', attributes: [{ key: 'a', value: '[' }] }] } },
      'bracket at 0 is not closed',
    ],
    [{ logs: { exclude: [{ match: 'regexp', bodies: ['('] }] } }, 'group at 0 is not closed'],
    [{ logs: { exclude: [{ severity_number: { min: 25 } }] } }, '25'],
    [{ logs: { exclude: [{ metric_names: ['a'] }] } }, 'metric_names'],
  ])('refuse %j', (config, message) => {
    expect(() => runProcessor(filter, config)).toThrow(message);
  });
});
