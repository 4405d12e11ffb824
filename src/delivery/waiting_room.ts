/** Where those wait who hand over to a queue that is full (`on_full: block`): in order, and not for ever. */
import type { ComponentFigures } from '../component.ts';
import { RetryableError } from '../errors.ts';
import type { Clock } from './clock.ts';
import type { NewBlock } from './store.ts';

export interface WaitingRoomOptions {
  readonly figures: ComponentFigures;
  readonly clock: Clock;
  hasRoom(block: NewBlock): boolean;
  put(block: NewBlock): Promise<void> | void;
  /** Somebody was refused. */
  onRefused(): void;
}

export interface WaitingRoom {
  readonly isEmpty: boolean;
  /**
   * Resolves when the block was put.
   * @throws {RetryableError} it was not
   */
  wait(block: NewBlock): Promise<void>;
  /** Puts what there is room for. */
  admit(): void;
  /** Refuses all who wait. */
  close(): void;
}

/**
 * Who sends by OTLP waits 5 s (Collector) to 10 s (SDKs) for an answer, and then sends the same again: what it has given
 * up must not be queued later, too.
 */
export const PATIENCE_MS = 4000;

interface Visitor {
  readonly block: NewBlock;
  readonly done: PromiseWithResolvers<void>;
  readonly callOff: () => void;
}

export function createWaitingRoom({ figures, clock, hasRoom, put, onRefused }: WaitingRoomOptions): WaitingRoom {
  let visitors: Visitor[] = [];
  /** Somebody waited in vain: until somebody is admitted nobody else does, or those in a line would wait one after the other. */
  let isHopeless = false;

  function refuse({ block, done, callOff }: Visitor, found: string): void {
    callOff();
    figures.refused += block.count;
    done.reject(new RetryableError(`Cannot take ${block.signal}: ${found}`));
  }

  return {
    get isEmpty() {
      return visitors.length === 0;
    },
    wait(block) {
      const done = Promise.withResolvers<void>();
      const callOff = clock.after(isHopeless ? 0 : PATIENCE_MS, () => {
        isHopeless = true;
        visitors = visitors.filter((other) => other !== visitor);
        refuse(visitor, 'the queue is full');
        onRefused();
      });
      const visitor: Visitor = { block, done, callOff };
      visitors.push(visitor);
      return done.promise;
    },
    admit() {
      const waiting = visitors;
      visitors = [];
      for (const [index, { block, done, callOff }] of waiting.entries()) {
        if (!hasRoom(block)) {
          visitors = [...waiting.slice(index), ...visitors];
          return;
        }
        callOff();
        isHopeless = false;
        done.resolve(put(block));
      }
    },
    close() {
      for (const visitor of visitors.splice(0)) refuse(visitor, 'the exporter is stopping');
    },
  };
}
