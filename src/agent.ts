/**
 * The agent: makes the graph of components, starts it from the back to the front, lets the clock drive it, exchanges
 * parts of it on reload, and stops it from the front to the back.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createServe } from './api/http_server.ts';
import { createStatusPage } from './api/status_page.ts';
import type { AgentFigures, Host, Serve } from './component.ts';
import type { LoadedConfig } from './config/load.ts';
import { createHttpSender } from './delivery/http_sender.ts';
import { messageOf } from './errors.ts';
import { buildGraph, type Graph, type GraphConfig } from './graph.ts';
import type { GraphNode, ReceiverNode, Services } from './nodes.ts';
import type { Resource } from './model/batch.ts';
import { SCHEMA_URL } from './model/semconv.ts';
import { createLoggerProvider } from './otel/logger.ts';
import { createMeterProvider } from './otel/meter_provider.ts';
import { createHost } from './procfs/host.ts';
import { detectHostResource } from './procfs/host_resource.ts';
import { createScheduler, systemClock } from './scheduler.ts';
import type { Log } from './telemetry/log.ts';

/** What the agent is made from: a loaded configuration. */
export type AgentConfig = Pick<
  LoadedConfig,
  'agent' | 'resource' | 'receivers' | 'processors' | 'exporters' | 'pipelines'
>;

export interface Agent {
  /** @throws {StartError} a component could not start that has `startup_error: fail` */
  start(): Promise<void>;
  /**
   * Goes over to another configuration: restarts what changed and leaves the rest running.
   * @throws what kept the new configuration from starting; the old one runs on
   */
  reload(config: AgentConfig): Promise<ReloadResult>;
  /** Hands over what is under way, at most for the configured time. */
  stop(): Promise<void>;
  figures(): AgentFigures;
  /** Addresses where it answers, as `http://127.0.0.1:9464`. */
  listening(): readonly string[];
}

export interface ReloadResult {
  readonly started: readonly string[];
  readonly stopped: readonly string[];
  readonly kept: number;
}

/** A component that cannot start, and is not allowed to be missing. */
export class StartError extends Error {
  readonly component: string;
  constructor(component: string, cause: unknown) {
    super(`Cannot start ${component}: ${messageOf(cause)}`, { cause });
    this.name = 'StartError';
    this.component = component;
  }
}

export interface AgentOptions {
  readonly config: AgentConfig;
  readonly version: string;
  readonly log: Log;
  readonly host?: Host;
}

