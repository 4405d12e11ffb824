/** Keeps the series that are most, and makes one remainder of all others. */
import * as v from 'valibot';
import { defineProcessor } from '../../src/component.ts';
import { duration, option, positiveDuration } from '../../src/config/options.ts';
import { NO_RECORDED_VALUE, type MetricBatch, type Series } from '../../src/model/batch.ts';
import { createFold, type Place, type Placement } from '../../src/model/fold.ts';
import { perLayout } from '../../src/model/layout.ts';
import { metricSelection, selectSeries } from '../../src/text/selection.ts';
import { createEndings } from './endings.ts';
import { createScores, type Group, type Member } from './scores.ts';

const STALENESS_MS = 3_600_000;

export default defineProcessor({
  type: 'top_k',
  about:
    'Of each metric, keeps the k series that are most over a window, and adds the others up in one with ' +
    'otel.metric.overflow=true, so that totals stay: what rises outside the first k is in it, whoever comes in or goes out. ' +
    'Gauges outside are left out, counted as top_k, unless gauges says how they are combined. Summaries pass.',
  signals: ['metrics'],
  isStateful: true,
  config: v.strictObject({
    k: option(v.pipe(v.number(), v.integer(), v.minValue(1)), 'Series that are kept of each metric and group.', 10),
    group_by: option(
      v.array(v.pipe(v.string(), v.minLength(1))),
      'Attributes: for each combination of their values there are k series and a remainder, which has them, too.',
      [],
    ),
    rank_by: option(
      v.picklist(['auto', 'value', 'rate']),
      'What makes a series more: its value, or what it rises a second; auto is the rate for counters and histograms.',
      'auto',
    ),
    order: option(v.picklist(['highest', 'lowest']), 'Which series are kept.', 'highest'),
    window: option(positiveDuration(), 'Values and rates are smoothed over this time.', '1m'),
    hysteresis: option(
      v.pipe(v.number(), v.minValue(0)),
      'By which share a series must exceed the one whose place it takes.',
      0.2,
    ),
    min_stay: option(duration(), 'For so long a series that came in keeps its place.', '1m'),
    gauges: option(
      v.picklist(['drop', 'sum', 'avg', 'min', 'max']),
      'What becomes of gauges that are not kept: they are left out, or one value is made of all.',
      'drop',
    ),
    remainder_attributes: option(
      v.pipe(
        v.record(v.string(), v.union([v.string(), v.boolean(), v.number()])),
        v.check((attributes) => Object.keys(attributes).length > 0, 'at least one attribute'),
      ),
      'Attributes by which the remainder is told apart.',
      { 'otel.metric.overflow': true },
    ),
    max_series: option(
      v.pipe(v.number(), v.integer(), v.minValue(1)),
      'Series that are remembered at most, some 500 bytes each; counters beyond are left out, counted as series_limit.',
      50_000,
    ),
    metrics: option(v.strictObject(metricSelection), 'Which series are ranked; the others pass.', {}),
  }),
  create({ config, next, own, drop, log }) {
    const isMeant = selectSeries(config.metrics);
    const now = (): number => performance.now();
    const scores = createScores({
      places: config.k,
      hysteresis: config.hysteresis,
      minStay_ms: config.min_stay,
      rankBy: config.rank_by,
      isLowestFirst: config.order === 'lowest',
      groupBy: config.group_by,
      remainderAttributes: config.remainder_attributes,
      window_ms: config.window,
      maxSeries: config.max_series,
      staleness_ms: STALENESS_MS,
    });
    const { fold } = createFold({
      gauges: config.gauges === 'drop' ? 'sum' : config.gauges,
      tracksKept: true,
      maxStreams: config.max_series,
      staleness_ms: STALENESS_MS,
      since: BigInt(Date.now()) * 1_000_000n,
      now,
    });
    const endings = createEndings(own);
    let batchNumber = 0;
    let swept_ms = now();
    /** Another number whenever members were forgotten, so that they are looked up again. */
    let epoch = 0;

    const isRanked = (series: Series): boolean => series.metric.kind !== 'summary' && isMeant(series) === true;

    /** Whether there is no remainder. */
    function isLeftOut({ remainder }: Group): boolean {
      return remainder.kind === 'gauge' && config.gauges === 'drop';
    }

    function planOf(layout: MetricBatch['series']): Plan {
      const groups = new Set<Group>();
      const ofRow = layout.map((series) => {
        if (!isRanked(series)) return undefined;
        const group = scores.groupOf(series);
        groups.add(group);
        // What is a remainder already, made before, is in this one: two series would have its name.
        const isRemainder = series.key === group.remainder.series.key && !isLeftOut(group);
        return { group, member: isRemainder ? undefined : scores.memberOf(series, group) };
      });
      return { ofRow, groups: [...groups], epoch, versions: -1, placement: { places: [] } };
    }
    const slotOf = perLayout((layout): { plan: Plan } => ({ plan: planOf(layout) }));

    function placeOf(each: Row | undefined): Place {
      if (each === undefined || each.member?.isIn === true) return 'keep';
      return isLeftOut(each.group) ? 'drop' : each.group.remainder;
    }

    /** The places of all rows, and the end of what was told of and loses its place; that of counters is told by `fold`. */
    function place(plan: Plan, batch: MetricBatch): Placement {
      const ended: Series[] = [];
      const places = plan.ofRow.map((each, row): Place => {
        const chosen = placeOf(each);
        if (each?.member === undefined || isEnded(batch, row)) return chosen;
        if (chosen !== 'keep' && each.member.isTold && each.group.remainder.kind !== 'counter')
          ended.push(batch.series[row]!);
        each.member.isTold = chosen === 'keep';
        return chosen;
      });
      endings.add(ended, batch.time);
      return { places };
    }

    /** Ends go on, of what was told of. */
    function placeEnded({ ofRow, placement }: Plan, batch: MetricBatch): Placement {
      const places = placement.places.map((chosen, row): Place => {
        const member = ofRow[row]?.member;
        if (member === undefined || !isEnded(batch, row)) return chosen;
        return member.isTold ? 'keep' : placeOf(ofRow[row]);
      });
      return { places };
    }

    function score(plan: Plan, batch: MetricBatch, receiver: string, now_ms: number): void {
      batchNumber++;
      const { ofRow } = plan;
      for (let row = 0; row < ofRow.length; row++) {
        const member = ofRow[row]?.member;
        if (member === undefined || isEnded(batch, row)) continue;
        member.seenIn = batchNumber;
        member.seen_ms = now_ms;
        member.receiver = receiver;
        scores.update(member, batch, row);
      }
      scores.rank(plan.groups, receiver, batchNumber, now_ms);
    }

    function sweep(now_ms: number): void {
      if (now_ms - swept_ms < STALENESS_MS / 4) return;
      swept_ms = now_ms;
      if (scores.sweep(now_ms)) epoch++;
    }

    function consumeMetrics(batch: MetricBatch): Promise<void> | void {
      const now_ms = now();
      sweep(now_ms);
      const slot = slotOf(batch.series);
      if (slot.plan.epoch !== epoch) slot.plan = planOf(batch.series);
      const { plan } = slot;
      if (plan.groups.length === 0) return next.consume(batch);
      score(plan, batch, batch.collection?.receiver ?? '', now_ms);
      const versions = plan.groups.reduce((sum, { version }) => sum + version, 0);
      if (plan.versions !== versions) {
        plan.versions = versions;
        plan.placement = place(plan, batch);
      }
      const placement = batch.flags === undefined ? plan.placement : placeEnded(plan, batch);
      const { batch: folded, merged, unmergeable, untracked, ended } = fold(batch, placement);
      const left = batch.count - folded.count - merged - unmergeable - untracked;
      for (const [reason, count] of [
        ['merged', merged],
        ['top_k', left],
        ['not_mergeable', unmergeable],
        ['series_limit', untracked],
      ] as const) {
        if (count > 0) drop(reason, count);
      }
      if (untracked > 0)
        log.once('series_limit', `Cannot remember more than ${config.max_series} series: counters beyond are left out`);
      if (batch.flags !== undefined) forgetEnded(plan, batch);
      endings.add(ended, batch.time);
      if (folded.count === 0 && batch.count > 0 && batch.collection === undefined) return undefined;
      return next.consume(folded);
    }

    function forgetEnded(plan: Plan, batch: MetricBatch): void {
      let hasEnded = false;
      plan.ofRow.forEach((each, row) => {
        if (each?.member === undefined || !isEnded(batch, row)) return;
        scores.end(each.member);
        hasEnded = true;
      });
      if (hasEnded) epoch++;
    }

    return {
      consume: (batch) => (batch.signal === 'metrics' ? consumeMetrics(batch) : next.consume(batch)),
      stop: () => endings.stop(),
    };
  },
});

function isEnded({ flags }: MetricBatch, row: number): boolean {
  return flags !== undefined && (flags[row]! & NO_RECORDED_VALUE) !== 0;
}

interface Row {
  readonly group: Group;
  /** Undefined where there was no room for it, or it is a remainder itself. */
  readonly member: Member | undefined;
}

/** What is known of a layout. */
interface Plan {
  readonly ofRow: readonly (Row | undefined)[];
  readonly groups: readonly Group[];
  readonly epoch: number;
  /** Sum of the versions of its groups, for which `placement` was made. */
  versions: number;
  placement: Placement;
}
