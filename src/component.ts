/**
 * The component contract. A component is one value that says what it is, which options it takes, what it measures and
 * how it is made; documentation, the reference configuration and the conformance tests are generated from it.
 */
import type { BatchObservableResult, Histogram, Logger, Meter, Observable } from '@opentelemetry/api';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import * as v from 'valibot';
import type { ConfigProblem } from './errors.ts';
import type { Batch, Entity, LogBatch, MetricBatch, Resource, Signal, TraceBatch } from './model/batch.ts';
import { duration, option, optional, positiveDuration, size } from './config/options.ts';
import type { Host } from './procfs/host.ts';
import type { Board } from './rules/board.ts';

export type { BatchObservableResult, Host };

/** Who takes batches: a processor, an exporter's queue, a pull exporter. Awaiting it is the back-pressure. */
export interface Consumer<B extends Batch = Batch> {
  /**
   * Looks at what it needs of the batch before it resolves: the memory of what nobody has looked at may be given back then.
   * @throws {RetryableError} it cannot be taken now
   * @throws {PermanentError} it can never be taken
   */
  consume(batch: B): Promise<void> | void;
}

type Entries = v.ObjectEntries;
type Config<E extends Entries> = v.InferOutput<v.StrictObjectSchema<E, undefined>>;

/** What a component may need beyond an ordinary user's rights. */
export interface Permission {
  /** A capability (`CAP_SYS_PTRACE`), a file (`/proc/slabinfo`) or a group. */
  readonly needs: string;
  /** What is not collected without it. */
  readonly without: string;
}

/** What every component is given. */
interface Context<C> {
  /** `type` or `type/name`, as in the configuration. */
  readonly id: string;
  readonly config: C;
  readonly log: ComponentLog;
  /**
   * Counts items that leave the pipeline here, by reason, as `filtered` or `cardinality_limit`. An exporter of several
   * signals calls it while it encodes or consumes: it counts for the signal of that batch, else for the first.
   */
  drop(reason: string, count: number): void;
  /** What alert rules and anomaly detection found, and find. */
  readonly board: Board;
}

