import type { PushExporter } from '../../src/component.ts';

/** One of OTLP's ways to a back end. */
export interface Transport extends Required<Pick<PushExporter, 'send' | 'start' | 'stop'>> {
  /** Whether nobody reads from such a body any more once `send` has settled, or was aborted. */
  canRelease(body: Uint8Array): boolean;
}
