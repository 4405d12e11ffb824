import type { AggregationTemporality, InstrumentType } from '@opentelemetry/sdk-metrics';
import type { MetricKind } from '../../src/model/batch.ts';
import type { SdkExporter } from './load.ts';

const DELTA: AggregationTemporality.DELTA = 0;

/** Whether the exporter asks for what was added since the last time instead of totals. */
export function wantsDelta(exporter: SdkExporter, kind: MetricKind): boolean {
  const instrument = kind === 'sum' ? 'OBSERVABLE_COUNTER' : 'HISTOGRAM';
  return exporter.selectAggregationTemporality?.(instrument as InstrumentType) === DELTA;
}
