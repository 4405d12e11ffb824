/**
 * The batches that flow through a pipeline. A batch is immutable once handed over: who changes it makes a new one.
 *
 * Metrics are columns: `series` says what each row measures, `values` what was measured. The array `series` is the
 * layout of the batch. As long as a source measures the same things, it hands over the very same array again and
 * again, so an encoder keeps what it derived from a layout (label text, whole encoded messages) in a `WeakMap` keyed
 * by that array, and touches only times and values (see `layout.ts`).
 */
import { attributesKey, type AnyValue, type Attributes } from './attributes.ts';

/** What produced the telemetry. `schemaUrl` is '' where unknown. */
export interface Resource {
  readonly attributes: Attributes;
  readonly schemaUrl: string;
  readonly droppedAttributesCount?: number;
  readonly entityRefs?: readonly EntityRef[];
}

/** Which attributes of a resource identify, and which describe, an entity (OTLP `EntityRef`). */
export interface EntityRef {
  readonly schemaUrl: string;
  readonly type: string;
  readonly idKeys: readonly string[];
  readonly descriptionKeys: readonly string[];
}

/** Which instrumentation produced the telemetry. */
export interface Scope {
  readonly name: string;
  readonly version: string;
  readonly attributes: Attributes;
  readonly schemaUrl: string;
  readonly droppedAttributesCount?: number;
}

export type MetricKind = 'gauge' | 'sum' | 'histogram' | 'exponential_histogram' | 'summary';
export type Temporality = 'unspecified' | 'delta' | 'cumulative';

/**
 * An entity whose attributes series carry flat, as a process's pid. The OTLP encoder groups series by it into
 * resources of their own; pull exporters leave the attributes as labels.
 */
export interface Entity {
  readonly type: string;
  readonly identifying: readonly string[];
  readonly descriptive: readonly string[];
}

/** What all series of one metric share. */
export interface Metric {
  readonly name: string;
  readonly description: string;
  /** UCUM, as `By`, `s`, `{packet}`. */
  readonly unit: string;
  readonly kind: MetricKind;
  /** Only a sum can be monotonic. */
  readonly isMonotonic: boolean;
  /** `unspecified` for gauges and summaries. */
  readonly temporality: Temporality;
  /** How number points travel in OTLP: `as_int` or `as_double`. */
  readonly valueType: 'int' | 'double';
  readonly metadata?: Attributes;
  readonly entity?: Entity;
}

/** One series in one unbroken run. Its object identity is stable for as long as the run lasts. */
export class Series {
  readonly resource: Resource;
  readonly scope: Scope;
  readonly metric: Metric;
  readonly attributes: Attributes;
  /** Unix nanoseconds of the start of the run; 0n for gauges and where unknown. */
  readonly startTime: bigint;
  #key: string | undefined;
  /** The newest first. */
  #derived: Derived | undefined;

  constructor(resource: Resource, scope: Scope, metric: Metric, attributes: Attributes, startTime: bigint) {
    this.resource = resource;
    this.scope = scope;
    this.metric = metric;
    this.attributes = attributes;
    this.startTime = startTime;
  }

