/**
 * Folds series that shall not go on singly into remainders, so that over any time the increases of what goes on are the
 * increases of what came in, whoever is folded when.
 *
 * A counter's remainder is the sum of what folded series rose, so it never falls. A series that comes out of a remainder
 * begins a run of its own: it counts from the point before, because what it did until then is in the remainder.
 */
import { Amount, RisingStream } from './amount.ts';
import { NO_RECORDED_VALUE, Series, type MetricBatch } from './batch.ts';
import type { Layout } from './layout.ts';
import { kindOf, type Remainder } from './remainder.ts';
import { selectRows } from './select.ts';

export interface FoldOptions {
  /** How gauges become one. */
  readonly gauges: 'sum' | 'avg' | 'min' | 'max';
  /** Whether a series that goes on may be folded later, so that its counters must be known. */
  readonly tracksKept: boolean;
  /** Counters that are remembered at most. */
  readonly maxStreams: number;
  /** A counter without points for so long is forgotten. */
  readonly staleness_ms: number;
  /** Unix nanoseconds: what began before it was counted before. */
  readonly since: bigint;
  /** Milliseconds that only rise. */
  readonly now: () => number;
}

/** What becomes of a row: it goes on, is left out, or is folded into a remainder. */
export type Place = 'keep' | 'drop' | Remainder;

/** What becomes of each row of a layout: the very same object as long as that is the same. */
export interface Placement {
  readonly places: readonly Place[];
}

export interface Folded {
  readonly batch: MetricBatch;
  /** Rows that are in a remainder, beyond one row for each remainder. */
  readonly merged: number;
  /** Rows that cannot be added: summaries, and histograms of other bounds. */
  readonly unmergeable: number;
  /** Rows of counters for which there was no room. */
  readonly untracked: number;
  /** Series that were told of, and are in a remainder from now on. */
  readonly ended: readonly Series[];
}

export interface Fold {
  fold(batch: MetricBatch, placement: Placement): Folded;
  /** Says that a series whose last point was then is no longer known: what began before is a baseline from now on. */
  forget(time: bigint): void;
  /** Counters that are remembered. */
  readonly size: number;
}

class Stream extends RisingStream {
  /** Of a series that came out of a remainder: the run that goes on in its place, and what it counts. */
  run: Series | undefined;
  readonly amount = new Amount();
  /** Whether its last point is in a remainder. */
  isFolded = false;
  /** The series under which its last point went on, until it ends. */
  told: Series | undefined;
}

interface Plan {
  readonly streams: readonly (Stream | undefined)[];
  /** Rows that need more than to be copied. */
  readonly busy: Uint32Array;
  readonly kept: readonly number[];
  /** Rows that are left out. */
  readonly left: number;
  readonly remainders: readonly Remainder[];
  /** Streams with a run of their own, by position in `kept`. */
  readonly runs: readonly (readonly [position: number, stream: Stream])[];
  readonly series: Layout;
  /** Of {@link Fold}: made for these streams, and for these runs. */
  readonly epoch: number;
  readonly version: number;
}

/** Series that ended may come back: so many of them are remembered. */
const MAX_ENDED = 10_000;

