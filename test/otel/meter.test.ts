import { expect, test } from 'vitest';
import fc from 'fast-check';
import type { MetricDefinition } from '../../src/component.ts';
import { NO_RECORDED_VALUE, type MetricBatch } from '../../src/model/batch.ts';
import type { DeclaredHistogram } from '../../src/otel/declared_histogram.ts';
import type { MetricView } from '../../src/otel/instrument.ts';
import { ObservableMeter } from '../../src/otel/meter.ts';
import { createTimeLimit } from '../../src/time_limit.ts';

const BOOT = 1_000n;
const resource = { attributes: { 'host.name': 'h' }, schemaUrl: '' };
const scope = { name: 's', version: '1', attributes: {}, schemaUrl: '' };
const limit = createTimeLimit();

const counter: MetricDefinition = { name: 'c', instrument: 'counter', unit: 'By', about: '', attributes: ['a', 'b'] };
const gauge: MetricDefinition = { ...counter, name: 'g', instrument: 'gauge', value: 'double' };
const updown: MetricDefinition = { ...counter, name: 'u', instrument: 'updowncounter' };

function meterWith(views: Record<string, MetricView> = {}, cardinalityLimit?: number): ObservableMeter {
  return new ObservableMeter({
    resource,
    scope,
    bootTime: BOOT,
    agentStartTime: 2_000n,
    views: new Map(Object.entries(views)),
    ...(cardinalityLimit === undefined ? {} : { cardinalityLimit }),
  });
}

async function collect(meter: ObservableMeter, time: bigint, onDemand = false): Promise<readonly MetricBatch[]> {
  return (await meter.collect({ time, receiver: 'r', onDemand, limit })).batches;
}

/** `name{attributes}` → value. */
function rows(batch: MetricBatch): Record<string, number> {
  return Object.fromEntries(
    batch.series.map((series, row) => [`${series.metric.name}${JSON.stringify(series.attributes)}`, batch.values[row]]),
  );
}

test('ObservableMeter hands over the same layout while the same things are observed in the same order', async () => {
  const meter = meterWith();
  const c = meter.declare(counter);
  const g = meter.declare(gauge);
  const [x, y] = [{ a: 'x' }, { a: 'y' }];
  let value = 1;
  meter.addBatchObservableCallback((observer) => {
    observer.observe(c, value, x);
    observer.observe(c, value * 2, y);
    observer.observe(g, value / 4, x);
  });
  const [first] = await collect(meter, 10n);
  value = 3;
  const [second, ...rest] = await collect(meter, 20n);
  expect(second.series).toBe(first.series);
  expect(rest).toEqual([]);
  expect(rows(first)).toEqual({ 'c{"a":"x"}': 1, 'c{"a":"y"}': 2, 'g{"a":"x"}': 0.25 });
  expect(rows(second)).toEqual({ 'c{"a":"x"}': 3, 'c{"a":"y"}': 6, 'g{"a":"x"}': 0.75 });
  expect([second.time, second.collection]).toEqual([20n, { receiver: 'r', onDemand: false }]);
});

test('ObservableMeter gives series met first the boot as start, later ones the collection before, gauges none', async () => {
  const meter = meterWith();
  const c = meter.declare(counter);
  const g = meter.declare(gauge);
  const devices = [{ a: 'x' }];
  meter.addBatchObservableCallback((observer) => {
    for (const device of devices) observer.observe(c, 5, device);
    observer.observe(g, 1);
  });
  await collect(meter, 10n);
  devices.push({ a: 'late' });
  const [batch] = await collect(meter, 20n);
  expect(batch.series.map((series) => series.startTime)).toEqual([BOOT, 10n, 0n]);
});

test('ObservableMeter begins a new run when a counter goes down, and not when an up-down counter does', async () => {
  const meter = meterWith();
  const c = meter.declare(counter);
  const u = meter.declare(updown);
  const attributes = { a: 'x' };
  let value = 4_294_967_295;
  meter.addBatchObservableCallback((observer) => {
    observer.observe(c, value, attributes);
    observer.observe(u, value, attributes);
  });
  const [before] = await collect(meter, 10n);
  value = 7;
  const [after] = await collect(meter, 20n);
  expect(after.series[0]).not.toBe(before.series[0]);
  expect(after.series[0].startTime).toBe(10n);
  expect(after.series[1]).toBe(before.series[1]);
  const [next] = await collect(meter, 30n);
  expect(next.series).toBe(after.series);
});

