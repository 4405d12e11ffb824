/** The joints of a pipeline: a place whose occupant can change, the counting at each component, the fan-out. */
import type { ComponentFigures, Consumer, PipelineBooks } from './component.ts';
import type { Batch } from './model/batch.ts';

/** Where a component hands its batches to. What lies behind can be exchanged between two batches (reload). */
export class Outlet implements Consumer {
  target: Consumer | undefined;

  consume(batch: Batch): Promise<void> | void {
    return this.target?.consume(batch);
  }
}

/**
 * Counts what passes into `consumer`: accepted, or refused if it throws. What the consumer drops of a batch counts as
 * accepted at once, whatever becomes of the rest, so that accepted = sent + dropped holds for processors at any time.
 */
export function counted(consumer: Consumer, figures: ComponentFigures): Consumer {
  return {
    consume(batch) {
      const droppedBefore = sum(figures.dropped);
      let left = batch.count;
      const accept = (): void => void (figures.accepted += left);
      const refuse = (error: unknown): never => {
        figures.refused += left;
        throw error;
      };
      const countDropped = (): void => {
        const dropped = sum(figures.dropped) - droppedBefore;
        figures.accepted += dropped;
        left -= dropped;
      };
      let pending: Promise<void> | void;
      try {
        pending = consumer.consume(batch);
      } catch (error) {
        countDropped();
        return refuse(error);
      }
      countDropped();
      // Most consumers take a batch at once; a promise for nothing would be most of the cost.
      return pending === undefined ? accept() : pending.then(accept, refuse);
    },
  };
}

function sum(counts: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}

/** Counts what a component hands on and what follows takes. */
export function counting(outlet: Consumer, figures: Pick<ComponentFigures, 'sent'>): Consumer {
  return {
    consume(batch) {
      const count = (): void => void (figures.sent += batch.count);
      const pending = outlet.consume(batch);
      return pending === undefined ? count() : pending.then(count);
    },
  };
}

/** The front of a pipeline: keeps its books of what is handed in. What leaves it on the way is entered by {@link leave}. */
export function booked(front: Consumer, books: PipelineBooks): Consumer {
  return {
    consume(batch) {
      const goneBefore = books.gone;
      let left = batch.count;
      books.waiting += left;
      const settle = (outcome: 'accepted' | 'refused'): void => {
        books.waiting -= left;
        books[outcome] += left;
      };
      // As for a component: what was taken out is accepted, whatever becomes of the rest.
      const settleGone = (): void => {
        const gone = books.gone - goneBefore;
        books.waiting -= gone;
        books.accepted += gone;
        left -= gone;
      };
      const refuse = (error: unknown): never => {
        settle('refused');
        throw error;
      };
      let pending: Promise<void> | void;
      try {
        pending = front.consume(batch);
      } catch (error) {
        settleGone();
        return refuse(error);
      }
      settleGone();
      return pending === undefined ? settle('accepted') : pending.then(() => settle('accepted'), refuse);
    },
  };
}

const FILTERED = 'filtered';

/** Enters what a processor dropped: the reasons `filtered` and `filtered:RULE` as filtered. */
export function leave(books: PipelineBooks, reason: string, count: number): void {
  const isFiltered = reason === FILTERED || reason.startsWith(`${FILTERED}:`);
  if (isFiltered) add(books.filtered, reason.slice(FILTERED.length + 1), count);
  else add(books.dropped, reason, count);
  books.gone += count;
}

export function add(counts: Map<string, number>, key: string, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}

export function createBooks(): PipelineBooks {
  return { accepted: 0, refused: 0, sent: 0, dropped: new Map(), filtered: new Map(), gone: 0, waiting: 0 };
}

/** What a pull exporter is handed by one pipeline: its collections say by which they came. */
export function labelled(consumer: Consumer, pipeline: string): Consumer {
  return {
    consume(batch) {
      if (batch.signal !== 'metrics' || batch.collection === undefined) return consumer.consume(batch);
      return consumer.consume({ ...batch, collection: { ...batch.collection, pipeline } });
    },
  };
}

export interface Branch {
  readonly consumer: Consumer;
  /** Whether it also takes what was collected because someone asked. */
  readonly isPull: boolean;
}

/**
 * Hands a batch to every branch at once; resolves when all have it. A branch that refuses does not keep it from the
 * others; its error is thrown when they are done. Batches collected on demand, and empty collections (which tell that all
 * series are gone), go to pull exporters alone.
 */
export function fanOut(branches: readonly Branch[]): Consumer {
  const everyone = together(branches.map((branch) => branch.consumer));
  const pullers = together(branches.filter((branch) => branch.isPull).map((branch) => branch.consumer));
  return {
    consume(batch) {
      const isOnDemand = batch.signal === 'metrics' && batch.collection?.onDemand === true;
      return (isOnDemand || batch.count === 0 ? pullers : everyone).consume(batch);
    },
  };
}

/** Hands a batch to all of `consumers`, waits for all, and then throws what the first that refused threw. */
export function together(consumers: readonly Consumer[]): Consumer {
  if (consumers.length === 1) return consumers[0];
  return {
    consume(batch) {
      const refusals: unknown[] = [];
      const waiting: Promise<unknown>[] = [];
      for (const consumer of consumers) {
        try {
          const pending = consumer.consume(batch);
          if (pending !== undefined) waiting.push(pending.catch((error: unknown) => refusals.push(error)));
        } catch (error) {
          refusals.push(error);
        }
      }
      const settle = (): void => {
        if (refusals.length > 0) throw refusals[0];
      };
      return waiting.length === 0 ? settle() : Promise.all(waiting).then(settle);
    },
  };
}

export function createFigures(
  identity: Pick<ComponentFigures, 'id' | 'kind' | 'signal' | 'pipeline'>,
): ComponentFigures {
  return {
    ...identity,
    accepted: 0,
    refused: 0,
    sent: 0,
    failed: 0,
    dropped: new Map(),
    duration_s: 0,
    operations: 0,
    queued: 0,
    recovered: 0,
    queued_bytes: 0,
    queue_capacity_bytes: 0,
    skipped: 0,
    timed_out: 0,
    state: 'starting',
    reason: '',
  };
}
