/** What of the API asks PromQL. Loads the engine: imported when the first request comes. */
import { createEngine, type Engine, type QueryResult } from '../../src/promql/engine.ts';
import { PromqlError } from '../../src/promql/errors.ts';
import { compareLabels } from '../../src/promql/labels.ts';
import { parse } from '../../src/promql/parse.ts';
import { printExpression } from '../../src/promql/print.ts';
import type { Labels, Matcher, Queryable } from '../../src/store/queryable.ts';
import type { SeriesStore } from '../../src/store/series_store.ts';
import { ApiError, invalidParameter, type Answer } from './answers.ts';
import { createWatch, guard, queryMessage, readQuery, readSelector, shorten } from './expressions.ts';
import {
  durationParameter,
  limitParameter,
  matchParameters,
  optionalTime,
  parseDuration,
  requiredTime,
  TRUNCATED,
  truncate,
} from './parameters.ts';
import { createJsonText, labelsJson, writeResult } from './result_json.ts';

export interface Limits {
  /** Of one query: milliseconds, samples, series, bytes of its answer. */
  readonly time: number;
  readonly samples: number;
  readonly series: number;
  readonly response_bytes: number;
  /** Queries that wait. */
  readonly waiting: number;
}

export interface QueriesOptions {
  readonly store: Pick<SeriesStore, 'select' | 'labelNames' | 'labelValues'>;
  readonly lookback_ms: number;
  readonly limits: Limits;
  readonly now_ms: () => number;
}

/** Of all of them: parameters, and how long the request waited. @throws {ApiError} */
export type Ask = (form: URLSearchParams, waited_ms: number) => Answer;

export interface Queries {
  readonly instant: Ask;
  readonly range: Ask;
  readonly exemplars: Ask;
  readonly format: Ask;
  readonly series: Ask;
  readonly labelNames: Ask;
  readonly labelValues: (name: string) => Ask;
  /** Matchers of `match[]`, of which one list has to match. */
  matchers(form: URLSearchParams): Matcher[][];
}

/** Steps of a range query. */
const MOST_POINTS = 11_000;
/** All times that the store may hold. */
const [ALWAYS_FROM_MS, ALWAYS_TO_MS] = [-8.64e15, 8.64e15];

