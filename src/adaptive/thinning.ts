/**
 * Stands before what pushes: leaves out of the collections of receivers with `adaptive_interval` the points that their
 * readers can do without. What judges and what is asked stands before it, and has every point.
 */
import type { ComponentFigures, Consumer, PipelineBooks } from '../component.ts';
import type { Batch, Collection, MetricBatch, Series } from '../model/batch.ts';
import { selectRows } from '../model/select.ts';
import { hold, leave, release } from '../pipeline.ts';
import type { AdaptiveOptions } from './bounds.ts';
import { createPredictor } from './predictor.ts';

/** A receiver whose collections are thinned. */
export interface Thinned {
  readonly options: AdaptiveOptions;
  /** Its points that were not handed on, of all pipelines. */
  readonly figures: Pick<ComponentFigures, 'left_out'>;
}

export interface Thinnings {
  /**
   * `next`, or one that leaves points out before.
   * @param pipeline its state goes on when a pipeline of the same name is joined anew
   * @param books where to enter what is left out as filtered; none where others have it all the same
   */
  at(
    pipeline: string,
    receivers: ReadonlyMap<string, Thinned>,
    books: PipelineBooks | undefined,
    next: Consumer,
  ): Consumer;
  /** Nothing more comes: what might still have been sent is left out for good. */
  settle(): void;
}

/** The name under which a pipeline's books have it, as that of a filter's rule. */
const REASON = 'filtered:adaptive_interval';

/** @param isWatched whether everything is to be handed on now */
export function createThinnings(isWatched: () => boolean): Thinnings {
  /** By pipeline, then receiver. */
  const known = new Map<string, Map<string, Thinning>>();
  return {
    at(pipeline, receivers, books, next) {
      const thinnings = known.get(pipeline) ?? new Map<string, Thinning>();
      known.set(pipeline, thinnings);
      for (const [id, thinning] of thinnings) {
        if (receivers.values().some((thinned) => thinned === thinning.thinned)) continue;
        // Nothing more comes from a receiver that is no more, or was made anew.
        thinning.settle();
        thinnings.delete(id);
      }
      if (receivers.size === 0) return next;
      /** Each meter of a receiver has collections of its own, `self` and `self#1`. */
      const thinningOf = (collection: string): Thinning | undefined => {
        const thinned = receivers.get(collection) ?? receivers.get(collection.replace(/#\d+$/, ''));
        if (thinned === undefined) return undefined;
        const thinning = thinnings.get(collection) ?? createThinning(thinned);
        thinnings.set(collection, thinning);
        return thinning;
      };
      return {
        consume(batch) {
          if (!isClocked(batch)) return next.consume(batch);
          const thinning = thinningOf(batch.collection.receiver);
          return thinning === undefined ? next.consume(batch) : thinning.pass(batch, isWatched(), books, next);
        },
      };
    },
    settle() {
      for (const thinnings of known.values()) for (const thinning of thinnings.values()) thinning.settle();
    },
  };
}

/** A collection of the clock: what was asked for goes to who asked. */
function isClocked(batch: Batch): batch is MetricBatch & { readonly collection: Collection } {
  return batch.signal === 'metrics' && batch.collection?.onDemand === false && batch.times === undefined;
}

interface Thinning {
  readonly thinned: Thinned;
  pass(
    batch: MetricBatch & { readonly collection: Collection },
    isWhole: boolean,
    books: PipelineBooks | undefined,
    next: Consumer,
  ): Promise<void> | void;
  settle(): void;
}

function createThinning(thinned: Thinned): Thinning {
  const predictor = createPredictor(thinned.options);
  const layouts = createLayouts();
  /** Points left out of the collection before, that may still be sent with the next. */
  let held = 0;
  let heldIn: PipelineBooks | undefined;

  /** What was held is no more: `sent` of it was handed on, the rest is left out for good. */
  function takeHeld(): (sent: number) => void {
    const [books, count] = [heldIn, held];
    held = 0;
    return (sent) => {
      thinned.figures.left_out! += count - sent;
      if (books === undefined || count === 0) return;
      // When the batch has been counted that is being consumed: the books take what leaves meanwhile for a part of it.
      queueMicrotask(() => {
        release(books, count);
        if (count > sent) leave(books, REASON, count - sent);
      });
    };
  }

  /** After what was refused everything is handed on, as nobody knows what of it arrived. */
  function handOn(batch: MetricBatch, next: Consumer): Promise<void> | void {
    const refuse = (error: unknown): never => {
      predictor.forget();
      throw error;
    };
    try {
      return next.consume(batch)?.catch(refuse);
    } catch (error) {
      return refuse(error);
    }
  }

  return {
    thinned,
    settle: () => takeHeld()(0),
    pass(batch, isWhole, books, next) {
      const { before } = predictor;
      const { late, rows } = predictor.plan(batch, isWhole);
      const leftOut = batch.count - rows.length;
      const settle = takeHeld();
      held = leftOut;
      heldIn = books;
      if (books !== undefined && leftOut > 0) hold(books, leftOut);
      const collection = { ...batch.collection, isThinned: true };
      const pick = (from: MetricBatch, some: readonly number[]): MetricBatch => ({
        ...selectRows(from, some, layouts.of(from.series, some)),
        collection,
      });
      const handOnRows = (): Promise<void> | void => {
        if (rows.length > 0) return handOn(leftOut === 0 ? batch : pick(batch, rows), next);
      };
      if (late.length === 0) {
        settle(0);
        return handOnRows();
      }
      const taken = (): Promise<void> | void => {
        settle(late.length);
        return handOnRows();
      };
      const refused = (error: unknown): never => {
        settle(0);
        throw error;
      };
      // First, as points of a series must not overtake each other.
      let pending: Promise<void> | void;
      try {
        pending = handOn(pick(before!, late), next);
      } catch (error) {
        return refused(error);
      }
      return pending === undefined ? taken() : pending.then(taken, refused);
    },
  };
}

/** Layouts of the rows chosen of late: encoders keep what they made of each. */
function createLayouts() {
  const MOST = 8;
  let whole: readonly Series[] | undefined;
  /** By rows, the one used last at the end. */
  const known = new Map<string, readonly Series[]>();
  return {
    of(series: readonly Series[], rows: readonly number[]): readonly Series[] {
      if (series !== whole) known.clear();
      whole = series;
      const key = rows.join();
      const layout = known.get(key) ?? rows.map((row) => series[row]!);
      known.delete(key);
      known.set(key, layout);
      if (known.size > MOST) known.delete(known.keys().next().value!);
      return layout;
    },
  };
}
