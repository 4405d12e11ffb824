/** Exemplars as OpenMetrics writes them behind a sample. */
import type { Exemplar } from '../../src/model/batch.ts';
import { valueText } from '../../src/text/value_text.ts';
import { labelText, type Labels } from './labels.ts';
import { secondsText, writeNumber } from './numbers.ts';

/** Most code points in the names and values of an exemplar's labels (OpenMetrics 1.0, "Exemplars"). */
const MAX_LABEL_LENGTH = 128;

/** The one exemplar that a counter may have: the last. */
export function counterExemplar(exemplars: readonly Exemplar[] | undefined, labels: Labels): string | undefined {
  const exemplar = exemplars?.at(-1);
  return exemplar === undefined ? undefined : exemplarText(exemplar, labels);
}

/** The last exemplar of each bucket, by its place among the bounds and +Inf. */
export function bucketExemplars(
  exemplars: readonly Exemplar[] | undefined,
  bounds: readonly number[],
  labels: Labels,
): Map<number, string> {
  const byBucket = new Map<number, string>();
  for (const exemplar of exemplars ?? []) {
    const value = Number(exemplar.value);
    if (Number.isNaN(value)) continue;
    const bucket = bounds.findIndex((bound) => value <= bound);
    byBucket.set(bucket === -1 ? bounds.length : bucket, exemplarText(exemplar, labels));
  }
  return byBucket;
}

function exemplarText({ traceId, spanId, filteredAttributes, value, time }: Exemplar, labels: Labels): string {
  const pairs = new Map<string, string>();
  let length = 0;
  const add = (label: string, text: string): void => {
    const size = [...label].length + [...text].length;
    if (text === '' || pairs.has(label) || length + size > MAX_LABEL_LENGTH) return;
    length += size;
    pairs.set(label, text);
  };
  // The trace first: it is what exemplars are for. Attributes follow as long as there is room.
  add('trace_id', traceId);
  add('span_id', spanId);
  for (const key of Object.keys(filteredAttributes).sort()) {
    add(labels.name(key), valueText(filteredAttributes[key]!).toWellFormed());
  }
  const text = [...pairs].map(([label, pair]) => labelText(label, pair)).join();
  const at = time === 0n ? '' : ` ${secondsText(time)}`;
  return ` # {${text}} ${numberText(Number(value))}${at}`;
}

function numberText(value: number): string {
  const bytes = Buffer.allocUnsafe(32);
  return bytes.toString('latin1', 0, writeNumber(bytes, 0, value));
}
