/**
 * The queries that are asked of Prometheus and of our engine, the same ones each time: for each function, operator, modifier and
 * form of matching the cases that matter (queries.txt, products.ts), wrong ones (refused.txt), and what chance makes of them
 * (chance.ts).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRandom } from '../../integration/oracle/random.ts';
import { randomQuery } from './chance.ts';
import { END_MS, START_MS } from './data.ts';
import { productQueries } from './products.ts';
import { errorQueries, unsupportedQueries } from './refused.ts';

export interface CorpusQuery {
  readonly query: string;
  readonly time_ms: number;
  readonly range: { readonly start_ms: number; readonly end_ms: number; readonly step_ms: number };
}

const MINUTE = 60_000;

/** Among them before, at the very beginning of, and long after the samples; half of them on a sample's own time. */
const TIMES = [62, 61.01, 118.5, 0, 100, 75.3333, 37, -1, 119.75, 124.6, 55, 90.5, 50, 133, 3].map((minutes) =>
  Math.round(START_MS + minutes * MINUTE),
);

/** Steps that divide the samples' distance and such that do not; from before the first sample and beyond the last. */
const RANGES = [
  { start_ms: START_MS + 40 * MINUTE, end_ms: START_MS + 47 * MINUTE, step_ms: MINUTE },
  { start_ms: START_MS - 3 * MINUTE, end_ms: START_MS + 130 * MINUTE, step_ms: 19 * MINUTE },
  { start_ms: START_MS + 57 * MINUTE + 11, end_ms: START_MS + 62 * MINUTE, step_ms: 47_300 },
  { start_ms: START_MS + 20 * MINUTE, end_ms: START_MS + 22 * MINUTE, step_ms: 15_000 },
  { start_ms: START_MS + 49 * MINUTE, end_ms: START_MS + 60 * MINUTE, step_ms: 100_001 },
  { start_ms: START_MS + 80 * MINUTE, end_ms: START_MS + 80 * MINUTE + 31_000, step_ms: 7_300 },
  { start_ms: END_MS - 2 * MINUTE, end_ms: END_MS + 8 * MINUTE, step_ms: 80_000 },
  { start_ms: START_MS + 10 * MINUTE, end_ms: START_MS + 110 * MINUTE, step_ms: 25 * MINUTE },
];

export function corpusQueries(): CorpusQuery[] {
  const random = createRandom(3_5_3);
  const queries = new Set<string>();
  for (const query of [
    ...writtenQueries(),
    ...productQueries(),
    ...errorQueries,
    ...unsupportedQueries.map(({ query }) => query),
  ]) {
    queries.add(query);
  }
  const systematic = queries.size;
  while (queries.size < systematic + 600) queries.add(randomQuery(random));
  return Array.from(queries, (query, index) => ({
    query,
    time_ms: TIMES[index % TIMES.length]!,
    range: RANGES[index % RANGES.length]!,
  }));
}

/** Those thought of by hand, one a line below their headings, and one that has two lines. */
function writtenQueries(): string[] {
  const lines = readFileSync(join(import.meta.dirname, 'queries.txt'), 'utf8').split('\n');
  return [...lines.filter((line) => line !== '' && !line.startsWith('## ')), '# comment\n1'];
}
