/** Holds every metric and every emitted series to the semantic conventions, and shows that each rule finds a breach. */
import { describe, expect, test } from 'vitest';
import { catalog } from '../src/cli/catalog.ts';
import type { MetricDefinition } from '../src/component.ts';
import { loadRegistry } from '../src/config/registry.ts';
import { Series } from '../src/model/batch.ts';
import { collectReceiver } from './support/collect.ts';
import { minimalOf } from './support/minimal.ts';
import { MACHINES, rootOf } from './support/machines.ts';
import { metric, RESOURCE, SCOPE } from './support/processor.ts';
import { checkMetric, checkRow, type OffForAReason, readConventions } from './support/semconv.ts';

const { receivers } = await loadRegistry(catalog);

const conventions = readConventions();

const OFF: OffForAReason = {
  'system.cpu.frequency': 'reading it can take the kernel 10 ms for each CPU',
  'system.memory.utilization': 'follows from usage; off in the Collector too',
  'system.memory.linux.slab.usage': 'its reclaimable part is in cached; for who looks for a leak',
  'system.paging.utilization': 'follows from usage; off in the Collector too',
  'v8js.memory.heap.space.size': 'eight series of the agent itself; how much is used is on',
  'v8js.memory.heap.space.available_size': 'eight series of the agent itself; how much is used is on',
  'v8js.memory.heap.space.physical_size': 'eight series of the agent itself; how much is used is on',
  'system.network.connection.count': 'its cost grows with the number of connections',
};

/** What one receiver has off for its cost may be what another is for, which has it on. */
function exceptionsOf(metrics: Readonly<Record<string, MetricDefinition>>): OffForAReason {
  const has = (all: typeof metrics, name: string, isOff: boolean): boolean =>
    Object.values(all).some((one) => one.name === name && (one.optIn === true) === isOff);
  return Object.fromEntries(
    Object.entries(OFF).filter(
      ([name]) => !has(metrics, name, false) || !receivers.some((other) => has(other.metrics, name, true)),
    ),
  );
}

const measuring = receivers.filter(({ metrics }) => Object.keys(metrics).length > 0);

test('readConventions reads both tables', () => {
  expect(conventions.metrics.length).toBeGreaterThan(450);
  expect(conventions.attributes.get('cpu.mode')?.values).toEqual([
    'user',
    'system',
    'nice',
    'idle',
    'iowait',
    'interrupt',
    'steal',
  ]);
});

test.each(measuring.map((definition) => [definition.type, definition] as const))(
  '%s declares what the semantic conventions say',
  (_, { metrics }) => {
    const problems = Object.values(metrics).flatMap((declared) =>
      checkMetric(declared, conventions, exceptionsOf(metrics)),
    );
    expect(problems).toEqual([]);
  },
);

describe.each(MACHINES)('on %s', (machine) => {
  test.each(measuring.map((definition) => [definition.type, definition] as const))(
    '%s emits what it declares',
    async (_, definition) => {
      const declared = new Map(Object.values(definition.metrics).map((one) => [one.name, one]));
      const problems = new Set<string>();
      for (const { series, values } of await collectReceiver(definition, {
        rootPath: rootOf(machine),
        everything: true,
        config: minimalOf(definition),
      })) {
        series.forEach((one, row) => {
          for (const problem of checkRow(one, values[row], declared.get(one.metric.name), conventions))
            problems.add(problem);
        });
      }
      expect([...problems]).toEqual([]);
    },
  );
});

const TIME: MetricDefinition = {
  name: 'system.cpu.time',
  instrument: 'counter',
  unit: 's',
  about: '',
  attributes: ['cpu.mode', 'cpu.logical_number'],
  value: 'double',
};
const LOAD: MetricDefinition = {
  name: 'system.cpu.load_average.1m',
  instrument: 'gauge',
  unit: '{thread}',
  about: '',
  attributes: [],
  value: 'double',
  source: 'collector',
};

