/** How much each series of a metric is, over a window of time: what it is ranked by. */
import { attributesKey, type AnyValue } from '../../src/model/attributes.ts';
import { streamKey, type MetricBatch, type Series } from '../../src/model/batch.ts';
import { Remainder } from '../../src/model/remainder.ts';
import { rank, type Candidate, type RankingOptions } from './ranking.ts';

export interface ScoresOptions extends RankingOptions {
  readonly rankBy: 'auto' | 'value' | 'rate';
  readonly isLowestFirst: boolean;
  readonly groupBy: readonly string[];
  readonly remainderAttributes: Readonly<Record<string, AnyValue>>;
  readonly window_ms: number;
  /** Series that are ranked at most; what is beyond never holds a place. */
  readonly maxSeries: number;
  /** A series without points for so long is forgotten. */
  readonly staleness_ms: number;
}

/** The series of one metric, with the same values of the attributes that are grouped by. */
export interface Group {
  readonly members: Map<string, Member>;
  readonly remainder: Remainder;
  readonly isRate: boolean;
  /** Another number whenever another series holds a place. */
  version: number;
  ranked_ms: number;
  hasNewcomer: boolean;
  seen_ms: number;
}

export interface Member extends Candidate {
  readonly group: Group;
  readonly key: string;
  /** Receiver whose collections it comes in; '' for one that is pushed. */
  receiver: string;
  /** Number of the last batch that it was in. */
  seenIn: number;
  seen_ms: number;
  time: bigint;
  value: number;
  /** Whether what follows was told of it, and not of its end. */
  isTold: boolean;
}

export interface Scores {
  groupOf(series: Series): Group;
  /** Undefined where there is no room for more. */
  memberOf(series: Series, group: Group): Member | undefined;
  /** Takes a point into the score. */
  update(member: Member, batch: MetricBatch, row: number): void;
  /** The series ended: it holds no place any more. */
  end(member: Member): void;
  /** Gives the places of these groups anew, after the points of the batch of this number were taken. */
  rank(groups: readonly Group[], receiver: string, batchNumber: number, now_ms: number): void;
  /** Forgets what has not been seen for long; returns whether there was something. */
  sweep(now_ms: number): boolean;
}

/** A pushed series keeps its place for so many windows without a point. */
const ABSENT_WINDOWS = 5;

export function createScores(options: ScoresOptions): Scores {
  const { rankBy, isLowestFirst, groupBy, window_ms, maxSeries, staleness_ms } = options;
  const groups = new Map<string, Group>();
  let count = 0;

  function groupOf(series: Series): Group {
    const { metric, attributes } = series;
    const grouped: Record<string, AnyValue> = {};
    for (const key of groupBy) if (Object.hasOwn(attributes, key)) grouped[key] = attributes[key]!;
    const key = `${streamKey(series)}${attributesKey(grouped)}`;
    let group = groups.get(key);
    if (group === undefined) {
      const remainder = new Remainder(series, { ...grouped, ...options.remainderAttributes });
      const rises = metric.kind !== 'gauge' && (metric.isMonotonic || metric.kind !== 'sum');
      const isRate = rankBy === 'rate' || (rankBy === 'auto' && rises);
      group = { members: new Map(), remainder, isRate, version: 0, ranked_ms: 0, hasNewcomer: true, seen_ms: 0 };
      groups.set(key, group);
    }
    return group;
  }

  function remove(member: Member): void {
    const { group, key } = member;
    if (group.members.get(key) !== member) return;
    group.members.delete(key);
    count--;
    if (member.isIn) group.version++;
    member.isIn = false;
    group.hasNewcomer = true;
  }

  /** Most points of a batch are as long after the ones before. */
  const elapsed = { from: 0n, to: 0n, seconds: 0, share: 0 };
  function elapsedBetween(from: bigint, to: bigint): number {
    if (from !== elapsed.from || to !== elapsed.to) {
      elapsed.from = from;
      elapsed.to = to;
      elapsed.seconds = from === 0n || from >= to ? 0 : Number(to - from) / 1e9;
      elapsed.share = -Math.expm1((-elapsed.seconds * 1000) / window_ms);
    }
    return elapsed.seconds;
  }

  return {
    groupOf,
    memberOf({ key }, group) {
      let member = group.members.get(key);
      if (member !== undefined) return member;
      if (count >= maxSeries) return undefined;
      member = {
        group,
        key,
        receiver: '',
        seenIn: 0,
        seen_ms: 0,
        time: 0n,
        value: NaN,
        isTold: false,
        score: -Infinity,
        isIn: false,
        since_ms: 0,
      };
      group.members.set(key, member);
      group.hasNewcomer = true;
      count++;
      return member;
    },
    update(member, batch, row) {
      const { metric, startTime } = batch.series[row]!;
      const point = batch.points?.[row];
      const value = point === undefined ? batch.values[row]! : Number(point.count);
      const time = batch.times?.[row] ?? batch.time;
      const isFirst = Number.isNaN(member.value);
      if (Number.isNaN(value) || (!isFirst && time <= member.time)) return;
      // A counter's first rate is that since its start.
      const elapsed_s = elapsedBetween(isFirst ? startTime : member.time, time);
      let amount = value;
      if (member.group.isRate) {
        const isDelta = metric.temporality === 'delta';
        const rise = isDelta || isFirst || value < member.value ? value : value - member.value;
        amount = elapsed_s === 0 ? 0 : rise / elapsed_s;
      }
      if (isLowestFirst) amount = -amount;
      member.score = isFirst ? amount : member.score + elapsed.share * (amount - member.score);
      member.value = value;
      member.time = time;
    },
    end: remove,
    rank(ofBatch, receiver, batchNumber, now_ms) {
      for (const group of ofBatch) {
        group.seen_ms = now_ms;
        if (!group.hasNewcomer && receiver === '' && now_ms - group.ranked_ms < window_ms / 10) continue;
        const candidates: Member[] = [];
        for (const member of group.members.values()) {
          const isAbsent =
            member.receiver === '' || member.receiver !== receiver
              ? now_ms - member.seen_ms > ABSENT_WINDOWS * window_ms
              : member.seenIn !== batchNumber;
          if (!isAbsent) candidates.push(member);
          else if (member.isIn) {
            member.isIn = false;
            group.version++;
          }
        }
        if (rank(candidates, options, now_ms)) group.version++;
        group.ranked_ms = now_ms;
        group.hasNewcomer = false;
      }
    },
    sweep(now_ms) {
      let hasForgotten = false;
      for (const [key, group] of groups) {
        for (const member of group.members.values()) {
          if (now_ms - member.seen_ms <= staleness_ms) continue;
          remove(member);
          hasForgotten = true;
        }
        if (group.members.size > 0 || now_ms - group.seen_ms <= staleness_ms) continue;
        groups.delete(key);
        hasForgotten = true;
      }
      return hasForgotten;
    },
  };
}
