/** Parameters of requests as Prometheus reads them: from the query and from form-encoded bodies, times, durations, limits. */
import type { IncomingMessage } from 'node:http';
import { parsePrometheusDuration } from '../../src/rules/duration.ts';
import { ApiError, invalidParameter } from './answers.ts';

/** A query may be 65,536 characters long, and each of them nine of a body. */
const MOST_BODY_BYTES = 1024 * 1024;
const MOST_MATCHERS = 64;

/** Of all bodies that are being read: usual ones are a few hundred bytes. */
const MOST_BODIES_BYTES = 8 * 1024 * 1024;

/** What bodies take that are being read, of one listener. */
export interface Bodies {
  bytes: number;
}

/** Of a body first, as in Go's net/http. */
export async function readForm(request: IncomingMessage, bodies: Bodies): Promise<URLSearchParams> {
  const url = request.url ?? '';
  const mark = url.indexOf('?');
  const inQuery = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
  if (request.method !== 'POST' || !isForm(request)) return inQuery;
  const form = new URLSearchParams(await readBody(request, bodies));
  for (const [name, value] of inQuery) form.append(name, value);
  return form;
}

function isForm({ headers }: IncomingMessage): boolean {
  return /^application\/x-www-form-urlencoded\s*(;|$)/i.test(headers['content-type'] ?? '');
}

async function readBody(request: IncomingMessage, bodies: Bodies): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    // Who sends too much shall read why: a stream that is left is destroyed else, and its socket with it.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length;
      bodies.bytes += chunk.length;
      if (length > MOST_BODY_BYTES) {
        throw new ApiError('bad_data', `error parsing form values: the body is over ${MOST_BODY_BYTES} bytes`);
      }
      if (bodies.bytes > MOST_BODIES_BYTES) {
        const found = `the bodies of requests under way are over ${MOST_BODIES_BYTES} bytes`;
        throw new ApiError('unavailable', `Cannot answer now: ${found}`);
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString();
  } finally {
    bodies.bytes -= length;
  }
}

export function matchParameters(form: URLSearchParams): readonly string[] {
  const texts = form.getAll('match[]');
  if (texts.length > MOST_MATCHERS) throw invalidParameter('match[]', `there are more than ${MOST_MATCHERS}`);
  return texts;
}

/** Longest distance from 1970 that is a time here, in seconds: what a Date can hold. */
const MOST_SECONDS = 8.64e12;
const FLOAT = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const RFC_3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/;

/** Unix seconds with decimals, or RFC 3339 → Unix milliseconds; undefined where it is neither. */
export function parseTime(text: string): number | undefined {
  if (FLOAT.test(text)) {
    const seconds = Number(text);
    if (Math.abs(seconds) > MOST_SECONDS) return undefined;
    const whole = Math.trunc(seconds);
    const fraction_ms = (seconds - whole) * 1000;
    return whole * 1000 + Math.sign(fraction_ms) * Math.round(Math.abs(fraction_ms));
  }
  const [, time, decimals = '', zone] = RFC_3339.exec(text) ?? [];
  if (time === undefined) return undefined;
  const time_ms = Date.parse(`${time}.${decimals.slice(0, 3).padEnd(3, '0')}${zone}`);
  return Number.isNaN(time_ms) ? undefined : time_ms;
}

/** `start` and `end` of a range query. */
export function requiredTime(form: URLSearchParams, name: string): number {
  const text = form.get(name) ?? '';
  const time_ms = parseTime(text);
  if (time_ms === undefined) throw invalidParameter(name, `cannot parse "${text}" to a valid timestamp`);
  return time_ms;
}

/** Where it is left out or empty, `byDefault`. */
export function optionalTime(form: URLSearchParams, name: string, byDefault: number): number {
  const text = form.get(name) ?? '';
  if (text === '') return byDefault;
  const time_ms = parseTime(text);
  if (time_ms === undefined) {
    throw invalidParameter(name, `invalid time value for '${name}': cannot parse "${text}" to a valid timestamp`);
  }
  return time_ms;
}

/** In nanoseconds, what Go can hold. */
const MOST_DURATION_S = 2 ** 63 / 1e9;

/**
 * Seconds with decimals, or `1h30m` → milliseconds.
 * @throws {Error} with the words of Prometheus
 */
export function parseDuration(text: string): number {
  if (FLOAT.test(text)) {
    const seconds = Number(text);
    if (Math.abs(seconds) >= MOST_DURATION_S) {
      throw new RangeError(`cannot parse "${text}" to a valid duration. It overflows int64`);
    }
    return seconds * 1000;
  }
  const duration_ms = parsePrometheusDuration(text);
  if (duration_ms === undefined) throw new SyntaxError(`cannot parse "${text}" to a valid duration`);
  return duration_ms;
}

export function durationParameter(form: URLSearchParams, name: string): number {
  try {
    return parseDuration(form.get(name) ?? '');
  } catch (error) {
    throw invalidParameter(name, (error as Error).message, error);
  }
}

/** Most items of an answer; Infinity where there is no limit. */
export function limitParameter(form: URLSearchParams): number {
  const text = form.get('limit') ?? '';
  if (text === '') return Infinity;
  if (!/^[+-]?\d{1,18}$/.test(text)) {
    throw invalidParameter('limit', `strconv.Atoi: parsing "${text}": invalid syntax`);
  }
  const limit = Number(text);
  if (limit < 0) throw invalidParameter('limit', 'limit must be non-negative');
  return limit === 0 ? Infinity : limit;
}

export const TRUNCATED = 'results truncated due to limit';

/** The first items, and the warning that says so where there are more. */
export function truncate<T>(items: readonly T[], limit: number): { items: readonly T[]; warnings: readonly string[] } {
  return items.length <= limit ? { items, warnings: [] } : { items: items.slice(0, limit), warnings: [TRUNCATED] };
}

/** A truth as Go's strconv reads it; false where it is left out. */
export function booleanParameter(form: URLSearchParams, name: string): boolean {
  const text = form.get(name) ?? '';
  if (text === '' || /^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  const problem = `error converting ${name}: strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`;
  throw invalidParameter(name, problem);
}
