import { expect, onTestFinished, test, vi } from 'vitest';
import { RetryableError } from '../src/errors.ts';
import { StartError } from '../src/life_cycle.ts';
import { createStage, makeAgent, records, type WrittenConfig } from './support/agent.ts';
import { eventually } from './support/eventually.ts';

const CONFIG: WrittenConfig = {
  receivers: { counter: {}, pushed: {} },
  processors: { 'passing/1': {}, 'passing/2': {} },
  exporters: { sink: {}, window: {} },
  pipelines: {
    metrics: { receivers: ['counter'], processors: ['passing/1', 'passing/2'], exporters: ['sink', 'window'] },
    logs: { receivers: ['pushed'], exporters: ['sink'] },
  },
};

function useFakeTimers(): void {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
}

test('start goes from the back to the front, stop from the front to the back', async () => {
  const stage = createStage();
  const { agent } = makeAgent(CONFIG, stage);
  await agent.start();
  expect(stage.events.filter((event) => event.startsWith('start'))).toEqual([
    'start sink',
    'start passing/1',
    'start passing/2',
    'start window',
    'start counter',
    'start pushed',
  ]);
  stage.events.length = 0;
  await agent.stop();
  // Within a step they stop side by side.
  const steps = [stage.events.slice(0, 2).sort(), stage.events.slice(2, 4), stage.events.slice(4).sort()];
  expect(steps).toEqual([
    ['stop counter', 'stop pushed'],
    ['stop passing/1', 'stop passing/2'],
    ['stop sink', 'stop window'],
  ]);
  await agent.stop();
  expect(stage.events).toHaveLength(6);
});

test('start waits for each step before the next', async () => {
  const stage = createStage();
  const gate = Promise.withResolvers<void>();
  stage.behaviour['sink'] = { start: () => gate.promise };
  const { agent, figures } = makeAgent(CONFIG, stage);
  const starting = agent.start();
  await new Promise((resolve) => setImmediate(resolve));
  expect(stage.events).not.toContain('start passing/1');
  expect(figures('sink').state).toBe('starting');
  gate.resolve();
  await starting;
  expect(figures('sink').state).toBe('running');
});

test('The first collections of receivers that start together carry one time', async () => {
  const stage = createStage();
  const { agent } = makeAgent(
    {
      receivers: { counter: {}, 'counter/2': {}, 'counter/3': {} },
      exporters: { window: {} },
      pipelines: { metrics: { receivers: ['counter', 'counter/2', 'counter/3'], exporters: ['window'] } },
    },
    stage,
  );
  let now_ms = Date.now();
  const now = vi.spyOn(Date, 'now').mockImplementation(() => ++now_ms);
  onTestFinished(() => now.mockRestore());
  await agent.start();
  await eventually(() => expect(stage.seen.get('window')).toHaveLength(3));
  expect(new Set(stage.seen.get('window')!.map((batch) => batch.signal === 'metrics' && batch.time)).size).toBe(1);
});

test('stop sends what waits, within shutdown_timeout', async () => {
  const stage = createStage();
  const { agent, figures } = makeAgent(CONFIG, stage);
  const gate = Promise.withResolvers<void>();
  stage.behaviour['sink'] = { send: () => gate.promise };
  await agent.start();
  for (let i = 0; i < 5; i++) await stage.pushed.get('pushed')!.next.logs!.consume(records(i));
  expect(figures('sink', 'logs')).toMatchObject({ accepted: 5, sent: 0, queued: 5 });
  const stopping = agent.stop();
  gate.resolve();
  await stopping;
  expect(stage.arrived.get('sink')!.filter((name) => name !== 'count')).toEqual(['0', '1', '2', '3', '4']);
  expect(figures('sink', 'logs')).toMatchObject({ sent: 5, queued: 0, state: 'stopped' });
  expect(figures('sink', 'logs').dropped.size).toBe(0);
});

test('stop drops and counts what could not be sent within shutdown_timeout, and ends', async () => {
  const stage = createStage();
  const { agent, figures, lines } = makeAgent({ ...CONFIG, agent: { shutdown_timeout: 50 } }, stage);
  stage.behaviour['sink'] = { send: () => new Promise(() => {}) };
  await agent.start();
  for (let i = 0; i < 5; i++) await stage.pushed.get('pushed')!.next.logs!.consume(records(i));
  await agent.stop();
  expect(figures('sink', 'logs')).toMatchObject({ accepted: 5, sent: 0, queued: 0 });
  expect(figures('sink', 'logs').dropped).toEqual(new Map([['shutdown', 5]]));
  expect(lines.filter((line) => line.includes('Cannot send all logs'))).toHaveLength(1);
});

