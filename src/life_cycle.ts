/** Starts and stops the components of a graph: in order, within their time, and each by its own rule for failures. */
import { messageOf } from './errors.ts';
import type { Graph } from './graph.ts';
import type { GraphNode, ReceiverNode } from './nodes.ts';
import { systemClock, type Scheduler } from './scheduler.ts';

/** A component that cannot start, and is not allowed to be missing. */
export class StartError extends Error {
  readonly component: string;
  constructor(component: string, cause: unknown) {
    super(`Cannot start ${component}: ${messageOf(cause)}`, { cause });
    this.name = 'StartError';
    this.component = component;
  }
}

export interface LifeCycleOptions {
  /** Of now: a reload may change it. */
  readonly startupTimeout_ms: () => number;
  readonly scheduler: () => Scheduler;
}

type StartRule = GraphNode['startupError'];

export interface LifeCycle {
  /**
   * Starts `nodes` of a graph from the back to the front, and directs the flow to it when its push exporters and
   * processors run. `rule` goes before what each says of itself.
   * @throws {StartError} after all that were starting beside the one that failed have come to an end, too
   */
  start(graph: Graph, nodes: readonly GraphNode[], rule?: StartRule): Promise<void>;
  /** Stops receivers, then what they handed over is drained forward; all in `timeout_ms`. */
  stop(nodes: readonly GraphNode[], timeout_ms: number): Promise<void>;
}

/** What is under way for one component. */
interface Life {
  /** Resolves when its latest `start` has ended, well or not; undefined where there is nothing to wait for. */
  starting: Promise<void> | undefined;
  /** Whether its start has succeeded, so that it has to be stopped. */
  isUp: boolean;
  /** Its start has had its time. */
  isLate: boolean;
  isStopped: boolean;
  endWaiting: (() => void) | undefined;
}

const LONGEST_WAIT_MS = 60_000;

export function createLifeCycle({ startupTimeout_ms, scheduler }: LifeCycleOptions): LifeCycle {
  const lives = new WeakMap<GraphNode, Life>();
  /** Receivers that came up a moment ago. */
  const fresh = new Set<ReceiverNode>();

  async function startNode(node: GraphNode, rule: StartRule): Promise<void> {
    const life: Life = { starting: undefined, isUp: false, isLate: false, isStopped: false, endWaiting: undefined };
    lives.set(node, life);
    await attempt(node, life, rule, 0);
  }

  async function attempt(node: GraphNode, life: Life, rule: StartRule, repetitions: number): Promise<void> {
    const again = (error: unknown): void => retry(node, life, repetitions, error);
    const work = begin(node);
    const isUp = (): void => void (life.isUp = true);
    // The failure is told below.
    life.starting = work?.then(isUp, () => undefined);
    try {
      await withinTime(work, startupTimeout_ms(), 'start within');
      isUp();
    } catch (error) {
      life.isLate = error instanceof TooLate;
      if (life.isStopped) return;
      setState(node, 'failed', messageOf(error));
      if (rule === 'fail') throw new StartError(node.id, error);
      if (rule === 'ignore') {
        node.log.error(`Cannot start: ${messageOf(error)}; the agent runs without it`);
        void stopLate(node, life);
        await leaveOut(node);
      } else if (life.isLate) {
        // It may still come up: a second start beside the first would want the same port.
        node.log.once('start', `Cannot start: ${messageOf(error)}; waits on for it`);
        void work?.then(() => cameUp(node, life), again);
      } else {
        again(error);
      }
      return;
    }
    cameUp(node, life);
  }

  function retry(node: GraphNode, life: Life, repetitions: number, error: unknown): void {
    if (life.isStopped) return;
    const wait_ms = Math.min(1000 * 2 ** repetitions, LONGEST_WAIT_MS);
    setState(node, 'failed', messageOf(error));
    node.log.once('start', `Cannot start: ${messageOf(error)}; will try again`, { next_try_s: wait_ms / 1000 });
    life.endWaiting = systemClock.after(wait_ms, () => void attempt(node, life, 'retry', repetitions + 1));
  }

  function cameUp(node: GraphNode, life: Life): void {
    if (life.isStopped) return;
    node.log.over('start', 'Started');
    setState(node, 'running', '');
    if (node.kind === 'exporter') for (const push of node.pushes) push.start();
    if (node.kind !== 'receiver' || node.pace === undefined) return;
    const ticking = node.pace.run(scheduler());
    life.endWaiting = () => ticking.stop();
    collectSoon(node);
  }

  /** Without it the first values would be an interval away. Receivers that come up together share one time. */
  function collectSoon(node: ReceiverNode): void {
    fresh.add(node);
    if (fresh.size > 1) return;
    setImmediate(() => {
      const now_ms = systemClock.now();
      for (const { collector } of fresh) void collector!.tick(now_ms);
      fresh.clear();
    });
  }

  async function stopNode(node: GraphNode, timeout_ms: number): Promise<void> {
    const life = lives.get(node);
    const end_ms = performance.now() + timeout_ms;
    // What a component does at its end is short, and worth a moment even if there is no time left.
    const left_ms = (): number => Math.max(end_ms - performance.now(), 100);
    const within = async (work: () => Promise<void> | void, what: string): Promise<void> => {
      try {
        await withinTime(work(), left_ms(), what);
      } catch (error) {
        node.log.error(`Cannot stop cleanly: ${messageOf(error)}`);
      }
    };
    if (life !== undefined) {
      life.isStopped = true;
      life.endWaiting?.();
    }
    if (node.kind === 'receiver') {
      // What was counted since the last tick would never be told.
      if (isConnector(node)) await within(() => node.collector?.tick(systemClock.now()), 'collect a last time within');
      await within(() => node.collector?.stop(), 'hand over its last collection within');
    }
    if (node.kind === 'exporter') await Promise.all(node.pushes.map((push) => push.stop(timeout_ms)));
    if (life?.isUp === false && !life.isLate) await within(() => life.starting, 'come to the end of its start within');
    if (life?.isUp === true) {
      life.isUp = false;
      await within(() => node.instance.stop?.(), 'stop within');
    } else if (life !== undefined) {
      void stopLate(node, life);
    } else if (node.instance.start === undefined) {
      // What needs no start may all the same hold something that it has to give up.
      await within(() => node.instance.stop?.(), 'stop within');
    }
    setState(node, 'stopped', '');
  }

  return {
    async start(graph, nodes, rule) {
      const startAll = async (some: readonly GraphNode[]): Promise<void> => {
        const results = await Promise.allSettled(some.map((node) => startNode(node, rule ?? node.startupError)));
        const failed = results.find((result) => result.status === 'rejected');
        if (failed !== undefined) throw failed.reason;
      };
      await startAll(nodes.filter((node) => node.kind === 'exporter' && !node.isPull));
      await startAll(nodes.filter((node) => node.kind === 'processor'));
      graph.connect();
      // Once they listen they may be asked, and then have to know their receivers.
      await startAll(nodes.filter((node) => node.kind === 'exporter' && node.isPull));
      await startAll(nodes.filter((node) => node.kind === 'receiver'));
    },
    async stop(nodes, timeout_ms) {
      const end_ms = performance.now() + timeout_ms;
      const left_ms = (): number => Math.max(end_ms - performance.now(), 0);
      const receivers = nodes.filter((node) => node.kind === 'receiver');
      const processors = nodes.filter((node) => node.kind === 'processor');
      const connectors = receivers.filter(isConnector);
      const feeders = new Set(connectors.flatMap((node) => [...node.feeders]));
      const isFeeding = ({ figures }: GraphNode): boolean => feeders.has(figures[0].pipeline!);
      // Each step has half of what is left, so that one that hangs leaves time for what comes behind it.
      const stopTogether = async (some: readonly GraphNode[]): Promise<void> => {
        const share = left_ms() / 2;
        await Promise.all(some.map((node) => stopNode(node, share)));
      };
      // In the order of the pipeline, so that each flushes into one that still runs.
      const stopInOrder = async (some: readonly GraphNode[]): Promise<void> => {
        for (const node of some) await stopNode(node, left_ms() / 2);
      };
      await stopTogether(receivers.filter((node) => !isConnector(node)));
      await stopInOrder(processors.filter(isFeeding));
      await stopTogether(connectors);
      await stopInOrder(processors.filter((node) => !isFeeding(node)));
      await Promise.all(nodes.filter((node) => node.kind === 'exporter').map((node) => stopNode(node, left_ms())));
    },
  };
}