export function createAgent({ config: firstConfig, version, log, host: givenHost }: AgentOptions): Agent {
  let config = firstConfig;
  let host: Host;
  let graph: Graph;
  let scheduler = createScheduler('');
  const startTime = BigInt(Date.now()) * 1_000_000n;
  const ticking = new Map<ReceiverNode, { stop(): void }>();
  /** Ends attempts to start again. */
  const retrying = new Map<GraphNode, () => void>();
  let services: Services;
  const addresses = new Set<string>();

  /** Everything that components are lent; made anew when the agent's own settings change. */
  function createServices(): Services {
    host = givenHost ?? createHost({ rootPath: config.agent.root_path });
    const resource = createResource(config, host, version);
    scheduler.stop();
    scheduler = createScheduler(String(resource.attributes['service.instance.id']));
    const meterProvider = createMeterProvider(resource, host.bootTime(), startTime);
    const loggerProvider = createLoggerProvider(resource, version);
    return {
      version,
      host,
      resource,
      startTime,
      log,
      serve: listed(
        createServe({
          log: log.forComponent('http'),
          page: createStatusPage({ figures, version, hostName: String(resource.attributes['host.name']) }),
        }),
        addresses,
      ),
      http: createHttpSender,
      logger: loggerProvider.logger,
      figures,
      otherMeters: meterProvider.meters,
    };
  }

  const graphConfig = (): GraphConfig => ({
    ...config,
    pipelines: [...config.pipelines.values()],
    collectionInterval_ms: config.agent.collection_interval,
  });

  function figures(): AgentFigures {
    const nodes = nodesOf(graph);
    return { startTime, components: nodes.flatMap((node) => node.figures), pipelines: graph.pipelines };
  }

  /** Starts a node by its own rule for failures. */
  async function startNode(node: GraphNode, attempt = 0): Promise<void> {
    try {
      await withinTime(node.instance.start?.(), config.agent.startup_timeout, `start within`);
    } catch (error) {
      setState(node, 'failed', messageOf(error));
      if (node.startupError === 'fail') throw new StartError(node.id, error);
      if (node.startupError === 'ignore') {
        node.log.error(`Cannot start: ${messageOf(error)}; the agent runs without it`);
        return;
      }
      const wait_ms = Math.min(1000 * 2 ** attempt, 60_000);
      node.log.once('start', `Cannot start: ${messageOf(error)}; will try again`, { next_try_s: wait_ms / 1000 });
      retrying.set(
        node,
        systemClock.after(wait_ms, () => void startNode(node, attempt + 1)),
      );
      return;
    }
    retrying.delete(node);
    node.log.over('start', 'Started');
    setState(node, 'running', '');
    activate(node);
  }

  function activate(node: GraphNode): void {
    if (node.kind === 'exporter') for (const push of node.pushes) push.start();
    if (node.kind !== 'receiver' || node.collector === undefined) return;
    const { collector } = node;
    ticking.set(
      node,
      scheduler.every(node.interval_ms, (now_ms) => void collector.tick(now_ms)),
    );
    // Without it the first values would be an interval away.
    void collector.tick(Date.now());
  }

  async function stopNode(node: GraphNode, deadline_ms: number): Promise<void> {
    retrying.get(node)?.();
    retrying.delete(node);
    if (node.kind === 'receiver') {
      ticking.get(node)?.stop();
      ticking.delete(node);
    }
    const end_ms = performance.now() + deadline_ms;
    try {
      if (node.kind === 'exporter') await Promise.all(node.pushes.map((push) => push.stop(deadline_ms)));
      const left_ms = Math.max(end_ms - performance.now(), 100);
      if (node.figures[0]?.state === 'running') await withinTime(node.instance.stop?.(), left_ms, 'stop within');
    } catch (error) {
      node.log.error(`Cannot stop cleanly: ${messageOf(error)}`);
    }
    setState(node, 'stopped', '');
  }

  async function startAll(nodes: readonly GraphNode[]): Promise<void> {
    for (const kind of ['exporter', 'processor', 'receiver'] as const) {
      await Promise.all(nodes.filter((node) => node.kind === kind).map((node) => startNode(node)));
    }
  }

  /** Receivers first, then what they hand over is drained forward. */
  async function stopAll(nodes: readonly GraphNode[]): Promise<void> {
    const end_ms = performance.now() + config.agent.shutdown_timeout;
    const left_ms = (): number => Math.max(end_ms - performance.now(), 0);
    const of = (kind: GraphNode['kind']): GraphNode[] => nodes.filter((node) => node.kind === kind);
    await Promise.all(of('receiver').map((node) => stopNode(node, left_ms())));
    // In the order of the pipeline, so that each flushes into one that still runs.
    for (const processor of of('processor')) await stopNode(processor, left_ms());
    await Promise.all(of('exporter').map((node) => stopNode(node, left_ms())));
  }

  return {
    figures,
    listening: () => [...addresses],
    async start() {
      services = createServices();
      graph = buildGraph(graphConfig(), services);
      graph.connect();
      try {
        await startAll(nodesOf(graph));
      } catch (error) {
        await this.stop();
        throw error;
      }
    },
    async reload(next) {
      const [before, beforeConfig, beforeServices] = [graph, config, services];
      const isSame = JSON.stringify([next.agent, next.resource]) === JSON.stringify([config.agent, config.resource]);
      config = next;
      let after: Graph;
      try {
        if (!isSame) services = createServices();
        after = buildGraph(graphConfig(), services, isSame ? before : undefined);
      } catch (error) {
        [config, services] = [beforeConfig, beforeServices];
        throw error;
      }
      const changes = differencesBetween(before, after);
      // What goes gives up its ports first: its successor may want the same.
      const goingFirst = changes.stopped.filter((node) => node.kind === 'receiver' || isPull(node));
      await Promise.all(goingFirst.map((node) => stopNode(node, config.agent.shutdown_timeout)));
      try {
        graph = after;
        after.connect();
        await startAll(changes.started);
      } catch (error) {
        await stopAll(changes.started);
        [config, services] = [beforeConfig, beforeServices];
        graph = buildGraph(graphConfig(), services, without(before, new Set(goingFirst)));
        graph.connect();
        await startAll(nodesOf(graph).filter((node) => node.figures[0]?.state === 'starting'));
        throw error;
      }
      await stopAll(changes.stopped.filter((node) => !goingFirst.includes(node)));
      return {
        started: changes.started.map((node) => node.id),
        stopped: changes.stopped.map((node) => node.id),
        kept: nodesOf(after).length - changes.started.length,
      };
    },
    async stop() {
      scheduler.stop();
      await stopAll(nodesOf(graph));
      host.close();
    },
  };
}