/** The component's voice in the agent's log: `once` says a thing when it starts, and is silent until it was over. */
export interface ComponentLog {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Logs `message` as a warning unless the same `key` was said already. */
  once(key: string, message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Logs `message`, if `key` was said, and forgets it. */
  over(key: string, message: string): void;
}

// ---------------------------------------------------------------------------------------------------- receivers

/** One metric that a receiver can emit. */
export interface MetricDefinition {
  readonly name: string;
  readonly instrument: 'counter' | 'updowncounter' | 'gauge' | 'histogram';
  /** Upper bounds of the buckets of a histogram. */
  readonly boundaries?: readonly number[];
  /** UCUM. */
  readonly unit: string;
  readonly about: string;
  readonly attributes: readonly string[];
  /** How its points travel in OTLP; `int` unless said. */
  readonly value?: 'int' | 'double';
  /** Off unless a configuration asks for it. */
  readonly optIn?: true;
  /** When its counters began: at `boot`, the default, or when the `agent` started. */
  readonly since?: 'boot' | 'agent';
  readonly entity?: Entity;
  /** Where the name comes from, if not from the semantic conventions: `collector` or `sonde`. */
  readonly source?: 'collector' | 'sonde';
}

export interface ReceiverContext<C, M> extends Context<C> {
  readonly host: Host;
  /** For further instruments, synchronous ones too; they are collected with the declared ones. */
  readonly meter: Meter;
  /** The OpenTelemetry instrument of each declared metric: observable, but for histograms. */
  readonly metrics: {
    readonly [K in keyof M]: M[K] extends { readonly instrument: 'histogram' } ? Histogram : Observable;
  };
  /** Whether anyone wants this metric: false when it is off, so that its source need not be read. */
  isEnabled(metric: keyof M): boolean;
  readonly logger: Logger;
  /** The pipelines behind this receiver, by signal, for receivers that are pushed to; undefined where none takes it. */
  readonly next: {
    readonly metrics: Consumer<MetricBatch> | undefined;
    readonly logs: Consumer<LogBatch> | undefined;
    readonly traces: Consumer<TraceBatch> | undefined;
  };
  /** The resource of what this agent measures. */
  readonly resource: Resource;
  readonly serve: Serve;
  /** Own figures of the whole agent; only the receiver `self` reads them. */
  readonly agent: AgentFigures;
}

/** How long a collection may take. */
export interface TimeLimit {
  readonly isOver: boolean;
  /** Aborted when it is over, for what has to be called off. */
  readonly signal: AbortSignal;
}

export interface Receiver {
  /** Observes everything once. */
  collect?(observer: BatchObservableResult, limit: TimeLimit): void | Promise<void>;
  /** Takes a batch from the end of another pipeline: of a connector, see `takes`. */
  consume?(batch: Batch): Promise<void> | void;
  start?(): void | Promise<void>;
  stop?(): void | Promise<void>;
}

export interface ReceiverDefinition<E extends Entries = Entries, M = Readonly<Record<string, MetricDefinition>>> {
  readonly kind: 'receiver';
  readonly type: string;
  readonly about: string;
  readonly signals: readonly Signal[];
  /**
   * Signals of the pipelines that it may end, beside exporters: then it is a connector, whose `consume` gets what comes out
   * of them, and what it makes of it goes into the pipelines that have it as receiver.
   */
  readonly takes: readonly Signal[];
  readonly config: v.StrictObjectSchema<E, undefined>;
  readonly metrics: M;
  readonly permissions: readonly Permission[];
  /** Kernel files or addresses it reads, for `describe` and `check`. */
  readonly sources: readonly string[];
  create(context: ReceiverContext<Config<E>, M>): Receiver;
}

/** Options that every receiver has. */
const receiverOptions = {
  collection_interval: optional(positiveDuration(), 'How often it collects; the agent’s interval if left out.'),
  adaptive_interval: optional(
    v.strictObject({
      max: option(positiveDuration(), 'Longest time between two points of a series; Prometheus looks back 5m.', '2m'),
      gauge_error: option(
        share(),
        'Bound of the error of gauges and up-down counters, as a share of the value sent last.',
        0.05,
      ),
      counter_error: option(
        share(),
        'Bound of the error of counters between their points, as a share of what one grows in max.',
        0.1,
      ),
      floors: option(
        v.record(v.string(), v.pipe(v.number(), v.minValue(0))),
        'By unit, the smallest error that matters, of counters per second; see docs/adaptive.md for those left out.',
        {},
      ),
    }),
    'Hands points to push exporters only where their readers could not tell them from the points before, within a bound; pull exporters, alert rules and all processors have every point. Off if left out.',
  ),
  burst: optional(
    v.strictObject({
      interval: option(positiveDuration(), 'How often it collects then.', '1s'),
      for: option(positiveDuration(), 'Longest time for an alert that begins to be pending, or to fire.', '2m'),
      per_hour: option(positiveDuration(), 'Longest time within an hour, however many alerts there are.', '10m'),
      alerts: option(v.array(v.string()), 'Names of the alert rules that begin it; all of them if empty.', []),
    }),
    'Collects more often while an alert is pending or fires, for a bounded time. Off if left out.',
  ),
  timeout: optional(
    positiveDuration(),
    'A collection that takes longer is given up and counted; the interval, at most 10s, if left out.',
  ),
  cardinality_limit: option(
    v.pipe(v.number(), v.integer(), v.minValue(1)),
    'Most series a metric may have; more are summed into one with otel.metric.overflow=true.',
    10_000,
  ),
  metrics: option(
    v.record(
      v.string(),
      v.strictObject({
        enabled: optional(v.boolean(), 'Whether the metric is collected.'),
        attributes: optional(v.array(v.string()), 'Attributes to keep: series that differ only in others become one.'),
        aggregation: optional(
          v.picklist(['sum', 'avg', 'min', 'max']),
          'How values that become one are combined: sum for counters and up-down counters, avg for gauges.',
        ),
      }),
    ),
    'Per metric name: whether it is on, and which attributes it keeps.',
    {},
  ),
  startup_error: startupErrorOption(),
};

function share() {
  return v.pipe(v.number(), v.minValue(0), v.maxValue(1));
}

/** What happens if a component cannot start; every component has it. */
function startupErrorOption() {
  return option(
    v.picklist(['fail', 'retry', 'ignore']),
    'If it cannot start: end the agent, try again in the background, or run without it.',
    'fail',
  );
}
type ReceiverOptions = typeof receiverOptions;

/** Options that every receiver has, as the agent reads them. */
export type CommonReceiverConfig = Config<ReceiverOptions>;

export function defineReceiver<
  E extends Entries,
  const M extends Readonly<Record<string, MetricDefinition>> = {},
>(definition: {
  readonly type: string;
  readonly about: string;
  readonly signals?: readonly Signal[];
  readonly takes?: readonly Signal[];
  readonly config: v.StrictObjectSchema<E, undefined>;
  readonly metrics?: M;
  readonly permissions?: readonly Permission[];
  readonly sources?: readonly string[];
  create(context: ReceiverContext<Config<E & ReceiverOptions>, M>): Receiver;
}): ReceiverDefinition<E & ReceiverOptions, M> {
  return {
    kind: 'receiver',
    signals: ['metrics'],
    takes: [],
    metrics: {} as M,
    permissions: [],
    sources: [],
    ...definition,
    config: v.strictObject({ ...definition.config.entries, ...receiverOptions }),
  };
}

/** A definition of whatever options and metrics, as the lists and the agent hold it. */
export interface AnyReceiverDefinition extends Omit<ReceiverDefinition, 'config' | 'create'> {
  readonly config: v.StrictObjectSchema<v.ObjectEntries, undefined>;
  create(context: ReceiverContext<unknown, Readonly<Record<string, MetricDefinition>>>): Receiver;
}

// --------------------------------------------------------------------------------------------------- processors

export interface ProcessorContext<C> extends Context<C> {
  /** What follows, whatever the signal: a processor hands a batch of the signal it was given. */
  readonly next: Consumer;
  /**
   * What follows, for batches that the processor makes itself and nobody handed in: they count as accepted here. Not to be
   * called within `consume`, whose items the books would confuse with these.
   */
  readonly own: Consumer;
  readonly host: Host;
  /** The agent's resource. */
  readonly resource: Resource;
  readonly http: CreateHttpSender;
  /** Name of the pipeline that it stands in: each has processors of its own. */
  readonly pipeline: string;
  /**
   * Counts items of the batch being consumed that stay here when `consume` has taken it, as for a window of time. To be
   * called before `consume` waits for anything.
   */
  hold(count: number): void;
  /** Counts items that were held and are no longer: what follows has taken them, or they were dropped and counted so. */
  release(count: number): void;
}

export interface Processor {
  consume(batch: Batch): Promise<void> | void;
  start?(): void | Promise<void>;
  /** Hands over what it still holds. */
  stop?(): void | Promise<void>;
}

export interface ProcessorDefinition<E extends Entries = Entries> {
  readonly kind: 'processor';
  readonly type: string;
  readonly about: string;
  readonly signals: readonly Signal[];
  readonly config: v.StrictObjectSchema<E, undefined>;
  /**
   * Keeps state from batch to batch, so a scrape must not run it out of turn: pipelines with such a processor answer a
   * scrape with what the clock collected.
   */
  readonly isStateful: boolean;
  /**
   * Changes nothing but how much travels at once. It works behind the other processors of its pipeline, and pull
   * exporters, which want each collection as the whole that it is, are joined before it.
   */
  readonly isBatching: boolean;
  readonly permissions: readonly Permission[];
  /** What is wrong with the files that its options name: said with what is wrong with the options. */
  check?(config: Config<E>): readonly ConfigProblem[];
  /** The content of these files, or what changes with it: a reload makes the processor anew when it is another. */
  fingerprint?(config: Config<E>): string;
  create(context: ProcessorContext<Config<E>>): Processor;
}

/** A definition of whatever options, as the lists and the agent hold it. */
export interface AnyProcessorDefinition extends Omit<
  ProcessorDefinition,
  'config' | 'create' | 'check' | 'fingerprint'
> {
  readonly config: v.StrictObjectSchema<v.ObjectEntries, undefined>;
  check?(config: unknown): readonly ConfigProblem[];
  fingerprint?(config: unknown): string;
  create(context: ProcessorContext<unknown>): Processor;
}

const processorOptions = { startup_error: startupErrorOption() };

export function defineProcessor<E extends Entries>(definition: {
  readonly type: string;
  readonly about: string;
  readonly signals: readonly Signal[];
  readonly config: v.StrictObjectSchema<E, undefined>;
  readonly isStateful?: boolean;
  readonly isBatching?: boolean;
  readonly permissions?: readonly Permission[];
  check?(config: Config<E & typeof processorOptions>): readonly ConfigProblem[];
  fingerprint?(config: Config<E & typeof processorOptions>): string;
  create(context: ProcessorContext<Config<E & typeof processorOptions>>): Processor;
}): ProcessorDefinition<E & typeof processorOptions> {
  return {
    kind: 'processor',
    isStateful: false,
    isBatching: false,
    permissions: [],
    ...definition,
    config: v.strictObject({ ...definition.config.entries, ...processorOptions }),
  };
}

// ---------------------------------------------------------------------------------------------------- exporters

/** One request's worth of encoded data. */
export interface Payload {
  readonly body: Uint8Array;
  /** Points, records or spans in it. */
  readonly count: number;
  /** A queue in memory calls it, once, when nobody needs the body any more: its memory may then be gone. */
  readonly release?: (() => void) | undefined;
}

/** A payload on its way to the back end. */
export interface Request extends Payload {
  /** The same in every repetition, also by a process that took the queue over: for back ends that drop duplicates. */
  readonly id: string;
}

/** What the back end took, where it says so. What neither field names it has. */
export interface SendResult {
  /** Items that it refused for good (OTLP partial success), where it does not say which. */
  readonly rejected?: number;
  /** The items that it refused for good, where it says which: they become a dead letter. */
  readonly refused?: Payload;
  /** The items that it could not take now: they alone are sent again. */
  readonly again?: Payload;
  /** Its words. */
  readonly message?: string;
}

export interface ExporterContext<C> extends Context<C> {
  /** The signals of the pipelines it stands in. */
  readonly signals: readonly Signal[];
  readonly serve: Serve;
  readonly http: CreateHttpSender;
  /** The agent's resource, for `target_info` and the like. */
  readonly resource: Resource;
  /**
   * For pull exporters: has every receiver of their pipelines whose values are older than `maxAge_ms` collect, and
   * resolves when those batches were consumed, or returns nothing when they are already. Calls at the same time share
   * one collection.
   */
  collect(maxAge_ms: number): Promise<void> | void;
  /** For pull exporters: counts an answer, with the points in it and the seconds that it took. */
  answered(count: number, duration_s: number): void;
  /** For exporters that people look at: someone asked for values, so for a minute nothing is left out anywhere. */
  watched(): void;
}

/** Sends what it is given. Queue, retry, time-out and counting are the pipeline's. */
export interface PushExporter {
  /** Pure: a batch to the bodies of the requests that carry it. */
  encode(batch: Batch): readonly Payload[];
  /**
   * Resolves when the back end has it.
   * @throws {RetryableError} @throws {TooLargeError} @throws {PermanentError}
   */
  send(request: Request, signal: Signal, abort: AbortSignal): Promise<SendResult | void>;
  /** A payload in smaller parts, after a TooLargeError; without it the payload is dropped. */
  split?(payload: Payload, signal: Signal): readonly Payload[];
  start?(): void | Promise<void>;
  stop?(): void | Promise<void>;
}

/** Answers when it is asked (a scrape, a page). */
export interface PullExporter {
  consume(batch: Batch): Promise<void> | void;
  start?(): void | Promise<void>;
  stop?(): void | Promise<void>;
}

export interface ExporterDefinition<E extends Entries = Entries> {
  readonly kind: 'exporter';
  readonly type: string;
  readonly about: string;
  readonly signals: readonly Signal[];
  readonly isPull: boolean;
  readonly config: v.StrictObjectSchema<E, undefined>;
  readonly permissions: readonly Permission[];
  create(context: ExporterContext<Config<E>>): PushExporter | PullExporter;
}

/** A definition of whatever options, as the lists and the agent hold it. */
export interface AnyExporterDefinition extends Omit<ExporterDefinition, 'config' | 'create'> {
  readonly config: v.StrictObjectSchema<v.ObjectEntries, undefined>;
  create(context: ExporterContext<unknown>): PushExporter | PullExporter;
}

/** Components by type: each is the default export of a file, which is loaded when the component is needed. */
export type Loaders<D> = Readonly<Record<string, () => Promise<{ readonly default: D }>>>;

const pullOptions = { startup_error: startupErrorOption() };

/** Options that every push exporter has: the pipeline's, not the exporter's. */
const pushOptions = {
  ...pullOptions,
  timeout: option(positiveDuration(), 'A request that takes longer is given up and tried again.', '10s'),
  retry: option(
    v.strictObject({
      enabled: option(v.boolean(), 'Whether refused requests are tried again.', true),
      initial: option(duration(), 'Wait before the first repetition.', '1s'),
      max: option(duration(), 'Longest wait between two.', '30s'),
      multiplier: option(v.pipe(v.number(), v.minValue(1)), 'By how much each wait grows.', 1.5),
      jitter: option(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 'Share of each wait that is random.', 0.5),
      max_elapsed: option(
        duration(),
        'After this a request is dropped and counted; 0 is never: then the queue’s bounds decide how long it waits.',
        '0',
      ),
    }),
    'When the back end cannot take a request.',
    {},
  ),
  queue: option(
    v.strictObject({
      storage: option(
        v.picklist(['memory', 'disk']),
        'Where requests wait: lost with the process, or in files that outlive it.',
        'memory',
      ),
      directory: optional(
        v.pipe(v.string(), v.minLength(1, 'a path')),
        'Folder of the queues on disk, which each get one in it; STATE_DIRECTORY/queue if left out, without that /var/lib/sonde/queue for root and ~/.local/state/sonde/queue for others.',
      ),
      max_bytes: optional(
        size(),
        'Most bytes that wait, for each signal; 32MiB in memory and 1GiB on disk if left out.',
      ),
      max_age: option(duration(), 'What waited longer is dropped and counted; 0 is never.', '0'),
      sync: option(
        v.picklist(['always', 'group', 'none']),
        'On disk, when data counts as taken: when it survives a power cut; when it survives the process, with the disk following within group_ms; the same, with the disk following when the kernel likes.',
        'group',
      ),
      group_ms: option(
        v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(60_000)),
        'With sync: group, milliseconds of data that a power cut may take.',
        10,
      ),
      min_free: option(size(), 'The queue is full, too, when the volume has less than this left.', '100MiB'),
      order: option(
        v.picklist(['fifo', 'fresh_first']),
        'On disk, whether new data waits behind a backlog or goes before it.',
        'fifo',
      ),
      dead_letters: option(
        v.strictObject({
          max_bytes: option(size(), 'Most bytes of them; the oldest make room, and 0 keeps none.', '64MiB'),
        }),
        'On disk, what is done with requests that the back end refuses for good: kept for `sonde queue`.',
        {},
      ),
      on_full: option(
        v.picklist(['block', 'drop_oldest', 'drop_newest']),
        'What gives way when the queue is full.',
        'drop_oldest',
      ),
      concurrency: option(v.pipe(v.number(), v.integer(), v.minValue(1)), 'Requests under way at once.', 1),
    }),
    'What waits for the back end.',
    {},
  ),
};
export type CommonPushConfig = Config<typeof pushOptions>;