describe('checkMetric', () => {
  test.each<[string, MetricDefinition]>([
    ['a standard metric', TIME],
    ['one of the Collector', LOAD],
    ['one of ours', { ...LOAD, name: 'system.linux.softirqs', source: 'sonde' }],
  ])('allows %s', (_, declared) => {
    expect(checkMetric(declared, conventions, {})).toEqual([]);
  });

  test.each<[string, MetricDefinition, string]>([
    ['another unit', { ...TIME, unit: 'ms' }, 'in ms, not in s'],
    ['another instrument', { ...TIME, instrument: 'gauge' }, 'a gauge, not a counter'],
    ['another value type', { ...TIME, value: 'int' }, 'int values, not double'],
    ['an unknown attribute', { ...TIME, attributes: ['state'] }, 'attribute state'],
    ['an unmarked name', { ...TIME, name: 'system.cpu.temperature' }, 'not marked so'],
    ['a deprecated name', { ...TIME, name: 'system.network.packets' }, 'is deprecated'],
    ['our mark on a standard name', { ...TIME, source: 'sonde' }, 'semconv 1.44.0 has it'],
    ['the Collector’s mark on a standard name', { ...TIME, source: 'collector' }, 'is standard'],
    ['the Collector’s mark on what it has not', { ...LOAD, name: 'system.x' }, 'which has it not'],
    ['another unit than the Collector', { ...LOAD, unit: '1' }, 'in 1, not in {thread}'],
    ['off but recommended', { ...TIME, optIn: true }, 'off, but recommended'],
    ['on but opt-in', { ...TIME, name: 'system.cpu.utilization', instrument: 'gauge', unit: '1' }, 'on, but opt-in'],
    [
      'a required attribute missing',
      { ...TIME, name: 'process.cpu.time', attributes: [] },
      'lacks the attribute cpu.mode',
    ],
  ])('finds %s', (_, declared, problem) => {
    expect(checkMetric(declared, conventions, {})).toEqual([expect.stringContaining(problem)]);
  });

  test('finds an exception that is not needed', () => {
    expect(checkMetric(TIME, conventions, { [TIME.name]: 'slow' })).toEqual([expect.stringContaining('no exception')]);
  });
});

describe('checkRow', () => {
  const row = (attributes: Record<string, string | number>, value = 1, name = TIME.name): string[] => {
    const of = metric(name, { valueType: name === TIME.name ? 'double' : 'int' });
    return checkRow(new Series(RESOURCE, SCOPE, of, attributes, 0n), value, { ...TIME, name }, conventions);
  };

  test('allows what is declared', () => {
    expect(row({ 'cpu.mode': 'iowait', 'cpu.logical_number': 3 }, 0.5)).toEqual([]);
  });
  test.each<[string, string[], string]>([
    ['a value outside of an enumeration', row({ 'cpu.mode': 'wait' }), 'none of user'],
    ['a number where a text belongs', row({ 'cpu.mode': 1 }), 'cpu.mode is no text'],
    ['a text where a number belongs', row({ 'cpu.logical_number': 'cpu0' }), 'is no integer'],
    ['an attribute that is not declared', row({ 'system.device': 'sda' }), 'not declared: system.device'],
    ['a value that is no number', row({}, NaN), 'the value NaN'],
    ['a fraction of an integer', row({}, 0.5, 'system.linux.softirqs'), 'no integer: 0.5'],
    ['a count below zero', row({}, -1), 'below zero'],
    ['a share above one', row({}, 2, 'system.cpu.utilization'), 'no share: 2'],
    [
      'a metric that is not declared',
      checkRow(new Series(RESOURCE, SCOPE, metric('x.y'), {}, 0n), 1, undefined, conventions),
      'not declared',
    ],
  ])('finds %s', (_, problems, expected) => {
    expect(problems).toEqual([expect.stringContaining(expected)]);
  });
});