test('stop hands over the collection that is under way', async () => {
  const stage = createStage();
  const gate = Promise.withResolvers<void>();
  const counter = stage.receivers.find(({ type }) => type === 'counter')!;
  const slow: typeof counter = {
    ...counter,
    create(context) {
      const receiver = counter.create(context);
      return {
        ...receiver,
        async collect(observer, limit) {
          await gate.promise;
          return receiver.collect!(observer, limit);
        },
      };
    },
  };
  const { agent } = makeAgent(CONFIG, { ...stage, receivers: [slow, ...stage.receivers.slice(1)] });
  await agent.start();
  await new Promise((resolve) => setImmediate(resolve));
  const stopping = agent.stop();
  gate.resolve();
  await stopping;
  expect(stage.arrived.get('sink')).toEqual(['count']);
});

test('A component whose stop hangs is given up, and what comes behind it has time left', async () => {
  const stage = createStage();
  const { agent, lines, figures } = makeAgent({ ...CONFIG, agent: { shutdown_timeout: 3000 } }, stage);
  stage.behaviour['counter'] = { stop: () => new Promise(() => {}) };
  stage.behaviour['passing/1'] = { stop: () => new Promise(() => {}) };
  let isBusy = true;
  stage.behaviour['sink'] = {
    send() {
      if (isBusy) throw new RetryableError('busy');
    },
  };
  await agent.start();
  await stage.pushed.get('pushed')!.next.logs!.consume(records('late'));
  isBusy = false;
  await agent.stop();
  expect(stage.arrived.get('sink')).toContain('late');
  expect(figures('sink', 'logs').dropped.size).toBe(0);
  const complaints = lines.filter((line) => line.includes('Cannot stop cleanly: it did not stop within'));
  expect(complaints.map((line) => /component=(\S+)/.exec(line)![1])).toEqual(['counter', 'metrics/passing/1']);
  expect(stage.events.slice(-2).sort()).toEqual(['stop sink', 'stop window']);
});

test('A component whose stop fails is complained about and keeps nobody else from stopping', async () => {
  const stage = createStage();
  const { agent, lines } = makeAgent(CONFIG, stage);
  stage.behaviour['counter'] = {
    stop() {
      throw new Error('stuck');
    },
  };
  await agent.start();
  await agent.stop();
  expect(stage.events).toContain('stop window');
  expect(lines.filter((line) => line.includes('Cannot stop cleanly: stuck'))).toHaveLength(1);
});

test('startup_error fail: start names the component, and stops what had started', async () => {
  const stage = createStage();
  stage.behaviour['window'] = { start: () => Promise.reject(new Error('Cannot listen on 127.0.0.1:1: no')) };
  const { agent } = makeAgent(CONFIG, stage);
  const error: unknown = await agent.start().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(StartError);
  expect(error).toMatchObject({
    component: 'window',
    message: 'Cannot start window: Cannot listen on 127.0.0.1:1: no',
    cause: { message: 'Cannot listen on 127.0.0.1:1: no' },
  });
  expect(stage.events.filter((event) => !event.startsWith('create'))).toEqual([
    'start sink',
    'start passing/1',
    'start passing/2',
    'start window',
    'stop passing/1',
    'stop passing/2',
    'stop sink',
  ]);
});

test('startup_error fail: a component that starts beside the one that fails is stopped, too', async () => {
  const stage = createStage();
  stage.behaviour['counter'] = { start: () => Promise.reject(new Error('no')) };
  stage.behaviour['pushed'] = { start: () => new Promise((resolve) => setImmediate(resolve)) };
  const { agent } = makeAgent(CONFIG, stage);
  await expect(agent.start()).rejects.toThrow('Cannot start counter: no');
  expect(stage.events).toContain('stop pushed');
  expect(stage.events).not.toContain('stop counter');
});

