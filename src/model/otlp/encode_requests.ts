/** A batch as the export requests (protobuf) that carry it. */
import type { Batch } from '../batch.ts';
import { encodeLogs } from './encode_logs.ts';
import { encodeMetrics } from './encode_metrics.ts';
import { holdEncoded } from './lazy_batch.ts';
import type { HeldBytes } from './lent_bytes.ts';
import { splitToSize, type RequestPart } from './requests.ts';

export interface EncodedRequests {
  readonly parts: readonly (RequestPart & Partial<Pick<HeldBytes, 'release'>>)[];
  /** Items that alone are over the limit: they are in none of the parts. */
  readonly tooLarge: number;
}

/**
 * Requests of at most `max_bytes` each. What came encoded goes on byte for byte, unless it has to be split.
 * @param canRelease whether the caller will say when such a body is no longer needed, by calling `release`
 */
export function encodeRequests(
  batch: Batch,
  max_bytes: number,
  canRelease?: (body: Uint8Array) => boolean,
): EncodedRequests {
  const { signal, count } = batch;
  if (count === 0) return { parts: [], tooLarge: 0 };
  const { bytes, release } = (canRelease && holdEncoded(batch)) ?? {};
  if (bytes !== undefined && bytes.byteLength <= max_bytes && canRelease!(bytes)) {
    return { parts: [{ body: bytes, count, release }], tooLarge: 0 };
  }
  const body = encode(batch);
  if (body.byteLength <= max_bytes) return { parts: [{ body, count }], tooLarge: 0 };
  const parts = splitToSize(body, signal, max_bytes).filter((part) => part.body.byteLength <= max_bytes);
  return { parts, tooLarge: count - parts.reduce((sum, part) => sum + part.count, 0) };
}

function encode(batch: Batch): Uint8Array {
  if (batch.signal === 'metrics') return encodeMetrics(batch);
  return batch.signal === 'logs' ? encodeLogs(batch) : batch.otlp;
}
