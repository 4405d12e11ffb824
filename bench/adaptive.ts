/**
 * What `adaptive_interval` saves, and what it costs: the share of points that are still pushed, how far a reader of these is
 * from what was measured, and how much later he sees an incident than at the fixed interval.
 *
 * Recorded is bench/adaptive_recording.json.gz: all default receivers of an agent on a machine with two processors, at 15 s,
 * with quiet stretches and builds. Modelled is a quiet day: ticks at which the machine was quiet, in a random order of
 * whole stretches from a fixed seed; counters grow as they did, and gauges have the values they had, so that these jump
 * where stretches meet. Modelled, too, are incidents in that day; those in the recording are its builds.
 *
 * The reader knows the points that were pushed alone. Between them he draws lines; beyond the last he holds gauges, and has
 * counters go on at the rate of the last one or two spans. `node bench/adaptive.ts [recording.json.gz]`
 */
import { pathToFileURL } from 'node:url';
import { boundOf, kindOf, type AdaptiveOptions } from '../src/adaptive/bounds.ts';
import { createPredictor } from '../src/adaptive/predictor.ts';
import type { MetricBatch, Series } from '../src/model/batch.ts';
import { batchesOf, readRecording, type RecordedSeries, type Recording } from './adaptive_recording.ts';

export const OPTIONS: AdaptiveOptions = { max: 120_000, gauge_error: 0.05, counter_error: 0.1, floors: {} };
const INTERVAL_S = 15;
const DAY_TICKS = (24 * 3600) / INTERVAL_S;
const QUIET = 0.15;
const CALM_TICKS = 20;

interface Point {
  readonly time_ms: number;
  readonly value: number;
}

/** What became of one series. */
export interface Trace {
  readonly measured: Point[];
  readonly sent: Point[];
  /** By tick, how many of `sent` the reader had. */
  readonly had: number[];
}

/** Has all receivers of a recording thinned. */
export function thin({ receivers, times_s }: Recording, options: AdaptiveOptions): Map<Series, Trace> {
  const traces = new Map<Series, Trace>();
  const traceOf = (series: Series): Trace => {
    let trace = traces.get(series);
    if (trace === undefined) traces.set(series, (trace = { measured: [], sent: [], had: [] }));
    return trace;
  };
  const points = (batch: MetricBatch, rows: readonly number[]): void => {
    const time_ms = Number(batch.time / 1_000_000n);
    for (const row of rows) traceOf(batch.series[row]!).sent.push({ time_ms, value: batch.values[row]! });
  };
  for (const [receiver, all] of Object.entries(receivers)) {
    const predictor = createPredictor(options);
    for (const batch of batchesOf(receiver, all, times_s)) {
      const { before } = predictor;
      const { late, rows } = predictor.plan(batch, false);
      if (before !== undefined) points(before, late);
      points(batch, rows);
      const time_ms = Number(batch.time / 1_000_000n);
      batch.series.forEach((series, row) => {
        const trace = traceOf(series);
        trace.measured.push({ time_ms, value: batch.values[row]! });
        trace.had.push(trace.sent.length);
      });
    }
  }
  return traces;
}

/** Worst errors of one series, as shares of the bound that held. */
export function errorsOf({ metric }: Series, { measured, sent, had }: Trace, options: AdaptiveOptions) {
  const kind = kindOf(metric);
  let [live, drawn, jump] = [0, 0, 0];
  const slopes = sent.map((_, index) =>
    kind === 'counter' ? slopeAfter(sent.slice(0, index + 1), options.max / 2) : 0,
  );
  let next = 0;
  measured.forEach(({ time_ms, value }, tick) => {
    while (next < sent.length && sent[next]!.time_ms <= time_ms) next++;
    const last = sent[next - 1]!;
    if (last.time_ms === time_ms) {
      jump = Math.max(jump, Math.abs(last.value - value));
      return;
    }
    const slope = slopes[next - 1]!;
    const bound = boundOf(metric, kind, options, last.value, slope);
    const ratio = (error: number): number => (error === 0 ? 0 : error / bound);
    // As it was then: a point that was pushed later was not there yet.
    const known = sent[had[tick]! - 1]!;
    if (known === last) live = Math.max(live, ratio(Math.abs(value - (last.value + slope * (time_ms - last.time_ms)))));
    const after = sent[next];
    if (after === undefined) return;
    const share = (time_ms - last.time_ms) / (after.time_ms - last.time_ms);
    drawn = Math.max(drawn, ratio(Math.abs(value - (last.value + share * (after.value - last.value)))));
  });
  return { live, drawn, jump };
}

