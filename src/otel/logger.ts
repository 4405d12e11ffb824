/**
 * The `Logger` that receivers write events to: sdk-logs makes the records, a processor of ours turns them into batches.
 * (The SDK's own batch processor drops silently above 2048 waiting records.)
 */
import type { AttributeValue, Logger } from '@opentelemetry/api';
import { LoggerProvider, type LogRecordProcessor, type ReadWriteLogRecord } from '@opentelemetry/sdk-logs';
import type { Consumer } from '../component.ts';
import type { AnyValue, Attributes } from '../model/attributes.ts';
import type { LogBatch, LogRecord, Resource, Scope } from '../model/batch.ts';
import { SCHEMA_URL } from '../model/semconv.ts';

export interface LoggerSource {
  /** A logger whose records reach `next` in batches, in order, at the latest at the next turn of the event loop. */
  readonly logger: (
    scope: string,
    next: Consumer<LogBatch>,
    onRefused?: (records: number, error: unknown) => void,
  ) => Logger;
}

/** More than this in one turn are handed over at once, so that a burst does not pile up. */
const LARGEST_BATCH = 1000;

/** Where the pipelines stand still, records beyond this are refused and counted. */
const MOST_WAITING = 100_000;

export function createLoggerProvider(resource: Resource, version: string): LoggerSource {
  return {
    logger(name, next, onRefused = () => {}) {
      const scope: Scope = { name, version, attributes: {}, schemaUrl: SCHEMA_URL };
      const waiting: LogRecord[] = [];
      /** One batch after the other: the order of records is kept, and a slow pipeline makes the batches larger. */
      let handingOver: Promise<void> | undefined;

      async function handOver(): Promise<void> {
        while (waiting.length > 0) {
          const records = waiting.splice(0, LARGEST_BATCH);
          try {
            await next.consume({ signal: 'logs', count: records.length, records });
          } catch (error) {
            onRefused(records.length, error);
          }
        }
        handingOver = undefined;
      }

      const processor: LogRecordProcessor = {
        onEmit(record) {
          if (waiting.length >= MOST_WAITING) {
            onRefused(1, new RangeError(`Cannot keep a record: ${MOST_WAITING} wait already`));
            return;
          }
          waiting.push(fromSdk(record, resource, scope));
          handingOver ??= new Promise<void>((resolve) => setImmediate(resolve)).then(handOver);
        },
        async forceFlush() {
          await handingOver;
        },
        async shutdown() {
          await handingOver;
        },
      };
      let logger: Logger | undefined;
      // Most receivers emit no record, and the bundle loads the SDK when something of it is first used.
      const made = (): Logger => (logger ??= new LoggerProvider({ processors: [processor] }).getLogger(name, version));
      return { emit: (record) => made().emit(record), enabled: (options) => made().enabled(options) };
    },
  };
}

function fromSdk(record: ReadWriteLogRecord, resource: Resource, scope: Scope): LogRecord {
  return {
    resource,
    scope,
    time: nanoseconds(record.hrTime),
    observedTime: nanoseconds(record.hrTimeObserved),
    severityNumber: record.severityNumber ?? 0,
    severityText: record.severityText ?? '',
    body: record.body as AnyValue | undefined,
    attributes: record.attributes as Readonly<Record<string, AttributeValue>> as Attributes,
    droppedAttributesCount: record.droppedAttributesCount,
    flags: record.spanContext?.traceFlags ?? 0,
    traceId: record.spanContext?.traceId ?? '',
    spanId: record.spanContext?.spanId ?? '',
    eventName: record.eventName ?? '',
  };
}

function nanoseconds([seconds, nanos]: [number, number]): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(nanos);
}
