/** What a Prometheus answers to the queries of the corpus. */
import {
  differenceOf,
  type Answer,
  type AnswerHistogram,
  type AnswerPoint,
  type AnswerSeries,
} from '../../promql/corpus/answers.ts';
import type { CorpusQuery } from '../../promql/corpus/queries.ts';

export interface CorpusAnswers {
  readonly instant: Answer;
  readonly range: Answer;
}

/**
 * One after the other, and subqueries until they say the same twice: Prometheus 3.5.3 takes the samples of its range vectors
 * from a pool, and an answer may have buckets in it that are of the query before.
 */
export async function askAll(url: string, queries: readonly CorpusQuery[]): Promise<CorpusAnswers[]> {
  const answers: CorpusAnswers[] = [];
  for (const one of queries) answers.push(await askBoth(url, one));
  return answers;
}

async function askBoth(url: string, { query, time_ms, range }: CorpusQuery): Promise<CorpusAnswers> {
  return {
    instant: await askSteady(`${url}/api/v1/query`, { query, time: seconds(time_ms) }),
    range: await askSteady(`${url}/api/v1/query_range`, {
      query,
      start: seconds(range.start_ms),
      end: seconds(range.end_ms),
      step: seconds(range.step_ms),
    }),
  };
}

const seconds = (time_ms: number): string => String(time_ms / 1000);

async function askSteady(url: string, parameters: Readonly<Record<string, string>>): Promise<Answer> {
  let answer = await ask(url, parameters);
  if (!/\[\w+:/.test(parameters['query']!)) return answer;
  for (let attempt = 0; attempt < 5; attempt++) {
    const again = await ask(url, parameters);
    if (differenceOf(answer, again, { isOrdered: false }) === undefined) break;
    answer = again;
  }
  return answer;
}

async function ask(url: string, parameters: Readonly<Record<string, string>>): Promise<Answer> {
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(parameters) });
  const body = (await response.json()) as ApiAnswer;
  if (body.status === 'error') {
    if (body.errorType !== 'bad_data' && body.errorType !== 'execution')
      throw new Error(`${parameters['query']}: ${body.error}`);
    return { refused: body.error };
  }
  const { data } = body;
  const annotations = { warnings: body.warnings ?? [], infos: body.infos ?? [] };
  if (data.resultType === 'string') return { type: 'string', series: [], text: data.result[1], ...annotations };
  if (data.resultType === 'scalar') {
    return { type: 'scalar', series: [{ labels: {}, points: [toPoint(data.result)] }], ...annotations };
  }
  return { type: data.resultType, series: data.result.map(toSeries), ...annotations };
}

type ApiAnswer =
  | { readonly status: 'error'; readonly errorType: string; readonly error: string }
  | { readonly status: 'success'; readonly data: ApiData; readonly warnings?: string[]; readonly infos?: string[] };

type ApiData =
  | { readonly resultType: 'string'; readonly result: ApiPoint }
  | { readonly resultType: 'scalar'; readonly result: ApiPoint }
  | { readonly resultType: 'vector'; readonly result: readonly ApiSeries[] }
  | { readonly resultType: 'matrix'; readonly result: readonly ApiSeries[] };

type ApiPoint = readonly [time_s: number, value: string];
type ApiHistogramPoint = readonly [time_s: number, histogram: ApiHistogram];

interface ApiHistogram {
  readonly count: string;
  readonly sum: string;
  readonly buckets?: readonly (readonly [boundaries: number, lower: string, upper: string, count: string])[];
}

interface ApiSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: ApiPoint;
  readonly histogram?: ApiHistogramPoint;
  readonly values?: readonly ApiPoint[];
  readonly histograms?: readonly ApiHistogramPoint[];
}

function toSeries({ metric, value, histogram, values = [], histograms = [] }: ApiSeries): AnswerSeries {
  const points = [
    ...values,
    ...(value === undefined ? [] : [value]),
    ...histograms,
    ...(histogram === undefined ? [] : [histogram]),
  ].map(toPoint);
  return { labels: metric, points: points.toSorted((one, other) => one.time_ms - other.time_ms) };
}

function toPoint([time_s, value]: ApiPoint | ApiHistogramPoint): AnswerPoint {
  return {
    time_ms: Math.round(time_s * 1000),
    value: typeof value === 'string' ? toNumber(value) : toHistogram(value),
  };
}

function toHistogram({ count, sum, buckets = [] }: ApiHistogram): AnswerHistogram {
  return {
    count: toNumber(count),
    sum: toNumber(sum),
    buckets: buckets.map(([boundaries, lower, upper, inside]) => [
      boundaries,
      toNumber(lower),
      toNumber(upper),
      toNumber(inside),
    ]),
  };
}

function toNumber(text: string): number {
  if (text === '+Inf') return Infinity;
  return text === '-Inf' ? -Infinity : Number(text);
}