export function definePushExporter<E extends Entries>(definition: {
  readonly type: string;
  readonly about: string;
  readonly signals: readonly Signal[];
  readonly config: v.StrictObjectSchema<E, undefined>;
  readonly permissions?: readonly Permission[];
  create(context: ExporterContext<Config<E & typeof pushOptions>>): PushExporter;
}): ExporterDefinition<E & typeof pushOptions> {
  return {
    kind: 'exporter',
    isPull: false,
    permissions: [],
    ...definition,
    config: v.strictObject({ ...definition.config.entries, ...pushOptions }),
  };
}

export function definePullExporter<E extends Entries>(definition: {
  readonly type: string;
  readonly about: string;
  readonly signals: readonly Signal[];
  readonly config: v.StrictObjectSchema<E, undefined>;
  readonly permissions?: readonly Permission[];
  create(context: ExporterContext<Config<E & typeof pullOptions>>): PullExporter;
}): ExporterDefinition<E & typeof pullOptions> {
  return {
    kind: 'exporter',
    isPull: true,
    permissions: [],
    ...definition,
    config: v.strictObject({ ...definition.config.entries, ...pullOptions }),
  };
}

// ------------------------------------------------------------------------------- what the agent does for components

/** Starts an HTTP(S) listener with the agent's limits and pages. */
export type Serve = (options: ServeOptions) => Promise<Listener>;

