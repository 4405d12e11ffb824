/** Processors that hold, fold and make points are in the books: accepted = sent + dropped + held, at any time. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Agent } from '../../src/agent.ts';
import { catalog } from '../../src/cli/catalog.ts';
import { loadRegistry } from '../../src/config/registry.ts';
import { createStage, makeAgent } from '../support/agent.ts';
import { eventually } from '../support/eventually.ts';
import { metric, metricBatch, series } from '../support/processor.ts';

const { processors } = await loadRegistry(catalog);

const KINDS = [
  metric('counter'),
  metric('gauge', { kind: 'gauge' }),
  metric('delta', { temporality: 'delta' }),
  metric('level', { isMonotonic: false }),
];

function discrepancies(agent: Agent): string[] {
  const { components, pipelines } = agent.figures();
  const total = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((sum, n) => sum + n, 0);
  const ofPipelines = pipelines.flatMap(({ name, books: { accepted, sent, dropped, filtered, waiting } }) => {
    const isRight = accepted === sent + total(dropped) + total(filtered) && waiting >= 0;
    return isRight ? [] : [`${name}: ${accepted} != ${sent} + ${total(dropped)} (${waiting} wait)`];
  });
  const ofProcessors = components
    .filter(({ kind }) => kind === 'processor')
    .flatMap(({ id, accepted, sent, dropped, queued }) => {
      const isRight = accepted === sent + total(dropped) + queued && queued >= 0;
      return isRight ? [] : [`${id}: ${accepted} != ${sent} + ${total(dropped)} + ${queued}`];
    });
  return [...ofPipelines, ...ofProcessors];
}

const point = fc.record({ kind: fc.nat({ max: 3 }), x: fc.nat({ max: 5 }), value: fc.nat({ max: 100 }) });
const batch = fc.uniqueArray(point, { selector: ({ kind, x }) => `${kind} ${x}`, minLength: 1, maxLength: 10 });

test('interval, top_k, cardinality_limit and delta are in the books of pipeline and processors', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { minLength: 5, maxLength: 20 }), async (batches) => {
      const stage = createStage();
      const { agent, figures } = makeAgent(
        {
          receivers: { pushed: {} },
          processors: {
            top_k: { k: 2, window: '1ms', hysteresis: 0, min_stay: '0' },
            'interval/first': { interval: '2ms', gauges: ['last', 'max'] },
            cardinality_limit: { max_series: 2, attributes: { x: 1 } },
            delta: { metrics: ['gauge', 'level'] },
            'interval/second': { interval: '3ms', max_series: 3 },
          },
          exporters: { window: {} },
          pipelines: {
            metrics: {
              receivers: ['pushed'],
              processors: ['top_k', 'interval/first', 'cardinality_limit', 'delta', 'interval/second'],
              exporters: ['window'],
            },
          },
        },
        { ...stage, processors: [...stage.processors, ...processors] },
      );
      await agent.start();
      const { metrics } = stage.pushed.get('pushed')!.next;
      for (const [index, points] of batches.entries()) {
        const layout = points.map(({ kind, x }) => series(KINDS[kind]!, { x }));
        const values = points.map(({ value }) => value + index * 100);
        await metrics!.consume(metricBatch(layout, values, { time: BigInt(index + 1) * 1_000_000_000n }));
        expect(discrepancies(agent)).toEqual([]);
        await new Promise((resolve) => setTimeout(resolve, index % 3));
        expect(discrepancies(agent)).toEqual([]);
      }
      await agent.stop();
      expect(discrepancies(agent)).toEqual([]);
      const { books } = agent.figures().pipelines[0]!;
      expect([books.refused, books.waiting]).toEqual([0, 0]);
      for (const id of ['interval/first', 'interval/second']) expect(figures(id).queued).toBe(0);
    }),
    { numRuns: 30 },
  );
});

test('what interval held and top_k takes out is in the books while the rest waits in a batch', async () => {
  const stage = createStage();
  const { agent, figures } = makeAgent(
    {
      receivers: { pushed: {} },
      processors: { interval: { interval: '1ms' }, top_k: { k: 1 }, batch: { timeout: '1h' } },
      exporters: { sink: {} },
      pipelines: {
        metrics: { receivers: ['pushed'], processors: ['interval', 'top_k', 'batch'], exporters: ['sink'] },
      },
    },
    { ...stage, processors: [...stage.processors, ...processors] },
  );
  await agent.start();
  const layout = [1, 2, 3, 4].map((x) => series(KINDS[1]!, { x }));
  await stage.pushed.get('pushed')!.next.metrics!.consume(metricBatch(layout, [1, 2, 3, 4]));
  await eventually(() => expect(figures('top_k').dropped.get('top_k')).toBe(3));
  const { books } = agent.figures().pipelines[0]!;
  expect(discrepancies(agent)).toEqual([]);
  expect([books.sent, books.waiting]).toEqual([0, 1]);
  await agent.stop();
  expect([books.sent, books.accepted, books.waiting, books.refused]).toEqual([1, 4, 0, 0]);
  expect(discrepancies(agent)).toEqual([]);
});
