/**
 * The agent: makes the graph of components, starts it from the back to the front, lets the clock drive it, exchanges
 * parts of it on reload, and stops it from the front to the back.
 */
import { createOwnBudget } from './adaptive/own_budget.ts';
import { createThinnings } from './adaptive/thinning.ts';
import { createWatchers } from './adaptive/watchers.ts';
import { createServe } from './api/http_server.ts';
import { createReloadHandler } from './api/reload.ts';
import { createStatusPage } from './api/status_page.ts';
import { createTapHandler } from './api/tap.ts';
import type { AgentFigures, Host, Serve } from './component.ts';
import type { LoadedConfig } from './config/load.ts';
import { createHttpSender } from './delivery/http_sender.ts';
import { buildGraph, endCollections, type Graph, type GraphConfig } from './graph.ts';
import { createLifeCycle, isConnector } from './life_cycle.ts';
import type { GraphNode, Services } from './nodes.ts';
import { createLoggerProvider } from './otel/logger.ts';
import { createMeterProvider } from './otel/meter_provider.ts';
import { createSilenceFile } from './notify/silence_file.ts';
import { createSilences } from './notify/silences.ts';
import { createOwnResource } from './own_resource.ts';
import { createHost } from './procfs/host.ts';
import { createBoard } from './rules/board.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';
import { stateDirectory } from './state_directory.ts';
import { createTaps } from './taps.ts';
import type { Log } from './telemetry/log.ts';

/** What the agent is made from: a loaded configuration. */
export type AgentConfig = Pick<
  LoadedConfig,
  'agent' | 'resource' | 'receivers' | 'processors' | 'exporters' | 'pipelines'
>;

/** One after the other: what is called while the one before is under way waits for it. */
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

export interface AgentOptions {
  readonly config: AgentConfig;
  readonly version: string;
  readonly log: Log;
  /** Instead of the machine at `root_path`; closing it is left to whoever gives it. */
  readonly host?: Host;
  /** Reads the configuration again; asked for at `POST /-/reload`, which nothing answers without it. */
  readonly onReload?: () => Promise<ReloadResult>;
}

/** What all components of a configuration share. */
interface Surroundings {
  readonly services: Services;
  readonly scheduler: Scheduler;
  close(): void;
}

interface Running {
  readonly config: AgentConfig;
  readonly surroundings: Surroundings;
  readonly graph: Graph;
}

