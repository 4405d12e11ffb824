/** One recording rule: its expression under its name, with its labels. */
import { labelsChanged, labelsKey } from '../promql/labels.ts';
import type { RuleSample, VectorSample } from './evaluation.ts';
import type { RecordingRule } from './rule.ts';

/**
 * @param limit most series; 0 is no limit
 * @throws {Error} where two series become one, or there are too many
 */
export function record(
  rule: RecordingRule,
  vector: readonly VectorSample[],
  sample_ms: number,
  limit: number,
): RuleSample[] {
  const keys = new Set<string>();
  const samples = vector.map(({ labels, value, histogram }): RuleSample => {
    const named = labelsChanged(labels, [['__name__', rule.name], ...rule.labels]);
    keys.add(labelsKey(named));
    return { labels: named, time_ms: sample_ms, value: histogram ?? value };
  });
  if (keys.size < samples.length) {
    throw new Error('vector contains metrics with the same labelset after applying rule labels');
  }
  if (limit > 0 && samples.length > limit) {
    throw new Error(`exceeded limit of ${limit} with ${samples.length} series`);
  }
  return samples;
}
