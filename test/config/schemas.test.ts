/** What is generated from options: rows, the JSON Schema, the reference configuration. */
import * as v from 'valibot';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { defineReceiver } from '../../src/component.ts';
import { describeSchema, undocumentedOptions } from '../../src/config/describe.ts';
import { configSchema } from '../../src/config/json_schema.ts';
import { duration, option, optional, required, secret, size } from '../../src/config/options.ts';
import { referenceYaml } from '../../src/config/reference.ts';
import { SECTIONS } from '../../src/config/registry.ts';
import { describeAllowed, readShape } from '../../src/config/shape.ts';
import { AGENT_SETTINGS } from '../../src/config/agent_settings.ts';
import { loadConfig } from '../../src/config/load.ts';
import { showConfig } from '../../src/config/show.ts';
import { join } from 'node:path';
import { folderOf, load, DEFAULT } from './folder.ts';
import { registry } from './registry.ts';

const EVERYTHING: v.GenericSchema = v.strictObject({
  wait: option(duration(), 'How long.', '10s'),
  limit: optional(size(), 'How much.'),
  key: required(secret(), 'Who.'),
  mode: option(v.picklist(['a', 'b']), 'Which.', 'a'),
  rules: option(v.array(v.strictObject({ name: required(v.string(), 'Its name.') })), 'Rules.', []),
  byName: option(v.record(v.string(), v.strictObject({ on: optional(v.boolean(), 'Whether.') })), 'By name.', {}),
  either: optional(v.union([v.string(), v.array(v.number())]), 'Either.'),
  tree: optional(
    v.lazy(() => EVERYTHING),
    'Itself again.',
  ),
});

describe('describeSchema', () => {
  it('has a row for every option, nested ones too', () => {
    const rows = describeSchema(EVERYTHING).filter(({ path }) => !path.startsWith('tree.'));
    expect(rows.map(({ path, type, byDefault, isRequired }) => [path, type, byDefault, isRequired])).toEqual([
      ['wait', 'duration', '10s', false],
      ['limit', 'size', undefined, false],
      ['key', 'secret', undefined, true],
      ['mode', 'one of "a", "b"', 'a', false],
      ['rules', 'list of section', [], false],
      ['rules[].name', 'text', undefined, true],
      ['byName', 'map of section', {}, false],
      ['byName.<name>.on', 'true or false', undefined, false],
      ['either', 'text or list of number', undefined, false],
      ['tree', 'section', undefined, false],
    ]);
    expect(rows.find(({ path }) => path === 'key')).toMatchObject({ isSecret: true, about: 'Who.' });
  });
});

describe('undocumentedOptions', () => {
  it('finds options without a description, however deep', () => {
    const receiver = defineReceiver({
      type: 'bare',
      about: 'Has options that nobody described.',
      config: v.strictObject({
        good: optional(v.boolean(), 'Described.'),
        bad: v.optional(v.boolean()),
        deep: option(v.array(v.strictObject({ inner: v.string() })), 'Described.', []),
      }),
      create: () => ({}),
    });
    expect(undocumentedOptions(receiver)).toEqual(['bad', 'deep[].inner']);
    for (const section of SECTIONS) for (const each of registry[section]) expect(undocumentedOptions(each)).toEqual([]);
  });
});

describe('describeAllowed', () => {
  it.each([
    [v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(9)), 'a whole number from 1 to 9'],
    [v.pipe(v.number(), v.maxValue(9)), 'a number of at most 9'],
    [v.pipe(v.string(), v.nonEmpty()), 'a text that is not empty'],
    [v.pipe(v.array(v.boolean()), v.minLength(2)), 'a list of at least 2, each item true or false'],
    [v.literal('x'), '"x"'],
    [v.nullable(v.string()), 'a text'],
    [v.unknown(), 'any value'],
    [v.record(v.string(), duration()), 'keys with values, each a duration such as "10s", "1m30s" or "250ms"'],
  ])('%#: %s', (schema, words) => {
    expect(describeAllowed(readShape(schema))).toBe(words);
  });
});

describe('configSchema', () => {
  const schema: unknown = configSchema(registry);
  /** What lies at a path of keys, whatever it is. */
  const at = (...path: string[]): unknown =>
    path.reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], schema);

  it('refuses keys that are not there, at each level', () => {
    const sections = ['agent', 'resource', 'receivers', 'processors', 'exporters', 'extensions', 'service'];
    expect(Object.keys(at('properties') as object)).toEqual(sections);
    const closed = [[], ['properties', 'agent'], ['properties', 'receivers'], ['$defs', 'receiver.cpu']];
    for (const path of closed) expect(at(...path, 'additionalProperties')).toBe(false);
  });

  it('knows components by type and type/name', () => {
    const [first] = Object.entries(at('properties', 'receivers', 'patternProperties') as object);
    const [pattern, cpu] = first!;
    expect('cpu').toMatch(new RegExp(pattern));
    expect('cpu/second').toMatch(new RegExp(pattern));
    expect('cpus').not.toMatch(new RegExp(pattern));
    expect(cpu).toEqual({ $ref: '#/$defs/receiver.cpu' });
  });

  it('describes options with default and range, and takes references for them', () => {
    expect(at('$defs', 'receiver.cpu', 'properties', 'depth')).toMatchObject({
      description: 'How deep it looks.',
      default: 3,
      anyOf: [{ type: 'integer', minimum: 0, maximum: 9 }, { $ref: '#/$defs/reference' }],
    });
    const metrics = at('$defs', 'receiver.cpu', 'properties', 'metrics', 'properties');
    expect(Object.keys(metrics as object)).toEqual(['system.cpu.time', 'system.cpu.logical.count']);
    const duration = at('$defs', 'receiver.cpu', 'properties', 'timeout', 'anyOf', '0', 'pattern');
    expect('1m30s').toMatch(new RegExp(duration as string));
    expect('soon').not.toMatch(new RegExp(duration as string));
    expect('${env:X}').toMatch(new RegExp(at('$defs', 'reference', 'pattern') as string));
    expect(at('$defs', 'exporter.sdk', 'required')).toEqual(['package']);
  });
});

describe('referenceYaml', () => {
  const text = referenceYaml(registry);

  it('is a configuration of defaults', () => {
    const reference = parse(text);
    const cpu = load(DEFAULT);
    const shown = parse(showConfig(cpu));
    expect(reference.receivers.cpu).toEqual(shown.receivers.cpu);
    expect(reference.exporters.prometheus).toEqual(shown.exporters.prometheus);
    expect(reference.agent).toEqual(shown.agent);
  });

  it('names every option there is', () => {
    for (const section of SECTIONS) {
      for (const definition of registry[section]) {
        for (const { path } of describeSchema(definition.config)) {
          const name = path.split('.').at(-1)!.replace('[]', '');
          expect(text).toMatch(new RegExp(`^[ #-]*${name}:`, 'm'));
        }
      }
    }
    for (const { env, arg } of Object.values(AGENT_SETTINGS)) {
      expect(text.replaceAll(/\s+(?:#\s*)*/g, ' ')).toContain(`Variable ${env}, argument --${arg}.`);
    }
  });

  it('loads, with pipelines added and what must be given', () => {
    const folder = folderOf({ 'reference.yaml': text });
    const sets = ['exporters.sdk.package=x', 'service.pipelines.metrics={ receivers: [cpu], exporters: [prometheus] }'];
    const loaded = loadConfig({ files: [join(folder, 'reference.yaml')], env: {}, registry, sets });
    expect(loaded.receivers.size).toBe(registry.receivers.length);
  });
});
