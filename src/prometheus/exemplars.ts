/** The labels of an exemplar, within the room that Prometheus has for them. */
import type { Exemplar } from '../model/batch.ts';
import { valueText } from '../text/value_text.ts';
import type { Labels } from './labels.ts';

/** Most code points in the names and values of an exemplar's labels (OpenMetrics 1.0, "Exemplars"). */
const MAX_LABEL_LENGTH = 128;

/** By name, the most important first; none of them empty. */
export function exemplarLabels(
  { traceId, spanId, filteredAttributes }: Exemplar,
  labels: Labels,
): ReadonlyMap<string, string> {
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
  return pairs;
}
