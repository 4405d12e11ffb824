/** What processors hold is in the books: accepted = sent + dropped + held, at any time, and what is held is not accepted yet. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Agent } from '../src/agent.ts';
import { catalog } from '../src/cli/catalog.ts';
import { loadRegistry } from '../src/config/registry.ts';
import { RetryableError } from '../src/errors.ts';
import { createHeldRecords } from '../src/held_records.ts';
import { createStage, makeAgent, records } from './support/agent.ts';
import { logRecord } from './support/processor.ts';

const { processors } = await loadRegistry(catalog);

function discrepancies(agent: Agent): string[] {
  const { components, pipelines } = agent.figures();
  const total = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((sum, n) => sum + n, 0);
  const ofPipelines = pipelines.flatMap(({ name, books: { accepted, sent, dropped, filtered, waiting } }) => {
    const isRight = accepted === sent + total(dropped) + total(filtered) && waiting >= 0;
    return isRight
      ? []
      : [`${name}: ${accepted} != ${sent} + ${total(dropped)} + ${total(filtered)} (${waiting} wait)`];
  });
  const ofProcessors = components
    .filter(({ kind }) => kind === 'processor')
    .flatMap(({ id, accepted, sent, dropped, queued }) => {
      const isRight = accepted === sent + total(dropped) + queued && queued >= 0;
      return isRight ? [] : [`${id}: ${accepted} != ${sent} + ${total(dropped)} + ${queued}`];
    });
  return [...ofPipelines, ...ofProcessors];
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.array(fc.constantFrom('a', 'b', 'c', 'noise'), { minLength: 1, maxLength: 6 }) },
  fc.constant('wait' as const),
);

test.each([false, true])('held records are in the books of pipeline and processors (wait: %s)', async (wait) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const stage = createStage();
      const { agent, figures } = makeAgent(
        {
          receivers: { pushed: {} },
          processors: {
            'log_dedup/first': { interval: '2ms', wait, logs: { exclude: [{ bodies: ['c'] }] } },
            rate_limit: { records_per_second: 1, burst: 3, key: ['body'], summary_interval: '3ms' },
            filter: { logs: { exclude: [{ bodies: ['noise'] }] } },
            'log_dedup/second': { interval: '3ms', max_groups: 3 },
          },
          exporters: { window: {} },
          pipelines: {
            logs: {
              receivers: ['pushed'],
              processors: ['log_dedup/first', 'rate_limit', 'filter', 'log_dedup/second'],
              exporters: ['window'],
            },
          },
        },
        { ...stage, processors: [...stage.processors, ...processors] },
      );
      await agent.start();
      const { logs } = stage.pushed.get('pushed')!.next;
      const given: Promise<unknown>[] = [];
      let offered = 0;
      for (const each of steps) {
        if (each === 'wait') await new Promise((resolve) => setTimeout(resolve, 3));
        else {
          offered += each.length;
          given.push(Promise.resolve(logs!.consume(records(...each))));
        }
        expect(discrepancies(agent)).toEqual([]);
        await new Promise((resolve) => setImmediate(resolve));
        expect(discrepancies(agent)).toEqual([]);
      }
      await agent.stop();
      await Promise.all(given);
      expect(discrepancies(agent)).toEqual([]);
      const { books } = agent.figures().pipelines[0]!;
      expect([books.accepted, books.refused, books.waiting]).toEqual([offered, 0, 0]);
      expect(figures('log_dedup/first').accepted).toBe(offered);
      for (const id of ['log_dedup/first', 'rate_limit', 'log_dedup/second']) expect(figures(id).queued).toBe(0);
    }),
    { numRuns: 30 },
  );
});

test('createHeldRecords hands on in order what came while it was busy, each once', async () => {
  const bodies: unknown[] = [];
  let released = 0;
  let answer: () => Promise<void> | void = () => undefined;
  const held = createHeldRecords({
    next: {
      consume(batch) {
        if (batch.signal === 'logs') bodies.push(...batch.records.map(({ body }) => body));
        return answer();
      },
    },
    drop: () => expect.unreachable(),
    release: (count) => void (released += count),
    log: { once: () => undefined, over: () => undefined },
  });
  const slow = Promise.withResolvers<void>();
  answer = () => slow.promise;
  const first = held.handOn([logRecord('a')]);
  const second = held.handOn([logRecord('b'), logRecord('c')]);
  expect([held.isBlocked, bodies, released]).toEqual([true, ['a'], 0]);
  answer = () => undefined;
  slow.resolve();
  await Promise.all([first, second]);
  await held.handOn([logRecord('d')]);
  expect([held.isBlocked, bodies, released]).toEqual([false, ['a', 'b', 'c', 'd'], 4]);

  answer = () => Promise.reject(new RetryableError('full', { retryAfter_ms: 1 }));
  await held.handOn([logRecord('e')]);
  expect(held.isBlocked).toBe(true);
  answer = () => undefined;
  await held.handOn([logRecord('f')]);
  expect(bodies.slice(4)).toEqual(['e']);
  await held.stop();
  expect([held.isBlocked, bodies.slice(4), released]).toEqual([false, ['e', 'e', 'f'], 6]);
});
