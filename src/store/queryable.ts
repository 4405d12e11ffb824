/**
 * What PromQL reads, whoever holds it: series with their samples in a span of time. Times are Unix milliseconds.
 * Names and labels are those that the Prometheus exporter shows.
 */

/** By name, in the order of UTF-8 bytes, `__name__` among them; no label has an empty value. */
export type Labels = ReadonlyMap<string, string>;

export interface Matcher {
  readonly name: string;
  readonly op: '=' | '!=' | '=~' | '!~';
  /** An absent label has the value ''. Patterns are RE2 and match whole values. */
  readonly value: string;
}

/** Samples of one series, by rising time; the arrays may be longer than `count`, and are valid until the next call. */
export interface Samples {
  readonly count: number;
  readonly times: Float64Array;
  /** NaN where a mark or a histogram is. */
  readonly values: Float64Array;
  /** 1 where the series ended (Prometheus' staleness mark); absent where it never did. */
  readonly stale?: Uint8Array;
  /** Native histograms by row; absent where all are numbers. */
  readonly histograms?: readonly (NativeHistogram | undefined)[];
}

/** Immutable. */
export interface NativeHistogram {
  /** -4 to 8: base 2^(2^-schema); -53: custom bounds. */
  readonly schema: number;
  readonly count: number;
  readonly sum: number;
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  readonly positive: NativeBuckets;
  readonly negative: NativeBuckets;
  /** Upper bounds of schema -53, without +Inf. */
  readonly customBounds?: readonly number[];
  readonly counterReset: 'unknown' | 'reset' | 'none' | 'gauge';
}

/** Bucket i of a positive schema holds (base^(i-1), base^i]; indexes rise, counts are not cumulative. */
export interface NativeBuckets {
  readonly indexes: Int32Array;
  readonly counts: Float64Array;
}

export interface StoredSeries {
  /** The same object as long as the series is held. */
  readonly labels: Labels;
  /** Samples with from_ms <= time <= to_ms. */
  samples(from_ms: number, to_ms: number): Samples;
}

export interface Queryable {
  /** Series that match all and may have samples in the span, in no order. */
  select(matchers: readonly Matcher[], from_ms: number, to_ms: number): readonly StoredSeries[];
}

export interface MetricMetadata {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary' | 'info' | 'unknown';
  readonly help: string;
  readonly unit: string;
}