/** Per millisecond, as docs/adaptive.md says it: from the point before the last that is at least a span older than its successor in this. */
function slopeAfter(sent: readonly Point[], span_ms: number): number {
  let [older, younger] = [sent[0]!, sent[0]!];
  for (let index = 1; index < sent.length; index++) {
    const last = sent[index - 1]!;
    if (last.time_ms - younger.time_ms >= span_ms) [older, younger] = [younger, last];
  }
  const last = sent.at(-1)!;
  return last === older ? NaN : (last.value - older.value) / (last.time_ms - older.time_ms);
}

export function quietDay(recording: Recording, ticks = DAY_TICKS, seed = 1): Recording {
  const busy = busyShares(recording);
  const stretches: number[][] = [];
  busy.forEach((share, tick) => {
    if (tick === 0 || share > QUIET) return;
    const last = stretches.at(-1);
    if (last?.at(-1) === tick - 1) last.push(tick);
    else stretches.push([tick]);
  });
  const random = createRandom(seed);
  const order: number[] = [];
  while (order.length < ticks) order.push(...stretches[Math.floor(random() * stretches.length)]!);
  order.length = ticks;
  const day = (series: RecordedSeries): RecordedSeries => {
    // One that was not there all the time would end and begin wherever stretches meet.
    if (series.values.includes(null)) return { ...series, values: order.map(() => null) };
    const values = series.values as number[];
    let total = values[0]!;
    return {
      ...series,
      values: order.map((tick) =>
        series.kind === 'counter' ? (total += Math.max(values[tick]! - values[tick - 1]!, 0)) : values[tick]!,
      ),
    };
  };
  const receivers = Object.fromEntries(Object.entries(recording.receivers).map(([id, all]) => [id, all.map(day)]));
  return { times_s: order.map((_, tick) => tick * INTERVAL_S + 1_700_000_000), receivers };
}

/** Share of both processors that was in use, by tick. */
function busyShares({ receivers, times_s }: Recording): number[] {
  const used = receivers['cpu']!.filter(
    ({ metric, attributes }) => metric === 'system.cpu.time' && !['idle', 'iowait'].includes(attributes['cpu.mode']!),
  );
  const cpus = new Set(used.map(({ attributes }) => attributes['cpu.logical_number'])).size;
  return times_s.map((time_s, tick) => {
    if (tick === 0) return 0;
    const seconds = used.reduce((sum, { values }) => sum + values[tick]! - values[tick - 1]!, 0);
    return seconds / cpus / (time_s - times_s[tick - 1]!);
  });
}

/** Mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** At which ticks a reader sees more than `threshold`: of a gauge its last value, of a counter the rate of its last two points. */
function alarms(kind: string, points: readonly Point[], had: readonly number[], threshold: number): boolean[] {
  return had.map((count) => {
    const last = points[count - 1];
    if (last === undefined) return false;
    if (kind !== 'counter') return last.value > threshold;
    const before = points[count - 2];
    return before !== undefined && ((last.value - before.value) / (last.time_ms - before.time_ms)) * 1000 > threshold;
  });
}

