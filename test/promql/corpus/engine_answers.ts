/** What our engine answers to the queries of the corpus. */
import { createEngine, type Engine, type QueryResult } from '../../../src/promql/engine.ts';
import { PromqlError } from '../../../src/promql/errors.ts';
import { allBuckets } from '../../../src/promql/native_histograms.ts';
import type { Labels, NativeHistogram, Queryable } from '../../../src/store/queryable.ts';
import type { Answer, AnswerHistogram, AnswerPoint } from './answers.ts';
import type { CorpusQuery } from './queries.ts';

/** Without limit on time: a machine that is busy makes no difference. */
export function corpusEngine(queryable: Queryable): Engine {
  return createEngine({ queryable, limits: { time_ms: Infinity } });
}

export function answerInstant(engine: Engine, { query, time_ms }: CorpusQuery): Answer {
  return answer(() => engine.instant(query, time_ms));
}

export function answerRange(engine: Engine, { query, range }: CorpusQuery): Answer {
  return answer(() => engine.range(query, range.start_ms, range.end_ms, range.step_ms));
}

function answer(ask: () => QueryResult): Answer {
  let result: QueryResult;
  try {
    result = ask();
  } catch (error) {
    if (error instanceof PromqlError) return { refused: error.message };
    throw error;
  }
  const { type, warnings, infos } = result;
  if (type === 'string') return { type, series: [], text: result.value, warnings, infos };
  if (type === 'scalar') {
    const points = [{ time_ms: result.time_ms, value: result.value }];
    return { type, series: [{ labels: {}, points }], warnings, infos };
  }
  if (type === 'vector') {
    const series = result.rows.map(({ labels, time_ms, value, histogram }) => ({
      labels: plain(labels),
      points: [toPoint(time_ms, value, histogram)],
    }));
    return { type, series, warnings, infos };
  }
  const series = result.rows.map(({ labels, times, values, histograms }) => ({
    labels: plain(labels),
    points: Array.from(times, (time_ms, row) => toPoint(time_ms, values[row]!, histograms?.[row])),
  }));
  return { type, series, warnings, infos };
}

const plain = (labels: Labels): Record<string, string> => Object.fromEntries(labels);

function toPoint(time_ms: number, value: number, histogram: NativeHistogram | undefined): AnswerPoint {
  return { time_ms, value: histogram === undefined ? value : toHistogram(histogram) };
}

function toHistogram(histogram: NativeHistogram): AnswerHistogram {
  const buckets = allBuckets(histogram)
    .filter(({ count }) => count !== 0)
    .map(({ lower, upper, lowerInclusive, upperInclusive, count }) => {
      const boundaries = lowerInclusive ? (upperInclusive ? 3 : 1) : upperInclusive ? 0 : 2;
      return [boundaries, lower, upper, count] as const;
    });
  return { count: histogram.count, sum: histogram.sum, buckets };
}