test('startup_error retry: the agent starts without it, keeps what is meant for it, and tries again', async () => {
  useFakeTimers();
  const stage = createStage();
  let attempts = 0;
  stage.behaviour['sink'] = { start: () => (++attempts < 3 ? Promise.reject(new Error('no')) : undefined) };
  const { agent, figures, lines } = makeAgent(
    { ...CONFIG, exporters: { sink: { startup_error: 'retry' }, window: {} } },
    stage,
  );
  await agent.start();
  expect(figures('sink')).toMatchObject({ state: 'failed', reason: 'no' });
  await stage.pushed.get('pushed')!.next.logs!.consume(records('early'));
  await vi.advanceTimersByTimeAsync(1000);
  expect(attempts).toBe(2);
  await vi.advanceTimersByTimeAsync(1999);
  expect(attempts).toBe(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(figures('sink')).toMatchObject({ state: 'running', reason: '' });
  await eventually(() => expect(stage.arrived.get('sink')).toContain('early'));
  expect(lines.filter((line) => line.includes('Cannot start: no; will try again'))).toHaveLength(1);
  expect(lines.filter((line) => line.includes('msg=Started component=sink'))).toHaveLength(1);
});

test('startup_error retry: an agent that stops tries no more', async () => {
  useFakeTimers();
  const stage = createStage();
  stage.behaviour['sink'] = { start: () => Promise.reject(new Error('no')) };
  const { agent } = makeAgent({ ...CONFIG, exporters: { sink: { startup_error: 'retry' }, window: {} } }, stage);
  await agent.start();
  await agent.stop();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(stage.events.filter((event) => event === 'start sink')).toHaveLength(1);
  expect(stage.events).not.toContain('stop sink');
});

test('startup_error retry: nothing passes a processor that has not started yet', async () => {
  useFakeTimers();
  const stage = createStage();
  let attempts = 0;
  stage.behaviour['passing'] = { start: () => (++attempts < 2 ? Promise.reject(new Error('no')) : undefined) };
  const { agent, figures } = makeAgent(
    {
      receivers: { pushed: {} },
      processors: { passing: { startup_error: 'retry' } },
      exporters: { sink: {} },
      pipelines: { logs: { receivers: ['pushed'], processors: ['passing'], exporters: ['sink'] } },
    },
    stage,
  );
  await agent.start();
  const { logs } = stage.pushed.get('pushed')!.next;
  expect(() => logs!.consume(records('a'))).toThrow(RetryableError);
  expect(figures('passing')).toMatchObject({ accepted: 0, refused: 1 });
  await vi.advanceTimersByTimeAsync(1000);
  await logs!.consume(records('b'));
  await eventually(() => expect(stage.arrived.get('sink')).toEqual(['b']));
});

test.each(['sink', 'passing/1', 'counter'])('startup_error ignore: the agent runs without %s', async (id) => {
  const stage = createStage();
  stage.behaviour[id] = { start: () => Promise.reject(new Error('no')) };
  const ignoring = (blocks: Readonly<Record<string, object>>) =>
    Object.fromEntries(Object.entries(blocks).map(([key]) => [key, { startup_error: 'ignore' }]));
  const { agent, figures, lines } = makeAgent(
    {
      ...CONFIG,
      receivers: ignoring(CONFIG.receivers),
      processors: ignoring(CONFIG.processors!),
      exporters: ignoring(CONFIG.exporters),
    },
    stage,
  );
  await agent.start();
  await stage.pushed.get('pushed')!.next.logs!.consume(records('x'));
  await eventually(() => expect(stage.seen.get('window')).toHaveLength(id === 'counter' ? 0 : 1));
  expect(figures(id)).toMatchObject({ state: 'failed', reason: 'no' });
  expect(lines.filter((line) => line.includes('Cannot start: no; the agent runs without it'))).toHaveLength(1);
  // What can never be sent is not kept either.
  if (id === 'sink') expect(figures('sink', 'logs')).toMatchObject({ accepted: 0, queued: 0 });
  await agent.stop();
  expect(stage.events.filter((event) => event === `start ${id}`)).toHaveLength(1);
  expect(stage.events).not.toContain(`stop ${id}`);
});

test('A start that hangs ends with startup_timeout, and is stopped should it come up later', async () => {
  const stage = createStage();
  const gate = Promise.withResolvers<void>();
  stage.behaviour['sink'] = { start: () => gate.promise };
  const { agent } = makeAgent({ ...CONFIG, agent: { startup_timeout: 20 } }, stage);
  await expect(agent.start()).rejects.toThrow('Cannot start sink: it did not start within 20 ms');
  expect(stage.events).not.toContain('stop sink');
  gate.resolve();
  await eventually(() => expect(stage.events).toContain('stop sink'));
});

test('startup_error retry: a start that hangs is waited for, not called a second time', async () => {
  const stage = createStage();
  const gate = Promise.withResolvers<void>();
  stage.behaviour['counter'] = { start: () => gate.promise };
  const { agent, figures } = makeAgent(
    { ...CONFIG, agent: { startup_timeout: 20 }, receivers: { counter: { startup_error: 'retry' }, pushed: {} } },
    stage,
  );
  await agent.start();
  expect(figures('counter')).toMatchObject({ state: 'failed', reason: 'it did not start within 20 ms' });
  expect(stage.seen.get('window')).toEqual([]);
  gate.resolve();
  await eventually(() => expect(stage.seen.get('window')).toHaveLength(1));
  expect(figures('counter').state).toBe('running');
  expect(stage.events.filter((event) => event === 'start counter')).toHaveLength(1);
});

test('startup_error ignore: a start that hangs and comes up late is stopped', async () => {
  const stage = createStage();
  const gate = Promise.withResolvers<void>();
  stage.behaviour['window'] = { start: () => gate.promise };
  const { agent, figures } = makeAgent(
    { ...CONFIG, agent: { startup_timeout: 20 }, exporters: { sink: {}, window: { startup_error: 'ignore' } } },
    stage,
  );
  await agent.start();
  gate.resolve();
  await eventually(() => expect(stage.events).toContain('stop window'));
  expect(figures('window').state).toBe('failed');
  await agent.stop();
  expect(stage.events.filter((event) => event === 'stop window')).toHaveLength(1);
});
