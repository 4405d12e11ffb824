/** Lines as log records. */
import type { ParsedLine } from '../../src/logs/format.ts';
import type { AnyValue, Attributes } from '../../src/model/attributes.ts';
import type { LogRecord, Scope } from '../../src/model/batch.ts';
import type { Figures } from './figures.ts';
import { BROKEN, CONTINUED, CUT, PARTIAL } from './split.ts';
import type { Tracked } from './tracked.ts';

export interface RecordOptions {
  readonly scope: Scope;
  readonly figures: Figures;
  readonly hasPosition: boolean;
  readonly hasOriginal: boolean;
  /** Told of the lines of canaries, which become no records. */
  readonly arrived: (token: string) => void;
}

/** A function that makes the record of a line; undefined for an empty one. */
export type CreateRecord = (
  file: Tracked,
  text: string,
  start: number,
  flags: number,
  observedTime: bigint,
) => LogRecord | undefined;

export function recordsWith({ scope, figures, hasPosition, hasOriginal, arrived }: RecordOptions): CreateRecord {
  const isPlain = !hasPosition && !hasOriginal;
  return (file, text, start, flags, observedTime) => {
    if (text === '') return undefined;
    if (file.isCanary) {
      arrived(text);
      return undefined;
    }
    figures.lines += 1;
    if (flags !== 0) count(figures, flags);
    const { origin } = file;
    const own = (flags & (PARTIAL | CUT)) === 0 ? origin.attributes : origin.partial;
    let parsed: ParsedLine | undefined;
    // A part of a line is not of the format of whole ones.
    if (file.parser !== undefined && (flags & (PARTIAL | CONTINUED)) === 0) {
      parsed = file.parser.parse(text);
      if (parsed === undefined) figures.unparsed += 1;
    }
    let attributes = own;
    if (!isPlain || (parsed !== undefined && !isEmpty(parsed.attributes))) {
      const more: Record<string, AnyValue> = { ...own, ...parsed?.attributes };
      if (hasPosition) more['log.file.position'] = start;
      if (hasOriginal) more['log.record.original'] = text;
      attributes = more;
    }
    return {
      resource: origin.resource,
      scope,
      time: parsed?.time ?? 0n,
      observedTime,
      severityNumber: parsed?.severityNumber ?? 0,
      severityText: parsed?.severityText ?? '',
      body: parsed === undefined ? text : parsed.body,
      attributes,
      droppedAttributesCount: 0,
      flags: parsed?.flags ?? 0,
      traceId: parsed?.traceId ?? '',
      spanId: parsed?.spanId ?? '',
      eventName: parsed?.eventName ?? '',
    };
  };
}

function count(figures: Figures, flags: number): void {
  if ((flags & BROKEN) !== 0) figures.broken += 1;
  // Each once: by its first part.
  if ((flags & (PARTIAL | CONTINUED)) === PARTIAL) figures.longLines += 1;
}

function isEmpty(attributes: Attributes): boolean {
  for (const _ in attributes) return false;
  return true;
}
