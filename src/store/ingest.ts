/** Takes batches in: works out once for each layout which series its rows are, then adds a time and a value a row. */
import { NO_RECORDED_VALUE, type MetricBatch, type Resource, type Series } from '../model/batch.ts';
import { perLayout, type Layout } from '../model/layout.ts';
import { flatten, hasSameLines, type Distribution } from '../prometheus/distributions.ts';
import { toNativeHistogram } from './native.ts';
import { distributionValues, type Names } from './names.ts';
import type { MetricMetadata, NativeHistogram } from './queryable.ts';
import type { SampleTable, Value } from './sample_table.ts';
import type { Pairs, SeriesTable } from './series_table.ts';
import type { Refusal, Refused } from './series_store.ts';

export interface IngestOptions {
  readonly names: Names;
  readonly table: SeriesTable;
  readonly samples: SampleTable;
  readonly hasTargetInfo: boolean;
  /** Hears of the metrics whose series are kept. */
  readonly onMetric: (metric: MetricMetadata) => void;
  /** The slot of a series, new if need be; or why it gets none, `unselected` where nobody wants it. */
  readonly slotFor: (pairs: Pairs) => number | Refusal | 'unselected';
  /** Whether samples of a time can be taken at all. */
  readonly checkTime: (time_ms: number) => Refusal | undefined;
  /** The clock, in Unix milliseconds. */
  readonly now_ms: () => number;
}

export interface Ingest {
  consume(batch: MetricBatch): Refused;
  /** Adds a sample to a slot whose time was checked, by the rules of order. */
  add(slot: number, time_ms: number, value: Value): Refusal | undefined;
}

/** In place of a slot: not looked up yet, or what it is instead. */
const UNKNOWN = -1;
/** Several series, or histograms: their slots are with the series. */
const COMPLEX = -2;
/** Refused for lack of room, until series were forgotten. */
const NO_ROOM = -3;
const UNSELECTED = -4;
/** Never to be kept; the reason is with the series. */
const UNFIT = -5;

/** What a series of a batch is in the store. */
interface Link {
  slot: number;
  generation: number;
  refusal: Refusal | undefined;
  /** Of histograms and summaries: the slots, their generations, and what they were made for. */
  slots: readonly number[];
  generations: readonly number[];
  shape: Distribution | undefined;
  /** The epoch in which there was no room. */
  epoch: number;
}

const NONE: readonly number[] = [];

interface Plan {
  readonly slots: Int32Array;
  readonly resources: readonly Resource[];
  epoch: number;
}

/** A sample that far ahead of the clock, with one after it that is not, was taken before the clock was set back. */
const SET_BACK_MS = 60_000;

/** What resources say of themselves hardly ever changes. */
const TARGET_INFO_INTERVAL_MS = 10_000;

