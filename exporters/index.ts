import type { AnyExporterDefinition } from '../src/component.ts';
import debug from './debug.ts';
import elasticsearch from './elasticsearch.ts';
import file from './file.ts';
import graphite from './graphite.ts';
import influxdb from './influxdb.ts';
import kafka from './kafka.ts';
import loki from './loki.ts';
import nats from './nats.ts';
import otlp from './otlp.ts';
import prometheus from './prometheus.ts';
import prometheusremotewrite from './prometheusremotewrite.ts';
import sdk from './sdk.ts';

/** Every exporter, by name. */
export const exporters: readonly AnyExporterDefinition[] = [
  debug,
  elasticsearch,
  file,
  graphite,
  influxdb,
  kafka,
  loki,
  nats,
  otlp,
  prometheus,
  prometheusremotewrite,
  sdk,
];
