/** A whole agent: who makes it push everything. */
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { definePullExporter, defineProcessor, defineReceiver } from '../../src/component.ts';
import type { Board } from '../../src/rules/board.ts';
import { createStage, makeAgent } from '../support/agent.ts';
import { createTestBoard } from './alerts.ts';
import { eventually } from '../support/eventually.ts';

const still = defineReceiver({
  type: 'still',
  about: 'Measures what stands still.',
  config: v.strictObject({}),
  metrics: { level: { name: 'level', instrument: 'gauge', unit: '1', about: '', attributes: [] } },
  create: ({ metrics }) => ({ collect: (observer) => observer.observe(metrics.level, 1) }),
});

test('An agent pushes everything while an alert waits or fires, and after someone looked, and what is needed else', async () => {
  const stage = createStage();
  let board: Board | undefined;
  let watched: () => void = () => {};
  const judging = defineProcessor({
    type: 'judging',
    about: 'Has the board.',
    signals: ['metrics'],
    config: v.strictObject({}),
    create(context) {
      ({ board } = context);
      return { consume: (batch) => context.next.consume(batch) };
    },
  });
  const page = definePullExporter({
    type: 'page',
    about: 'Is looked at.',
    signals: ['metrics'],
    config: v.strictObject({}),
    create(context) {
      ({ watched } = context);
      return { consume: () => {} };
    },
  });
  const { agent, figures } = makeAgent(
    {
      receivers: { still: { collection_interval: '5ms', adaptive_interval: { max: '10m' } } },
      processors: { judging: {} },
      exporters: { sink: {}, page: {} },
      pipelines: { metrics: { receivers: ['still'], processors: ['judging'], exporters: ['sink', 'page'] } },
    },
    {
      receivers: [...stage.receivers, still],
      processors: [...stage.processors, judging],
      exporters: [...stage.exporters, page],
    },
  );
  await agent.start();
  const leftOut = (): number => figures('still').left_out!;
  const pushed = (): number => figures('sink').accepted;
  const moreOf = (count: () => number): Promise<void> => {
    const before = count();
    return eventually(() => expect(count()).toBeGreaterThan(before + 2));
  };
  await moreOf(leftOut);
  expect(pushed()).toBe(1);

  const alerts = createTestBoard();
  alerts.set('High pending');
  const takeAway = board!.add([...alerts.board.judges][0]!);
  await moreOf(pushed);
  takeAway();
  await moreOf(leftOut);
  const before = pushed();
  await moreOf(leftOut);
  expect(pushed()).toBe(before);

  watched();
  await moreOf(pushed);
  expect(figures('page').accepted).toBeGreaterThanOrEqual(figures('still').accepted - 1);
});

test.each([
  [{ adaptive_interval: { max: '19s' } }, 'Leaves nothing out: adaptive_interval.max is shorter than two intervals'],
  [{ burst: { interval: '10s' } }, 'Makes no bursts: burst.interval is no shorter than the interval'],
  [{ burst: { for: '999ms' } }, 'Makes no bursts: burst.for or burst.per_hour is shorter than burst.interval'],
  [{ burst: { per_hour: '1ms' } }, 'Makes no bursts: burst.for or burst.per_hour is shorter than burst.interval'],
  [{ adaptive_interval: { max: '20s' }, burst: { interval: '9s', for: '9s' } }, undefined],
])('An agent says that %j of a receiver that collects every 10 s changes nothing', async (options, sentence) => {
  const stage = createStage();
  const { agent, lines } = makeAgent(
    {
      receivers: { still: { collection_interval: '10s', ...options } },
      exporters: { sink: {} },
      pipelines: { metrics: { receivers: ['still'], exporters: ['sink'] } },
    },
    { ...stage, receivers: [...stage.receivers, still] },
  );
  await agent.start();
  await agent.stop();
  const said = lines.filter((line) => /Leaves nothing|Makes no bursts/.test(line));
  expect(said).toEqual(sentence === undefined ? [] : [expect.stringContaining(sentence)]);
});
