import type { AnyExporterDefinition, Loaders } from '../src/component.ts';

/** Every exporter, by type, loaded only where one is configured. */
export const exporters: Loaders<AnyExporterDefinition> = {
  debug: () => import('./debug.ts'),
  elasticsearch: () => import('./elasticsearch.ts'),
  file: () => import('./file.ts'),
  graphite: () => import('./graphite.ts'),
  influxdb: () => import('./influxdb.ts'),
  kafka: () => import('./kafka.ts'),
  loki: () => import('./loki.ts'),
  nats: () => import('./nats.ts'),
  otlp: () => import('./otlp.ts'),
  prometheus: () => import('./prometheus.ts'),
  prometheusremotewrite: () => import('./prometheusremotewrite.ts'),
  sdk: () => import('./sdk.ts'),
  store: () => import('./store.ts'),
  stream: () => import('./stream.ts'),
};
