/**
 * Of every item it can be said where it is: for each component accepted = sent + dropped + queued, and for each pipeline
 * accepted = sent + dropped + filtered, at any time.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Agent } from '../src/agent.ts';
import { catalog } from '../src/cli/catalog.ts';
import { loadRegistry } from '../src/config/registry.ts';
import { PermanentError, RetryableError, TooLargeError } from '../src/errors.ts';
import { createStage, makeAgent, records } from './support/agent.ts';

const { processors } = await loadRegistry(catalog);

/** What is wrong with the books of any exporter or processor. */
function discrepancies(agent: Agent): string[] {
  const { components, pipelines } = agent.figures();
  const total = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((sum, n) => sum + n, 0);
  const ofPipelines = pipelines.flatMap(({ name, books }) => {
    const { accepted, sent, dropped, filtered, waiting, gone } = books;
    const [lost, unwanted] = [total(dropped), total(filtered)];
    const isRight = accepted === sent + lost + unwanted && gone === lost + unwanted && waiting >= 0;
    return isRight ? [] : [`${name}: ${accepted} != ${sent} + ${lost} + ${unwanted} (${gone}; ${waiting} wait)`];
  });
  const ofComponents = components
    .filter(({ kind, id }) => kind !== 'receiver' && !id.startsWith('window'))
    .flatMap(({ id, signal, accepted, sent, dropped, queued, queued_bytes }) => {
      const lost = total(dropped);
      const isRight = accepted === sent + lost + queued && queued >= 0 && (queued === 0) === (queued_bytes === 0);
      return isRight ? [] : [`${id} ${signal}: ${accepted} != ${sent} + ${lost} + ${queued} (${queued_bytes} B)`];
    });
  return [...ofPipelines, ...ofComponents];
}

const ANSWERS = ['ok', 'ok', 'busy', 'never', 'too_large', 'some', 'bug', 'slow'] as const;
const action = fc.oneof(
  fc.record({
    is: fc.constant('push' as const),
    /** 0 is wanted, 1 taken out by a processor, 2 left out by the exporter. */
    items: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 12 }),
  }),
  fc.record({ is: fc.constant('wait' as const) }),
  fc.record({ is: fc.constant('answer' as const), answer: fc.constantFrom(...ANSWERS) }),
);