export function createQueries({ store, lookback_ms, limits, now_ms }: QueriesOptions): Queries {
  function evaluate(
    form: URLSearchParams,
    waited_ms: number,
    ask: (engine: Engine, query: string) => QueryResult,
  ): Answer {
    const limit = limitParameter(form);
    const time_ms = Math.min(limits.time, timeLeft_ms(form, waited_ms));
    const lookback = lookbackOf(form) || lookback_ms;
    const query = form.get('query') ?? '';
    const began_ms = performance.now();
    const reads = { samples: 0 };
    // The engine looks at its clock while it evaluates, but not while the store selects.
    const { look } = createWatch(time_ms, query);
    const queryable: Queryable = { select: (matching, from_ms, to_ms) => store.select(matching, from_ms, to_ms, look) };
    const hasStats = (form.get('stats') ?? '') !== '';
    const engine = createEngine({
      queryable: hasStats ? counting(queryable, reads) : queryable,
      lookback_ms: lookback,
      limits: { samples: limits.samples, series: limits.series, time_ms, points: MOST_POINTS },
    });
    // The text, and not what it parses to: annotations say where they are in it.
    const result = guard(() => ask(engine, query), query);
    const ended_ms = performance.now();
    const { text, samples, isTruncated } = resultText(query, result, limit);
    const stats = hasStats ? `,"stats":${statsJson(ended_ms - began_ms, waited_ms, reads.samples)}` : '';
    return {
      data: `${text}${stats}}`,
      warnings: isTruncated ? [...result.warnings, TRUNCATED] : result.warnings,
      infos: result.infos,
      samples,
    };
  }

  function resultText(query: string, result: QueryResult, limit: number) {
    const into = createJsonText(limits.response_bytes, () => tooLarge(query));
    const isList = result.type === 'vector' || result.type === 'matrix';
    const isTruncated = isList && result.rows.length > limit;
    const shown = isTruncated ? ({ ...result, rows: result.rows.slice(0, limit) } as QueryResult) : result;
    const samples = writeResult(into, shown);
    return { text: into.text(), samples, isTruncated };
  }

  function tooLarge(query: string): never {
    const found = `its answer has more than ${limits.response_bytes} bytes (limit "response_bytes")`;
    throw new ApiError('execution', `Cannot answer query: ${found}, of ${shorten(query)}`, { limit: 'response_bytes' });
  }

  function listAnswer(items: readonly string[], form: URLSearchParams, what: string): Answer {
    const { items: shown, warnings } = truncate(items, limitParameter(form));
    const into = createJsonText(limits.response_bytes, () => tooLarge(what));
    into.add('[');
    shown.forEach((item, index) => into.add(index === 0 ? item : `,${item}`));
    into.add(']');
    return { data: into.text(), warnings };
  }

  function spanOf(form: URLSearchParams): readonly [from_ms: number, to_ms: number] {
    return [optionalTime(form, 'start', ALWAYS_FROM_MS), optionalTime(form, 'end', ALWAYS_TO_MS)];
  }

  /** Texts of all that is found with any list of matchers, each once, in order. */
  function textsOf(
    form: URLSearchParams,
    find: (matchers: readonly Matcher[], look: () => void) => readonly string[],
  ): string[] {
    const watch = createWatch(limits.time, 'match[]');
    const lists = matchers(form, watch);
    if (lists.length < 2) return guard(() => find(lists[0] ?? [], watch.look)).map((text) => JSON.stringify(text));
    const found = new Set(lists.flatMap((list) => guard(() => find(list, watch.look))));
    const sorted = [...found].map((text) => [text, Buffer.from(text)] as const);
    return sorted.sort(([, a], [, b]) => Buffer.compare(a, b)).map(([text]) => JSON.stringify(text));
  }

  function matchers(form: URLSearchParams, watch = createWatch(limits.time, 'match[]'), prefix = ''): Matcher[][] {
    return matchParameters(form).map((text) => {
      watch.check();
      return readSelector(text, prefix);
    });
  }

  return {
    matchers,
    instant(form, waited_ms) {
      const time_ms = optionalTime(form, 'time', now_ms());
      return evaluate(form, waited_ms, (engine, query) => engine.instant(query, time_ms));
    },
    range(form, waited_ms) {
      const [start_ms, end_ms] = [requiredTime(form, 'start'), requiredTime(form, 'end')];
      if (end_ms < start_ms) throw invalidParameter('end', 'end timestamp must not be before start time');
      const exact_ms = durationParameter(form, 'step');
      const step_ms = Math.trunc(exact_ms);
      if (step_ms <= 0) {
        const problem = 'zero or negative query resolution step widths are not accepted. Try a positive integer';
        throw invalidParameter('step', problem);
      }
      if ((end_ms - start_ms) / exact_ms >= MOST_POINTS + 1) {
        const found = `exceeded maximum resolution of 11,000 points per timeseries`;
        throw new ApiError('bad_data', `${found}. Try decreasing the query resolution (?step=XX)`, { limit: 'points' });
      }
      return evaluate(form, waited_ms, (engine, query) => engine.range(query, start_ms, end_ms, step_ms));
    },
    exemplars(form) {
      const [start_ms, end_ms] = spanOf(form);
      if (end_ms < start_ms) {
        throw new ApiError('bad_data', 'end timestamp must not be before start timestamp');
      }
      try {
        parse(form.get('query') ?? '');
      } catch (error) {
        throw error instanceof PromqlError
          ? new ApiError('bad_data', queryMessage(form.get('query') ?? '', error), { cause: error })
          : error;
      }
      // The store keeps none.
      return { data: '[]' };
    },
    format: (form) => ({ data: JSON.stringify(printExpression(readQuery(form.get('query') ?? ''))) }),
    series(form) {
      const watch = createWatch(limits.time, 'match[]');
      const lists = matchers(form, watch, 'invalid parameter "match[]": ');
      if (lists.length === 0) throw new ApiError('bad_data', 'no match[] parameter provided');
      const found = new Set<Labels>();
      for (const list of lists) {
        for (const { labels } of guard(() => store.select(list, ...spanOf(form), watch.look))) found.add(labels);
      }
      const sorted = [...found].sort(compareLabels);
      return listAnswer(sorted.map(labelsJson), form, matchParameters(form).join(' or '));
    },
    labelNames(form) {
      const span = spanOf(form);
      return listAnswer(
        textsOf(form, (list, look) => store.labelNames(list, ...span, look)),
        form,
        'the names of labels',
      );
    },
    labelValues: (name) => (form) => {
      if (name === '') throw new ApiError('bad_data', 'invalid label name: ""');
      const span = spanOf(form);
      return listAnswer(
        textsOf(form, (list, look) => store.labelValues(name, list, ...span, look)),
        form,
        `values of ${name}`,
      );
    },
  };
}

/** What `timeout` leaves of the time; Infinity without one. */
function timeLeft_ms(form: URLSearchParams, waited_ms: number): number {
  if ((form.get('timeout') ?? '') === '') return Infinity;
  const left_ms = durationParameter(form, 'timeout') - waited_ms;
  if (left_ms <= 0) throw new ApiError('timeout', 'query timed out in query queue', { limit: 'timeout' });
  return left_ms;
}

/** 0 where it is left out; what is not above 0 is as if it were (as in Prometheus). */
function lookbackOf(form: URLSearchParams): number {
  const text = form.get('lookback_delta') ?? '';
  if (text === '') return 0;
  try {
    return Math.max(0, Math.trunc(parseDuration(text)));
  } catch (error) {
    const message = `error parsing lookback delta duration: ${(error as Error).message}`;
    throw new ApiError('bad_data', message, { cause: error });
  }
}

/** Counts what is read. */
function counting(queryable: Queryable, reads: { samples: number }): Queryable {
  return {
    select: (...selection) =>
      queryable.select(...selection).map((series) => ({
        labels: series.labels,
        samples(from_ms, to_ms) {
          const samples = series.samples(from_ms, to_ms);
          reads.samples += samples.count;
          return samples;
        },
      })),
  };
}

/** Samples are those that were read; Prometheus counts each as often as a step looks at it. */
function statsJson(evaluation_ms: number, waited_ms: number, samples: number): string {
  const evaluation_s = evaluation_ms / 1000;
  return JSON.stringify({
    timings: {
      evalTotalTime: evaluation_s,
      resultSortTime: 0,
      queryPreparationTime: 0,
      innerEvalTime: evaluation_s,
      execQueueTime: waited_ms / 1000,
      execTotalTime: (evaluation_ms + waited_ms) / 1000,
    },
    samples: { totalQueryableSamples: samples, peakSamples: samples },
  });
}