export interface ServeOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly endpoint: string;
  readonly tls?: TlsServerConfig | undefined;
  /** Written out by the user: answer beyond loopback without TLS. */
  readonly insecure?: boolean | undefined;
  /** Handlers by path, as `/metrics`. A segment `*`, the last one or that before it, stands for any: `/items/*`. */
  readonly routes: Readonly<
    Record<string, (request: IncomingMessage, response: ServerResponse) => void | Promise<void>>
  >;
  /**
   * By path, who takes POST requests in their commonest form, without the price of `node:http`. All others come to the path's
   * handler in `routes`, so both have to answer alike.
   */
  readonly posts?: Readonly<Record<string, PostRoute>>;
  /**
   * By path, who takes over connections of WebSocket clients (`Upgrade: websocket`); `head` is what a client sent behind
   * its request already. Pages of other sites are refused before.
   */
  readonly upgrades?: Readonly<Record<string, (request: IncomingMessage, socket: Duplex, head: Buffer) => void>>;
  /**
   * Sites, as `https://host`, whose pages may ask beside the listener's own: what is given, though empty, has pages of all
   * others refused.
   */
  readonly origins?: readonly string[];
  /** Whether `GET /` answers with the agent's page. */
  readonly hasPage?: boolean;
}

/** Takes bodies whole. */
export interface PostRoute {
  /** Whether it takes what the head says; if not, the path's handler is asked. */
  accepts(head: PostHead): boolean;
  /** Where each byte of a body is taken from as it comes; given back by `take`, or where the rest does not come. */
  readonly budget: { take(bytes: number): boolean; give(bytes: number): void };
  take(head: PostHead, body: Buffer): Promise<PostReply>;
}

