/** Runs whole agents in process, of real components or of ones that do as a test tells them. */
import * as v from 'valibot';
import { onTestFinished } from 'vitest';
import { createAgent, type Agent, type AgentConfig } from '../../src/agent.ts';
import {
  definePullExporter,
  definePushExporter,
  defineProcessor,
  defineReceiver,
  type AnyExporterDefinition,
  type AnyProcessorDefinition,
  type AnyReceiverDefinition,
  type ComponentFigures,
  type ReceiverContext,
  type SendResult,
} from '../../src/component.ts';
import { option, optional, secret } from '../../src/config/options.ts';
import type { Batch, LogBatch, Signal } from '../../src/model/batch.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { logBatch, logRecord } from './processor.ts';
import { rootOf } from './machines.ts';

type Blocks = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** A configuration as users write it, without the file. */
export interface WrittenConfig {
  readonly agent?: Partial<AgentConfig['agent']>;
  readonly resource?: AgentConfig['resource']['attributes'];
  readonly receivers: Blocks;
  readonly processors?: Blocks;
  readonly exporters: Blocks;
  readonly pipelines: Readonly<
    Record<
      string,
      {
        readonly receivers: readonly string[];
        readonly processors?: readonly string[];
        readonly exporters: readonly string[];
      }
    >
  >;
}

export interface Definitions {
  readonly receivers: readonly AnyReceiverDefinition[];
  readonly processors: readonly AnyProcessorDefinition[];
  readonly exporters: readonly AnyExporterDefinition[];
}

export function configOf(written: WrittenConfig, definitions: Definitions): AgentConfig {
  return {
    agent: {
      root_path: rootOf('debian12-kvm'),
      // Tests let the clock of the first collection do, and ask for the rest.
      collection_interval: 3_600_000,
      log: { level: 'info', format: 'logfmt' },
      shutdown_timeout: 5000,
      startup_timeout: 5000,
      instance_id: undefined,
      budget: { cpu: undefined, memory: undefined },
      ...written.agent,
    },
    resource: { attributes: written.resource ?? {} },
    receivers: configured(definitions.receivers, written.receivers),
    processors: configured(definitions.processors, written.processors ?? {}),
    exporters: configured(definitions.exporters, written.exporters),
    pipelines: new Map(
      Object.entries(written.pipelines).map(([name, { receivers, processors = [], exporters }]) => {
        const signal = name.split('/')[0] as Signal;
        return [name, { name, signal, receivers, processors, exporters, place: undefined }];
      }),
    ),
  };
}

function configured<D extends { readonly type: string; readonly config: v.GenericSchema }>(
  definitions: readonly D[],
  blocks: Blocks,
) {
  return new Map(
    Object.entries(blocks).map(([id, raw]) => {
      const type = id.split('/')[0]!;
      const definition = definitions.find((one) => one.type === type)!;
      return [id, { id, type, definition, raw, config: v.parse(definition.config, raw), place: undefined }];
    }),
  );
}

export interface AgentRun {
  readonly agent: Agent;
  /** Lines of its log. */
  readonly lines: readonly string[];
  /** Goes over to another configuration. */
  reload(written: WrittenConfig): ReturnType<Agent['reload']>;
  /** Counts of a component; of the signal, where it has several. */
  figures(id: string, signal?: Signal): ComponentFigures;
}

/** Makes an agent and has it stopped when the test is over; it is for the test to start it. */
export function makeAgent(
  written: WrittenConfig,
  definitions: Definitions,
  onReload?: () => ReturnType<Agent['reload']>,
): AgentRun {
  const lines: string[] = [];
  const log = createLog({ level: 'info', format: 'logfmt', hasColor: false, write: (line) => void lines.push(line) });
  const agent = createAgent({
    config: configOf(written, definitions),
    version: '0',
    log,
    ...(onReload !== undefined && { onReload }),
  });
  onTestFinished(() => agent.stop());
  return {
    agent,
    lines,
    reload: (next) => agent.reload(configOf(next, definitions)),
    figures(id, signal) {
      const found = agent
        .figures()
        .components.find((one) => one.id === id && (signal === undefined || one.signal === signal));
      if (found === undefined) throw new Error(`Cannot find the figures of ${id}: the agent has no such component`);
      return found;
    },
  };
}

/** Replaces what a component does, by its id. */
export interface Behaviour {
  start?: () => Promise<void> | void;
  stop?: () => Promise<void> | void;
  /** Of exporters: what becomes of a request, with the records in it. */
  send?: (bodies: readonly string[], signal: Signal) => Promise<SendResult | void> | SendResult | void;
}

