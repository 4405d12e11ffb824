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
 * Counts what passes into `consumer`: accepted, or refused if it throws. What the consumer drops or holds of a batch counts
 * as accepted at once, whatever becomes of the rest, so that accepted = sent + dropped + queued holds for processors at any
 * time. `held` is how many items it has held, ever; `advance` is what {@link counting} counted ahead.
 */
export function counted(
  consumer: Consumer,
  figures: ComponentFigures,
  held: () => number = () => 0,
  advance: Advance = { count: 0 },
): Consumer {
  const settled = (): number => sum(figures.dropped) + held();
  return {
    consume(batch) {
      const settledBefore = settled();
      let left = batch.count;
      /** What was handed on already is accepted already. */
      const settle = (outcome: 'accepted' | 'refused'): void => {
        const ahead = Math.min(advance.count, left);
        advance.count -= ahead;
        figures[outcome] += left - ahead;
      };
      const accept = (): void => settle('accepted');
      const refuse = (error: unknown): never => {
        settle('refused');
        throw error;
      };
      const countSettled = (): void => {
        const count = settled() - settledBefore;
        figures.accepted += count;
        left -= count;
      };
      let pending: Promise<void> | void;
      try {
        pending = consumer.consume(batch);
      } catch (error) {
        countSettled();
        return refuse(error);
      }
      countSettled();
      // Most consumers take a batch at once; a promise for nothing would be most of the cost.
      return pending === undefined ? accept() : pending.then(accept, refuse);
    },
  };
}

function sum(counts: ReadonlyMap<string, number>): number {
  if (counts.size === 0) return 0;
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}

/** Items that a batching processor handed on in parts of which the whole is not settled yet. */
export interface Advance {
  count: number;
}

/**
 * Counts what a component hands on and what follows takes. With `advance` it counts it as accepted at once: of a batch
 * that is handed on in parts, one part may have to wait, or be refused, when others are gone.
 */
export function counting(
  outlet: Consumer,
  figures: Pick<ComponentFigures, 'sent' | 'accepted'>,
  advance?: Advance,
): Consumer {
  return {
    consume(batch) {
      // The number alone: who waits shall not hold on to the batch.
      const { count: items } = batch;
      const count = (): void => {
        figures.sent += items;
        if (advance === undefined) return;
        figures.accepted += items;
        advance.count += items;
      };
      const pending = outlet.consume(batch);
      return pending === undefined ? count() : pending.then(count);
    },
  };
}

/** The front of a pipeline: keeps its books of what is handed in. What leaves it on the way is entered by {@link leave}. */
export function booked(front: Consumer, books: PipelineBooks): Consumer {
  return {
    consume(batch) {
      const settledBefore = books.gone + books.held;
      let left = batch.count;
      books.waiting += left;
      const settle = (outcome: 'accepted' | 'refused'): void => {
        books.waiting -= left;
        books[outcome] += left;
      };
      // As for a component: what was taken out or held is accepted, whatever becomes of the rest.
      const settleSome = (): void => {
        const count = books.gone + books.held - settledBefore;
        books.waiting -= count;
        books.accepted += count;
        left -= count;
      };
      const refuse = (error: unknown): never => {
        settle('refused');
        throw error;
      };
      let pending: Promise<void> | void;
      try {
        pending = front.consume(batch);
      } catch (error) {
        settleSome();
        return refuse(error);
      }
      settleSome();
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

/** Enters what a processor holds: the pipeline has it, but nothing has become of it yet. */
export function hold(books: PipelineBooks, count: number): void {
  books.held += count;
  books.waiting += count;
  books.accepted -= count;
}

/** Enters that something was held, and has been handed on or dropped. */
export function release(books: PipelineBooks, count: number): void {
  books.waiting -= count;
  books.accepted += count;
}

export function add(counts: Map<string, number>, key: string, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}

export function createBooks(): PipelineBooks {
  return { accepted: 0, refused: 0, sent: 0, dropped: new Map(), filtered: new Map(), gone: 0, waiting: 0, held: 0 };
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
    interval_s: 0,
    stretched: 0,
    bursts: 0,
    left_out: undefined,
    state: 'starting',
    reason: '',
  };
}