/** What the head of a request says of its body. */
export interface PostHead {
  /** In bytes. */
  readonly length: number;
  /** As they were written. */
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
}

export interface PostReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface Listener {
  /** As `http://127.0.0.1:9464`, with the port really taken. */
  readonly url: string;
  close(): Promise<void>;
}

export interface TlsServerConfig {
  readonly cert_file: string;
  readonly key_file: string;
  /** Clients must show a certificate signed by it. */
  readonly client_ca_file?: string | undefined;
}

/** Makes a function that posts bodies: with keep-alive, TLS, compression, and OTLP's rules of what may be tried again. */
export type CreateHttpSender = (options: HttpSenderOptions) => HttpSender;

export interface HttpSenderOptions extends HttpClientConfig {
  readonly compression: 'none' | 'gzip' | 'zstd' | 'snappy';
  /** Every 5xx may be tried again, not only the three that OTLP names: 500 as well. */
  readonly retriesServerErrors?: boolean;
}

/** What `httpClientOptions` (config/http_client.ts) hold. */
export interface HttpClientConfig {
  readonly headers: Readonly<Record<string, string>>;
  readonly auth?: AuthConfig | undefined;
  readonly tls?: TlsClientConfig | undefined;
  /** A URL, or `none`; undefined is what the environment says. */
  readonly proxy?: string | undefined;
}