  /** Text that is equal for the same stream of data, whatever its run: name, kind, unit, attributes, resource, scope. */
  get key(): string {
    return (this.#key ??= seriesKey(this));
  }

  /**
   * What `make` gives for it, once. Kept in the series, as a WeakMap of many that live shortly costs V8 more than what
   * they are for; of several `make` the eight newest, or each reload would leave something behind.
   */
  derive<T>(make: (series: Series) => T): T {
    for (let known = this.#derived; known !== undefined; known = known.next) {
      if (known.make === make) return known.value as T;
    }
    const value = make(this);
    this.#derived = { make, value, next: this.#derived };
    let last = this.#derived;
    for (let count = 1; count < MAX_DERIVED && last.next !== undefined; count++) last = last.next;
    last.next = undefined;
    return value;
  }
}

const MAX_DERIVED = 8;

interface Derived {
  readonly make: unknown;
  readonly value: unknown;
  next: Derived | undefined;
}

/** Set on a row without a value: the series ended with the point before (`DataPointFlags` in OTLP). */
export const NO_RECORDED_VALUE = 1;

export interface MetricBatch {
  readonly signal: 'metrics';
  /** Number of data points. */
  readonly count: number;
  /** The layout: what each row measures. */
  readonly series: readonly Series[];
  /** Value of each row. Of a histogram's, summary's or ended series' row: NaN. */
  readonly values: Float64Array;
  /** Unix nanoseconds of every row, unless `times` gives each its own. */
  readonly time: bigint;
  readonly times?: BigUint64Array;
  /** OTLP data point flags by row; absent when all are 0. */
  readonly flags?: Uint32Array;
  /** Integer values that a double cannot hold exactly, by row. */
  readonly exactValues?: ReadonlyMap<number, bigint>;
  /** Histogram, exponential histogram and summary points, by row. */
  readonly points?: readonly (DistributionPoint | undefined)[];
  readonly exemplars?: readonly (readonly Exemplar[] | undefined)[];
  /** Present on a whole collection of a receiver. */
  readonly collection?: Collection;
  /** The same data as an encoded ExportMetricsServiceRequest (protobuf), where it came as one. */
  readonly otlp?: Uint8Array;
}

/** Says that a batch is all that a receiver measures: what an earlier one held beyond it has ended. */
export interface Collection {
  /** Id of the receiver, as `cpu` or `cpu/fast`. */
  readonly receiver: string;
  /** Name of the pipeline that it came through; pull exporters are told, for one receiver may reach them by several. */
  readonly pipeline?: string;
  /** Collected because someone asked (a scrape), so for pull exporters alone; the clock's collections go to everyone. */
  readonly onDemand: boolean;
  /** Rows are missing that `adaptive_interval` left out: their series go on as could be expected. */
  readonly isThinned?: boolean;
}

export type DistributionPoint = HistogramPoint | ExponentialHistogramPoint | SummaryPoint;

export interface HistogramPoint {
  readonly type: 'histogram';
  readonly count: bigint;
  readonly sum?: number;
  readonly min?: number;
  readonly max?: number;
  /** Upper bounds, inclusive, rising; one fewer than `bucketCounts`, or both empty. */
  readonly explicitBounds: readonly number[];
  readonly bucketCounts: readonly bigint[];
}

export interface ExponentialHistogramPoint {
  readonly type: 'exponential_histogram';
  readonly count: bigint;
  readonly sum?: number;
  readonly min?: number;
  readonly max?: number;
  /** base = 2^(2^-scale); bucket i holds (base^i, base^(i+1)]. */
  readonly scale: number;
  readonly zeroCount: bigint;
  readonly zeroThreshold: number;
  readonly positive: ExponentialBuckets;
  readonly negative: ExponentialBuckets;
}

export interface ExponentialBuckets {
  readonly offset: number;
  readonly bucketCounts: readonly bigint[];
}

export interface SummaryPoint {
  readonly type: 'summary';
  readonly count: bigint;
  readonly sum: number;
  readonly quantiles: readonly { readonly quantile: number; readonly value: number }[];
}

export interface Exemplar {
  readonly time: bigint;
  /** A bigint is an `as_int`, a number an `as_double`. */
  readonly value: number | bigint;
  readonly filteredAttributes: Attributes;
  /** Lower-case hex, '' where absent. */
  readonly traceId: string;
  readonly spanId: string;
}

export interface LogBatch {
  readonly signal: 'logs';
  readonly count: number;
  readonly records: readonly LogRecord[];
  /** The same data as an encoded ExportLogsServiceRequest (protobuf), where it came as one. */
  readonly otlp?: Uint8Array;
}

export interface LogRecord {
  readonly resource: Resource;
  readonly scope: Scope;
  /** Unix nanoseconds; 0n where unknown. */
  readonly time: bigint;
  readonly observedTime: bigint;
  /** 1–24, 0 where unspecified. */
  readonly severityNumber: number;
  readonly severityText: string;
  readonly body: AnyValue | undefined;
  readonly attributes: Attributes;
  readonly droppedAttributesCount: number;
  /** Low 8 bits: W3C trace flags. */
  readonly flags: number;
  /** Lower-case hex, '' where absent. */
  readonly traceId: string;
  readonly spanId: string;
  /** '' for a record that is no event. */
  readonly eventName: string;
}

/** Spans only travel: their batch is the encoded ExportTraceServiceRequest (protobuf) and the number of spans in it. */
export interface TraceBatch {
  readonly signal: 'traces';
  readonly count: number;
  readonly otlp: Uint8Array;
}

export type Batch = MetricBatch | LogBatch | TraceBatch;
export type Signal = Batch['signal'];
export type BatchOf<S extends Signal> = Extract<Batch, { signal: S }>;

function seriesKey(series: Series): string {
  return JSON.stringify([streamKey(series), attributesKey(series.attributes)]);
}

/** What series have in common that differ in attributes or runs alone, as text. */
export function streamKey({ resource, scope, metric }: Pick<Series, 'resource' | 'scope' | 'metric'>): string {
  return JSON.stringify([
    metric.name,
    metric.kind,
    metric.unit,
    metric.isMonotonic,
    metric.temporality,
    attributesKey(resource.attributes),
    scope.name,
    scope.version,
    attributesKey(scope.attributes),
  ]);
}
