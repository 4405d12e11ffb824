/** Expressions of requests: reading them, and errors of the engine and the store as those of the API. */
import type { Expression } from '../../src/promql/ast.ts';
import { PromqlError } from '../../src/promql/errors.ts';
import { parse } from '../../src/promql/parse.ts';
import type { Matcher } from '../../src/store/queryable.ts';
import { ApiError, invalidParameter } from './answers.ts';

/** Characters of a query that an error shows. */
const SHOWN_CHARACTERS = 200;

export function readQuery(query: string): Expression {
  try {
    return parse(query);
  } catch (error) {
    if (!(error instanceof PromqlError)) throw error;
    throw invalidParameter('query', queryMessage(query, error), error);
  }
}

/** Of nothing Prometheus knows no position. */
export function queryMessage(query: string, { message }: PromqlError): string {
  return query.trim() === '' ? message.replace(/^1:1:/, 'unknown position:') : message;
}

/** One of `match[]`. @param prefix of what is said of it: Prometheus has one in some places */
export function readSelector(text: string, prefix = ''): Matcher[] {
  const fail = (problem: string, cause?: unknown): ApiError => new ApiError('bad_data', prefix + problem, { cause });
  let expression: Expression;
  try {
    expression = parse(text);
  } catch (error) {
    if (!(error instanceof PromqlError)) throw error;
    const isEmpty = error.message.includes('must contain at least one non-empty matcher');
    throw fail(isEmpty ? 'match[] must contain at least one non-empty matcher' : error.message, error);
  }
  if (expression.kind === 'vector_selector' && expression.offset_ms === 0 && expression.at === undefined) {
    return [...expression.matchers];
  }
  throw fail(`1:1: parse error: ${shorten(text)} is no selector of series`);
}

/** Errors of the engine and the store as those of the API. */
export function guard<T>(work: () => T, query = ''): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError) {
      throw new ApiError('execution', error.message, { cause: error });
    }
    if (!(error instanceof PromqlError)) throw error;
    if (error.reason === 'parse') throw invalidParameter('query', queryMessage(query, error), error);
    if (error.reason === 'execution') throw new ApiError('execution', error.message, { cause: error });
    const limit = /\(limit "(\w+)"\)/.exec(error.message)?.[1]?.replace(/_ms$/, '') ?? 'points';
    const message = error.message.replace('(limit "time_ms")', '(limit "time")');
    throw new ApiError(limit === 'time' ? 'timeout' : 'execution', message, { cause: error, limit });
  }
}

export function shorten(text: string): string {
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}

/** Patterns that are tried between two looks at the clock. */
const TRIES_PER_LOOK = 32;

/** Ends what selects series by patterns for too long. */
export function createWatch(limit_ms: number, what: string): { check(): void; look(): void } {
  const end_ms = performance.now() + limit_ms;
  let tries = 0;
  const check = (): void => {
    if (performance.now() <= end_ms) return;
    const found = `it takes longer than ${limit_ms} ms to select series (limit "time")`;
    throw new ApiError('timeout', `Cannot finish query: ${found}, at ${shorten(what)}`, { limit: 'time' });
  };
  return {
    check,
    look() {
      if (++tries % TRIES_PER_LOOK === 0) check();
    },
  };
}
