import { readdirSync, readlinkSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { catalog } from '../src/cli/catalog.ts';
import { loadRegistry } from '../src/config/registry.ts';
import { configOf, createStage, makeAgent, records, type Definitions, type WrittenConfig } from './support/agent.ts';
import { eventually } from './support/eventually.ts';
import { freePort } from './support/free_port.ts';
import { rootOf } from './support/machines.ts';

const { exporters, processors, receivers } = await loadRegistry(catalog);

const CONFIG: WrittenConfig = {
  receivers: { counter: {}, pushed: {} },
  processors: { passing: {} },
  exporters: { sink: {}, window: {} },
  pipelines: {
    metrics: { receivers: ['counter'], processors: ['passing'], exporters: ['sink', 'window'] },
    logs: { receivers: ['pushed'], exporters: ['sink'] },
  },
};
const REAL: Definitions = { receivers, processors, exporters };

async function scrape(url: string): Promise<string> {
  // A connection that is kept may be one to the listener before the reload.
  const response = await fetch(`${url}/metrics`, { headers: { connection: 'close' } });
  expect(response.status).toBe(200);
  return response.text();
}

test('reload with the same configuration restarts nothing', async () => {
  const stage = createStage();
  const { agent, reload } = makeAgent(CONFIG, stage);
  await agent.start();
  stage.events.length = 0;
  expect(await reload(CONFIG)).toEqual({ started: [], stopped: [], kept: 5 });
  expect(stage.events).toEqual([]);
});

test('reload restarts what changed, starts what is new, stops what is gone, and leaves the rest its state', async () => {
  const stage = createStage();
  const { agent, reload, figures } = makeAgent(CONFIG, stage);
  await agent.start();
  await eventually(() => expect(figures('counter').accepted).toBe(1));
  stage.events.length = 0;
  const result = await reload({
    ...CONFIG,
    receivers: { counter: {}, 'pushed/new': {} },
    processors: { passing: { note: 'changed' } },
    pipelines: { ...CONFIG.pipelines, logs: { receivers: ['pushed/new'], exporters: ['sink'] } },
  });
  expect(result).toEqual({ started: ['pushed/new', 'passing'], stopped: ['pushed', 'passing'], kept: 3 });
  expect(stage.events.toSorted()).toEqual([
    'create passing',
    'create pushed/new',
    'start passing',
    'start pushed/new',
    'stop passing',
    'stop pushed',
  ]);
  expect(figures('counter')).toMatchObject({ accepted: 1, state: 'running' });
  expect(figures('passing')).toMatchObject({ accepted: 0, state: 'running' });
});

test('reload drains an exporter that is gone, and one that changed', async () => {
  const stage = createStage();
  const { agent, reload } = makeAgent(
    {
      ...CONFIG,
      exporters: { ...CONFIG.exporters, 'sink/gone': {} },
      pipelines: { ...CONFIG.pipelines, logs: { receivers: ['pushed'], exporters: ['sink', 'sink/gone'] } },
    },
    stage,
  );
  const gate = Promise.withResolvers<void>();
  stage.behaviour['sink'] = stage.behaviour['sink/gone'] = { send: () => gate.promise };
  await agent.start();
  for (let i = 0; i < 3; i++) await stage.pushed.get('pushed')!.next.logs!.consume(records(i));
  const reloading = reload({ ...CONFIG, exporters: { sink: { note: 'changed' }, window: {} } });
  gate.resolve();
  await reloading;
  const logsAt = (id: string) => stage.arrived.get(id)!.filter((name) => name !== 'count');
  expect(logsAt('sink/gone')).toEqual(['0', '1', '2']);
  expect(logsAt('sink').toSorted()).toEqual(['0', '1', '2']);
});

test('A secret that changed restarts its component, though nothing ever shows it', async () => {
  const stage = createStage();
  const withToken = (token: string): WrittenConfig => ({ ...CONFIG, exporters: { sink: { token }, window: {} } });
  const { agent, reload, lines } = makeAgent(withToken('hunter-1'), stage);
  await agent.start();
  expect(await reload(withToken('hunter-1'))).toMatchObject({ started: [] });
  expect(await reload(withToken('hunter-2'))).toMatchObject({ started: ['sink'], stopped: ['sink'], kept: 4 });
  expect(lines.join('\n')).not.toContain('hunter');
});

test('Another order of pipelines restarts nothing', async () => {
  const stage = createStage();
  const { agent, reload } = makeAgent(CONFIG, stage);
  await agent.start();
  const { metrics, logs } = CONFIG.pipelines as Record<string, WrittenConfig['pipelines'][string]>;
  expect(await reload({ ...CONFIG, pipelines: { logs: logs!, metrics: metrics! } })).toMatchObject({ started: [] });
});

test('No record is lost or doubled while everything but the receiver is reloaded again and again', async () => {
  const stage = createStage();
  const variant = (note: string): WrittenConfig => ({
    receivers: { pushed: {} },
    processors: { passing: { note }, bundling: { note } },
    exporters: { sink: { note } },
    pipelines: { logs: { receivers: ['pushed'], processors: ['bundling', 'passing'], exporters: ['sink'] } },
  });
  stage.behaviour['sink'] = { send: () => new Promise((resolve) => setImmediate(resolve)) };
  const { agent, reload } = makeAgent(variant(''), stage);
  await agent.start();
  const { logs } = stage.pushed.get('pushed')!.next;
  let sent = 0;
  let isOver = false;
  const sending = (async () => {
    while (!isOver) {
      await logs!.consume(records(sent++, sent++));
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  for (let i = 0; i < 10; i++) {
    await new Promise((resolve) => setTimeout(resolve, i));
    expect((await reload(variant(`${i}`))).started).toHaveLength(3);
  }
  isOver = true;
  await sending;
  await agent.stop();
  expect(sent).toBeGreaterThan(20);
  expect(
    stage.arrived
      .get('sink')!
      .map(Number)
      .toSorted((a, b) => a - b),
  ).toEqual([...Array(sent).keys()]);
});

test('reload that cannot create a component changes nothing, and the clock goes on', async () => {
  const stage = createStage();
  const often = { collection_interval: 20 };
  const { agent, figures } = makeAgent({ ...CONFIG, agent: often }, stage);
  await agent.start();
  stage.events.length = 0;
  const [sink, window] = stage.exporters;
  const broken = {
    ...sink!,
    create() {
      throw new RangeError('Cannot create "sink": no');
    },
  };
  // Another instance id would rebuild everything.
  const next = { ...CONFIG, agent: { ...often, instance_id: 'other' }, exporters: { sink: { note: 'x' }, window: {} } };
  const config = configOf(next, { ...stage, exporters: [broken, window!] });
  await expect(agent.reload(config)).rejects.toThrow('Cannot create "sink": no');
  expect(stage.events.filter((event) => !event.startsWith('create'))).toEqual([]);
  const { accepted } = figures('counter');
  await eventually(() => expect(figures('counter').accepted).toBeGreaterThan(accepted + 2));
});

test.each([
  ['a component cannot start', {}],
  ['so with another resource, for which all is made anew', { resource: { team: 'b' } }],
])('reload goes back to the old configuration where %s', async (_, more) => {
  const stage = createStage();
  const often = { collection_interval: 20 };
  const { agent, reload } = makeAgent({ ...CONFIG, agent: often }, stage);
  await agent.start();
  stage.behaviour['window/new'] = { start: () => Promise.reject(new Error('taken')) };
  const next: WrittenConfig = {
    ...CONFIG,
    ...more,
    agent: often,
    receivers: { counter: { note: 'changed' }, pushed: {} },
    exporters: { sink: {}, window: { note: 'changed' }, 'window/new': {} },
    pipelines: { ...CONFIG.pipelines, 'metrics/new': { receivers: ['counter'], exporters: ['window/new'] } },
  };
  await expect(reload(next)).rejects.toThrow('Cannot start window/new: taken');
  const states = agent.figures().components.map(({ id, state }) => `${id} ${state}`);
  expect([...new Set(states)]).toEqual(['counter', 'pushed', 'passing', 'sink', 'window'].map((id) => `${id} running`));
  const arrived = stage.arrived.get('sink')!.length;
  const seen = stage.seen.get('window')!.length;
  await eventually(() => expect(stage.arrived.get('sink')!.length).toBeGreaterThan(arrived + 2));
  // What the sink had still to send may be older.
  await eventually(() => expect(stage.seen.get('window')!.length).toBeGreaterThan(seen));
  await stage.pushed.get('pushed')!.next.logs!.consume(records('after'));
  await eventually(() => expect(stage.arrived.get('sink')).toContain('after'));
  expect(await reload({ ...CONFIG, agent: often })).toMatchObject({ started: [] });
});

test('reload that fails leaves the old listener answering on the same port', async () => {
  const port = await freePort();
  const taken = createServer();
  await new Promise<void>((resolve) => void taken.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void taken.close());
  const config = (block: Readonly<Record<string, unknown>>, more: WrittenConfig['exporters'] = {}): WrittenConfig => ({
    receivers: { memory: {} },
    exporters: { prometheus: { endpoint: `127.0.0.1:${port}`, ...block }, ...more },
    pipelines: { metrics: { receivers: ['memory'], exporters: ['prometheus', ...Object.keys(more)] } },
  });
  const { agent, reload } = makeAgent(config({}), REAL);
  await agent.start();
  const url = `http://127.0.0.1:${port}`;
  expect(agent.listening()).toEqual([url]);
  const busy = { 'prometheus/busy': { endpoint: `127.0.0.1:${(taken.address() as AddressInfo).port}` } };
  await expect(reload(config({ scope_labels: true }, busy))).rejects.toThrow(
    /^Cannot start prometheus\/busy: .*EADDRINUSE/,
  );
  expect(agent.listening()).toEqual([url]);
  expect(await scrape(url)).toMatch(/^system_memory_usage_bytes\{system_memory_state="used"\} /m);
  await reload(config({ scope_labels: true }));
  expect(agent.listening()).toEqual([url]);
  expect(await scrape(url)).toContain('otel_scope_name="sonde.receiver.memory"');
  await agent.stop();
  expect(agent.listening()).toEqual([]);
  await expect(fetch(url)).rejects.toThrow();
});

test('A pull exporter that was restarted answers at once with all there is', async () => {
  const config = (note: string): WrittenConfig => ({
    receivers: { memory: {}, load: {} },
    exporters: { prometheus: { endpoint: '127.0.0.1:0', max_age: '1h', constant_labels: { note } } },
    pipelines: { metrics: { receivers: ['memory', 'load'], exporters: ['prometheus'] } },
  });
  const { agent, reload } = makeAgent(config('a'), REAL);
  await agent.start();
  await scrape(agent.listening()[0]!);
  await reload(config('b'));
  const text = await scrape(agent.listening()[0]!);
  expect(text).toContain('system_memory_usage_bytes{');
  expect(text).toContain('system_cpu_load_average_1m{');
});

test('The series of a receiver that a reload takes away are gone at the next scrape', async () => {
  const config = (...names: string[]): WrittenConfig => ({
    receivers: Object.fromEntries(names.map((name) => [name, {}])),
    exporters: { prometheus: { endpoint: '127.0.0.1:0' } },
    pipelines: { metrics: { receivers: names, exporters: ['prometheus'] } },
  });
  const { agent, reload } = makeAgent(config('memory', 'load'), REAL);
  await agent.start();
  const [url] = agent.listening();
  expect(await scrape(url!)).toContain('system_cpu_load_average_1m');
  await reload(config('memory'));
  expect(agent.listening()).toEqual([url]);
  const text = await scrape(url!);
  expect(text).toContain('system_memory_usage_bytes');
  expect(text).not.toContain('system_cpu_load_average_1m');
});

test('A reload that is asked for over HTTP is answered, though it restarts the listener that was asked', async () => {
  const port = await freePort();
  const config = (note: string): WrittenConfig => ({
    receivers: { load: {} },
    exporters: { prometheus: { endpoint: `127.0.0.1:${port}`, constant_labels: { note } } },
    pipelines: { metrics: { receivers: ['load'], exporters: ['prometheus'] } },
  });
  const { agent, reload } = makeAgent(config('a'), REAL, () => reload(config('b')));
  await agent.start();
  const [url] = agent.listening();
  const response = await fetch(`${url}/-/reload`, { method: 'POST' });
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ started: ['prometheus'], stopped: ['prometheus'], kept: 1 });
  expect(await scrape(url!)).toContain('note="b"');
});

test('Reloads that are asked for at once are done one after the other, and stop waits for them', async () => {
  const stage = createStage();
  const { agent, reload } = makeAgent(CONFIG, stage);
  const starting = agent.start();
  stage.behaviour['sink'] = { start: () => new Promise((resolve) => setImmediate(resolve)) };
  const notes = ['a', 'b', 'c'];
  const reloads = notes.map((note) => reload({ ...CONFIG, exporters: { sink: { note }, window: {} } }));
  const stopping = agent.stop();
  await starting;
  for (const { started } of await Promise.all(reloads)) expect(started).toEqual(['sink']);
  await stopping;
  const ofSink = stage.events.filter((event) => event.endsWith(' sink')).map((event) => event.split(' ')[0]);
  const exchange = ['create', 'start', 'stop'];
  expect(ofSink).toEqual(['create', 'start', ...exchange, ...exchange, ...exchange, 'stop']);
  await expect(reload(CONFIG)).rejects.toThrow('Cannot reload: the agent does not run');
});

test('figures and listening can be asked for before the start', () => {
  const { agent } = makeAgent(CONFIG, createStage());
  expect(agent.figures()).toMatchObject({ components: [], pipelines: [] });
  expect(agent.listening()).toEqual([]);
});

test.runIf(process.platform === 'linux')(
  'A reload for another machine or resource closes the files of the one before',
  async () => {
    const roots = ['debian12-kvm', 'server-64cpu'].map(rootOf);
    const openFiles = (): string[] =>
      readdirSync('/proc/self/fd').flatMap((fd) => {
        try {
          const path = readlinkSync(`/proc/self/fd/${fd}`);
          return roots.some((root) => path.startsWith(root)) ? [path] : [];
        } catch {
          // The descriptor of the listing itself is closed by now.
          return [];
        }
      });
    const config = (root_path: string, resource = {}): WrittenConfig => ({
      agent: { root_path },
      resource,
      receivers: { memory: {}, load: {}, system: {} },
      exporters: { prometheus: { endpoint: '127.0.0.1:0' } },
      pipelines: { metrics: { receivers: ['memory', 'load', 'system'], exporters: ['prometheus'] } },
    });
    const { agent, reload } = makeAgent(config(roots[0]!), REAL);
    await agent.start();
    await scrape(agent.listening()[0]!);
    const open = openFiles().length;
    expect(open).toBeGreaterThan(2);
    expect(await reload(config(roots[0]!, { team: 'a' }))).toMatchObject({ kept: 0 });
    await scrape(agent.listening()[0]!);
    expect(openFiles()).toHaveLength(open);
    await reload(config(roots[1]!, { team: 'a' }));
    await scrape(agent.listening()[0]!);
    expect(openFiles().every((path) => path.startsWith(roots[1]!))).toBe(true);
    await expect(
      reload({ ...config(roots[0]!), exporters: { prometheus: { endpoint: '203.0.113.7:1', insecure: true } } }),
    ).rejects.toThrow('Cannot start prometheus');
    await scrape(agent.listening()[0]!);
    expect(openFiles().every((path) => path.startsWith(roots[1]!))).toBe(true);
    await agent.stop();
    expect(openFiles()).toEqual([]);
  },
);

test('A reload of what concerns only the agent itself restarts no component', async () => {
  const stage = createStage();
  const { agent, reload } = makeAgent(CONFIG, stage);
  await agent.start();
  const settings = { log: { level: 'debug', format: 'json' }, shutdown_timeout: 1, startup_timeout: 1 } as const;
  expect(await reload({ ...CONFIG, agent: settings })).toMatchObject({ started: [], stopped: [] });
  // Receivers that do not say their interval have another one now.
  expect(await reload({ ...CONFIG, agent: { collection_interval: 60_000 } })).toMatchObject({
    started: ['counter', 'pushed'],
  });
});

test('What an exporter drops counts for the signal that it encodes', async () => {
  const stage = createStage();
  const { agent, figures } = makeAgent(CONFIG, stage);
  await agent.start();
  await stage.pushed.get('pushed')!.next.logs!.consume(records('a', 'unwanted 1', 'unwanted 2'));
  await eventually(() => expect(figures('sink', 'logs').sent).toBe(1));
  expect(figures('sink', 'metrics').dropped.size).toBe(0);
  expect(figures('sink', 'logs')).toMatchObject({ accepted: 3, sent: 1, dropped: new Map([['unwanted', 2]]) });
});

test('A receiver that reaches a pull exporter through two pipelines is there with what each makes of it', async () => {
  const insert = (value: string) => ({ actions: [{ key: 'way', action: 'insert', value }] });
  const { agent, figures } = makeAgent(
    {
      receivers: { load: {} },
      processors: { 'attributes/a': insert('a'), 'attributes/b': insert('b') },
      exporters: { prometheus: { endpoint: '127.0.0.1:0' } },
      pipelines: {
        'metrics/a': { receivers: ['load'], processors: ['attributes/a'], exporters: ['prometheus'] },
        'metrics/b': { receivers: ['load'], processors: ['attributes/b'], exporters: ['prometheus'] },
      },
    },
    REAL,
  );
  await agent.start();
  const text = await scrape(agent.listening()[0]!);
  expect(text.match(/^system_cpu_load_average_1m\{.*\}/gm)).toEqual([
    'system_cpu_load_average_1m{way="a"}',
    'system_cpu_load_average_1m{way="b"}',
  ]);
  expect(figures('prometheus').dropped.size).toBe(0);
});

test('A pull exporter beside the processor batch has each collection once, whole and fresh', async () => {
  const { agent, figures } = makeAgent(
    {
      receivers: { load: {}, memory: {} },
      processors: { batch: { timeout: '10ms' } },
      exporters: { prometheus: { endpoint: '127.0.0.1:0', max_age: '0' }, sink: {} },
      pipelines: {
        metrics: { receivers: ['load', 'memory'], processors: ['batch'], exporters: ['prometheus', 'sink'] },
      },
    },
    { ...REAL, exporters: [...exporters, ...createStage().exporters] },
  );
  await agent.start();
  await eventually(() => expect(figures('sink').sent).toBeGreaterThan(0));
  const text = await scrape(agent.listening()[0]!);
  expect(text.match(/^system_cpu_load_average_1m/gm)).toHaveLength(1);
  expect(figures('prometheus').dropped.size).toBe(0);
  // Receivers that collect some time apart are sent as two batches.
  await eventually(() => expect(figures('prometheus').accepted).toBe(2 * figures('batch').sent));
});

test('Answers to scrapes are counted, with the points in them', async () => {
  const { agent, figures } = makeAgent(
    {
      receivers: { load: {} },
      exporters: { prometheus: { endpoint: '127.0.0.1:0' } },
      pipelines: { metrics: { receivers: ['load'], exporters: ['prometheus'] } },
    },
    REAL,
  );
  await agent.start();
  const [url] = agent.listening();
  const samples = (await scrape(url!)).split('\n').filter((line) => line.startsWith('system_')).length;
  await scrape(url!);
  expect(figures('prometheus')).toMatchObject({ sent: 2 * samples, operations: 2 });
  expect(figures('prometheus').duration_s).toBeGreaterThan(0);
  const page = (await (await fetch(url!, { headers: { accept: 'application/json' } })).json()) as {
    pipelines: { exporters: { sent: number }[] }[];
  };
  expect(page.pipelines[0]!.exporters[0]!.sent).toBe(2 * samples);
});
