/** What a Prometheus answers to the queries of the corpus. */
import type { Answer, AnswerHistogram, AnswerPoint, AnswerSeries } from '../../promql/corpus/answers.ts';
import type { CorpusQuery } from '../../promql/corpus/queries.ts';

export interface CorpusAnswers {
  readonly instant: Answer;
  readonly range: Answer;
}

/** One after the other. */
export async function askAll(url: string, queries: readonly CorpusQuery[]): Promise<CorpusAnswers[]> {
  const answers: CorpusAnswers[] = [];
  for (const one of queries) answers.push(await askBoth(url, one));
  return answers;
}

async function askBoth(url: string, { query, time_ms, range }: CorpusQuery): Promise<CorpusAnswers> {
  const isOfPool = /native.*\[\w+:/.test(query);
  if (isOfPool) await emptyPools(url);
  const instant = await ask(`${url}/api/v1/query`, { query, time: seconds(time_ms) });
  if (isOfPool) await emptyPools(url);
  return {
    instant,
    range: await ask(`${url}/api/v1/query_range`, {
      query,
      start: seconds(range.start_ms),
      end: seconds(range.end_ms),
      step: seconds(range.step_ms),
    }),
  };
}

const seconds = (time_ms: number): string => String(time_ms / 1000);

/**
 * Prometheus 3.5.3 takes the samples of range vectors from a pool, and the answer to a subquery of histograms may have buckets in
 * it that are of the query before. Go forgets what is in pools at the second collection of garbage.
 */
async function emptyPools(url: string): Promise<void> {
  for (let time = 0; time < 2; time++) await (await fetch(`${url}/debug/pprof/heap?gc=1`)).arrayBuffer();
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
