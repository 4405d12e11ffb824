/** What a metric of OpenTelemetry is to Prometheus: its name and its type. */
import type { Metric } from '../model/batch.ts';
import { translateMetricName, type NameOptions } from './names.ts';
import { TARGET_INFO } from './target_info.ts';

export type PrometheusType = 'counter' | 'gauge' | 'histogram' | 'summary' | 'unknown' | 'info';

/** The name, or why there is none. */
export function translateMetric(
  metric: Metric,
  names: NameOptions,
): { readonly name: string } | { readonly reason: 'delta_temporality' | 'invalid_name' } {
  // Prometheus adds nothing up: it would take each delta for the whole.
  if (metric.temporality === 'delta') return { reason: 'delta_temporality' };
  if (metric === TARGET_INFO) return metric;
  const { name, unit, kind } = metric;
  const translated = translateMetricName(
    { name, unit, isCounter: isCounter(metric), isGauge: kind === 'gauge' },
    names,
  );
  return translated === undefined ? { reason: 'invalid_name' } : { name: translated };
}

/** The type; `prometheus.type` in the metadata says what OpenTelemetry has no kind for. */
export function typeOf(metric: Metric, name: string): PrometheusType {
  switch (metric.kind) {
    case 'histogram':
    case 'exponential_histogram':
      return 'histogram';
    case 'summary':
      return 'summary';
    case 'gauge':
    case 'sum': {
      if (isCounter(metric)) return 'counter';
      const told = metric.metadata?.['prometheus.type'];
      if (told === 'unknown') return 'unknown';
      return told === 'info' && name.endsWith('_info') ? 'info' : 'gauge';
    }
  }
}

function isCounter({ kind, isMonotonic, temporality }: Metric): boolean {
  return kind === 'sum' && isMonotonic && temporality === 'cumulative';
}
