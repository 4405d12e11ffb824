/** Runs one processor as a pipeline would: with the options a user would write, and everything it is handed frozen. */
import { createHttpSender } from '../../src/delivery/http_sender.ts';
import { createBoard, type Board } from '../../src/rules/board.ts';
import * as v from 'valibot';
import type { AnyProcessorDefinition, Host, Processor } from '../../src/component.ts';
import type { AnyValue, Attributes } from '../../src/model/attributes.ts';
import {
  Series,
  type Batch,
  type LogBatch,
  type LogRecord,
  type Metric,
  type MetricBatch,
  type Resource,
  type Scope,
} from '../../src/model/batch.ts';
import { createHost } from '../../src/procfs/host.ts';

export interface ProcessorRun {
  readonly processor: Processor;
  /** What came out, in order. */
  readonly out: Batch[];
  /** Items dropped, by reason. */
  readonly dropped: Map<string, number>;
  /** Items that it holds. */
  held: number;
  readonly board: Board;
  /** What it logged, as `warn …` and `once KEY: …`. */
  readonly said: string[];
  /** Freezes a batch and consumes it. */
  consume(batch: Batch): Promise<void>;
  /** What came out, as metric batches. */
  metrics(): MetricBatch[];
  /** Replaces what follows. */
  answer: (batch: Batch) => Promise<void> | void;
}

export function runProcessor(
  definition: AnyProcessorDefinition,
  config: Readonly<Record<string, unknown>> = {},
  host: Host = createHost(),
): ProcessorRun {
  const out: Batch[] = [];
  const dropped = new Map<string, number>();
  const said: string[] = [];
  const board = createBoard();
  const next = {
    consume: (batch: Batch) => {
      out.push(batch);
      return run.answer(batch);
    },
  };
  const processor = definition.create({
    id: definition.type,
    config: v.parse(definition.config, config),
    host,
    resource: { attributes: {}, schemaUrl: '' },
    http: createHttpSender,
    board,
    pipeline: 'logs',
    log: {
      info: (message) => said.push(`info ${message}`),
      warn: (message) => said.push(`warn ${message}`),
      error: (message) => said.push(`error ${message}`),
      once: (key, message) => said.push(`once ${key}: ${message}`),
      over: (key, message) => said.push(`over ${key}: ${message}`),
    },
    drop: (reason, count) => dropped.set(reason, (dropped.get(reason) ?? 0) + count),
    hold: (count) => void (run.held += count),
    release: (count) => void (run.held -= count),
    next,
    own: next,
  });
  const run: ProcessorRun = {
    processor,
    out,
    dropped,
    held: 0,
    board,
    said,
    consume: async (batch) => processor.consume(freeze(batch)),
    metrics: () => out.filter((batch) => batch.signal === 'metrics'),
    answer: () => undefined,
  };
  return run;
}

/** Freezes all that an immutable batch can be frozen in; typed arrays are compared after the fact instead. */
function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  if (ArrayBuffer.isView(value) || value instanceof Map) return value;
  for (const each of Object.values(value)) freeze(each);
  return Object.freeze(value);
}

export const RESOURCE: Resource = { attributes: { 'host.name': 'test' }, schemaUrl: '' };
export const SCOPE: Scope = { name: 'test', version: '', attributes: {}, schemaUrl: '' };

/** A metric: a cumulative, monotonic sum of integers unless said otherwise. */
export function metric(name: string, overrides: Partial<Metric> = {}): Metric {
  const kind = overrides.kind ?? 'sum';
  return {
    name,
    description: '',
    unit: '1',
    kind,
    isMonotonic: kind === 'sum',
    temporality: kind === 'gauge' || kind === 'summary' ? 'unspecified' : 'cumulative',
    valueType: 'int',
    ...overrides,
  };
}

export function series(
  of: Metric | string,
  attributes: Attributes = {},
  { resource = RESOURCE, startTime = 1n }: { resource?: Resource; startTime?: bigint } = {},
): Series {
  const measured = typeof of === 'string' ? metric(of) : of;
  return new Series(resource, SCOPE, measured, attributes, measured.kind === 'gauge' ? 0n : startTime);
}

export function metricBatch(
  layout: readonly Series[],
  values: readonly number[],
  more: Partial<MetricBatch> = {},
): MetricBatch {
  return {
    signal: 'metrics',
    count: layout.length,
    series: layout,
    values: Float64Array.from(values),
    time: 1_000_000_000n,
    ...more,
  };
}

export function logRecord(body: AnyValue, overrides: Partial<LogRecord> = {}): LogRecord {
  return {
    resource: RESOURCE,
    scope: SCOPE,
    time: 1n,
    observedTime: 2n,
    severityNumber: 9,
    severityText: 'INFO',
    body,
    attributes: {},
    droppedAttributesCount: 0,
    flags: 0,
    traceId: '',
    spanId: '',
    eventName: '',
    ...overrides,
  };
}

export function logBatch(records: readonly LogRecord[], more: Partial<LogBatch> = {}): LogBatch {
  return { signal: 'logs', count: records.length, records, ...more };
}

/** A batch as a table: name, attributes and value of each row. */
export function table(batch: MetricBatch): unknown[] {
  return batch.series.map((each, row) => [each.metric.name, each.attributes, batch.values[row]]);
}
