import { describe, expect, test, vi } from 'vitest';
import self from '../../../receivers/self/index.ts';
import type { AgentFigures, ComponentFigures } from '../../../src/component.ts';
import { createBooks } from '../../../src/pipeline.ts';
import { collectReceiver, renderBatches, runReceiver, valuesOf } from '../../support/collect.ts';

function figures(given: Partial<ComponentFigures>): ComponentFigures {
  const none = { accepted: 0, refused: 0, sent: 0, failed: 0, duration_s: 0, operations: 0, skipped: 0, timed_out: 0 };
  const pace = { interval_s: 0, stretched: 0, bursts: 0, left_out: undefined };
  const queue = { queued: 0, recovered: 0, queued_bytes: 0, queue_capacity_bytes: 0 };
  const identity = { id: 'cpu', kind: 'receiver', signal: 'metrics', pipeline: undefined } as const;
  return { ...identity, ...none, ...pace, ...queue, dropped: new Map(), state: 'running', reason: '', ...given };
}

const agentOf = (...components: ComponentFigures[]): AgentFigures => ({ startTime: 0n, components, pipelines: [] });
const ours = (text: string): string =>
  text
    .split('\n')
    .filter((line) => line.startsWith('sonde.'))
    .join('\n') + '\n';

describe('self', () => {
  test('self tells of each kind of component what it has', async () => {
    const agent = agentOf(
      figures({ accepted: 900, refused: 3, duration_s: 1.25, operations: 10, skipped: 1, timed_out: 2 }),
      figures({
        id: 'filter',
        kind: 'processor',
        pipeline: 'metrics',
        accepted: 900,
        sent: 890,
        dropped: new Map([['filtered', 10]]),
      }),
      figures({
        id: 'otlp/backup',
        kind: 'exporter',
        accepted: 890,
        sent: 500,
        failed: 90,
        duration_s: 0.5,
        operations: 4,
        queued: 290,
        queued_bytes: 4096,
        queue_capacity_bytes: 33554432,
        dropped: new Map([
          ['rejected', 60],
          ['expired', 40],
        ]),
      }),
      figures({ id: 'prometheus', kind: 'exporter', state: 'failed', accepted: 5 }),
    );
    const batches = await collectReceiver(self, { agent });
    await expect(ours(renderBatches(batches))).toMatchFileSnapshot('../../golden/receivers/self.components.txt');
  });

  test('self tells the books of each pipeline', async () => {
    const nothing = { receivers: [], processors: [], exporters: [] };
    const books = createBooks();
    Object.assign(books, { accepted: 100, refused: 5, sent: 80, waiting: 7, gone: 20 });
    books.dropped.set('no_delta', 4);
    books.filtered.set('noise', 15).set('', 1);
    const pipelines = [
      { name: 'metrics', signal: 'metrics', ...nothing, books },
      { name: 'logs/audit', signal: 'logs', ...nothing, books: createBooks() },
    ] as const;
    const batches = await collectReceiver(self, { agent: { ...agentOf(), pipelines } });
    await expect(ours(renderBatches(batches))).toMatchFileSnapshot('../../golden/receivers/self.pipelines.txt');
  });

  test('self counts since the agent began', async () => {
    const [{ series }] = await collectReceiver(self, { agent: agentOf(figures({})) });
    const starts = new Set(series.filter(({ metric }) => metric.kind === 'sum').map(({ startTime }) => startTime));
    expect(starts.size).toBe(1);
    expect([...starts][0] % 1_000_000_000n).toBe(0n);
    expect(series.some(({ metric }) => metric.isMonotonic)).toBe(true);
  });

  test('self keeps the series of a component, and ends those of one that is gone', async () => {
    const [kept, gone] = [figures({}), figures({ id: 'disk' })];
    let components = [kept, gone];
    const agent: AgentFigures = {
      ...agentOf(),
      get components() {
        return components;
      },
    };
    const run = await runReceiver(self, { agent });
    const before = await run.collect();
    kept.accepted = 7;
    components = [kept];
    const [after, ended] = await run.collect();
    await run.stop();
    const key =
      'sonde.component.accepted{"sonde.component.id"="cpu","sonde.component.kind"="receiver","sonde.signal"="metrics"}';
    expect(valuesOf(before)[key]).toBe(0);
    expect(valuesOf([after])[key]).toBe(7);
    expect(new Set(ended.series.map(({ attributes }) => attributes['sonde.component.id']))).toEqual(new Set(['disk']));
    expect(after.series.filter((series) => before[0].series.includes(series)).length).toBeGreaterThan(5);
  });

  test('self tells of the process what Node.js tells', async () => {
    const before = process.cpuUsage();
    const values = valuesOf(await collectReceiver(self, { everything: true }));
    const after = process.cpuUsage();
    expect(values['process.cpu.time{"cpu.mode"="user"}']).toBeGreaterThanOrEqual(before.user / 1e6);
    expect(values['process.cpu.time{"cpu.mode"="user"}']).toBeLessThanOrEqual(after.user / 1e6);
    expect(values['process.memory.usage{}']).toBeGreaterThan(10_000_000);
    expect(values['process.uptime{}']).toBeLessThanOrEqual(process.uptime());
    expect(values['v8js.memory.heap.used{"v8js.heap.space.name"="old_space"}']).toBeGreaterThan(100_000);
    expect(values['v8js.memory.heap.space.size{"v8js.heap.space.name"="old_space"}']).toBeGreaterThan(100_000);
    expect(Object.keys(values)).not.toContain('v8js.memory.heap.used{"v8js.heap.space.name"="shared_space"}');
  });

  test.runIf(process.platform === 'linux')('self counts its threads and open files', async () => {
    const values = valuesOf(await collectReceiver(self));
    expect(values['process.thread.count{}']).toBeGreaterThan(1);
    expect(values['process.unix.file_descriptor.count{}']).toBeGreaterThan(2);
  });

  test('self goes without threads and open files where they cannot be told', async () => {
    const refuse = (): never => {
      throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
    };
    const run = await runReceiver(self, { host: { read: refuse, resolve: refuse } });
    const names = (await run.collect())[0].series.map(({ metric }) => metric.name);
    await run.stop();
    expect(names).not.toContain('process.thread.count');
    expect(names).toContain('process.memory.usage');
    expect(run.said).toHaveLength(2);
    const elsewhere = await runReceiver(self, {
      platform: 'darwin',
      host: { read: refuse, resolve: refuse, bootTime: () => 0n },
    });
    await elsewhere.collect();
    await elsewhere.stop();
    expect(elsewhere.said).toEqual([]);
  });

  test('self measures how much later than asked for the event loop gets to its timers', async () => {
    vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] });
    const run = await runReceiver(self, { config: { event_loop_resolution: '100ms' } });
    expect(Object.keys(valuesOf(await run.collect())).join()).not.toContain('delay');
    vi.advanceTimersByTime(900);
    const values = valuesOf(await run.collect());
    await run.stop();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
    for (const statistic of ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99']) {
      expect(values[`nodejs.eventloop.delay.${statistic}{}`]).toBeCloseTo(0);
    }
  });

  test('self tells how busy the event loop was', async () => {
    const values = valuesOf(await collectReceiver(self));
    expect(values['nodejs.eventloop.utilization{}']).toBeLessThanOrEqual(1);
    expect(values['nodejs.eventloop.time{"nodejs.eventloop.state"="active"}']).toBeGreaterThan(0);
    expect(values['nodejs.eventloop.time{"nodejs.eventloop.state"="idle"}']).toBeGreaterThanOrEqual(0);
  });

  test('self samples nothing when nobody wants the delay', async () => {
    const metrics = Object.fromEntries(
      Object.values(self.metrics)
        .filter(({ name }) => name.startsWith('nodejs.eventloop.delay.'))
        .map(({ name }) => [name, { enabled: false }]),
    );
    expect(Object.keys(metrics)).toHaveLength(7);
    const run = await runReceiver(self, { config: { metrics, event_loop_resolution: '1ms' } });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(Object.keys(valuesOf(await run.collect())).join()).not.toContain('delay');
    await run.stop();
  });
});
