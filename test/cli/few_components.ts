/** A few components that show all that a component can have. */
import * as v from 'valibot';
import { defineProcessor, definePullExporter, definePushExporter, defineReceiver } from '../../src/component.ts';
import { duration, hostPort, option, optional, required, secret } from '../../src/config/options.ts';
import type { Catalog } from '../../src/config/registry.ts';
import { catalogOf } from '../support/catalog.ts';

const lamp = defineReceiver({
  type: 'lamp',
  about: 'Reads how bright it is. More is said here, which a list leaves out.',
  config: v.strictObject({
    exclude: option(v.array(v.string()), 'Lamps to leave out.', ['torch']),
    dim: optional(
      v.strictObject({ from: required(v.number(), 'Its begin.'), until: option(duration(), 'Its end.', '1h') }),
      'When it gets darker.',
    ),
  }),
  metrics: {
    light: {
      name: 'lamp.light',
      instrument: 'gauge',
      unit: 'lx',
      about: 'Light.',
      attributes: ['lamp.name'],
      source: 'sonde',
    },
    hours: {
      name: 'lamp.hours',
      instrument: 'counter',
      unit: 'h',
      about: 'Hours that it shone.',
      attributes: [],
      optIn: true,
      source: 'collector',
    },
    count: { name: 'lamp.count', instrument: 'updowncounter', unit: '{lamp}', about: 'Lamps.', attributes: [] },
  },
  permissions: [{ needs: 'CAP_SYS_ADMIN', without: 'the lamps of others' }],
  sources: ['/sys/class/leds'],
  create: ({ log, metrics }) => ({
    collect(observer) {
      observer.observe(metrics.light, 40, { 'lamp.name': 'desk' });
      observer.observe(metrics.light, 60, { 'lamp.name': 'hall' });
      observer.observe(metrics.count, 2);
      log.once('attic', 'Cannot read the lamp in the attic: permission denied (EACCES)');
    },
  }),
});

const dark = defineReceiver({
  type: 'dark',
  about: 'Finds nothing.',
  config: v.strictObject({}),
  metrics: { light: { name: 'dark.light', instrument: 'gauge', unit: 'lx', about: 'Light.', attributes: [] } },
  create: () => ({ collect() {} }),
});

const door = defineReceiver({
  type: 'door',
  about: 'Is sent what comes in.',
  signals: ['metrics', 'logs'],
  config: v.strictObject({ endpoint: option(hostPort(), 'Where it listens.', '127.0.0.1:4000') }),
  create: () => ({ start: () => Promise.reject(new Error('a check must not start it')) }),
});

const broken = defineReceiver({
  type: 'broken',
  about: 'Cannot start.',
  config: v.strictObject({}),
  create: () => ({
    collect() {},
    start: () => Promise.reject(new Error('Cannot open it: it is stuck')),
  }),
});

const named = defineReceiver({
  type: 'named',
  about: 'Has an option that must be given.',
  config: v.strictObject({ name: required(v.string(), 'Its name.') }),
  create: () => ({ collect() {} }),
});

const shade = defineProcessor({
  type: 'shade',
  about: 'Makes it darker.',
  signals: ['metrics'],
  config: v.strictObject({ by: option(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 'By how much.', 0.5) }),
  create: ({ next }) => next,
});

const post = definePushExporter({
  type: 'post',
  about: 'Sends it by post.',
  signals: ['metrics', 'logs', 'traces'],
  config: v.strictObject({ stamp: optional(secret(), 'What it costs.') }),
  create: () => ({ encode: () => [], send: () => Promise.resolve() }),
});

const window = definePullExporter({
  type: 'door',
  about: 'Shows it to who looks.',
  signals: ['metrics'],
  config: v.strictObject({ endpoint: option(hostPort(), 'Where it answers.', '127.0.0.1:4001') }),
  create: () => ({ consume() {} }),
});

export const catalog: Catalog = catalogOf({
  receivers: [broken, dark, door, lamp, named],
  processors: [shade],
  exporters: [window, post],
});
