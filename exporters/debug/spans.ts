import type { TraceBatch } from '../../src/model/batch.ts';
import { encodeTracesJson } from '../../src/model/otlp/json.ts';
import { printable } from '../../src/text/printable.ts';
import { shown } from './text.ts';

/** The part of TracesData in JSON that is shown. */
interface TracesData {
  readonly resourceSpans?: readonly {
    readonly resource?: unknown;
    readonly scopeSpans?: readonly { readonly scope?: unknown; readonly spans?: readonly Span[] }[];
  }[];
}

interface Span {
  readonly name?: string;
  readonly traceId?: string;
  readonly spanId?: string;
  readonly startTimeUnixNano?: string;
  readonly endTimeUnixNano?: string;
}

/** A line for each span, `GET / 12.3 ms trace … span …`; if `isDetailed`, and all of it as OTLP/JSON. */
export function* spanLines(batch: TraceBatch, max_items: number, isDetailed: boolean): Iterable<string> {
  // Spans only travel through the agent, so the one form they have besides the bytes is JSON.
  const data = JSON.parse(Buffer.from(encodeTracesJson(batch)).toString()) as TracesData;
  let left = max_items;
  for (const { resource, scopeSpans = [] } of data.resourceSpans ?? []) {
    for (const { scope, spans = [] } of scopeSpans) {
      if (left > 0 && isDetailed) yield shown(JSON.stringify({ resource, scope }));
      for (const span of spans.slice(0, left)) {
        yield spanLine(span);
        if (isDetailed) yield `    ${shown(JSON.stringify(span))}`;
      }
      left = Math.max(0, left - spans.length);
    }
  }
}

function spanLine({ name = '', traceId, spanId, startTimeUnixNano = '0', endTimeUnixNano = '0' }: Span): string {
  const duration_ms = Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) / 1e6;
  return `${printable(name)} ${duration_ms} ms trace ${traceId ?? '-'} span ${spanId ?? '-'}`;
}
