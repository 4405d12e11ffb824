import { join } from 'node:path';
import type { AnyDefinition } from './conformance.ts';

/** The options without which a component cannot be, where it has such. */
const MINIMAL: Readonly<Record<string, object>> = {
  'receiver journald': {
    journalctl: join(import.meta.dirname, '../data/journald/idle'),
    position_file: '/nowhere/journald.json',
  },
  'receiver kmsg': { position_file: '/nowhere/kmsg.json' },
  'receiver syslog': { tcp: { endpoint: '127.0.0.1:0' } },
  'processor alert_rules': { rule_files: ['/nowhere/*.yaml'], state_file: '/nowhere/alerts.json' },
  'processor anomaly': { keep: false },
  'processor attributes': { actions: [{ key: 'k', action: 'upsert', value: 'w' }] },
  'processor delta': { metrics: ['g'] },
  'processor probabilistic_sampler': { sampling_percentage: 100 },
  'processor rate_limit': { records_per_second: 1 },
  'processor resource': { attributes: [{ key: 'k', action: 'upsert', value: 'w' }] },
  'exporter otlp': { endpoint: 'http://127.0.0.1:4318' },
  'exporter influxdb': { bucket: 'b' },
  'exporter file': { path: '/nowhere/telemetry.jsonl' },
  'exporter sdk': { package: '@opentelemetry/exporter-metrics-otlp-grpc', export: 'OTLPMetricExporter' },
};

export function minimalOf({ kind, type }: Pick<AnyDefinition, 'kind' | 'type'>): Readonly<Record<string, unknown>> {
  return (MINIMAL[`${kind} ${type}`] ?? {}) as Readonly<Record<string, unknown>>;
}