/** Whether other pipelines end in it: it is stopped behind their processors, which may hold something for it. */
export function isConnector(node: ReceiverNode): boolean {
  return node.intakes.size > 0;
}

/** Calls `start`; undefined where nothing is to be waited for. */
function begin(node: GraphNode): Promise<void> | undefined {
  try {
    const opening = node.kind === 'exporter' ? node.pushes.map((push) => push.open()) : [];
    if (opening.every((one) => one === undefined)) return node.instance.start?.() ?? undefined;
    return Promise.all(opening).then(() => node.instance.start?.());
  } catch (error) {
    return Promise.reject(error as Error);
  }
}

/** Of a component that may be missing: what would wait for it does no more. */
async function leaveOut(node: GraphNode): Promise<void> {
  if (node.kind === 'receiver') return;
  node.leaveOut();
  if (node.kind === 'exporter') await Promise.all(node.pushes.map((push) => push.stop(0)));
}

/** Ends a component whose start comes to its end when nobody waits for it any more. */
async function stopLate(node: GraphNode, life: Life): Promise<void> {
  await life.starting;
  if (!life.isUp) return;
  life.isUp = false;
  try {
    await node.instance.stop?.();
  } catch (error) {
    node.log.error(`Cannot stop cleanly: ${messageOf(error)}`);
  }
}

function setState(node: GraphNode, state: 'running' | 'failed' | 'stopped', reason: string): void {
  for (const figures of node.figures) {
    figures.state = state;
    figures.reason = reason;
  }
}

class TooLate extends Error {}

/** `work`, unless it takes longer: then an error that says so. */
async function withinTime(work: Promise<void> | void, limit_ms: number, what: string): Promise<void> {
  if (work === undefined) return;
  const { promise, reject } = Promise.withResolvers<never>();
  const text = limit_ms < 1000 ? `${Math.round(limit_ms)} ms` : `${Math.round(limit_ms / 100) / 10} s`;
  const cancel = systemClock.after(limit_ms, () => reject(new TooLate(`it did not ${what} ${text}`)));
  try {
    await Promise.race([work, promise]);
  } finally {
    cancel();
  }
}