test('ObservableMeter tells once that a series ended, and forgets it', async () => {
  const meter = meterWith();
  const c = meter.declare(counter);
  let pids = ['1', '2', '3'];
  meter.addBatchObservableCallback((observer) => {
    for (const pid of pids) observer.observe(c, 1, { a: pid });
  });
  await collect(meter, 10n);
  pids = ['2'];
  const [batch, ended] = await collect(meter, 20n);
  expect(rows(batch)).toEqual({ 'c{"a":"2"}': 1 });
  expect(ended.series.map((series) => series.attributes)).toEqual([{ a: '1' }, { a: '3' }]);
  expect([...ended.flags!]).toEqual([NO_RECORDED_VALUE, NO_RECORDED_VALUE]);
  expect(await collect(meter, 30n)).toHaveLength(1);
  expect(c.states.size).toBe(1);
});

test('ObservableMeter lets only the clock end series, not a scrape in between', async () => {
  const meter = meterWith();
  const c = meter.declare(counter);
  const [x, y] = [{ a: 'x' }, { a: 'y' }];
  let isThere = true;
  meter.addBatchObservableCallback((observer) => {
    observer.observe(c, 1, x);
    if (isThere) observer.observe(c, 1, y);
  });
  await collect(meter, 10n);
  isThere = false;
  expect(await collect(meter, 20n, true)).toHaveLength(1);
  const [, ended] = await collect(meter, 30n);
  expect(ended.series.map((series) => series.attributes)).toEqual([y]);
});

test('ObservableMeter ends no series in a collection in which its source failed', async () => {
  const meter = meterWith();
  const c = meter.declare(counter);
  let isBroken = false;
  const attributes = { a: 'x' };
  meter.addBatchObservableCallback((observer) => {
    if (isBroken) throw new Error('gone');
    observer.observe(c, 5, attributes);
  });
  const [before] = await collect(meter, 10n);
  isBroken = true;
  const result = await meter.collect({ time: 20n, receiver: 'r', onDemand: false, limit });
  expect(result.errors).toHaveLength(1);
  expect(result.batches.map((batch) => batch.count)).toEqual([0]);
  isBroken = false;
  const [after] = await collect(meter, 30n);
  expect(after.series[0]).toBe(before.series[0]);
});

test('ObservableMeter goes on with the run of a counter that comes back no lower, and begins one that comes back lower', async () => {
  const meter = meterWith();
  const c = meter.declare(counter);
  const attributes = { a: 'x' };
  let value: number | undefined = 5;
  meter.addBatchObservableCallback((observer) => {
    if (value !== undefined) observer.observe(c, value, attributes);
  });
  await collect(meter, 10n);
  value = undefined;
  expect(await collect(meter, 20n)).toHaveLength(2);
  value = 6;
  expect((await collect(meter, 30n))[0].series[0].startTime).toBe(BOOT);
  value = undefined;
  await collect(meter, 40n);
  value = 2;
  expect((await collect(meter, 50n))[0].series[0].startTime).toBe(40n);
});

test('ObservableMeter interns fresh attributes objects by content, whatever the order of their keys', async () => {
  const meter = meterWith();
  const c = meter.declare(counter);
  let flip = false;
  meter.addBatchObservableCallback((observer) => observer.observe(c, 1, flip ? { b: 1, a: 'x' } : { a: 'x', b: 1 }));
  const [first] = await collect(meter, 10n);
  flip = true;
  const [second] = await collect(meter, 20n);
  expect(second.series[0]).toBe(first.series[0]);
});

test('ObservableMeter sums what a keep-list of attributes joins, and takes the mean of gauges', async () => {
  const meter = meterWith({ c: { attributes: ['b'] }, g: { attributes: [] } });
  const c = meter.declare(counter);
  const g = meter.declare(gauge);
  const cpus = [0, 1, 2].map((a) => ({ a, b: 'user' }));
  meter.addBatchObservableCallback((observer) => {
    cpus.forEach((cpu) => observer.observe(c, 10 + cpu.a, cpu));
    cpus.forEach((cpu) => observer.observe(g, cpu.a, cpu));
  });
  for (const time of [10n, 20n]) {
    const [batch] = await collect(meter, time);
    expect(rows(batch)).toEqual({ 'c{"b":"user"}': 33, 'g{}': 1 });
  }
});

test('ObservableMeter observes nothing of a metric that is off, and minima and maxima where asked', async () => {
  const meter = meterWith({ c: { enabled: false }, g: { attributes: [], aggregation: 'max' } });
  const c = meter.declare(counter);
  const g = meter.declare(gauge);
  const off = meter.declare({ ...updown, optIn: true });
  meter.addBatchObservableCallback((observer) => {
    observer.observe(c, 1);
    observer.observe(g, 3, { a: 1 });
    observer.observe(off, 1);
    observer.observe(g, 2, { a: 2 });
  });
  for (const time of [10n, 20n]) expect(rows((await collect(meter, time))[0])).toEqual({ 'g{}': 3 });
});

