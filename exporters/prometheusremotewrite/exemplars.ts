/** Exemplars of remote write: which of them go with which series. */
import type { Exemplar } from '../../src/model/batch.ts';
import type { Writer } from '../../src/model/otlp/writer.ts';
import { exemplarLabels } from '../../src/prometheus/exemplars.ts';
import type { Labels } from '../../src/prometheus/labels.ts';
import { sortedPairs } from './label_pairs.ts';
import { milliseconds, writeDouble } from './samples.ts';
import type { Symbols } from './symbols.ts';

const EXEMPLAR = 0x22;

/** An exemplar of a series, with a time in any case: those without have their point's. */
export interface TimedExemplar {
  readonly exemplar: Exemplar;
  readonly value: number;
  readonly time_ms: number;
}

/** Those that have a value, the oldest first, as Prometheus wants them. */
export function timedExemplars(exemplars: readonly Exemplar[] | undefined, point_ms: number): TimedExemplar[] {
  const timed: TimedExemplar[] = [];
  for (const exemplar of exemplars ?? []) {
    const value = Number(exemplar.value);
    if (Number.isNaN(value)) continue;
    timed.push({ exemplar, value, time_ms: exemplar.time === 0n ? point_ms : milliseconds(exemplar.time) });
  }
  return timed.sort((a, b) => a.time_ms - b.time_ms);
}

export function writeExemplars(
  writer: Writer,
  exemplars: readonly TimedExemplar[],
  labels: Labels,
  symbols: Symbols,
): void {
  for (const { exemplar, value, time_ms } of exemplars) {
    const start = writer.begin(EXEMPLAR);
    const pairs = sortedPairs(exemplarLabels(exemplar, labels));
    if (pairs.length > 0) {
      const refs = writer.begin(0x0a);
      for (const text of pairs) writer.varint(symbols.ref(text));
      writer.end(refs);
    }
    writer.varint(0x11);
    writeDouble(writer, value);
    writer.uint(0x18, time_ms);
    writer.end(start);
  }
}
