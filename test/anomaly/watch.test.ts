import { createBoard, type Finding } from '../../src/rules/board.ts';
import { describe, expect, test } from 'vitest';
import { createRandom } from '../../bench/anomaly_series.ts';
import { createAnnouncer } from '../../src/anomaly/findings.ts';
import { COUNTED_KINDS, createReport } from '../../src/anomaly/report.ts';
import { decodeKept, encodeKept } from '../../src/anomaly/state_file.ts';
import { createWatch, type Happening, type Watch, type WatchOptions } from '../../src/anomaly/watch.ts';
import type { Series } from '../../src/model/batch.ts';
import { metric, metricBatch, RESOURCE, series, table } from '../support/processor.ts';

const OPTIONS: WatchOptions = {
  interval_s: 60,
  warmUp_s: 7200,
  warmUp_samples: 100,
  sensitivity: 1,
  adapt_s: 7200,
  maxSeries: 1000,
  forget_s: 7 * 86_400,
  isMeant: () => true,
  groupOf: ({ scope }) => scope.name,
};
const START_S = 1_793_577_600;
const GAUGE = metric('load', { kind: 'gauge', valueType: 'double' });
const timeOf = (row: number, step_s = 60): bigint => BigInt(Math.round((START_S + row * step_s) * 1e9));

/** Feeds batches of one layout, one each minute. */
function feed(watch: Watch, layout: readonly Series[], rows: number, values: (row: number) => number[], from = 0) {
  const happenings: Happening[] = [];
  for (let row = from; row < from + rows; row++) {
    happenings.push(...watch.take(metricBatch(layout, values(row), { time: timeOf(row) })));
  }
  return happenings;
}

