import type { PushExporter } from '../../src/component.ts';

/** One of OTLP's ways to a back end. */
export type Transport = Required<Pick<PushExporter, 'send' | 'start' | 'stop'>>;