/** Keeps `addresses` the list of where `serve` listens. */
function listed(serve: Serve, addresses: Set<string>): Serve {
  return async (options) => {
    const listener = await serve(options);
    addresses.add(listener.url);
    return {
      url: listener.url,
      close() {
        addresses.delete(listener.url);
        return listener.close();
      },
    };
  };
}

/** Who the telemetry is from: detected, overridden by what is configured. */
function createResource({ agent, resource }: AgentConfig, host: Host, version: string): Resource {
  const detected = detectHostResource(host);
  const attributes = {
    ...detected,
    'service.name': 'sonde',
    'service.version': version,
    'service.instance.id': agent.instance_id ?? instanceIdOf(detected['host.id']),
    ...resource.attributes,
  };
  return { attributes, schemaUrl: SCHEMA_URL };
}

/** Namespace that the semantic conventions give for a `service.instance.id` made from a stable id. */
const INSTANCE_NAMESPACE = '4d63009a8d0f11eeaad74c796ed8e320';

/** UUID version 5 of the machine's id, so that a restart goes on with the same series; random without one. */
function instanceIdOf(hostId: unknown): string {
  if (typeof hostId !== 'string' || hostId === '') return randomUUID();
  const hash = createHash('sha1').update(Buffer.from(INSTANCE_NAMESPACE, 'hex')).update(hostId).digest();
  hash[6] = (hash[6]! & 0x0f) | 0x50;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString('hex').slice(0, 32);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function nodesOf(graph: Graph): GraphNode[] {
  return [...graph.receivers.values(), ...graph.processors.values(), ...graph.exporters.values()];
}

function differencesBetween(before: Graph, after: Graph): { started: GraphNode[]; stopped: GraphNode[] } {
  const [old, fresh] = [new Set(nodesOf(before)), new Set(nodesOf(after))];
  return { started: [...fresh.difference(old)], stopped: [...old.difference(fresh)] };
}

function without(graph: Graph, gone: ReadonlySet<GraphNode>): Graph {
  const keep = <N extends GraphNode>(nodes: ReadonlyMap<string, N>): Map<string, N> =>
    new Map([...nodes].filter(([, node]) => !gone.has(node)));
  return {
    ...graph,
    receivers: keep(graph.receivers),
    processors: keep(graph.processors),
    exporters: keep(graph.exporters),
  };
}

function isPull(node: GraphNode): boolean {
  return node.kind === 'exporter' && node.isPull;
}

function setState(node: GraphNode, state: 'running' | 'failed' | 'stopped', reason: string): void {
  for (const figures of node.figures) {
    figures.state = state;
    figures.reason = reason;
  }
}

/** `work`, unless it takes longer: then an error that says so. */
async function withinTime(work: Promise<void> | void, limit_ms: number, what: string): Promise<void> {
  if (work === undefined) return;
  const { promise, reject } = Promise.withResolvers<never>();
  const cancel = systemClock.after(limit_ms, () => reject(new Error(`it did not ${what} ${limit_ms / 1000} s`)));
  try {
    await Promise.race([work, promise]);
  } finally {
    cancel();
  }
}
