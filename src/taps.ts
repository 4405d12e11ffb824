/**
 * Who looks at what passes an edge of a pipeline (`sonde tap`). Where nobody looks there is nothing: the pipelines are
 * joined anew when someone begins or ends.
 */
import type { Consumer, PipelineFigures } from './component.ts';
import type { Batch } from './model/batch.ts';

/** Sees a batch before whoever is next has it; must not throw. */
export type Observe = (batch: Batch) => void;

export interface Taps {
  /** @returns what ends it; both take effect when pipelines are joined the next time */
  add(pipeline: string, point: string, observe: Observe): () => void;
  /** `consumer` itself, or one that shows each batch before. */
  at(pipeline: string, point: string, consumer: Consumer): Consumer;
  /** Whether anyone looks. */
  readonly isWatched: boolean;
}

/** The edges before the first and behind the last processor, but for those that only batch. */
export const FRONT = 'receivers';
export const END = 'exporters';

/** The names of a pipeline's edges: behind the receivers, behind each processor, before all exporters, before each. */
export function pointsOf({ processors, exporters }: PipelineFigures): readonly string[] {
  return [FRONT, ...processors, END, ...exporters];
}

export function createTaps(): Taps {
  const observers = new Map<string, Set<Observe>>();
  return {
    get isWatched() {
      return observers.size > 0;
    },
    add(pipeline, point, observe) {
      const key = `${pipeline} ${point}`;
      const here = observers.get(key) ?? new Set();
      observers.set(key, here.add(observe));
      return () => {
        here.delete(observe);
        if (here.size === 0 && observers.get(key) === here) observers.delete(key);
      };
    },
    at(pipeline, point, consumer) {
      const here = observers.get(`${pipeline} ${point}`);
      if (here === undefined) return consumer;
      return {
        consume(batch) {
          for (const observe of here) observe(batch);
          return consumer.consume(batch);
        },
      };
    },
  };
}