export function createFold(options: FoldOptions): Fold {
  const { gauges, tracksKept, maxStreams, staleness_ms, now } = options;
  const streams = new Map<string, Stream>();
  const plans = new WeakMap<Placement, Plan>();
  let { since } = options;
  let swept_ms = now();
  const endedStreams = new Map<string, Stream>();
  /** Another number whenever a stream is no longer among those remembered. */
  let epoch = 0;
  /** Another number whenever a run began or ended. */
  let version = 0;
  let ended: Series[] = [];
  let unmergeable = 0;
  let untracked = 0;

  function streamOf(series: Series, place: Place): Stream | undefined {
    if (place === 'drop' || kindOf(series.metric) !== 'counter') return undefined;
    const isNeeded = tracksKept || place !== 'keep';
    if (!isNeeded && streams.size + endedStreams.size === 0) return undefined;
    const { key } = series;
    const known = streams.get(key);
    if (known !== undefined || streams.size >= maxStreams) return known;
    const stream = endedStreams.get(key) ?? (isNeeded ? new Stream() : undefined);
    if (stream === undefined) return undefined;
    endedStreams.delete(key);
    streams.set(key, stream);
    return stream;
  }

  function end(stream: Stream, key: string): void {
    stream.told = undefined;
    streams.delete(key);
    endedStreams.delete(key);
    endedStreams.set(key, stream);
    if (endedStreams.size > MAX_ENDED) forgetStream(endedStreams, endedStreams.keys().next().value!);
    epoch++;
  }

  function forgetStream(from: Map<string, Stream>, key: string): void {
    const { time = 0n } = from.get(key)!;
    if (time > since) since = time;
    from.delete(key);
    epoch++;
  }

  function planOf(layout: Layout, { places }: Placement): Plan {
    const rowStreams = layout.map((series, row) => streamOf(series, places[row]!));
    const remainders = new Set<Remainder>();
    const kept: number[] = [];
    const busy: number[] = [];
    places.forEach((place, row) => {
      if (place === 'keep') kept.push(row);
      else if (place !== 'drop') remainders.add(place);
      if (rowStreams[row] !== undefined || typeof place !== 'string') busy.push(row);
    });
    const left = places.length - kept.length - places.filter((place) => typeof place !== 'string').length;
    const plan = { streams: rowStreams, busy: Uint32Array.from(busy), kept, left, remainders: [...remainders], epoch };
    return outputOf(layout, plan);
  }

  /** What depends on runs. */
  function outputOf(
    layout: Layout,
    plan: Pick<Plan, 'streams' | 'busy' | 'kept' | 'left' | 'remainders' | 'epoch'>,
  ): Plan {
    const { streams: rowStreams, kept, remainders } = plan;
    const runs: [number, Stream][] = [];
    const series = kept.map((row, position) => {
      const stream = rowStreams[row];
      if (stream?.run === undefined) return layout[row]!;
      runs.push([position, stream]);
      return stream.run;
    });
    for (const remainder of remainders) series.push(remainder.series);
    return { ...plan, runs, series, version };
  }

  function keep(stream: Stream, batch: MetricBatch, row: number): void {
    const series = batch.series[row]!;
    const before = stream.time;
    advance(stream, batch, row);
    if (stream.isFolded) {
      stream.isFolded = false;
      const { resource, scope, metric, attributes } = series;
      stream.run = new Series(resource, scope, metric, attributes, before ?? 0n);
      stream.amount.clear();
      version++;
    }
    if (stream.run !== undefined) count(stream, before ?? 0n, series.metric.valueType === 'int');
    stream.told = stream.run ?? series;
  }

  function count(stream: Stream, before: bigint, isInteger: boolean): void {
    const { rise, riseExact, risePoint, amount } = stream;
    if (amount.add(rise, riseExact, risePoint, isInteger)) return;
    // Buckets that changed begin a run of their own.
    const { resource, scope, metric, attributes } = stream.run!;
    stream.run = new Series(resource, scope, metric, attributes, before);
    amount.clear();
    amount.add(rise, riseExact, risePoint, isInteger);
    version++;
  }

  function advance(stream: Stream, batch: MetricBatch, row: number): void {
    const time = batch.times?.[row] ?? batch.time;
    const exact = batch.exactValues?.get(row);
    stream.advance(batch.series[row]!, batch.values[row]!, exact, batch.points?.[row], time, since);
  }

  function take(remainder: Remainder, stream: Stream | undefined, batch: MetricBatch, row: number): void {
    const series = batch.series[row]!;
    const { amount, kind, isInteger } = remainder;
    const time = batch.times?.[row] ?? batch.time;
    let isAdded: boolean;
    if (kind === 'counter') {
      if (stream === undefined) return void untracked++;
      advance(stream, batch, row);
      stream.isFolded = true;
      if (stream.told !== undefined) {
        ended.push(stream.told);
        if (stream.run !== undefined) version++;
        stream.told = stream.run = undefined;
      }
      isAdded = amount.add(stream.rise, stream.riseExact, stream.risePoint, isInteger);
      remainder.began ??= options.since < time ? options.since : time;
      remainder.startTime = remainder.began;
    } else {
      isAdded = kind !== 'summary' && addLevel(remainder, batch, row);
      const { startTime } = series;
      const isEarlier = startTime !== 0n && (remainder.startTime === 0n || startTime < remainder.startTime);
      if (isEarlier && kind !== 'gauge') remainder.startTime = startTime;
    }
    if (!isAdded) return void unmergeable++;
    if (remainder.taken++ === 0) {
      remainder.row = row;
      remainder.time = time;
    } else if (time > remainder.time) remainder.time = time;
  }

  function addLevel({ amount, kind, isInteger, taken }: Remainder, batch: MetricBatch, row: number): boolean {
    const value = batch.values[row]!;
    const isExtreme = kind === 'gauge' && (gauges === 'min' || gauges === 'max');
    if (!isExtreme || taken === 0)
      return amount.add(value, batch.exactValues?.get(row), batch.points?.[row], isInteger);
    if (gauges === 'min' ? value >= amount.value : value <= amount.value) return true;
    amount.clear();
    return amount.add(value, batch.exactValues?.get(row), undefined, isInteger);
  }

  function forgetStale(now_ms: number): void {
    if (now_ms - swept_ms < staleness_ms / 4) return;
    swept_ms = now_ms;
    for (const known of [streams, endedStreams]) {
      for (const [key, { seen_ms }] of known) if (now_ms - seen_ms > staleness_ms) forgetStream(known, key);
    }
  }

  function finish(batch: MetricBatch, plan: Plan): MetricBatch {
    const { kept, runs } = plan;
    const present = plan.remainders.filter(({ taken }) => taken > 0);
    const isWhole = present.length === plan.remainders.length;
    const series = isWhole ? plan.series : [...plan.series.slice(0, kept.length), ...present.map((one) => one.series)];
    const selected = selectRows(batch, [...kept, ...present.map(({ row }) => row)], series);
    const { values } = selected;
    const exactValues = new Map(selected.exactValues);
    const points = selected.points && [...selected.points];
    const times = selected.times;
    const write = (row: number, { value, exact, point }: Readonly<Amount>): void => {
      values[row] = point === undefined ? value : NaN;
      if (exact === undefined) exactValues.delete(row);
      else exactValues.set(row, exact);
      if (points !== undefined) points[row] = point;
    };
    for (const [position, { amount }] of runs) {
      if (!isEnded(batch, kept[position]!)) write(position, amount);
    }
    present.forEach((remainder, index) => {
      const row = kept.length + index;
      write(row, remainder.amount);
      if (remainder.kind === 'gauge' && gauges === 'avg') {
        const mean = Number(remainder.amount.exact ?? remainder.amount.value) / remainder.taken;
        exactValues.delete(row);
        values[row] = remainder.isInteger ? Math.round(mean) : mean;
      }
      if (times !== undefined) times[row] = remainder.time;
    });
    const { exactValues: _, points: __, exemplars, ...rest } = selected;
    return {
      ...rest,
      ...(exactValues.size > 0 && { exactValues }),
      ...(points !== undefined && { points }),
      // Those of one series are not those of all.
      ...(exemplars !== undefined && {
        exemplars: exemplars.map((each, row) => (row < kept.length ? each : undefined)),
      }),
    };
  }

  return {
    fold(batch, placement) {
      const now_ms = now();
      forgetStale(now_ms);
      let plan = plans.get(placement);
      if (plan === undefined || plan.epoch !== epoch) {
        plans.set(placement, (plan = planOf(batch.series, placement)));
      }
      ended = [];
      unmergeable = untracked = 0;
      for (const remainder of plan.remainders) remainder.begin();
      const { busy, kept, streams: rowStreams } = plan;
      for (let i = 0; i < busy.length; i++) {
        const row = busy[i]!;
        const stream = rowStreams[row];
        if (stream !== undefined) stream.seen_ms = now_ms;
        const place = placement.places[row]!;
        if (isEnded(batch, row)) {
          if (stream !== undefined) end(stream, batch.series[row]!.key);
        } else if (place === 'keep') keep(stream!, batch, row);
        else take(place as Remainder, stream, batch, row);
      }
      for (const remainder of plan.remainders) {
        if (remainder.taken > 0 && remainder.runFrom(remainder.startTime)) version++;
      }
      if (plan.version !== version) plans.set(placement, (plan = outputOf(batch.series, plan)));
      const isSame = kept.length === batch.count && plan.runs.length === 0;
      const folded = isSame ? batch : finish(batch, plan);
      const merged = batch.count - folded.count - plan.left - unmergeable - untracked;
      return { batch: folded, merged, unmergeable, untracked, ended };
    },
    forget(time) {
      if (time > since) since = time;
    },
    get size() {
      return streams.size + endedStreams.size;
    },
  };
}

function isEnded({ flags }: MetricBatch, row: number): boolean {
  return flags !== undefined && (flags[row]! & NO_RECORDED_VALUE) !== 0;
}