export function createIngest(options: IngestOptions): Ingest {
  const { names, table, samples, slotFor, checkTime, hasTargetInfo, onMetric, now_ms } = options;
  /** What each receiver's last collection held, by the pipeline it came through. */
  const layouts = new Map<string, Layout>();
  const targets = new WeakMap<Resource, { readonly pairs: Pairs | undefined; slot: number; generation: number }>();
  const numbers: number[] = [];
  let refused: Map<Refusal, number> | undefined;

  const linkOf = (series: Series): Link => series.derive(createLink);
  // A function of this store's own, by which a series finds its link again.
  function createLink({ metric }: Series): Link {
    const found = names.of(metric);
    const isComplex = metric.kind !== 'gauge' && metric.kind !== 'sum';
    const refusal = typeof found === 'string' ? found : undefined;
    const slot = refusal !== undefined ? UNFIT : isComplex ? COMPLEX : UNKNOWN;
    return { slot, generation: 0, refusal, slots: NONE, generations: NONE, shape: undefined, epoch: -1 };
  }

  const planOf = perLayout((layout): Plan => {
    const resources = [...new Set(layout.map(({ resource }) => resource))];
    return { slots: new Int32Array(layout.length), resources, epoch: -1 };
  });

  /** The plan of a layout, with the slots that are known now. */
  function currentPlan(layout: Layout): Plan {
    const plan = planOf(layout);
    if (plan.epoch === table.epoch) return plan;
    plan.epoch = table.epoch;
    for (let row = 0; row < layout.length; row++) plan.slots[row] = slotNow(linkOf(layout[row]!));
    return plan;
  }

  function slotNow(link: Link): number {
    if (link.slot >= 0 && table.generations[link.slot] !== link.generation) link.slot = UNKNOWN;
    if (link.slot >= 0 && !table.has(link.slot)) link.slot = UNKNOWN;
    if (link.slot === NO_ROOM && link.epoch !== table.epoch) link.slot = UNKNOWN;
    return link.slot;
  }

  function count(reason: Refusal, times = 1): void {
    refused ??= new Map();
    refused.set(reason, (refused.get(reason) ?? 0) + times);
  }

  /** Looks a series of numbers up, or adds it. */
  function resolve(series: Series): number {
    const link = linkOf(series);
    if (slotNow(link) !== UNKNOWN) return link.slot;
    const found = slotFor(names.pairs(nameOf(series), series));
    if (typeof found === 'number') {
      tellOf(series);
      link.generation = table.generations[found]!;
      return (link.slot = found);
    }
    if (found === 'unselected') return (link.slot = UNSELECTED);
    link.refusal = found;
    link.epoch = table.epoch;
    return (link.slot = NO_ROOM);
  }

  /** Looks a series of numbers up that is not worth adding. */
  function recognise(series: Series): number {
    const link = linkOf(series);
    if (slotNow(link) !== UNKNOWN) return link.slot;
    const found = table.find(names.pairs(nameOf(series), series));
    if (found === undefined) return UNKNOWN;
    link.generation = table.generations[found]!;
    return (link.slot = found);
  }

  function tellOf({ metric }: Series): void {
    const found = names.of(metric);
    if (typeof found !== 'string') onMetric(found);
  }

  function nameOf({ metric }: Series): string {
    const found = names.of(metric);
    return typeof found === 'string' ? '' : found.name;
  }

  function add(slot: number, time_ms: number, value: Value): Refusal | undefined {
    const last = samples.lastTime[slot]!;
    if (time_ms < last) {
      const ahead_ms = now_ms() + SET_BACK_MS;
      if (last <= ahead_ms || time_ms > ahead_ms) return 'out_of_order';
      // What was taken would keep everything out until the clock is there again.
      samples.release(slot);
    } else if (time_ms === last) {
      return samples.isLast(slot, value) ? undefined : 'duplicate_time';
    }
    if (typeof value === 'number') samples.append(slot, time_ms, value);
    else if (value === 'stale') samples.appendStale(slot, time_ms);
    else samples.appendHistogram(slot, time_ms, value);
    return undefined;
  }

  function addCounted(slot: number, time_ms: number, value: Value): void {
    const refusal = add(slot, time_ms, value);
    if (refusal !== undefined) count(refusal);
  }

  /** A row that is no number of a series that is known already. */
  function addSlowly(batch: MetricBatch, row: number, slot: number, time_ms: number): number {
    const series = batch.series[row]!;
    const isEnded = batch.flags !== undefined && (batch.flags[row]! & NO_RECORDED_VALUE) !== 0;
    if (isEnded) {
      if (slot === UNKNOWN) slot = recognise(series);
      eachSlot(linkOf(series), (each) => samples.appendStale(each, time_ms));
      return slot;
    }
    if (slot === COMPLEX) addPoint(batch, row, time_ms);
    else if (slot === UNKNOWN) slot = resolve(series);
    if (slot >= 0) addCounted(slot, time_ms, batch.values[row]!);
    else if (slot === NO_ROOM || slot === UNFIT) count(linkOf(series).refusal!);
    return slot;
  }

  function addPoint(batch: MetricBatch, row: number, time_ms: number): void {
    const series = batch.series[row]!;
    const point = batch.points?.[row];
    const link = linkOf(series);
    if (point === undefined) return count('invalid_point');
    if (point.type === 'exponential_histogram') {
      const histogram = toNativeHistogram(point);
      if (histogram === undefined) return count('invalid_point');
      if (!hasSlots(link)) makeSlots(series, [names.pairs(nameOf(series), series)], time_ms);
      return addAll(link, time_ms, [histogram]);
    }
    const shape = flatten(point);
    if (shape === undefined) return count('invalid_point');
    if (link.shape === undefined || !hasSameLines(link.shape, shape) || !hasSlots(link)) {
      link.shape = shape;
      makeSlots(series, names.distributionPairs(nameOf(series), series, shape), time_ms);
    }
    distributionValues(point.type === 'summary', shape, numbers);
    addAll(link, time_ms, numbers);
  }

  function addAll({ slots }: Link, time_ms: number, values: readonly (number | NativeHistogram)[]): void {
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      if (slot >= 0) addCounted(slot, time_ms, values[i]!);
      else if (slot === NO_ROOM) count('series_limit');
    }
  }

  /** Whether all slots are still those of the series, and nothing can be had that could not before. */
  function hasSlots({ slots, generations, epoch }: Link): boolean {
    if (slots.length === 0) return false;
    if (epoch === table.epoch) return true;
    return slots.every((slot, i) => slot === UNSELECTED || (slot >= 0 && isHeld(slot, generations[i]!)));
  }

  function isHeld(slot: number, generation: number): boolean {
    return table.generations[slot] === generation && table.has(slot);
  }

  /** Finds the slots of a distribution's series; those that it had and has no more end. */
  function makeSlots(series: Series, all: readonly Pairs[], time_ms: number): void {
    const link = linkOf(series);
    const before = link.slots.filter((slot, i) => slot >= 0 && isHeld(slot, link.generations[i]!));
    link.slots = all.map((pairs) => {
      const found = slotFor(pairs);
      if (typeof found === 'number') return found;
      return found === 'unselected' ? UNSELECTED : NO_ROOM;
    });
    link.generations = link.slots.map((slot) => (slot >= 0 ? table.generations[slot]! : 0));
    link.epoch = table.epoch;
    if (link.slots.some((slot) => slot >= 0)) tellOf(series);
    for (const slot of before) if (!link.slots.includes(slot)) samples.appendStale(slot, time_ms);
  }

  /** Slots that a series has samples in. */
  function eachSlot(link: Link, visit: (slot: number) => void): void {
    if (slotNow(link) >= 0) visit(link.slot);
    for (const [i, slot] of link.slots.entries()) if (slot >= 0 && isHeld(slot, link.generations[i]!)) visit(slot);
  }

  /** Ends what the receiver's collection before had, and this one has not. */
  function endVanished(batch: MetricBatch, time_ms: number): void {
    const { receiver, pipeline = '' } = batch.collection!;
    const key = `${pipeline} ${receiver}`;
    const before = layouts.get(key);
    if (before === batch.series) return;
    layouts.set(key, batch.series);
    if (before === undefined) return;
    const present = new Set<number>();
    for (const series of batch.series) eachSlot(linkOf(series), (slot) => present.add(slot));
    for (const series of before) {
      eachSlot(linkOf(series), (slot) => {
        if (!present.has(slot)) samples.appendStale(slot, time_ms);
      });
    }
  }

  function addTargetInfo(resources: readonly Resource[], time_ms: number): void {
    for (const resource of resources) {
      let target = targets.get(resource);
      if (target === undefined) {
        target = { pairs: names.targetInfo(resource), slot: UNKNOWN, generation: 0 };
        targets.set(resource, target);
      }
      if (target.pairs === undefined) continue;
      if (target.slot < 0 || !isHeld(target.slot, target.generation)) {
        const found = slotFor(target.pairs);
        if (typeof found !== 'number') continue;
        target.slot = found;
        target.generation = table.generations[found]!;
      }
      if (time_ms - samples.lastTime[target.slot]! >= TARGET_INFO_INTERVAL_MS) samples.append(target.slot, time_ms, 1);
    }
  }

  function addRows(batch: MetricBatch, plan: Plan, time_ms: number): void {
    const { count: rows, values, flags, times } = batch;
    const { slots } = plan;
    const isPlain = flags === undefined && times === undefined;
    const words = times && new Uint32Array(times.buffer, times.byteOffset, times.length * 2);
    for (let row = 0; row < rows; row++) {
      const slot = slots[row]!;
      if (isPlain && slot >= 0 && time_ms > samples.lastTime[slot]!) {
        samples.append(slot, time_ms, values[row]!);
        continue;
      }
      let own_ms = time_ms;
      if (words !== undefined) {
        own_ms = milliseconds(words[2 * row]!, words[2 * row + 1]!);
        const refusal = checkTime(own_ms);
        if (refusal !== undefined) {
          if (slot !== UNSELECTED) count(refusal);
          continue;
        }
      }
      slots[row] = addSlowly(batch, row, slot, own_ms);
    }
  }

  return {
    add,
    consume(batch) {
      refused = undefined;
      if (batch.collection?.onDemand === true || batch.count === 0) return refused ?? NOTHING;
      const time_ms = Number(batch.time / 1_000_000n);
      const refusal = batch.times === undefined ? checkTime(time_ms) : undefined;
      if (refusal !== undefined) {
        count(refusal, batch.count);
        return refused ?? NOTHING;
      }
      const plan = currentPlan(batch.series);
      addRows(batch, plan, time_ms);
      // What is left out on purpose goes on.
      if (batch.collection !== undefined && batch.collection.isThinned !== true) endVanished(batch, time_ms);
      if (hasTargetInfo && checkTime(time_ms) === undefined) addTargetInfo(plan.resources, time_ms);
      return refused ?? NOTHING;
    },
  };
}

const NOTHING: Refused = new Map();

/** Unix nanoseconds, in two halves, as milliseconds: exact, though a double holds no nanoseconds of today. */
function milliseconds(low: number, high: number): number {
  // 2^32 is 4294 million and 967,296.
  return high * 4294 + Math.floor((high * 967_296 + low) / 1_000_000);
}
