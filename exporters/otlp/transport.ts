import type { PushExporter } from '../../src/component.ts';

/** One of OTLP's ways to a back end. */
export interface Transport extends Required<Pick<PushExporter, 'send' | 'start' | 'stop'>> {
  /** Whether `send` does not touch such a body any more once it has returned its promise. */
  copies(body: Uint8Array): boolean;
}
