/** Limits how many series a metric has, and how many values an attribute. */
import { metrics } from '@opentelemetry/api';
import * as v from 'valibot';
import { defineProcessor } from '../../src/component.ts';
import { option, optional, positiveDuration } from '../../src/config/options.ts';
import type { MetricBatch } from '../../src/model/batch.ts';
import { createFold, type Placement } from '../../src/model/fold.ts';
import { perLayout, type Layout } from '../../src/model/layout.ts';
import { createNameFilter, globs } from '../../src/text/name_filter.ts';
import { createAdmission, type Limits } from './admission.ts';
import { createOffenders, type Seen } from './offenders.ts';

/** A counter that was beyond a limit is known for so long, so that nothing of it is told twice when there is room for it. */
const REMEMBERED_MS = 3_600_000;

const limit = v.pipe(v.number(), v.integer(), v.minValue(0));

const attributeLimits = v.record(v.string(), limit);

export default defineProcessor({
  type: 'cardinality_limit',
  about:
    'Limits how many series a metric has and how many values an attribute has. What comes first is within the limit until ' +
    'it expires; the rest is one series with otel.metric.overflow=true, in which counters are added up so that totals stay, ' +
    'or is left out, counted as cardinality_limit. The log and sonde.cardinality.* say which metric and which attribute it is.',
  signals: ['metrics'],
  isStateful: true,
  config: v.strictObject({
    max_series: option(limit, 'Most series of a metric, over all resources; 0 is no limit.', 2000),
    max_values: option(
      limit,
      'Most values of each attribute of a metric; 0 is no limit. Series with a further value become one without that attribute.',
      0,
    ),
    attributes: option(
      attributeLimits,
      'Most values of single attributes of each metric, by name of the attribute.',
      {},
    ),
    overrides: option(
      v.array(
        v.strictObject({
          metrics: v.pipe(globs(), v.minLength(1), v.description('Names of the metrics that it is for, as globs.')),
          max_series: optional(limit, 'Most series of each; what holds for all if left out.'),
          max_values: optional(limit, 'Most values of each attribute.'),
          attributes: optional(attributeLimits, 'Most values of single attributes.'),
        }),
      ),
      'Limits of single metrics; the first that fits a name holds for it.',
      [],
    ),
    action: option(
      v.picklist(['overflow', 'drop']),
      'What becomes of series beyond a limit: they are one series, or are left out.',
      'overflow',
    ),
    gauges: option(v.picklist(['avg', 'sum', 'min', 'max']), 'How gauges beyond a limit become one value.', 'avg'),
    expiry: option(positiveDuration(), 'A series or value not seen for so long makes room for another.', '10m'),
    max_tracked: option(
      v.pipe(v.number(), v.integer(), v.minValue(1)),
      'Series and values that are remembered at most in all, some 400 bytes each, and as many counters that are beyond limits.',
      100_000,
    ),
  }),
  create({ id, config, next, drop, log, pipeline }) {
    const now = (): number => performance.now();
    const offenders = createOffenders(log, { 'sonde.component.id': id, 'sonde.pipeline.name': pipeline });
    const admission = createAdmission({
      limitsOf: createLimits(config),
      drops: config.action === 'drop',
      maxTracked: config.max_tracked,
      offenders,
    });
    const { fold, forget } = createFold({
      gauges: config.gauges,
      tracksKept: false,
      maxStreams: config.max_tracked,
      staleness_ms: Math.max(config.expiry, REMEMBERED_MS),
      since: BigInt(Date.now()) * 1_000_000n,
      now,
    });
    let swept_ms = now();
    /** Another number whenever there is room again. */
    let epoch = 0;
    let withdraw = (): void => {};

    const slotOf = perLayout((layout) => ({ plan: planOf(layout, undefined) }));

    function planOf(layout: Layout, before: Plan | undefined): Plan {
      const now_ms = now();
      const uses = new Set<Seen>();
      const places = layout.map((series) => {
        const decision = admission.decide(series, now_ms);
        for (const use of decision.uses) uses.add(use);
        return decision.place;
      });
      const isSame = before !== undefined && places.every((place, row) => place === before.placement.places[row]);
      return {
        placement: isSame ? before.placement : { places },
        isLimited: places.some((place) => place !== 'keep'),
        uses,
        epoch,
        used_ms: now_ms,
      };
    }

    /** What is in the layout does not expire as long as it comes. */
    function use(plan: Plan, now_ms: number): void {
      if (now_ms - plan.used_ms < config.expiry / 8) return;
      plan.used_ms = now_ms;
      for (const admitted of plan.uses) admitted.seen_ms = now_ms;
    }

    function sweep(batch: MetricBatch, now_ms: number): void {
      if (now_ms - swept_ms < config.expiry / 4) return;
      swept_ms = now_ms;
      offenders.sweep(now_ms - config.expiry);
      if (!admission.sweep(now_ms - config.expiry)) return;
      epoch++;
      // What expired may come back beyond the limit: what it counted until then was told.
      forget(batch.time - BigInt(Math.floor(config.expiry)) * 1_000_000n);
    }

    function consumeMetrics(batch: MetricBatch): Promise<void> | void {
      const now_ms = now();
      const slot = slotOf(batch.series);
      use(slot.plan, now_ms);
      sweep(batch, now_ms);
      if (slot.plan.epoch !== epoch) slot.plan = planOf(batch.series, slot.plan);
      const { plan } = slot;
      const { batch: folded, merged, unmergeable, untracked } = fold(batch, plan.placement);
      if (plan.isLimited) count(plan, batch.count - folded.count, merged, unmergeable, untracked);
      if (folded.count === 0 && batch.count > 0 && batch.collection === undefined) return undefined;
      return next.consume(folded);
    }

    function count(plan: Plan, gone: number, merged: number, unmergeable: number, untracked: number): void {
      const left = gone - merged - unmergeable;
      if (merged > 0) drop('merged', merged);
      if (unmergeable > 0) drop('not_mergeable', unmergeable);
      if (left > 0) drop('cardinality_limit', left);
      offenders.count(plan.placement.places.reduce((sum, place) => (place === 'keep' ? sum : sum + 1), 0));
      if (untracked > 0) {
        log.once('max_tracked', `Cannot remember more than ${config.max_tracked} counters: further ones are left out`);
      }
    }

    return {
      consume: (batch) => (batch.signal === 'metrics' ? consumeMetrics(batch) : next.consume(batch)),
      start() {
        withdraw = offenders.publish(metrics.getMeter('sonde.processor.cardinality_limit'));
      },
      stop: () => withdraw(),
    };
  },
});

/** What is known of a layout. */
interface Plan {
  readonly placement: Placement;
  readonly isLimited: boolean;
  readonly uses: ReadonlySet<Seen>;
  readonly epoch: number;
  used_ms: number;
}

interface Config extends Limits {
  readonly overrides: readonly ({ readonly metrics: readonly string[] } & {
    readonly [K in keyof Limits]?: Limits[K] | undefined;
  })[];
}

function createLimits({ max_series, max_values, attributes, overrides }: Config): (metric: string) => Limits {
  const compiled = overrides.map((override) => ({ override, fits: createNameFilter(override.metrics, []) }));
  return (metric) => {
    const override = compiled.find(({ fits }) => fits(metric))?.override;
    return {
      max_series: override?.max_series ?? max_series,
      max_values: override?.max_values ?? max_values,
      attributes: { ...attributes, ...override?.attributes },
    };
  };
}