/** Ticks by which each alarm of the fixed interval, after five minutes without, comes later to a reader of what was pushed. */
function delaysOf({ metric }: Series, { measured, sent, had }: Trace, threshold: number): number[] {
  const kind = kindOf(metric);
  const fixed = alarms(
    kind,
    measured,
    measured.map((_, tick) => tick + 1),
    threshold,
  );
  const thinned = alarms(kind, sent, had, threshold);
  return fixed.flatMap((isOn, tick) => {
    if (!isOn || fixed.slice(Math.max(tick - CALM_TICKS, 0), tick).includes(true)) return [];
    const seen = thinned.indexOf(true, tick);
    // What he sees so late is the next one.
    return seen === -1 || seen - tick >= CALM_TICKS ? [Infinity] : [seen - tick];
  });
}

interface Incident {
  readonly name: string;
  readonly is: (series: RecordedSeries) => boolean;
  /** Added to what was measured, so many seconds after it began. */
  readonly adds: (seconds: number) => number;
  readonly threshold: number;
}

const INCIDENTS: readonly Incident[] = [
  {
    name: 'a processor is taken whole: rate of user time over 0.8',
    is: ({ metric, attributes }) =>
      metric === 'system.cpu.time' && attributes['cpu.mode'] === 'user' && attributes['cpu.logical_number'] === '0',
    adds: (seconds) => seconds * 0.95,
    threshold: 0.8,
  },
  {
    name: 'a link loses 5 packets a second: rate of errors over 1',
    is: ({ metric, attributes }) =>
      metric === 'system.network.errors' &&
      attributes['network.interface.name'] === 'eth0' &&
      attributes['network.io.direction'] === 'receive',
    adds: (seconds) => Math.floor(seconds * 5),
    threshold: 1,
  },
  {
    name: 'load rises by 8 within a minute: over 4',
    is: ({ metric }) => metric === 'system.cpu.load_average.1m',
    adds: (seconds) => 8 * Math.min(seconds / 60, 1),
    threshold: 4,
  },
  {
    name: 'a disk fills by one point a minute: utilization over 30%',
    is: ({ metric, attributes }) =>
      metric === 'system.filesystem.utilization' && attributes['system.filesystem.mountpoint'] === '/',
    adds: (seconds) => Math.min((seconds / 60) * 0.01, 0.6),
    threshold: 0.3,
  },
];

/** The day with one of the incidents, which lasts half an hour, at 20 places. */
function withIncident(day: Recording, { is, adds }: Incident): Recording {
  const change = (series: RecordedSeries): RecordedSeries => {
    if (!is(series)) return series;
    let added = 0;
    return {
      ...series,
      values: series.values.map((value, tick) => {
        const seconds = (tick % (DAY_TICKS / 20)) * INTERVAL_S - 1800 + (tick % 7);
        const now = seconds > 0 && seconds <= 1800 ? adds(seconds) : 0;
        if (series.kind !== 'counter') return value === null ? null : value + now;
        // What a counter had counted it keeps.
        if (seconds > 0 && seconds <= 1800) return value! + added + now;
        if (seconds > 1800 && seconds <= 1800 + INTERVAL_S + 7) added += adds(1800);
        return value! + added;
      }),
    };
  };
  return {
    ...day,
    receivers: Object.fromEntries(Object.entries(day.receivers).map(([id, all]) => [id, all.map(change)])),
  };
}

export function share(traces: ReadonlyMap<Series, Trace>): number {
  let [sent, measured] = [0, 0];
  for (const trace of traces.values()) {
    sent += trace.sent.length;
    measured += trace.measured.length;
  }
  return sent / measured;
}

