/** Runs every listed component through the contract, and shows that each rule finds what breaks it. */
import { createBoard } from '../src/rules/board.ts';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { catalog } from '../src/cli/catalog.ts';
import type { MetricDefinition, PushExporter } from '../src/component.ts';
import { option } from '../src/config/options.ts';
import { loadRegistry, SECTIONS, SINGULAR } from '../src/config/registry.ts';
import type { Host } from '../src/procfs/host.ts';
import { runReceiver, valuesOf } from './support/collect.ts';
import { type AnyDefinition, checkDefinition, checkList, checkMetrics } from './support/conformance.ts';
import { minimalOf } from './support/minimal.ts';
import { createMachine } from './support/machines.ts';
import { logBatch, logRecord, metric, metricBatch, runProcessor, series } from './support/processor.ts';

const { exporters, processors, receivers } = await loadRegistry(catalog);

const ALL: readonly AnyDefinition[] = [...receivers, ...processors, ...exporters];

const nameOf = ({ kind, type }: AnyDefinition): string => `${kind} ${type}`;
const named = <D extends AnyDefinition>(definitions: readonly D[]) => definitions.map((d) => [nameOf(d), d] as const);

const files = ['receivers', 'processors', 'exporters', 'test'].flatMap((folder) =>
  readdirSync(join(import.meta.dirname, '..', folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `${folder}/${file}`),
);

describe.each(SECTIONS)('%s', (folder) => {
  const listed = Object.keys(catalog[folder]);

  test('has a list, in order, of all its files, each with a test', () => {
    expect(checkList(folder, listed, files)).toEqual([]);
  });

  test.each(listed)('%s is the default export of its file', async (type) => {
    const { default: definition } = await catalog[folder][type]!();
    const file = files.includes(`${folder}/${type}.ts`) ? `${type}.ts` : `${type}/index.ts`;
    const module = (await import(join(import.meta.dirname, '..', folder, file))) as { default: unknown };
    expect(module.default).toBe(definition);
    expect(definition).toMatchObject({ type, kind: SINGULAR[folder] });
  });
});

test.each(named(ALL))('%s describes itself, its options and its metrics', (_, definition) => {
  expect(checkDefinition(definition, minimalOf(definition))).toEqual([]);
});

/** Fails whatever is asked of it that reaches beyond the process. */
function untouchable(platform: NodeJS.Platform): Host {
  const refuse = (): never => {
    throw new Error('create reaches beyond the process');
  };
  return {
    platform,
    rootPath: '/',
    resolve: (path) => path,
    read: refuse,
    readOnce: refuse,
    open: refuse,
    readText: refuse,
    list: refuse,
    bootTime: refuse,
    os: { cpus: refuse, loadavg: refuse, uptime: refuse, totalmem: refuse },
    systeminformation: refuse,
    close() {},
  };
}

describe('create has no effect', () => {
  const serve = () => Promise.reject(new Error('create listens'));

  test.each(named(receivers))('%s', async (_, definition) => {
    for (const platform of ['linux', 'darwin', 'win32', 'freebsd'] as const) {
      const before = process.getActiveResourcesInfo();
      const config = minimalOf(definition);
      const run = await runReceiver(definition, {
        config,
        platform,
        host: untouchable(platform),
        isStarted: false,
        serve,
      });
      expect(process.getActiveResourcesInfo()).toEqual(before);
      expect(run.said).toEqual([]);
    }
  });

  test.each(named(processors))('%s', (_, definition) => {
    const before = process.getActiveResourcesInfo();
    const run = runProcessor(definition, minimalOf(definition), untouchable('linux'));
    expect(process.getActiveResourcesInfo()).toEqual(before);
    expect(run.out).toEqual([]);
  });

  test.each(named(exporters))('%s', (_, definition) => {
    const before = process.getActiveResourcesInfo();
    createExporter(definition);
    expect(process.getActiveResourcesInfo()).toEqual(before);
  });
});

/** In a pipeline of one signal, as every exporter can be. */
function createExporter(definition: (typeof exporters)[number], signal = definition.signals[0]) {
  const said: string[] = [];
  const exporter = definition.create({
    id: definition.type,
    config: v.parse(definition.config, minimalOf(definition)),
    log: {
      info: (message) => said.push(message),
      warn: (message) => said.push(message),
      error: (message) => said.push(message),
      once: (_, message) => said.push(message),
      over: () => undefined,
    },
    drop: () => undefined,
    signals: [signal],
    serve: () => Promise.reject(new Error('create listens')),
    http: () => ({ canRelease: () => false, post: () => Promise.reject(new Error('create sends')), close() {} }),
    resource: { attributes: {}, schemaUrl: '' },
    collect: () => Promise.reject(new Error('create collects')),
    board: createBoard(),
    answered: () => undefined,
    watched: () => undefined,
  });
  return exporter;
}

const measuring = receivers.filter(({ metrics }) => Object.keys(metrics).length > 0);

test.each(named(measuring))(
  '%s survives a machine without any file, and says each thing once',
  async (_, definition) => {
    const config = minimalOf(definition);
    const run = await runReceiver(definition, { rootPath: createMachine({}).root, everything: true, config });
    await run.collect();
    const said = [...run.said];
    await run.collect();
    expect(run.said).toEqual(said);
    expect(new Set(said).size).toBe(said.length);
    await run.stop();
  },
);

test.each(named(measuring))('%s collects the same layout again', async (_, definition) => {
  const config = minimalOf(definition);
  const run = await runReceiver(definition, { rootPath: 'test/fixtures/debian12-kvm', config });
  await run.collect();
  const [second] = await run.collect();
  const [third] = await run.collect();
  expect(third.series).toBe(second.series);
  await run.stop();
});

test.each(named(measuring))('%s measures nothing that is switched off', async (_, definition) => {
  const metrics = Object.fromEntries(
    Object.values<MetricDefinition>(definition.metrics).map(({ name }) => [name, { enabled: false }]),
  );
  const config = { ...minimalOf(definition), metrics };
  const run = await runReceiver(definition, { rootPath: createMachine({}).root, config });
  expect(valuesOf(await run.collect())).toEqual({});
  await run.stop();
});

const BATCH = metricBatch(
  [series('a', { k: 'v' }), series(metric('g', { kind: 'gauge', valueType: 'double' }))],
  [7, 0.5],
);
const LOGS = logBatch([logRecord('hello')]);

test.each(named(processors))(
  '%s takes each of its signals, empty ones too, and changes nothing it is given',
  async (_, definition) => {
    for (const signal of definition.signals) {
      if (signal === 'traces') continue;
      const { processor, consume } = runProcessor(definition, minimalOf(definition));
      await processor.start?.();
      const batch = signal === 'metrics' ? BATCH : LOGS;
      // A frozen batch throws if it is changed; its columns cannot be frozen.
      await consume(batch);
      await consume(signal === 'metrics' ? metricBatch([], []) : logBatch([]));
      expect([...BATCH.values]).toEqual([7, 0.5]);
      await processor.stop?.();
    }
  },
);

test.each(named(exporters.filter(({ isPull }) => !isPull)))(
  '%s encodes the same batch to the same bytes, and counts its items',
  (_, definition) => {
    for (const signal of definition.signals) {
      if (signal === 'traces') continue;
      const exporter = createExporter(definition, signal) as PushExporter;
      const batch = signal === 'metrics' ? BATCH : LOGS;
      const payloads = exporter.encode(batch);
      expect(payloads.reduce((sum, { count }) => sum + count, 0)).toBe(batch.count);
      const bodies = payloads.map(({ body }) => Buffer.from(body).toString('base64'));
      expect(exporter.encode(batch).map(({ body }) => Buffer.from(body).toString('base64'))).toEqual(bodies);
    }
  },
);

describe('checkList finds', () => {
  const good = ['receivers/a.ts', 'receivers/b/index.ts', 'receivers/b/x.ts', 'receivers/index.ts'];
  const tests = ['test/receivers/a.test.ts', 'test/receivers/b/index.test.ts'];

  test('nothing where all is in order', () => {
    expect(checkList('receivers', ['a', 'b'], [...good, ...tests])).toEqual([]);
  });
  test.each([
    ['a component that is not listed', ['a'], [...good, ...tests], 'receivers/b is not in receivers/index.ts'],
    ['a list out of order', ['b', 'a'], [...good, ...tests], 'receivers/index.ts lists a out of order'],
    ['a component listed twice', ['a', 'a', 'b'], [...good, ...tests], 'receivers/index.ts lists a out of order'],
    ['a missing test', ['a', 'b'], [...good, tests[0]], 'receivers/b has no test in test/receivers'],
    [
      'a type that no file is named after',
      ['a', 'b', 'c'],
      [...good, ...tests, 'test/receivers/c.test.ts'],
      'receivers/index.ts lists c, which is in no file of that name',
    ],
  ])('%s', (_, listed, present, problem) => {
    expect(checkList('receivers', listed, present)).toEqual([problem]);
  });
});

describe('checkDefinition finds', () => {
  const good = receivers.find(({ type }) => type === 'load')!;
  const entries = good.config.entries;
  const withEntry = (name: string, entry: v.GenericSchema) => ({
    ...good,
    config: v.strictObject({ ...entries, [name]: entry }),
  });

  test.each<[string, AnyDefinition, string]>([
    ['a type with capitals', { ...good, type: 'Load' }, 'type that is not in snake_case'],
    ['no description', { ...good, about: '' }, 'no sentence'],
    ['a description without a full stop', { ...good, about: 'Reads the load' }, 'no sentence'],
    ['an option nobody described', withEntry('depth', v.optional(v.number(), 1)), 'without a description: depth'],
    [
      'an option in camel case',
      withEntry('maxDepth', option(v.number(), 'How deep.', 1)),
      'not in snake_case: maxDepth',
    ],
    ['an option that must be given', withEntry('depth', v.pipe(v.number(), v.description('How.'))), 'own defaults'],
    [
      'an option whose default is refused',
      withEntry('depth', option(v.picklist(['a']), 'How.', 'b' as 'a')),
      'own defaults',
    ],
    [
      'a schema that takes any key',
      { ...good, config: v.looseObject(entries) as unknown as typeof good.config },
      'accepts an option that it has not',
    ],
    ['no signal', { ...good, signals: [] }, 'takes no signal'],
    ['an empty permission', { ...good, permissions: [{ needs: '', without: 'all' }] }, 'says nothing'],
  ])('%s', (_, definition, problem) => {
    expect(checkDefinition(definition, {})).toEqual([expect.stringContaining(problem)]);
  });
});

describe('checkMetrics finds', () => {
  const good: MetricDefinition = {
    name: 'system.x.time',
    instrument: 'counter',
    unit: 's',
    about: 'Time.',
    attributes: ['cpu.mode'],
    value: 'double',
  };

  test.each<[string, Partial<MetricDefinition>, string]>([
    ['a name in camel case', { name: 'system.xTime' }, 'dotted lower case: system.xTime'],
    ['a name without a namespace', { name: 'time' }, 'dotted lower case: time'],
    ['a unit in the plural of nothing', { unit: 'bytes' }, 'unit is not known'],
    ['a counter of no unit', { unit: '1' }, 'counter of no unit'],
    [
      'a share that is an integer',
      { name: 'x.utilization', unit: '1', instrument: 'gauge', value: 'int' },
      'no double gauge',
    ],
    ['no description', { about: '' }, 'no sentence'],
    ['an attribute twice', { attributes: ['cpu.mode', 'cpu.mode'] }, 'an attribute twice'],
    ['an attribute without a namespace', { attributes: ['mode'] }, 'mode of system.x.time'],
  ])('%s', (_, change, problem) => {
    expect(checkMetrics({ a: { ...good, ...change } })).toEqual([expect.stringContaining(problem)]);
  });

  test('two metrics of one name, and one that is the namespace of another', () => {
    expect(checkMetrics({ a: good, b: good })).toEqual(['has two metrics of one name: system.x.time']);
    expect(checkMetrics({ a: good, b: { ...good, name: 'system.x' } })).toEqual([
      'has a metric that is the namespace of another: system.x of system.x.time',
    ]);
  });
});
