/** Says why a query was refused, and shows where in it the mistake is. */
import { printable } from '../text/printable.ts';
import { LiveError } from './live_request.ts';

export function explainRefusal(error: LiveError, expression: string, url: string, hint: string): LiveError {
  if (error.status === 0) return error;
  const said = refusalIn(error.message);
  if (said === undefined) {
    if (error.status !== 404) return error;
    return new LiveError(`Cannot ask ${new URL(url).origin}: it answers no queries`, {
      hint,
      status: 404,
      cause: error,
    });
  }
  const { message, place } = placed(said, expression);
  const shown = place === undefined ? '' : `\n${markedText(expression, place)}`;
  return new LiveError(`${printable(message)}${shown}`, { status: error.status, cause: error });
}

/** The `error` of an answer of the API; undefined where it is another answer. */
function refusalIn(text: string): string | undefined {
  try {
    const answer = JSON.parse(text) as { readonly error?: unknown } | null;
    return typeof answer?.error === 'string' ? answer.error : undefined;
  } catch {
    // No JSON, or more of it than is read of a refusal.
    return /^\{"status":"error".*?"error":"((?:[^"\\]|\\.)*)/s.exec(text)?.[1];
  }
}

/** Offsets in the expression. */
interface Place {
  readonly start: number;
  readonly end: number;
}

/** `invalid parameter "query": 1:4: parse error: …` says a place, and `…, at rate(x[5m])` a part. */
function placed(said: string, expression: string): { readonly message: string; readonly place: Place | undefined } {
  const parsed = /^(?:invalid parameter "query": )?(\d+):(\d+): parse error: (.*)$/s.exec(said);
  if (parsed !== null) {
    const start = offsetOf(expression, Number(parsed[1]), Number(parsed[2]));
    return { message: `Cannot read the query: ${parsed[3]}`, place: { start, end: start + 1 } };
  }
  const part = /, at (.+?)…?$/s.exec(said)?.[1];
  const start = part === undefined ? -1 : expression.indexOf(part);
  const place = start < 0 ? undefined : { start, end: start + part!.length };
  return { message: said.startsWith('Cannot ') ? said : `Cannot answer the query: ${said}`, place };
}

/** Lines and columns count from 1, columns bytes of UTF-8. */
function offsetOf(text: string, line: number, column: number): number {
  let start = 0;
  for (let passed = 1; passed < line; passed++) {
    const end = text.indexOf('\n', start);
    if (end < 0) break;
    start = end + 1;
  }
  const bytes = Buffer.from(text.slice(start)).subarray(0, column - 1);
  return Math.min(start + bytes.toString().length, text.length);
}

/** Of a long line, what is shown on either side of the place. */
const SHOWN_CHARACTERS = 60;

/** The line of the place, and marks under it. */
function markedText(expression: string, { start, end }: Place): string {
  const lineStart = expression.lastIndexOf('\n', start - 1) + 1;
  const lineEnd = expression.indexOf('\n', start);
  const stop = lineEnd < 0 ? expression.length : lineEnd;
  const from = Math.max(lineStart, start - SHOWN_CHARACTERS);
  const to = Math.min(stop, Math.max(start, Math.min(end, start + SHOWN_CHARACTERS)) + SHOWN_CHARACTERS);
  const before = `${from > lineStart ? '…' : ''}${printable(expression.slice(from, start))}`;
  const marked = printable(expression.slice(start, Math.min(end, to)));
  const after = `${printable(expression.slice(Math.min(end, to), to))}${to < stop ? '…' : ''}`;
  const blanks = ' '.repeat([...before].length);
  return `  ${before}${marked}${after}\n  ${blanks}${'^'.repeat(Math.max(1, [...marked].length))}`;
}