test.each(['drop_oldest', 'drop_newest', 'block'])(
  'accepted = sent + dropped + queued, with a back end that fails in every way and a queue that says %s',
  async (on_full) => {
    let noise = 0;
    const actions = fc.array(action, { minLength: 20, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(actions, fc.boolean(), fc.boolean(), async (steps, isBatched, isSplit) => {
        const stage = createStage();
        let answer: (typeof ANSWERS)[number] = 'ok';
        stage.behaviour['sink'] = {
          async send(bodies) {
            await new Promise((resolve) => setImmediate(resolve));
            if (answer === 'busy') throw new RetryableError('busy');
            if (answer === 'never') throw new PermanentError('never');
            if (answer === 'too_large') throw new TooLargeError('too large');
            if (answer === 'bug') throw new TypeError('x is not a function');
            if (answer === 'slow') await new Promise(() => {});
            return answer === 'some' ? { rejected: Math.ceil(bodies.length / 2), message: 'half' } : {};
          },
        };
        const { agent, figures } = makeAgent(
          {
            agent: { shutdown_timeout: 20 },
            receivers: { pushed: {} },
            processors: {
              filter: { logs: { exclude: [{ bodies: ['filtered *'], match: 'glob', name: 'noise' }] } },
              attributes: { actions: [{ key: 'a', action: 'insert', value: 1 }] },
              // In parts of which a full queue takes some, and others not, or not yet.
              batch: {
                timeout: isBatched ? '1ms' : '0',
                ...(isSplit && { send_batch_size: 2, send_batch_max_size: 2 }),
              },
            },
            exporters: {
              sink: {
                timeout: '5ms',
                retry: { initial: '1ms', max: '2ms', max_elapsed: '8ms' },
                queue: { max_bytes: isSplit ? 60 : 300, on_full, concurrency: 2 },
              },
              window: {},
            },
            pipelines: {
              logs: {
                receivers: ['pushed'],
                processors: ['filter', 'attributes', 'batch'],
                exporters: ['sink', 'window'],
              },
            },
          },
          { ...stage, processors: [...stage.processors, ...processors] },
        );
        await agent.start();
        const { logs } = stage.pushed.get('pushed')!.next;
        const kinds = ['item', 'filtered', 'unwanted'];
        const given: Promise<unknown>[] = [];
        let offered = 0;
        for (const step of steps) {
          if (step.is === 'answer') ({ answer } = step);
          else if (step.is === 'wait') await new Promise((resolve) => setTimeout(resolve, 2));
          else {
            const bodies = step.items.map((kind) => `${kinds[kind]} ${offered++}`);
            given.push(Promise.resolve(logs!.consume(records(...bodies))).catch(() => undefined));
          }
          expect(discrepancies(agent)).toEqual([]);
          await new Promise((resolve) => setImmediate(resolve));
          expect(discrepancies(agent)).toEqual([]);
        }
        await agent.stop();
        await Promise.all(given);
        expect(discrepancies(agent)).toEqual([]);
        const { accepted, refused } = figures('pushed', 'logs');
        expect(accepted + refused).toBe(offered);
        // The receiver counts a batch whole; the pipeline counts what a filter took of it though the rest was refused.
        const { books } = agent.figures().pipelines[0]!;
        expect(books.accepted + books.refused).toBe(offered);
        expect(books.waiting).toBe(0);
        expect([...books.filtered.keys()].every((rule) => rule === 'noise')).toBe(true);
        expect(books.filtered.get('noise') ?? 0).toBe(figures('filter').dropped.get('filtered:noise') ?? 0);
        expect([...figures('filter').dropped.keys()].every((reason) => reason === 'filtered:noise')).toBe(true);
        noise += figures('filter').dropped.get('filtered:noise') ?? 0;
        expect(figures('sink', 'logs')).toMatchObject({ queued: 0, sent: stage.arrived.get('sink')!.length });
        expect(new Set(stage.arrived.get('sink')).size).toBe(stage.arrived.get('sink')!.length);
      }),
      { numRuns: 25 },
    );
    expect(noise).toBeGreaterThan(0);
  },
  60_000,
);

test('a pipeline keeps its books over a reload, whatever it is made of then', async () => {
  const stage = createStage();
  const definitions = { ...stage, processors: [...stage.processors, ...processors] };
  const exclude = (name: string) => ({ logs: { exclude: [{ bodies: ['noise *'], match: 'glob', name }] } });
  const written = (rule: string, ...exporters: string[]) => ({
    receivers: { pushed: {} },
    processors: { filter: exclude(rule) },
    exporters: { 'sink/a': {}, 'sink/b': {} },
    pipelines: { logs: { receivers: ['pushed'], processors: ['filter'], exporters } },
  });
  const { agent, reload } = makeAgent(written('old', 'sink/a'), definitions);
  await agent.start();
  const push = (...bodies: string[]) => stage.pushed.get('pushed')!.next.logs!.consume(records(...bodies));
  await push('noise 1', 'a', 'b');
  await reload(written('new', 'sink/b'));
  await push('noise 2', 'noise 3', 'c');
  expect(discrepancies(agent)).toEqual([]);
  const { books } = agent.figures().pipelines[0]!;
  expect(books).toMatchObject({ accepted: 6, sent: 3, refused: 0, waiting: 0 });
  expect([...books.filtered]).toEqual([
    ['old', 1],
    ['new', 2],
  ]);
});

test('the books of two pipelines with one receiver and one exporter are each their own', async () => {
  const stage = createStage();
  const filter = { logs: { exclude: [{ bodies: ['noise *'], match: 'glob' }] } };
  const { agent, figures } = makeAgent(
    {
      receivers: { pushed: {} },
      processors: { filter },
      exporters: { sink: {} },
      pipelines: {
        'logs/all': { receivers: ['pushed'], exporters: ['sink'] },
        'logs/some': { receivers: ['pushed'], processors: ['filter'], exporters: ['sink'] },
      },
    },
    { ...stage, processors: [...stage.processors, ...processors] },
  );
  await agent.start();
  await stage.pushed.get('pushed')!.next.logs!.consume(records('noise 1', 'a', 'b'));
  const [all, some] = agent.figures().pipelines.map(({ books }) => books);
  expect(all).toMatchObject({ accepted: 3, sent: 3, gone: 0 });
  expect(some).toMatchObject({ accepted: 3, sent: 2, gone: 1 });
  expect([...some!.filtered]).toEqual([['', 1]]);
  expect(discrepancies(agent)).toEqual([]);
  expect(figures('sink', 'logs').accepted).toBe(5);
});
