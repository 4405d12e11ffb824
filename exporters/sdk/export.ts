/** Hands data to an SDK exporter and says what its result means for the delivery. */
import type { ExportResult } from '@opentelemetry/core';
import { messageOf, PermanentError, RetryableError } from '../../src/errors.ts';
import { printable } from '../../src/text/printable.ts';
import type { SdkExporter } from './load.ts';

const EXPORT_SUCCESS = 0;
const QUOTED_CHARACTERS = 200;

/** How many parts of a payload were exported: a repetition goes on from there. */
export type Progress = WeakMap<Uint8Array, number>;

export function createProgress(): Progress {
  return new WeakMap();
}

/**
 * One part after the other.
 * @throws {RetryableError} @throws {PermanentError}
 */
export async function exportAll(
  exporter: SdkExporter,
  parts: readonly unknown[],
  body: Uint8Array,
  progress: Progress,
): Promise<void> {
  for (let at = progress.get(body) ?? 0; at < parts.length; at += 1) {
    const result = await new Promise<ExportResult>((resolve) => exporter.export(parts[at] as never, resolve));
    if (result.code !== EXPORT_SUCCESS) throw toDeliveryError(result.error);
    progress.set(body, at + 1);
  }
}

/** gRPC codes that say that the same request may succeed later (OTLP specification, "Failures"), and 8: out of quota. */
const RETRYABLE_GRPC: ReadonlySet<number> = new Set([1, 4, 8, 10, 11, 14, 15]);
const RETRYABLE_HTTP: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** The SDK knows only failure: it may succeed later, unless the error carries a status that says it never will. */
export function toDeliveryError(error: Error | undefined): Error {
  const message = `Cannot export: ${printable(error === undefined ? 'no reason given' : messageOf(error), QUOTED_CHARACTERS)}`;
  const { code } = Object(error) as { code?: unknown };
  const isStatus = typeof code === 'number' && Number.isInteger(code);
  const isGrpc = isStatus && code > 0 && code <= 16;
  const isHttp = isStatus && code >= 300 && code < 600;
  const isFinal = (isGrpc && !RETRYABLE_GRPC.has(code)) || (isHttp && !RETRYABLE_HTTP.has(code));
  return isFinal ? new PermanentError(message, { cause: error }) : new RetryableError(message, { cause: error });
}
