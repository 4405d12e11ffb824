/** Queries that are wrong, and those of what is not supported: both Prometheus and our engine refuse them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const lines = readFileSync(join(import.meta.dirname, 'refused.txt'), 'utf8').split('\n');

/** One a line, and those that cannot stand in a line. */
export const errorQueries: readonly string[] = [
  ...lines.filter((line) => line !== ''),
  '',
  ' ',
  '\u0000',
  'é + ',
  '1 +\n\n+ )',
];

interface UnsupportedQuery {
  readonly query: string;
  /** What our refusal names. */
  readonly name: string;
}

/** Behind flags of Prometheus that are off by default. */
export const unsupportedQueries: readonly UnsupportedQuery[] = [
  { query: 'double_exponential_smoothing(steps[10m], 0.5, 0.5)', name: 'double_exponential_smoothing' },
  { query: 'holt_winters(steps[10m], 0.5, 0.5)', name: 'holt_winters' },
  { query: 'info(constant)', name: 'info' },
  { query: 'info(constant, {job="web"})', name: 'info' },
  { query: 'mad_over_time(steps[10m])', name: 'mad_over_time' },
  { query: 'sort_by_label(constant, "job")', name: 'sort_by_label' },
  { query: 'sort_by_label_desc(constant, "job")', name: 'sort_by_label_desc' },
  { query: 'ts_of_last_over_time(steps[10m])', name: 'ts_of_last_over_time' },
  { query: 'ts_of_max_over_time(steps[10m])', name: 'ts_of_max_over_time' },
  { query: 'ts_of_min_over_time(steps[10m])', name: 'ts_of_min_over_time' },
  { query: 'first_over_time(steps[10m])', name: 'first_over_time' },
  { query: 'ts_of_first_over_time(steps[10m])', name: 'ts_of_first_over_time' },
  { query: 'limitk(2, angle)', name: 'limitk' },
  { query: 'limit_ratio(0.5, angle)', name: 'limit_ratio' },
];
