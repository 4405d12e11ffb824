/** histogram_quantile and the other functions of histograms, classic and native. */
import type { Labels, NativeHistogram } from '../../store/queryable.ts';
import type { CallContext, WholeFunction } from '../functions.ts';
import { labelsKey, labelsWithout, quote } from '../labels.ts';
import { emptyColumns, pushFloat, type Vector } from '../values.ts';
import { positionOf, quotedName } from './annotate.ts';
import { classicFraction, classicQuantile, type ClassicBucket } from './classic_quantiles.ts';
import { nativeFraction, nativeQuantile, nativeVariance, type NanEffect } from './native_quantiles.ts';
import { invalidQuantile } from './quantile.ts';

/** Of each native histogram one number; floats are left out. */
const ofHistogram = (name: string, evaluate: (histogram: NativeHistogram) => number): WholeFunction => ({
  kind: 'whole',
  name,
  arguments: ['vector'],
  variadic: 0,
  returns: 'vector',
  dependsOnTime: false,
  evaluate([vector], context) {
    const result = emptyColumns();
    const { labels, histograms } = vector as Vector;
    for (const [row, histogram] of (histograms ?? []).entries()) {
      if (histogram !== undefined) pushFloat(result, context.withoutName(labels[row]!), evaluate(histogram));
    }
    return result;
  },
});

const histogramQuantile: WholeFunction = {
  kind: 'whole',
  name: 'histogram_quantile',
  arguments: ['scalar', 'vector'],
  variadic: 0,
  returns: 'vector',
  dependsOnTime: false,
  evaluate([scalar, vector], context) {
    const quantile = scalar as number;
    const { annotations } = context;
    const complaint = invalidQuantile(quantile);
    if (complaint !== undefined) annotations.warn(complaint, positionOf(context, 0));
    const { native, classic } = sortHistograms(vector as Vector, 1, context);
    const result = emptyColumns();
    for (const { labels, histogram } of native) {
      const { value, nanEffect } = nativeQuantile(quantile, histogram);
      noteNan(nanEffect, context);
      pushFloat(result, context.withoutName(labels), value);
    }
    for (const { labels, buckets } of classic) {
      const { value, wasForced } = classicQuantile(quantile, buckets);
      if (wasForced) annotations.info(`${FORCED} ${quotedName({ labels })}`, positionOf(context, 1));
      pushFloat(result, context.withoutName(labels), value);
    }
    return result;
  },
};

const FORCED =
  'input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for metric name';

/** Prometheus has dropped the name before it writes these. */
function noteNan(effect: NanEffect, context: CallContext): void {
  if (effect === 'none') return;
  const what = effect === 'result' ? 'result is NaN' : 'result is skewed higher';
  const text = `input to histogram_quantile has NaN observations, ${what} for metric name ""`;
  context.annotations.info(text, positionOf(context, 0));
}

const histogramFraction: WholeFunction = {
  kind: 'whole',
  name: 'histogram_fraction',
  arguments: ['scalar', 'scalar', 'vector'],
  variadic: 0,
  returns: 'vector',
  dependsOnTime: false,
  evaluate([low, high, vector], context) {
    const [lower, upper] = [low as number, high as number];
    const { native, classic } = sortHistograms(vector as Vector, 2, context);
    const result = emptyColumns();
    for (const { labels, histogram } of native) {
      const { value, hasNan } = nativeFraction(lower, upper, histogram);
      if (hasNan) context.annotations.info(EXCLUDED, positionOf(context, 0));
      pushFloat(result, context.withoutName(labels), value);
    }
    for (const { labels, buckets } of classic) {
      pushFloat(result, context.withoutName(labels), classicFraction(lower, upper, buckets));
    }
    return result;
  },
};

const EXCLUDED =
  'input to histogram_fraction has NaN observations, which are excluded from all fractions for metric name ""';

