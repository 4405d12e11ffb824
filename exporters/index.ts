import type { AnyExporterDefinition } from '../src/component.ts';
import debug from './debug.ts';
import file from './file.ts';
import loki from './loki.ts';
import otlp from './otlp.ts';
import prometheus from './prometheus.ts';
import sdk from './sdk.ts';

/** Every exporter, by name. */
export const exporters: readonly AnyExporterDefinition[] = [debug, file, loki, otlp, prometheus, sdk];
