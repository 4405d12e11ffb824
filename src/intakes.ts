/** Where a connector takes what other pipelines end with: it stands there as an exporter, and is counted as one. */
import type { ComponentFigures, Consumer, Receiver } from './component.ts';
import type { Signal } from './model/batch.ts';
import { counted, counting, createFigures } from './pipeline.ts';

export interface Intakes {
  /** Of a receiver that is no connector: empty. */
  readonly entries: ReadonlyMap<Signal, Consumer>;
  readonly figures: readonly ComponentFigures[];
}

export function createIntakes(id: string, takes: readonly Signal[], instance: Receiver): Intakes {
  const entries = new Map<Signal, Consumer>();
  const figures = takes.map((signal) => {
    const own = createFigures({ id, kind: 'exporter', signal, pipeline: undefined });
    const consumer: Consumer = { consume: (batch) => instance.consume?.(batch) };
    entries.set(signal, counted(counting(consumer, own), own));
    return own;
  });
  return { entries, figures };
}
