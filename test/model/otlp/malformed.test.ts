import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Signal } from '../../../src/model/batch.ts';
import { decodeLogs } from '../../../src/model/otlp/decode_logs.ts';
import { decodeMetrics } from '../../../src/model/otlp/decode_metrics.ts';
import { encodeLogs } from '../../../src/model/otlp/encode_logs.ts';
import { encodeMetrics } from '../../../src/model/otlp/encode_metrics.ts';
import {
  decodeLogsJson,
  decodeMetricsJson,
  decodeTracesJson,
  encodeLogsJson,
  encodeMetricsJson,
  encodeTracesJson,
} from '../../../src/model/otlp/json.ts';
import { REQUEST_TYPES } from '../../../src/model/otlp/message_types.ts';
import { protobufToJson } from '../../../src/model/otlp/protobuf_to_json.ts';
import { countItems, splitRequest } from '../../../src/model/otlp/requests.ts';
import { decodeResponse, decodeStatus } from '../../../src/model/otlp/responses.ts';
import { logBatch, metricBatch } from './arbitraries.ts';
import { damaged } from './damage.ts';
import { traceRequest } from './traces.ts';

const SIGNALS: readonly Signal[] = ['metrics', 'logs', 'traces'];

/** What `read` gives; undefined if it refuses with a SyntaxError. Every other error is the test's. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const protobufs = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  damaged(metricBatch.map(encodeMetrics)),
  damaged(logBatch.map(encodeLogs)),
  damaged(traceRequest.map(({ otlp }) => otlp)),
);
const jsons = fc.oneof(
  damaged(metricBatch.map(encodeMetricsJson)),
  damaged(logBatch.map(encodeLogsJson)),
  damaged(traceRequest.map(({ otlp, count }) => encodeTracesJson({ signal: 'traces', otlp, count }))),
);

describe('damaged messages', { timeout: 60_000 }, () => {
  test('countItems accepts exactly what decodeMetrics and decodeLogs accept, and counts the same', () => {
    fc.assert(
      fc.property(protobufs, (bytes) => {
        expect(attempt(() => decodeMetrics(bytes).count)).toBe(attempt(() => countItems(bytes, 'metrics')));
        expect(attempt(() => decodeLogs(bytes).count)).toBe(attempt(() => countItems(bytes, 'logs')));
      }),
      { numRuns: 1000 },
    );
  });

  test('protobufToJson and splitRequest accept what countItems accepts', () => {
    fc.assert(
      fc.property(protobufs, fc.constantFrom(...SIGNALS), (bytes, signal) => {
        const count = attempt(() => countItems(bytes, signal));
        const json = attempt(() => protobufToJson(REQUEST_TYPES[signal], bytes));
        const parts = attempt(() => splitRequest(bytes, signal));
        if (count === undefined) expect(parts).toBeUndefined();
        else {
          expect(parts?.reduce((sum, part) => sum + part.count, 0)).toBe(count);
          expect(JSON.parse(Buffer.from(json ?? []).toString())).toBeTypeOf('object');
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('decodeResponse and decodeStatus throw nothing but SyntaxError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 30 }), protobufs), (bytes) => {
        expect(attempt(() => decodeResponse(bytes))?.rejected ?? 0).toBeTypeOf('number');
        expect(attempt(() => decodeStatus(bytes))?.code ?? 0).toBeTypeOf('number');
      }),
      { numRuns: 1000 },
    );
  });

  test('decodeMetricsJson, decodeLogsJson and decodeTracesJson throw nothing but SyntaxError', () => {
    fc.assert(
      fc.property(jsons, (bytes) => {
        for (const decode of [decodeMetricsJson, decodeLogsJson, decodeTracesJson]) {
          expect(attempt(() => decode(bytes))?.count ?? 0).toBeTypeOf('number');
        }
      }),
      { numRuns: 1000 },
    );
  });
});
