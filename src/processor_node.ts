/** A processor of the graph: it stands in one pipeline, and keeps its books. */
import type { AnyProcessorDefinition, Consumer, PipelineFigures } from './component.ts';
import { RetryableError } from './errors.ts';
import type { Configured, ProcessorNode, Services } from './nodes.ts';
import { add, booked, counted, counting, createFigures, hold, leave, Outlet, release } from './pipeline.ts';

export function createProcessor(
  { id, definition, config }: Configured<AnyProcessorDefinition>,
  pipeline: Pick<PipelineFigures, 'name' | 'signal' | 'books'>,
  fingerprint: string,
  services: Services,
): ProcessorNode {
  const log = services.log.forComponent(`${pipeline.name}/${id}`);
  const figures = createFigures({ id, kind: 'processor', signal: pipeline.signal, pipeline: pipeline.name });
  const outlet = new Outlet();
  const advance = definition.isBatching ? { count: 0 } : undefined;
  const next = counting(outlet, figures, advance);
  const drop = (reason: string, count: number): void => {
    add(figures.dropped, reason, count);
    leave(pipeline.books, reason, count);
  };
  let held = 0;
  /** Of what is held, what is being handed on and was taken out, or is held, by what follows: that counts already. */
  let settled = 0;
  let isConsuming = false;
  const outward: Consumer = {
    consume(batch) {
      if (isConsuming || figures.queued === 0) return next.consume(batch);
      const { books } = pipeline;
      const before = books.gone + books.held;
      const settle = (): number => {
        const count = books.gone + books.held - before;
        settled += count;
        release(books, count);
        return count;
      };
      // It will be handed on anew, all of it.
      const takeBack = (count: number, error: unknown): never => {
        settled -= count;
        books.waiting += count;
        throw error;
      };
      let pending: Promise<void> | void;
      try {
        pending = next.consume(batch);
      } catch (error) {
        return takeBack(settle(), error);
      }
      const count = settle();
      return pending?.catch((error: unknown) => takeBack(count, error));
    },
  };
  const instance = definition.create({
    id,
    config,
    host: services.host,
    resource: services.resource,
    http: services.http,
    board: services.board,
    pipeline: pipeline.name,
    log,
    drop,
    next: outward,
    own: booked(counting(outlet, figures, { count: 0 }), pipeline.books),
    hold(count) {
      held += count;
      figures.queued += count;
      hold(pipeline.books, count);
    },
    release(count) {
      figures.queued -= count;
      const ahead = Math.min(settled, count);
      settled -= ahead;
      release(pipeline.books, count - ahead);
    },
  });
  let isLeftOut = false;
  const guarded: Consumer = {
    consume(batch) {
      if (isLeftOut) return next.consume(batch);
      // Past it goes nothing that it might have had to take something out of.
      if (figures.state === 'failed') throw new RetryableError(`Cannot take a batch: ${id} has not started yet`);
      isConsuming = true;
      try {
        return instance.consume(batch);
      } finally {
        isConsuming = false;
      }
    },
  };
  return {
    kind: 'processor',
    id,
    fingerprint,
    figures: [figures],
    log,
    startupError: (config as { startup_error: ProcessorNode['startupError'] }).startup_error,
    instance,
    entry: counted(guarded, figures, () => held, advance),
    outlet,
    isStateful: definition.isStateful,
    isBatching: definition.isBatching,
    leaveOut() {
      isLeftOut = true;
    },
  };
}