/** Exactly one of them. */
export interface AuthConfig {
  readonly basic?:
    | { readonly username: string; readonly password?: Hidden | undefined; readonly password_file?: string | undefined }
    | undefined;
  readonly bearer?: { readonly token?: Hidden | undefined; readonly token_file?: string | undefined } | undefined;
  readonly header?:
    | {
        readonly name: string;
        readonly value?: Hidden | undefined;
        readonly value_file?: string | undefined;
        readonly prefix: string;
      }
    | undefined;
}

interface Hidden {
  reveal(): string;
}

export interface HttpSender {
  /** Whether nobody reads from such a body any more once `post` has settled, or was aborted. */
  canRelease(body: Uint8Array): boolean;
  /**
   * Resolves with the answer to a request that succeeded (2xx).
   * @throws {RetryableError} on 429, 502, 503, 504 and broken connections @throws {TooLargeError} on 413
   * @throws {RefusedError} on every other answer, with its status and body
   */
  post(
    url: string,
    body: Uint8Array,
    contentType: string,
    abort: AbortSignal,
  ): Promise<{ status: number; headers: Readonly<Record<string, string | string[] | undefined>>; body: Uint8Array }>;
  close(): void;
}

export interface TlsClientConfig {
  readonly ca_file?: string | undefined;
  readonly cert_file?: string | undefined;
  readonly key_file?: string | undefined;
  readonly server_name?: string | undefined;
  readonly insecure_skip_verify?: boolean | undefined;
}

