import type { AnyExporterDefinition } from '../src/component.ts';
import otlp from './otlp.ts';
import prometheus from './prometheus.ts';

/** Every exporter, by name. */
export const exporters: readonly AnyExporterDefinition[] = [otlp, prometheus];
