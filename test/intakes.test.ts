/** A connector ends pipelines of one signal and begins pipelines of another. */
import { describe, expect, test } from 'vitest';
import count from '../receivers/count/index.ts';
import { catalog } from '../src/cli/catalog.ts';
import { loadRegistry } from '../src/config/registry.ts';
import type { MetricBatch } from '../src/model/batch.ts';
import { createStage, makeAgent, records, type WrittenConfig } from './support/agent.ts';

const { processors } = await loadRegistry(catalog);

const CONFIG = {
  receivers: { pushed: {}, count: { logs: { 'app.records': {} } } },
  processors: { log_dedup: { interval: '1h' }, batch: { timeout: '1h', send_batch_size: 1000 } },
  exporters: { window: {}, 'window/logs': {} },
  pipelines: {
    logs: { receivers: ['pushed'], processors: ['log_dedup'], exporters: ['count', 'window/logs'] },
    metrics: { receivers: ['count'], exporters: ['window'] },
  },
} satisfies WrittenConfig;

function start(config: WrittenConfig = CONFIG) {
  const stage = createStage();
  const definitions = {
    ...stage,
    receivers: [...stage.receivers, count],
    processors: [...stage.processors, ...processors],
  };
  const counted = (): number[] =>
    (stage.seen.get('window') ?? [])
      .filter((batch): batch is MetricBatch => batch.signal === 'metrics' && batch.count > 0)
      .map(({ values }) => values[0]!);
  return { stage, counted, ...makeAgent(config, definitions) };
}

describe('connector', () => {
  test('counts what pipelines hand over and tells it a last time when the agent stops, what processors held included', async () => {
    const { agent, stage, counted, figures } = start();
    await agent.start();
    await new Promise((resolve) => setImmediate(resolve));
    const { logs } = stage.pushed.get('pushed')!.next;
    await logs!.consume(records('a', 'b', 'a'));
    expect(counted().at(-1)).toBe(0);
    await agent.stop();
    expect(counted().at(-1)).toBe(2);
    const { pipelines, components } = agent.figures();
    expect(pipelines[0]!.books).toMatchObject({ accepted: 3, sent: 2, waiting: 0 });
    expect(
      components
        .filter(({ id }) => id === 'count')
        .map(({ kind, signal, accepted, sent }) => [kind, signal, accepted, sent]),
    ).toEqual([
      ['receiver', 'metrics', 2, 0],
      ['exporter', 'logs', 2, 2],
    ]);
    expect(figures('window/logs', 'logs').accepted).toBe(2);
  });

  test('that has not changed goes on counting through a reload', async () => {
    const { agent, stage, counted, reload } = start();
    await agent.start();
    await new Promise((resolve) => setImmediate(resolve));
    const logs = () => stage.pushed.get('pushed')!.next.logs!;
    await logs().consume(records('a', 'b'));
    const without = { ...CONFIG.pipelines, logs: { ...CONFIG.pipelines.logs, processors: [] } };
    await reload({ ...CONFIG, pipelines: without });
    await logs().consume(records('c'));
    await agent.stop();
    expect(counted().at(-1)).toBe(3);
  });

  test('that has changed tells its last counts before the next one begins', async () => {
    const { agent, stage, counted, reload } = start({
      ...CONFIG,
      processors: {},
      pipelines: {
        logs: { receivers: ['pushed'], exporters: ['count'] },
        metrics: { receivers: ['count'], exporters: ['window'] },
      },
    });
    await agent.start();
    await new Promise((resolve) => setImmediate(resolve));
    await stage.pushed.get('pushed')!.next.logs!.consume(records('a', 'b'));
    await reload({
      receivers: { pushed: {}, count: { logs: { 'app.others': {} } } },
      exporters: { window: {} },
      pipelines: {
        logs: { receivers: ['pushed'], exporters: ['count'] },
        metrics: { receivers: ['count'], exporters: ['window'] },
      },
    });
    expect(counted()).toContain(2);
    await stage.pushed.get('pushed')!.next.logs!.consume(records('c'));
    await agent.stop();
    expect(counted().at(-1)).toBe(1);
  });
});
