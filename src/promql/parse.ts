/**
 * PromQL's text → expression. Prometheus' own grammar for editors reads it; that grammar binds offset, @ and ranges more
 * loosely than Prometheus does (`a + b offset 5m` shifts the sum), so only its pieces are taken, and precedence is decided here.
 * Loads the grammar: import this file where PromQL is really used.
 */
import { parser as grammar } from '@prometheus-io/lezer-promql';
import type { Expression } from './ast.ts';
import { checkExpression } from './check.ts';
import { PromqlError, placeIn, type Position } from './errors.ts';
import { functions } from './functions/index.ts';
import { convertTree } from './parse_tree.ts';
import { identifierBefore, scan, unexpectedAt } from './scan.ts';

/** UTF-16 units of a query. */
const MAX_LENGTH = 65_536;
/** Brackets in brackets, and operators on operators: everything that walks an expression recurses. */
export const MAX_DEPTH = 500;

let strictGrammar: typeof grammar | undefined;

/** @throws {PromqlError} of the reason `parse`, its message with `line:column` in front as Prometheus writes it */
export function parse(query: string): Expression {
  const fail = (message: string, position: Position, cause?: unknown): never => {
    const options = cause === undefined ? undefined : { cause };
    throw new PromqlError('parse', `${placeIn(query, position.start)}: parse error: ${message}`, position, options);
  };
  if (query.length > MAX_LENGTH) {
    return fail(`expression is longer than ${MAX_LENGTH} characters`, { start: MAX_LENGTH, end: query.length });
  }
  const { text, problem } = scan(query, MAX_DEPTH);
  if (problem !== undefined) return fail(problem.message, problem);
  if (unexpectedAt(query, 0).start === query.length) return fail('no expression found in input', { start: 0, end: 0 });
  const tree = readTree(query, text, fail);
  const expression = convertTree(query, tree.topNode, MAX_DEPTH, fail);
  checkExpression(query, expression, fail);
  return expression;
}

/** Ends the parse with an error at a place. */
export type Fail = (message: string, position: Position, cause?: unknown) => never;

function readTree(query: string, text: string, fail: Fail): ReturnType<typeof grammar.parse> {
  try {
    // It ends at its first error instead of guessing what may be meant, so that no text costs much; made with the first query.
    strictGrammar ??= grammar.configure({ strict: true });
    return strictGrammar.parse(text);
  } catch (cause) {
    const offset = Number(/No parse at (\d+)/.exec(String(cause))?.[1] ?? 0);
    const found = unexpectedAt(query, offset);
    // The grammar knows the functions by name: any other in front of arguments is unexpected to it.
    if (query[found.start] === '(') {
      const called = identifierBefore(query, found.start);
      if (called !== undefined) {
        const position = { start: called.start, end: called.start + called.name.length };
        const refused = functions.get(called.name)?.refused;
        return fail(refused ?? `unknown function with name "${called.name}"`, position, cause);
      }
    }
    const number = /(?:^|[^\w.])(\d[\w.]*)$/.exec(query.slice(Math.max(0, found.start - 100), found.start))?.[1];
    if (number !== undefined && /\w/.test(query[found.start] ?? '')) {
      const written = number + query.slice(found.start, found.end);
      const position = { start: found.start - number.length, end: found.end };
      return fail(`bad number or duration syntax: "${written}"`, position, cause);
    }
    return fail(found.message, found, cause);
  }
}