function report(name: string, recording: Recording): void {
  console.log(`\n${name}: ${recording.times_s.length} ticks`);
  for (const [receiver, all] of Object.entries(recording.receivers)) {
    const traces = thin({ ...recording, receivers: { [receiver]: all } }, OPTIONS);
    console.log(`  ${receiver.padEnd(12)} ${(share(traces) * 100).toFixed(1).padStart(5)} % of the points`);
  }
  const traces = thin(recording, OPTIONS);
  const errors = [...traces].map(([series, trace]) => errorsOf(series, trace, OPTIONS));
  const worst = (key: 'live' | 'drawn' | 'jump'): number => Math.max(...errors.map((one) => one[key]));
  const { self: _, ...others } = recording.receivers;
  const withoutSelf = thin({ ...recording, receivers: others }, OPTIONS);
  console.log(
    `  without self ${(share(withoutSelf) * 100).toFixed(1).padStart(5)} % of the points of ${withoutSelf.size} series`,
  );
  console.log(
    `  all          ${(share(traces) * 100).toFixed(1).padStart(5)} % of the points of ${traces.size} series`,
  );
  console.log(
    `  worst error of any series, in bounds: ${worst('drawn').toFixed(3)} between points, ${worst('live').toFixed(3)} beyond the last`,
  );
  console.log(`  worst error of a point that was pushed: ${worst('jump')}`);
}

/** CPU of the decision alone. */
function reportCost({ receivers, times_s }: Recording): void {
  const collections = Object.entries(receivers).map(([receiver, all]) => [...batchesOf(receiver, all, times_s)]);
  const points = collections.flat().reduce((sum, { count }) => sum + count, 0);
  let best_ms = Infinity;
  for (let round = 0; round < 5; round++) {
    const predictors = collections.map(() => createPredictor(OPTIONS));
    const started_ms = performance.now();
    collections.forEach((batches, index) => {
      for (const batch of batches) predictors[index]!.plan(batch, false);
    });
    best_ms = Math.min(best_ms, performance.now() - started_ms);
  }
  console.log(`\nThe decision takes ${((best_ms * 1e6) / points).toFixed(0)} ns a point`);
}

function summary(delays: readonly number[]): string {
  const late = delays.filter((delay) => delay > 0);
  const worst = Math.max(0, ...late.filter(Number.isFinite));
  const missed = late.filter((delay) => delay === Infinity).length;
  return `${delays.length} alarms, ${late.length - missed} later (by ${worst} ticks at most), ${missed} not seen`;
}

if (import.meta.main) {
  const path =
    process.argv[2] === undefined
      ? new URL('adaptive_recording.json.gz', import.meta.url)
      : pathToFileURL(process.argv[2]);
  const recording = readRecording(path);
  const day = quietDay(recording);
  report('Modelled quiet day', day);
  report('As recorded', recording);
  reportCost(day);

  console.log('\nDetection, against the fixed interval. Alert rules in the agent have every point: no later, ever.');
  console.log('A reader of what was pushed, modelled incidents:');
  for (const incident of INCIDENTS) {
    const all = withIncident(day, incident);
    const [receiver, series] = Object.entries(all.receivers).find(([, list]) => list.some(incident.is))!;
    const traces = thin({ ...all, receivers: { [receiver]: series } }, OPTIONS);
    const index = series.findIndex(incident.is);
    const [one, trace] = [...traces][index]!;
    console.log(`  ${incident.name}: ${summary(delaysOf(one, trace, incident.threshold))}`);
  }
  console.log('The same reader, recorded builds:');
  const traces = [...thin(recording, OPTIONS)];
  for (const threshold of [0.3, 0.5, 0.8]) {
    const users = traces.filter(
      ([{ metric, attributes }]) => metric.name === 'system.cpu.time' && attributes['cpu.mode'] === 'user',
    );
    const delays = users.flatMap(([series, trace]) => delaysOf(series, trace, threshold));
    console.log(`  rate of user time of a processor over ${threshold}: ${summary(delays)}`);
  }
  const loads = traces.filter(([{ metric }]) => metric.name === 'system.cpu.load_average.1m');
  console.log(`  load over 1: ${summary(loads.flatMap(([series, trace]) => delaysOf(series, trace, 1)))}`);
}
