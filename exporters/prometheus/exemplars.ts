/** Exemplars as OpenMetrics writes them behind a sample. */
import type { Exemplar } from '../../src/model/batch.ts';
import { exemplarLabels } from '../../src/prometheus/exemplars.ts';
import type { Labels } from '../../src/prometheus/labels.ts';
import { labelText } from './label_text.ts';
import { secondsText, writeNumber } from './numbers.ts';

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

function exemplarText(exemplar: Exemplar, labels: Labels): string {
  const text = [...exemplarLabels(exemplar, labels)].map(([label, pair]) => labelText(label, pair)).join();
  const at = exemplar.time === 0n ? '' : ` ${secondsText(exemplar.time)}`;
  return ` # {${text}} ${numberText(Number(exemplar.value))}${at}`;
}

function numberText(value: number): string {
  const bytes = Buffer.allocUnsafe(32);
  return bytes.toString('latin1', 0, writeNumber(bytes, 0, value));
}
