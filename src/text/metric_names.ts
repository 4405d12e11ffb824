/** The options `include` and `exclude` of processors that choose by the name of the metric alone. */
import * as v from 'valibot';
import { option } from '../config/options.ts';
import { compilePatterns, MATCH_KINDS, whatIsWrongWith, type MatchKind } from './pattern.ts';

export interface MetricNames {
  readonly match: MatchKind;
  readonly metrics: readonly string[];
}

export function metricNames() {
  return v.pipe(
    v.strictObject({
      match: option(
        v.picklist(MATCH_KINDS),
        'How names are compared: exactly, as a glob with the whole, or as a regular expression (RE2) with any part.',
        'exact',
      ),
      metrics: option(v.array(v.string()), 'Names of metrics.', []),
    }),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const { match, metrics } = dataset.value;
      for (const pattern of metrics) {
        const message = whatIsWrongWith(match, pattern);
        if (message !== undefined)
          addIssue({ message: `the name ${JSON.stringify(pattern)} cannot be used: ${message}` });
      }
    }),
  );
}

/** Whether a name is included, or there is no list of that, and not excluded. */
export function selectNames(include: MetricNames, exclude: MetricNames): (name: string) => boolean {
  const isIncluded = include.metrics.length === 0 ? () => true : compilePatterns(include.match, include.metrics);
  const isExcluded = compilePatterns(exclude.match, exclude.metrics);
  return (name) => isIncluded(name) && !isExcluded(name);
}