describe('createWatch', () => {
  test('looks at gauges by value and at counters by rate, whose resets are no anomaly', () => {
    const random = createRandom(1);
    const watch = createWatch(OPTIONS);
    const uptime = metric('process.uptime', { kind: 'gauge', valueType: 'double' });
    const layout = [series(GAUGE, { a: 1 }), series(metric('requests')), series(uptime)];
    let count = 0;
    const values = (row: number): number[] => {
      count = row === 500 ? 0 : count + Math.round(600 + 10 * random.gaussian());
      // A start makes it nothing.
      return [5 + random.gaussian(), count, (row % 500) * 60];
    };
    expect(feed(watch, layout, 1000, values)).toEqual([]);
    expect(watch.size).toBe(2);
    const [, requests] = [...watch.watched];
    expect(requests!.model.expected).toBeCloseTo(10, 0);
    count += 6000;
    const [happening] = feed(watch, layout, 1, values, 1000);
    expect(happening).toMatchObject({ outcome: 'began', watched: { feature: 'rate' } });
  });

  test('lets a counter that began anew do at first what it does not do usually', () => {
    const random = createRandom(3);
    const watch = createWatch(OPTIONS);
    const counters = ['cumulative', 'delta'].map((temporality) =>
      metric(temporality, { temporality: temporality as 'cumulative' | 'delta' }),
    );
    const layoutOf = (startTime: bigint) => counters.map((each) => series(each, {}, { startTime }));
    let count = 0;
    const values = (): number[] => {
      const more = Math.round(600 + 10 * random.gaussian());
      return [(count += more), more];
    };
    expect(feed(watch, layoutOf(timeOf(-5)), 300, values)).toEqual([]);
    count = 0;
    const reborn = layoutOf(timeOf(299.5));
    const wild = (): number[] => [(count += 9000), 600];
    expect(feed(watch, reborn, 5, wild, 300)).toEqual([]);
    feed(watch, reborn, 60, values, 305);
    expect(feed(watch, reborn, 1, wild, 365)).toMatchObject([{ outcome: 'began' }]);
    // Each point of a delta has a start of its own.
    expect(feed(watch, layoutOf(timeOf(365.5)), 1, () => [(count += 600), 9000], 366)).toMatchObject([
      { outcome: 'began', watched: { series: { metric: { name: 'delta' } } } },
    ]);
  });

  test('looks at both rates of a histogram, and at deltas', () => {
    const watch = createWatch(OPTIONS);
    const histogram = series(metric('duration', { kind: 'histogram' }));
    const delta = series(metric('packets', { temporality: 'delta' }));
    for (let row = 0; row < 5; row++) {
      const count = BigInt(60 * row);
      const point = { type: 'histogram' as const, count, sum: 120 * row, explicitBounds: [], bucketCounts: [] };
      watch.take(metricBatch([histogram, delta], [NaN, 30], { time: timeOf(row), points: [point, undefined] }));
    }
    expect([...watch.watched].map(({ feature, value }) => [feature, value])).toEqual([
      ['count_rate', 1],
      ['sum_rate', 2],
      ['rate', 0.5],
    ]);
  });

  test('takes one sample an interval of what comes faster: of gauges the mean', () => {
    const watch = createWatch(OPTIONS);
    const layout = [series(GAUGE), series(metric('requests'))];
    for (let row = 0; row <= 8; row++) {
      watch.take(metricBatch(layout, [row, row * 15], { time: timeOf(row, 15) }));
    }
    // 0; 1 to 4; 5 to 8.
    expect([...watch.watched].map(({ value }) => value)).toEqual([6.5, 1]);
  });

  test('ignores ends of series, and what is no number', () => {
    const watch = createWatch(OPTIONS);
    const layout = [series(GAUGE, { a: 1 }), series(GAUGE, { a: 2 }), series(GAUGE, { a: 3 })];
    watch.take(metricBatch(layout, [NaN, NaN, Infinity], { flags: Uint32Array.of(1, 0, 0) }));
    expect([...watch.watched].every(({ model }) => !model.isAnomalous && model.score === 0)).toBe(true);
  });

  test('finds that a group does not behave together, and which series drives it', () => {
    const random = createRandom(2);
    const watch = createWatch(OPTIONS);
    const layout = [0, 1, 2, 3, 4, 5].map((number) => series(GAUGE, { number }));
    /** All follow one load; from `from` on one goes the other way. */
    const values = (isBroken: boolean) => (): number[] => {
      const load = random.gaussian();
      return layout.map((_, index) => 100 + (isBroken && index === 4 ? -1 : 1) * 3 * load + 0.2 * random.gaussian());
    };
    expect(feed(watch, layout, 1440, values(false))).toEqual([]);
    const happenings = feed(watch, layout, 30, values(true), 1440);
    const began = happenings.filter(({ outcome }) => outcome === 'began');
    // Each value is as usual; only together they are not.
    expect(began).toHaveLength(1);
    expect(began[0]!.group?.name).toBe('test');
    expect(began[0]!.watched.series.attributes).toEqual({ number: 4 });
  });

  test('bounds the number of series, counts the others, and forgets what has vanished', () => {
    const watch = createWatch({ ...OPTIONS, maxSeries: 2, forget_s: 3600 });
    const layout = [1, 2, 3, 4].map((a) => series(GAUGE, { a }));
    watch.take(metricBatch(layout, [1, 2, 3, 4], { time: timeOf(0) }));
    expect(watch).toMatchObject({ size: 2, overflow: 2 });
    const others = layout.slice(2);
    for (let row = 1; row <= 62; row++) {
      watch.take(metricBatch(others, [3, 4], { time: timeOf(row) }));
      watch.sweep();
    }
    // Nothing that is watched came any more, so nothing tells how late it is.
    expect(watch.size).toBe(2);
    const one = layout.slice(1);
    for (let row = 63; row <= 130; row++) {
      watch.take(metricBatch(one, [2, 3, 4], { time: timeOf(row) }));
      watch.sweep();
    }
    expect([...watch.watched].map(({ series: { attributes } }) => attributes)).toEqual([{ a: 2 }, { a: 3 }]);
    expect(watch.overflow).toBe(1);
  });

  test('ends the anomaly of a series that comes no more', () => {
    const random = createRandom(3);
    const watch = createWatch(OPTIONS);
    const both = [series(GAUGE, { a: 1 }), series(GAUGE, { a: 2 })];
    feed(watch, both, 300, () => [random.gaussian(), random.gaussian()]);
    expect(feed(watch, both, 3, () => [50, random.gaussian()], 300)).toHaveLength(1);
    feed(watch, [both[1]!], 12, () => [random.gaussian()], 303);
    expect(watch.sweep()).toMatchObject([{ outcome: 'vanished', watched: { series: { attributes: { a: 1 } } } }]);
    expect(watch.sweep()).toEqual([]);
  });

  test('goes on after a restart with what it kept, with equal results', () => {
    const random = createRandom(4);
    const layout = () => [1, 2, 3, 4].map((a) => series(GAUGE, { a }));
    const rows = Array.from({ length: 800 }, (_, row) =>
      [1, 2, 3, 4].map((a) => a * 100 + random.gaussian() + (row === 700 && a === 2 ? 40 : 0)),
    );
    const whole = createWatch(OPTIONS);
    feed(whole, layout(), 600, (row) => rows[row]!);
    const again = createWatch(OPTIONS, decodeKept(Buffer.from(encodeKept(whole.keep()))));
    const told = (watch: Watch): unknown =>
      feed(watch, layout(), 200, (row) => rows[row]!, 600).map(({ time_s, outcome, watched, group }) => [
        time_s,
        outcome,
        group?.name,
        watched.series.attributes,
        watched.model.score,
      ]);
    const expected = told(whole);
    expect(expected).not.toEqual([]);
    expect(told(again)).toEqual(expected);
    expect(encodeKept(again.keep())).toEqual(encodeKept(whole.keep()));
  });
});

