import type { AnyProcessorDefinition, Loaders } from '../src/component.ts';

/** Every processor, by type, loaded only where one is configured. */
export const processors: Loaders<AnyProcessorDefinition> = {
  alert_rules: () => import('./alert_rules/index.ts'),
  anomaly: () => import('./anomaly/index.ts'),
  attributes: () => import('./attributes.ts'),
  batch: () => import('./batch.ts'),
  cardinality_limit: () => import('./cardinality_limit/index.ts'),
  cumulativetodelta: () => import('./cumulativetodelta.ts'),
  delta: () => import('./delta.ts'),
  deltatorate: () => import('./deltatorate.ts'),
  filter: () => import('./filter.ts'),
  interval: () => import('./interval/index.ts'),
  log_dedup: () => import('./log_dedup/index.ts'),
  memory_limiter: () => import('./memory_limiter.ts'),
  probabilistic_sampler: () => import('./probabilistic_sampler/index.ts'),
  rate_limit: () => import('./rate_limit/index.ts'),
  redaction: () => import('./redaction/index.ts'),
  resource: () => import('./resource.ts'),
  resourcedetection: () => import('./resourcedetection/index.ts'),
  severity: () => import('./severity/index.ts'),
  top_k: () => import('./top_k/index.ts'),
};
