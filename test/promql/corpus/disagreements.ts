/** All queries whose answers differ from what they should be. */
import type { Queryable } from '../../../src/store/queryable.ts';
import type { CorpusAnswers } from '../../integration/oracle/prometheus_answers.ts';
import { queryableOf } from '../../support/queryable.ts';
import { differenceOf } from './answers.ts';
import { corpusSeries } from './data.ts';
import { answerInstant, answerRange, corpusEngine } from './engine_answers.ts';
import type { CorpusQuery } from './queries.ts';

const SKIPPED = 'Prometheus reads no buckets below a nested histogram_count, and so misses where only one of them fell';

/** Where ours is to differ from Prometheus 3.5.3, and why. */
export const KNOWN: ReadonlyMap<string, string> = new Map([
  ['ln(odd)', 'Go on amd64 takes the logarithm of what is below 2.2e-308 as if it were 2.2e-308'],
  ['log10(odd)', 'Go on amd64 takes the logarithm of what is below 2.2e-308 as if it were 2.2e-308'],
  ['sum(histogram_count(increase(native_gauge[1h])))', SKIPPED],
  ['sum(histogram_count(increase(native_gauge[59m])))', SKIPPED],
  [String.raw`odd_text{text=~"\\p{So}.*"}`, 'src/text/regexp has no Unicode classes, and refuses them by name'],
  [
    'irate((deg(group by (missing) (gaps_total @ end())))[2m:33s] offset -90s)',
    'Prometheus shifts what @ fixes by the offset of the subquery where that begins just at the time of evaluation',
  ],
]);

interface Disagreements {
  /** In a sentence each, but those that are known. */
  readonly unexpected: readonly string[];
  /** Known ones that were seen. */
  readonly known: ReadonlySet<string>;
}

/** @param queryable holds the series of the corpus */
export function disagreements(
  queries: readonly CorpusQuery[],
  answers: readonly CorpusAnswers[],
  queryable: Queryable = queryableOf(corpusSeries()),
): Disagreements {
  const engine = corpusEngine(queryable);
  const unexpected: string[] = [];
  const known = new Set<string>();
  for (const [row, one] of queries.entries()) {
    const { instant, range } = answers[row]!;
    // The order of what topk and its like choose is that of their values, too.
    const isOrdered = /^(sort|sort_desc|topk|bottomk)\(/.test(one.query);
    const differences = [
      ['instant', differenceOf(instant, answerInstant(engine, one), { isOrdered })],
      ['range', differenceOf(range, answerRange(engine, one), { isOrdered: false })],
    ] as const;
    for (const [kind, difference] of differences) {
      if (difference === undefined) continue;
      if (KNOWN.has(one.query)) known.add(one.query);
      else unexpected.push(`${kind} of ${JSON.stringify(one)}: ${difference}`);
    }
  }
  return { unexpected, known };
}