test('ObservableMeter sums series beyond the cardinality limit into the overflow series and says so', async () => {
  const overflows: unknown[] = [];
  const meter = new ObservableMeter({
    resource,
    scope,
    bootTime: BOOT,
    agentStartTime: 0n,
    cardinalityLimit: 2,
    onOverflow: (metric, count) => overflows.push([metric, count]),
  });
  const c = meter.declare(counter);
  const all = [1, 2, 3, 4, 5].map((a) => ({ a }));
  meter.addBatchObservableCallback((observer) => all.forEach((one) => observer.observe(c, one.a, one)));
  const [batch] = await collect(meter, 10n);
  expect(rows(batch)).toEqual({ 'c{"a":1}': 1, 'c{"a":2}': 2, 'c{"otel.metric.overflow":true}': 12 });
  expect(overflows).toEqual([['c', 3]]);
});

test('ObservableMeter loses what is observed after the collection was given up', async () => {
  const meter = meterWith();
  const c = meter.declare(counter);
  const gate = Promise.withResolvers<void>();
  meter.addBatchObservableCallback(async (observer) => {
    observer.observe(c, 1, { a: 'before' });
    await gate.promise;
    observer.observe(c, 1, { a: 'after' });
  });
  const short = createTimeLimit();
  const pending = meter.collect({ time: 10n, receiver: 'r', onDemand: false, limit: short });
  short.expire();
  gate.resolve();
  expect((await pending).batches).toEqual([]);
});

test('ObservableMeter takes synchronous instruments through the SDK into batches of the same time', async () => {
  const meter = meterWith();
  const histogram = meter.createHistogram('h', { unit: 's', advice: { explicitBucketBoundaries: [1, 2] } });
  histogram.record(0.5, { a: 'x' });
  histogram.record(1.5, { a: 'x' });
  const [, first] = await collect(meter, 10n);
  expect(first.points).toMatchObject([{ type: 'histogram', count: 2n, sum: 2, bucketCounts: [1n, 1n, 0n] }]);
  expect(first.time).toBe(10n);
  const [, second] = await collect(meter, 20n);
  expect(second.series).toBe(first.series);
});

test('ObservableMeter agrees with a plain map of what was observed, whatever comes and goes', async () => {
  const observation = fc.record({
    instrument: fc.constantFrom('c', 'g', 'u'),
    a: fc.integer({ min: 0, max: 4 }),
    value: fc.integer({ min: 0, max: 100 }),
    isFresh: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(observation, { maxLength: 12 }), { maxLength: 6 }), async (rounds) => {
      const meter = meterWith();
      const instruments = { c: meter.declare(counter), g: meter.declare(gauge), u: meter.declare(updown) };
      const stable = [0, 1, 2, 3, 4].map((a) => ({ a }));
      let round: (typeof rounds)[number] = [];
      meter.addBatchObservableCallback((observer) => {
        for (const { instrument, a, value, isFresh } of round) {
          observer.observe(instruments[instrument as 'c'], value, isFresh ? { a } : stable[a]);
        }
      });
      let live = new Set<string>();
      let time = 10n;
      for (round of rounds) {
        const expected: Record<string, number> = {};
        for (const { instrument, a, value } of round) expected[`${instrument}{"a":${a}}`] = value;
        const [batch, ended] = await collect(meter, (time += 10n));
        expect(rows(batch)).toEqual(expected);
        const now = new Set(Object.keys(expected));
        expect(new Set(Object.keys(ended === undefined ? {} : rows(ended)))).toEqual(live.difference(now));
        live = now;
      }
    }),
  );
});

test('ObservableMeter declares histograms, which views switch off and keep attributes of, as of other metrics', async () => {
  const lag: MetricDefinition = { ...gauge, name: 'lag', instrument: 'histogram', unit: 's', boundaries: [1, 2] };
  const record = async (view: Record<string, MetricView>) => {
    const meter = meterWith(view);
    const declared = meter.declareAll({ lag, counter });
    expect(declared['counter']!.metric.name).toBe('c');
    const histogram = declared['lag'] as unknown as DeclaredHistogram;
    for (const [value, a] of [
      [0.5, 'x'],
      [3, 'y'],
    ] as const)
      histogram.record(value, { a, b: 'z' });
    return (await collect(meter, 10n)).slice(1);
  };
  const [plain] = await record({});
  expect(plain.series.map(({ metric, attributes }) => [metric.name, metric.unit, attributes])).toEqual([
    ['lag', 's', { a: 'x', b: 'z' }],
    ['lag', 's', { a: 'y', b: 'z' }],
  ]);
  expect(plain.points).toMatchObject([{ explicitBounds: [1, 2], bucketCounts: [1n, 0n, 0n] }, { count: 1n }]);
  const [kept] = await record({ lag: { attributes: ['b'] } });
  expect(kept.points).toMatchObject([{ count: 2n, bucketCounts: [1n, 0n, 1n] }]);
  expect(await record({ lag: { enabled: false } })).toEqual([]);
});