describe('decodeKept', () => {
  const watch = createWatch(OPTIONS);
  watch.take(metricBatch([series(GAUGE)], [1], { time: timeOf(0) }));
  const bytes = encodeKept(watch.keep());

  test('refuses every damaged byte, and every shorter file', () => {
    for (let at = 0; at < bytes.length; at += 7) {
      const damaged = Uint8Array.from(bytes);
      damaged[at]! ^= 0x10;
      expect(() => decodeKept(damaged)).toThrow('Cannot read what was learnt');
      expect(() => decodeKept(bytes.subarray(0, at))).toThrow('Cannot read what was learnt');
    }
  });
});

describe('createReport', () => {
  test('reports the rate of the host with a layout that stays, and scores where they are asked for', () => {
    const random = createRandom(5);
    const watch = createWatch(OPTIONS);
    const layout = [series(GAUGE, { a: 1 }), series('other')];
    const report = createReport({
      watch,
      resource: RESOURCE,
      startTime: 1n,
      detected: new Map([['spike', 3]]),
      collection: { receiver: 'anomaly' },
      hasScore: (name) => name === 'load',
    });
    let count = 0;
    feed(watch, layout, 200, () => [random.gaussian(), (count += 60)]);
    const first = report(timeOf(200));
    expect(first.collection).toEqual({ receiver: 'anomaly', onDemand: false });
    expect(report(timeOf(201)).series).toBe(first.series);
    feed(watch, layout, 1, () => [40, (count += 60)], 200);
    const rows = table(report(timeOf(202)));
    expect(rows.slice(0, 6)).toEqual([
      ['sonde.anomaly.rate', {}, 0.5],
      ['sonde.anomaly.series', { 'sonde.anomaly.state': 'learning' }, 0],
      ['sonde.anomaly.series', { 'sonde.anomaly.state': 'normal' }, 1],
      ['sonde.anomaly.series', { 'sonde.anomaly.state': 'anomalous' }, 1],
      ['sonde.anomaly.refused', {}, 0],
      ['sonde.anomaly.detected', { 'sonde.anomaly.kind': 'spike' }, 3],
    ]);
    expect(rows).toHaveLength(5 + COUNTED_KINDS.length + 1);
    expect(rows.at(-1)).toEqual([
      'sonde.anomaly.score',
      { a: 1, 'metric.name': 'load', 'sonde.anomaly.feature': 'value' },
      expect.any(Number),
    ]);
  });
});

describe('createAnnouncer', () => {
  test('tells so many a minute, the others together, and no end of what was not told', () => {
    const random = createRandom(6);
    const board = createBoard();
    const findings: Finding[] = [];
    board.listen((finding) => void findings.push(finding));
    const announcer = createAnnouncer(2, (finding) => board.announce(finding));
    const watch = createWatch({ ...OPTIONS, groupOf: () => undefined });
    const layout = [1, 2, 3, 4, 5].map((a) => series(GAUGE, { a }));
    const calm = (): number[] => layout.map(() => 10 + random.gaussian());
    feed(watch, layout, 200, calm);
    for (let row = 200; row < 400; row++) {
      const values = row < 203 ? () => layout.map(() => 60) : calm;
      for (const happening of feed(watch, layout, 1, values, row)) announcer.announce(happening);
    }
    const [first] = findings;
    expect(first).toMatchObject({ eventName: 'anomaly.detected', severityNumber: 13 });
    expect(first!.attributes).toMatchObject({
      a: 1,
      'host.name': 'test',
      'metric.name': 'load',
      'anomaly.feature': 'value',
      'anomaly.kind': 'spike',
      'anomaly.value': 60,
    });
    expect(findings.map(({ eventName }) => eventName)).toEqual([
      'anomaly.detected',
      'anomaly.detected',
      'anomaly.summary',
      'anomaly.ended',
      'anomaly.ended',
    ]);
    expect(findings[2]!.attributes).toEqual({ 'anomaly.count': 3, 'anomaly.metrics': ['load'] });
    expect(findings[3]!.attributes).toMatchObject({ 'anomaly.outcome': 'recovered' });
    expect(findings[3]!.attributes['anomaly.duration']).toBeGreaterThan(60);
  });
});
