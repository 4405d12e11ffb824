/** What the components of a graph are to the agent: what it lends them, and what it starts and stops. */
import type { Logger } from '@opentelemetry/api';
import type { Brake } from './adaptive/brake.ts';
import type { Pace } from './adaptive/pace.ts';
import type { Thinned, Thinnings } from './adaptive/thinning.ts';
import type { Watchers } from './adaptive/watchers.ts';
import type { Collector } from './collector.ts';
import type {
  AgentFigures,
  ComponentFigures,
  ComponentLog,
  Consumer,
  CreateHttpSender,
  Host,
  Processor,
  PullExporter,
  PushExporter,
  Receiver,
  Serve,
} from './component.ts';
import type { Push } from './delivery/push.ts';
import type { Resource, Signal } from './model/batch.ts';
import type { ObservableMeter } from './otel/meter.ts';
import { add, type Outlet } from './pipeline.ts';
import type { Board } from './rules/board.ts';
import type { Taps } from './taps.ts';
import type { Log } from './telemetry/log.ts';

/** A component as the configuration names it. */
export interface Configured<D> {
  /** `type` or `type/name`. */
  readonly id: string;
  readonly definition: D;
  /** Its block as it was written, defaults left out and references replaced: equal blocks make equal components. */
  readonly raw: unknown;
  /** What the component's schema made of it. */
  readonly config: unknown;
}

/** What the agent lends to components. */
export interface Services {
  readonly version: string;
  readonly host: Host;
  readonly resource: Resource;
  readonly startTime: bigint;
  readonly log: Log;
  readonly serve: Serve;
  readonly http: CreateHttpSender;
  readonly logger: (component: string, next: Consumer) => Logger;
  readonly figures: () => AgentFigures;
  readonly taps: Taps;
  readonly board: Board;
  readonly watchers: Watchers;
  /** Leaves points out before what pushes. */
  readonly thinnings: Thinnings;
  /** How far the agent's budget stretches the intervals of receivers. */
  readonly brake: Brake;
  /** Meters of instrumentation outside the receivers; they are collected with the receiver `self`. */
  readonly otherMeters: () => readonly ObservableMeter[];
}

/** What the agent starts and stops. */
export type GraphNode = ReceiverNode | ProcessorNode | ExporterNode;

interface NodeBase {
  readonly id: string;
  /** Equal as long as nothing that the component was made from has changed. */
  readonly fingerprint: string;
  readonly figures: readonly ComponentFigures[];
  readonly log: ComponentLog;
  readonly startupError: 'fail' | 'retry' | 'ignore';
}

export interface ReceiverNode extends NodeBase {
  readonly kind: 'receiver';
  readonly instance: Receiver;
  readonly outlets: Readonly<Record<Signal, Outlet>>;
  /** Where collections go that a pull exporter asked for. */
  readonly onDemand: Outlet;
  /** Undefined for receivers that are pushed to. */
  readonly collector: Collector | undefined;
  /** Of a connector, what pipelines hand over to that it ends, and the names of these pipelines. */
  readonly intakes: ReadonlyMap<Signal, Consumer>;
  readonly feeders: Set<string>;
  /** When its collector runs; undefined without one. */
  readonly pace: Pace | undefined;
  /** Present with `adaptive_interval`. */
  readonly thinned: Thinned | undefined;
}

export interface ProcessorNode extends NodeBase {
  readonly kind: 'processor';
  readonly instance: Processor;
  readonly entry: Consumer;
  readonly outlet: Outlet;
  readonly isStateful: boolean;
  readonly isBatching: boolean;
  /** From now on everything goes past it: it could not start, and may be missing. */
  leaveOut(): void;
}

export interface ExporterNode extends NodeBase {
  readonly kind: 'exporter';
  readonly instance: PushExporter | PullExporter;
  readonly isPull: boolean;
  /** One queue for each signal; none for pull exporters. */
  readonly pushes: readonly Push[];
  readonly entries: ReadonlyMap<Signal, Consumer>;
  /** Receivers behind the pipelines that it stands in. */
  readonly sources: Set<ReceiverNode>;
  /** From now on nothing goes into it: it could not start, and may be missing. */
  leaveOut(): void;
}

/** Enters in its figures what a component drops. */
export function dropInto(figures: ComponentFigures): (reason: string, count: number) => void {
  return (reason, count) => add(figures.dropped, reason, count);
}