export function createAgent(options: AgentOptions): Agent {
  const { config: firstConfig, version, log, host: givenHost, onReload } = options;
  const startTime = BigInt(Date.now()) * 1_000_000n;
  const addresses = new Set<string>();
  const inTurn = createTurns();
  const taps = createTaps();
  // Of the process, whatever it is made of: what a reload restarts begins where its predecessor was.
  const budget = createOwnBudget({
    components: () => figures().components,
    board: () => current!.surroundings.services.board,
    log: log.forComponent('budget'),
  });
  const silences = createSilences(createSilenceFile(stateDirectory('silences.json'), log.forComponent('silences')));
  let current: Running | undefined;
  let isStopped = false;
  const lifeCycle = createLifeCycle({
    startupTimeout_ms: () => current!.config.agent.startup_timeout,
    scheduler: () => current!.surroundings.scheduler,
  });

  function createSurroundings(config: AgentConfig): Surroundings {
    const host = givenHost ?? createHost({ rootPath: config.agent.root_path });
    const resource = createOwnResource(config, host, version);
    const hostName = String(resource.attributes['host.name']);
    const scheduler = createScheduler(String(resource.attributes['service.instance.id']));
    const meterProvider = createMeterProvider(resource, host.bootTime(), startTime);
    meterProvider.register();
    const board = createBoard(silences);
    const watchers = createWatchers(() => taps.isWatched);
    const serve = createServe({
      log: log.forComponent('http'),
      page: createStatusPage({ figures, version, hostName }),
      ...(onReload !== undefined && { reload: createReloadHandler(onReload) }),
      tap: createTapHandler({ pipelines: () => figures().pipelines, open: openTap }),
    });
    return {
      scheduler,
      services: {
        version,
        host,
        resource,
        startTime,
        log,
        serve: listed(serve, addresses),
        http: createHttpSender,
        logger: createLoggerProvider(resource, version).logger,
        figures,
        taps,
        board,
        watchers,
        thinnings: createThinnings(() => watchers.isWatched || board.isAlerting),
        brake: budget,
        otherMeters: meterProvider.meters,
      },
      close() {
        scheduler.stop();
        if (givenHost === undefined) host.close();
      },
    };
  }

  function figures(): AgentFigures {
    if (current === undefined) return { startTime, components: [], pipelines: [] };
    const { graph } = current;
    const components = nodesOf(graph).flatMap((node) => node.figures);
    return { startTime, components, pipelines: graph.pipelines, budget: budget.figures };
  }

  async function openTap(...tap: Parameters<typeof taps.add>): Promise<() => void> {
    const close = taps.add(...tap);
    const rejoin = (): Promise<void> => inTurn(async () => (isStopped ? undefined : current?.graph.rejoin()));
    await rejoin();
    return () => {
      close();
      void rejoin();
    };
  }

  /** What `config` makes of what runs now; nothing has changed when it throws. */
  function build(config: AgentConfig, before?: Running): Running {
    const isAtHome = before !== undefined && surroundingsKey(before.config) === surroundingsKey(config);
    const surroundings = isAtHome ? before.surroundings : createSurroundings(config);
    try {
      const graph = buildGraph(graphConfig(config), surroundings.services, isAtHome ? before.graph : undefined);
      return { config, surroundings, graph };
    } catch (error) {
      if (!isAtHome) surroundings.close();
      throw error;
    }
  }

  /** Goes back to `before`, of which `gone` has been stopped; what of it cannot start is tried again. */
  async function revive(before: Running, gone: ReadonlySet<GraphNode>, failed: readonly GraphNode[]): Promise<void> {
    const { config, surroundings } = before;
    const graph = buildGraph(graphConfig(config), surroundings.services, without(before.graph, gone));
    current = { config, surroundings, graph };
    graph.connect();
    await lifeCycle.stop(failed, config.agent.shutdown_timeout);
    await lifeCycle.start(graph, differencesBetween(before.graph, graph).started, 'retry');
  }

  async function exchange(before: Running, config: AgentConfig): Promise<ReloadResult> {
    const after = build(config, before);
    const { started, stopped } = differencesBetween(before.graph, after.graph);
    const timeout_ms = config.agent.shutdown_timeout;
    // What goes gives up its ports first: its successor may want the same.
    const hasPort = (node: GraphNode): boolean => (node.kind === 'receiver' && !isConnector(node)) || isPull(node);
    const goingFirst = new Set(stopped.filter(hasPort));
    await lifeCycle.stop([...goingFirst], timeout_ms);
    current = after;
    try {
      await lifeCycle.start(after.graph, started);
    } catch (error) {
      await revive(before, goingFirst, started);
      if (after.surroundings !== before.surroundings) after.surroundings.close();
      throw error;
    }
    await lifeCycle.stop(
      stopped.filter((node) => !goingFirst.has(node)),
      timeout_ms,
    );
    endCollections(before.graph, after.graph);
    budget.limit(config.agent.budget);
    if (after.surroundings !== before.surroundings) before.surroundings.close();
    return {
      started: started.map((node) => node.id),
      stopped: stopped.map((node) => node.id),
      kept: nodesOf(after.graph).length - started.length,
    };
  }

  async function end(): Promise<void> {
    isStopped = true;
    budget.stop();
    if (current === undefined) return;
    const { graph, surroundings, config } = current;
    await lifeCycle.stop(nodesOf(graph), config.agent.shutdown_timeout);
    surroundings.services.thinnings.settle();
    surroundings.close();
  }

  return {
    figures,
    listening: () => [...addresses],
    start: () =>
      inTurn(async () => {
        current = build(firstConfig);
        try {
          await lifeCycle.start(current.graph, nodesOf(current.graph));
          budget.limit(firstConfig.agent.budget);
        } catch (error) {
          await end();
          throw error;
        }
      }),
    reload: (config) =>
      inTurn(async () => {
        if (current === undefined || isStopped) throw new Error('Cannot reload: the agent does not run');
        return exchange(current, config);
      }),
    stop: () => inTurn(async () => (isStopped ? undefined : end())),
  };
}

/** Runs one work after the other, in the order in which they are given. */
function createTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    // How it ended is for who gave it.
    last = result.catch(() => undefined);
    return result;
  };
}

function graphConfig(config: AgentConfig): GraphConfig {
  return {
    ...config,
    pipelines: [...config.pipelines.values()],
    collectionInterval_ms: config.agent.collection_interval,
  };
}

/** Equal for configurations whose components can share their surroundings: those of one machine and one resource. */
function surroundingsKey({ agent, resource }: AgentConfig): string {
  return JSON.stringify([agent.root_path, agent.instance_id, resource]);
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
