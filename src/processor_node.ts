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
    next,
    own: booked(counting(outlet, figures, { count: 0 }), pipeline.books),
    hold(count) {
      held += count;
      figures.queued += count;
      hold(pipeline.books, count);
    },
    release(count) {
      figures.queued -= count;
      release(pipeline.books, count);
    },
  });
  let isLeftOut = false;
  const guarded: Consumer = {
    consume(batch) {
      if (isLeftOut) return next.consume(batch);
      // Past it goes nothing that it might have had to take something out of.
      if (figures.state === 'failed') throw new RetryableError(`Cannot take a batch: ${id} has not started yet`);
      return instance.consume(batch);
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