export const histogramFunctions = [
  ofHistogram('histogram_avg', ({ sum, count }) => sum / count),
  ofHistogram('histogram_count', ({ count }) => count),
  histogramFraction,
  histogramQuantile,
  ofHistogram('histogram_stddev', (histogram) => Math.sqrt(nativeVariance(histogram))),
  ofHistogram('histogram_stdvar', nativeVariance),
  ofHistogram('histogram_sum', ({ sum }) => sum),
] as const;

interface Sorted {
  readonly native: readonly { readonly labels: Labels; readonly histogram: NativeHistogram }[];
  readonly classic: Iterable<{ readonly labels: Labels; readonly buckets: readonly ClassicBucket[] }>;
}

/** A series of a classic histogram: what it has without `le`, and the bound. */
interface BucketSeries {
  readonly labels: Labels;
  readonly key: string;
  /** Of all labels, as a native histogram has them. */
  readonly wholeKey: string;
  /** Undefined where `le` is no number. */
  readonly upper: number | undefined;
}

/** Where a classic and a native histogram have the same labels, neither is looked at. */
function sortHistograms({ labels, values, histograms }: Vector, argument: number, context: CallContext): Sorted {
  const native: { readonly labels: Labels; readonly histogram: NativeHistogram; readonly key: string }[] = [];
  const classic = new Map<string, { readonly labels: Labels; readonly buckets: ClassicBucket[] }>();
  context.spend(values.length);
  for (const [row, value] of values.entries()) {
    const histogram = histograms?.[row];
    const own = labels[row]!;
    if (histogram !== undefined) {
      native.push({ labels: own, histogram, key: context.derive(own, parseBucketSeries).wholeKey });
      continue;
    }
    const series = context.derive(own, parseBucketSeries);
    if (series.upper === undefined) {
      warnBadBound(own, argument, context);
      continue;
    }
    const group = classic.get(series.key);
    if (group === undefined)
      classic.set(series.key, { labels: series.labels, buckets: [{ upper: series.upper, count: value }] });
    else group.buckets.push({ upper: series.upper, count: value });
  }
  const alone = native.filter(({ labels: own, key }) => {
    if (!classic.delete(key)) return true;
    const what = 'vector contains a mix of classic and native histograms for metric name';
    context.annotations.warn(`${what} ${quotedName({ labels: own })}`, positionOf(context, argument));
    return false;
  });
  return { native: alone, classic: classic.values() };
}

const LE: ReadonlySet<string> = new Set(['le']);

function parseBucketSeries(labels: Labels): BucketSeries {
  const rest = labels.has('le') ? labelsWithout(labels, LE) : labels;
  return { labels: rest, key: labelsKey(rest), wholeKey: labelsKey(labels), upper: parseBound(labels.get('le') ?? '') };
}

function warnBadBound(labels: Labels, argument: number, context: CallContext): void {
  const [bound, name] = [quote(labels.get('le') ?? ''), quotedName({ labels })];
  const what = `bucket label "le" is missing or has a malformed value of ${bound}`;
  context.annotations.warn(`${what} for metric name ${name}`, positionOf(context, argument));
}

/** As Go's strconv.ParseFloat reads `+Inf`, `5e-05` or `0x1p-2`; what is beyond the range of numbers is none. */
function parseBound(text: string): number | undefined {
  if (/^[+-]?inf(inity)?$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return Number.NaN;
  const hex = /^([+-]?)0x([0-9a-f]*)\.?([0-9a-f]*)p([+-]?\d+)$/i.exec(text);
  let value: number;
  if (hex !== null) {
    const [, sign, whole = '', part = '', power] = hex;
    if (whole === '' && part === '') return undefined;
    const magnitude = Number(`0x${whole}${part}`) * 2 ** (Number(power) - 4 * part.length);
    value = sign === '-' ? -magnitude : magnitude;
  } else {
    if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return undefined;
    value = Number(text);
  }
  return Number.isFinite(value) ? value : undefined;
}
