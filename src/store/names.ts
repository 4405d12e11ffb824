/** The names and labels of what comes in batches, as the Prometheus exporter shows them. */
import { NO_ATTRIBUTES } from '../model/attributes.ts';
import { Series, type Metric, type Resource } from '../model/batch.ts';
import { canonicalNumber } from '../prometheus/canonical_number.ts';
import type { Distribution } from '../prometheus/distributions.ts';
import { createLabels, isSameResource } from '../prometheus/labels.ts';
import { translateMetric, typeOf } from '../prometheus/metrics.ts';
import { translateUnit } from '../prometheus/names.ts';
import { TARGET_INFO, targetAttributes } from '../prometheus/target_info.ts';
import type { MetricMetadata } from './queryable.ts';
import { toPairs, type Pairs } from './series_table.ts';
import type { Refusal, Translation } from './series_store.ts';

const NO_SCOPE = { name: '', version: '', attributes: NO_ATTRIBUTES, schemaUrl: '' };

export interface Names {
  /** What a metric is called, or why it cannot be kept. */
  of(metric: Metric): MetricMetadata | Refusal;
  /** Labels of a series of numbers. */
  pairs(name: string, series: Series): Pairs;
  /** Labels of the series that a histogram or summary is, in the order of {@link distributionValues}. */
  distributionPairs(name: string, series: Series, shape: Distribution): Pairs[];
  /** The `target_info` of a resource; undefined where it has nothing to say. */
  targetInfo(resource: Resource): Pairs | undefined;
}

export function createNames(translation: Translation): Names {
  const { strategy, namespace, hasScopeLabels, promoted, constant, ownResource } = translation;
  // Bounds as Prometheus keeps them, whichever format they came in: `1.0`, `0.25`, `+Inf`.
  const boundText = (bound: number): string => canonicalNumber(bound, true);
  const labels = createLabels(
    { strategy, hasScopeLabels, promoted, constant, ownResource, isPushed: false },
    'allow-utf-8',
  );
  const known = new WeakMap<Metric, MetricMetadata | Refusal>();

  function describe(metric: Metric): MetricMetadata | Refusal {
    const translated = translateMetric(metric, { strategy, namespace });
    if ('reason' in translated) return translated.reason;
    const { name } = translated;
    const unit = translateUnit(metric.unit);
    return { name, type: typeOf(metric, name), help: metric.description.toWellFormed(), unit };
  }

  const pairs = (name: string, series: Series): Pairs => toPairs([['__name__', name], ...labels.of(series)]);

  return {
    pairs,
    of(metric) {
      let found = known.get(metric);
      if (found === undefined) known.set(metric, (found = describe(metric)));
      return found;
    },
    distributionPairs(name, series, { edges, sum }) {
      const own = [...labels.of(series)];
      const isSummary = series.metric.kind === 'summary';
      const edgeName = isSummary ? name : `${name}_bucket`;
      const edgeLabel = isSummary ? 'quantile' : 'le';
      const all = (isSummary ? edges : [...edges, Infinity]).map((edge) =>
        toPairs([...own, ['__name__', edgeName], [edgeLabel, boundText(edge)]]),
      );
      if (sum !== undefined) all.push(toPairs([...own, ['__name__', `${name}_sum`]]));
      all.push(toPairs([...own, ['__name__', `${name}_count`]]));
      return all;
    },
    targetInfo(resource) {
      const isOwn = isSameResource(resource, ownResource);
      const attributes = isOwn ? resource.attributes : targetAttributes(resource);
      if (attributes === undefined) return undefined;
      return pairs(TARGET_INFO.name, new Series(resource, NO_SCOPE, TARGET_INFO, attributes, 0n));
    },
  };
}

/** The numbers of a histogram or summary, one for each of its series, into `values`. */
export function distributionValues(isSummary: boolean, shape: Distribution, values: number[]): void {
  values.length = 0;
  for (const value of shape.values) values.push(value);
  if (!isSummary) values.push(shape.count);
  if (shape.sum !== undefined) values.push(shape.sum);
  values.push(shape.count);
}