export interface Stage extends Definitions {
  /** `create ID`, `start ID` and `stop ID`, in order. */
  readonly events: string[];
  readonly behaviour: Record<string, Behaviour>;
  /** Contexts of the receivers `pushed`, by id: they hand over what a test gives them. */
  readonly pushed: Map<string, ReceiverContext<unknown, unknown>>;
  /** Records and series names that arrived at the exporters `sink`, in order, by id. */
  readonly arrived: Map<string, string[]>;
  /** Batches that reached the exporters `window`, by id. */
  readonly seen: Map<string, Batch[]>;
}

/** Components for the tests of one agent. Each has an option `note` that only tells configurations apart. */
export function createStage(): Stage {
  const events: string[] = [];
  const behaviour: Record<string, Behaviour> = {};
  const pushed: Stage['pushed'] = new Map();
  const arrived: Stage['arrived'] = new Map();
  const seen: Stage['seen'] = new Map();
  const entries = {
    note: option(v.string(), 'Tells configurations apart.', ''),
    token: optional(secret(), 'A secret.'),
  };
  const lifeOf = (id: string) => {
    events.push(`create ${id}`);
    return {
      start: () => {
        events.push(`start ${id}`);
        return behaviour[id]?.start?.();
      },
      stop: () => {
        events.push(`stop ${id}`);
        return behaviour[id]?.stop?.();
      },
    };
  };

  const counter = defineReceiver({
    type: 'counter',
    about: 'Counts its collections.',
    config: v.strictObject(entries),
    metrics: { total: { name: 'count', instrument: 'gauge', unit: '1', about: '', attributes: [] } },
    create({ id, metrics }) {
      let total = 0;
      return { ...lifeOf(id), collect: (observer) => observer.observe(metrics.total, ++total) };
    },
  });
  const pushReceiver = defineReceiver({
    type: 'pushed',
    about: 'Hands over what it is told to.',
    signals: ['metrics', 'logs'],
    config: v.strictObject(entries),
    create(context) {
      pushed.set(context.id, context);
      return lifeOf(context.id);
    },
  });
  const passing = (type: string, isBatching: boolean) =>
    defineProcessor({
      type,
      about: 'Passes on.',
      signals: ['metrics', 'logs'],
      isBatching,
      config: v.strictObject(entries),
      create: ({ id, next }) => ({ ...lifeOf(id), consume: (batch) => next.consume(batch) }),
    });
  const sink = definePushExporter({
    type: 'sink',
    about: 'Keeps what arrives.',
    signals: ['metrics', 'logs'],
    config: v.strictObject(entries),
    create({ id, drop }) {
      if (!arrived.has(id)) arrived.set(id, []);
      return {
        ...lifeOf(id),
        encode(batch) {
          const names = namesIn(batch);
          const kept = names.filter((name) => !name.startsWith('unwanted'));
          if (kept.length < names.length) drop('unwanted', names.length - kept.length);
          if (kept.length === 0) return [];
          return [{ body: Buffer.from(JSON.stringify(kept)), count: kept.length }];
        },
        async send({ body }, signal, abort) {
          const names = JSON.parse(Buffer.from(body).toString()) as string[];
          const result = await behaviour[id]?.send?.(names, signal);
          // Nobody hears an answer that comes too late, and the same is sent again.
          abort.throwIfAborted();
          arrived.get(id)!.push(...names.slice(result?.rejected ?? 0));
          return result;
        },
      };
    },
  });
  const window = definePullExporter({
    type: 'window',
    about: 'Keeps what it is handed.',
    signals: ['metrics', 'logs'],
    config: v.strictObject(entries),
    create({ id }) {
      if (!seen.has(id)) seen.set(id, []);
      return { ...lifeOf(id), consume: (batch) => void seen.get(id)!.push(batch) };
    },
  });
  return {
    receivers: [counter, pushReceiver],
    processors: [passing('passing', false), passing('bundling', true)],
    exporters: [sink, window],
    events,
    behaviour,
    pushed,
    arrived,
    seen,
  };
}

function namesIn(batch: Batch): string[] {
  if (batch.signal === 'traces') return [];
  if (batch.signal === 'metrics') return batch.series.map(({ metric }) => metric.name);
  return batch.records.map(({ body }) => String(body));
}

/** Records whose bodies are these. */
export function records(...bodies: readonly (string | number)[]): LogBatch {
  return logBatch(bodies.map((body) => logRecord(String(body))));
}
