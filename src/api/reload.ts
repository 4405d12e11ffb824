/** `POST /-/reload`: reads the configuration again, as SIGHUP does, and tells whoever asked what came of it. */
import type { IncomingMessage } from 'node:http';
import { isLoopbackAddress } from '../config/options.ts';
import { formatProblems } from '../config/frames.ts';
import { ConfigError, messageOf } from '../errors.ts';
import type { Handler } from './http_listener.ts';
import { isAllowedOrigin } from './origin.ts';

/**
 * Answers 200 with what was started, stopped and kept; 400 with the problems of the configuration; 409 if it is right
 * and could not be started. Only this machine may ask, and no page of another site that someone here has open.
 */
export function createReloadHandler(reload: () => Promise<object>): Handler {
  return async (request, response) => {
    const [status, answer] = refusal(request) ?? (await outcome(reload));
    const isText = typeof answer === 'string';
    response.writeHead(status, {
      'Content-Type': isText ? 'text/plain; charset=utf-8' : 'application/json',
      ...(status === 405 ? { Allow: 'POST' } : {}),
    });
    response.end(isText ? `${answer.trimEnd()}\n` : `${JSON.stringify(answer)}\n`);
  };
}

type Answer = readonly [status: number, body: string | object];

function refusal(request: IncomingMessage): Answer | undefined {
  if (request.method !== 'POST') return [405, 'Cannot reload: only POST does'];
  if (!isLoopbackAddress(request.socket.remoteAddress)) return [403, 'Cannot reload: only this machine may ask for it'];
  return isAllowedOrigin(request) ? undefined : [403, 'Cannot reload: a page of another site asks for it'];
}

async function outcome(reload: () => Promise<object>): Promise<Answer> {
  try {
    return [200, await reload()];
  } catch (error) {
    const keeps = 'The old configuration runs on.';
    if (error instanceof ConfigError) return [400, `${formatProblems(error.problems, { color: false })}\n${keeps}`];
    return [409, `Cannot reload: ${messageOf(error)}\n${keeps}`];
  }
}
