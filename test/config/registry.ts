/** A few components with every kind of option, for tests of the configuration itself. */
import * as v from 'valibot';
import { defineProcessor, definePullExporter, definePushExporter, defineReceiver } from '../../src/component.ts';
import {
  duration,
  hostPort,
  option,
  optional,
  required,
  secret,
  tlsClient,
  tlsServer,
} from '../../src/config/options.ts';
import { loadRegistry } from '../../src/config/registry.ts';
import { catalogOf } from '../support/catalog.ts';

const cpu = defineReceiver({
  type: 'cpu',
  about: 'Reads CPU time.',
  config: v.strictObject({
    per_core: option(v.boolean(), 'One series for each CPU.', true),
    mode: option(v.picklist(['fast', 'exact']), 'How it reads.', 'fast'),
    exclude: option(v.array(v.string()), 'CPUs to leave out.', []),
    names: option(
      v.pipe(
        v.array(v.string()),
        v.minLength(1, 'a list of at least one name'),
        v.check((names) => new Set(names).size === names.length, 'a name is there twice'),
      ),
      'What they are called.',
      ['a'],
    ),
    window: optional(
      v.pipe(
        v.strictObject({ from: required(v.number(), 'Its begin.'), to: required(v.number(), 'Its end.') }),
        v.check(({ from, to }) => from < to, '"from" must be less than "to"'),
      ),
      'A range.',
    ),
    depth: option(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(9)), 'How deep it looks.', 3),
  }),
  metrics: {
    time: {
      name: 'system.cpu.time',
      instrument: 'counter',
      unit: 's',
      about: 'Time spent.',
      attributes: ['cpu.mode', 'cpu.logical_number'],
    },
    count: {
      name: 'system.cpu.logical.count',
      instrument: 'updowncounter',
      unit: '{cpu}',
      about: 'CPUs.',
      attributes: [],
    },
  },
  create: () => ({}),
});

const listener = (endpoint: string) =>
  v.strictObject({
    endpoint: option(hostPort(), 'Where it listens.', endpoint),
    insecure: option(v.boolean(), 'Answer beyond this machine without TLS.', false),
    tls: optional(tlsServer(), 'Its certificate.'),
  });

const otlpReceiver = defineReceiver({
  type: 'otlp',
  about: 'Takes OTLP.',
  signals: ['metrics', 'logs', 'traces'],
  config: v.strictObject({
    protocols: option(
      v.strictObject({
        http: optional(listener('127.0.0.1:4318'), 'OTLP over HTTP.'),
        grpc: optional(listener('127.0.0.1:4317'), 'OTLP over gRPC.'),
      }),
      'What it listens for.',
      {},
    ),
  }),
  create: () => ({}),
});

const attributes = defineProcessor({
  type: 'attributes',
  about: 'Changes attributes.',
  signals: ['metrics', 'logs'],
  config: v.strictObject({
    actions: option(
      v.array(
        v.variant('action', [
          v.strictObject({
            action: required(v.literal('insert'), 'Adds it where it is not.'),
            key: required(v.string(), 'Which.'),
            value: required(v.union([v.string(), v.number(), v.boolean()]), 'What it becomes.'),
          }),
          v.strictObject({
            action: required(v.literal('delete'), 'Removes it.'),
            key: required(v.string(), 'Which.'),
          }),
        ]),
      ),
      'What is done.',
      [],
    ),
  }),
  create: ({ next }) => next,
});

const prometheus = definePullExporter({
  type: 'prometheus',
  about: 'Answers scrapes.',
  signals: ['metrics'],
  config: v.strictObject({ ...listener('127.0.0.1:9464').entries }),
  create: () => ({ consume() {} }),
});

const otlp = definePushExporter({
  type: 'otlp',
  about: 'Sends OTLP.',
  signals: ['metrics', 'logs', 'traces'],
  config: v.strictObject({
    endpoint: option(
      v.pipe(v.string(), v.url('a URL such as "http://127.0.0.1:4318"')),
      'Where to.',
      'http://127.0.0.1:4318',
    ),
    metrics_endpoint: optional(v.string(), 'Where metrics go, as it stands.'),
    logs_endpoint: optional(v.string(), 'Where logs go, as it stands.'),
    traces_endpoint: optional(v.string(), 'Where traces go, as it stands.'),
    protocol: option(v.picklist(['http/protobuf', 'http/json', 'grpc']), 'How.', 'http/protobuf'),
    compression: option(v.picklist(['none', 'gzip', 'zstd']), 'What requests are compressed with.', 'none'),
    headers: option(v.record(v.string(), secret()), 'Headers of each request.', {}),
    insecure: option(v.boolean(), 'gRPC without TLS.', false),
    tls: optional(tlsClient(), 'TLS.'),
    temporality: option(v.picklist(['cumulative', 'delta', 'lowmemory']), 'Of sums.', 'cumulative'),
  }),
  create: () => ({ encode: () => [], send: async () => undefined }),
});

const sdk = definePushExporter({
  type: 'sdk',
  about: 'Runs an exporter package.',
  signals: ['metrics', 'logs', 'traces'],
  config: v.strictObject({
    package: required(v.pipe(v.string(), v.nonEmpty()), 'Name of the package.'),
    options: option(v.record(v.string(), v.unknown()), 'What its constructor is given.', {}),
    wait: option(duration(), 'How long it may take.', '5s'),
  }),
  create: () => ({ encode: () => [], send: async () => undefined }),
});

export const registry = await loadRegistry(
  catalogOf({ receivers: [cpu, otlpReceiver], processors: [attributes], exporters: [otlp, prometheus, sdk] }),
);