/** What the agent knows of itself, component by component. */
export interface AgentFigures {
  readonly startTime: bigint;
  readonly components: readonly ComponentFigures[];
  readonly pipelines: readonly PipelineFigures[];
  /** Undefined where it has none. */
  readonly budget?: BudgetFigures | undefined;
}

/** What the agent may use of the machine, and does. */
export interface BudgetFigures {
  /** Share of its limit that is used, by resource; undefined where there is none. */
  readonly cpu: number | undefined;
  readonly memory: number | undefined;
  /** By how much the intervals of receivers are stretched, by id; those not named are not. */
  readonly factors: ReadonlyMap<string, number>;
}

/** Counts since the start of the agent; `dropped` by reason. Plain fields: whoever counts, adds. */
export interface ComponentFigures {
  readonly id: string;
  readonly kind: 'receiver' | 'processor' | 'exporter';
  readonly signal: Signal;
  /** Name of the pipeline, where the component lives in one (processors). */
  readonly pipeline: string | undefined;
  accepted: number;
  refused: number;
  sent: number;
  failed: number;
  readonly dropped: Map<string, number>;
  /** Seconds spent, and how often: collections, requests, answers to scrapes. */
  duration_s: number;
  operations: number;
  /** Items that an exporter's queue on disk held when it was opened. */
  recovered: number;
  /** Items and bytes that wait: in an exporter's queue, or items that a processor holds. */
  queued: number;
  queued_bytes: number;
  queue_capacity_bytes: number;
  /** Collections left out because the one before still ran, and collections given up. */
  skipped: number;
  timed_out: number;
  /** Seconds from one collection of a receiver to the next now, but for the budget; 0 for what does not collect. */
  interval_s: number;
  /** Collections left out because the agent is over its budget. */
  stretched: number;
  /** How often it began to collect in bursts. */
  bursts: number;
  /** Points that `adaptive_interval` left out of what was pushed; undefined where it is off. */
  left_out: number | undefined;
  /** What the component says of itself now. */
  state: 'starting' | 'running' | 'failed' | 'stopped';
  reason: string;
}

export interface PipelineFigures {
  readonly name: string;
  readonly signal: Signal;
  readonly receivers: readonly string[];
  readonly processors: readonly string[];
  readonly exporters: readonly string[];
  readonly books: PipelineBooks;
}

/**
 * Items since the pipeline began: accepted = sent + dropped + filtered, at any time. What an exporter's queue then makes
 * of what was sent is in the figures of the exporter.
 */
export interface PipelineBooks {
  accepted: number;
  refused: number;
  /** Taken by its exporters: by all that were to have them. */
  sent: number;
  /** By reason. */
  readonly dropped: Map<string, number>;
  /** What a filter took out, by the name of its rule; '' for a rule without one, and for what no rule includes. */
  readonly filtered: Map<string, number>;
  /** Dropped and filtered together. */
  gone: number;
  /** Handed in, and neither accepted nor refused yet, or held by a processor. */
  waiting: number;
  /** Items that processors have held, ever. */
  held: number;
}
