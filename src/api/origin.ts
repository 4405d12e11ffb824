/** Keeps pages of other sites from asking: a browser sends their requests, and says whose they are. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Handler } from './http_listener.ts';

/**
 * Whether a request is from no page, from a page of the listener itself, or from one of `allowed`. A browser checks this
 * for what a page reads, but neither for what a request does nor for WebSockets (RFC 6455, section 10.2).
 */
export function isAllowedOrigin({ headers }: IncomingMessage, allowed: readonly string[] = []): boolean {
  const { origin, host } = headers;
  if (origin === undefined) return true;
  return origin === `http://${host}` || origin === `https://${host}` || allowed.includes(origin);
}

/** `handler`, for pages of the listener and of `origins` alone; these may read the answer (CORS). */
export function guardOrigin(handler: Handler, origins: readonly string[]): Handler {
  return (request, response) => {
    const { origin } = request.headers;
    if (!isAllowedOrigin(request, origins)) return refuse(response);
    response.setHeader('Vary', 'Origin');
    if (origin !== undefined && origins.includes(origin)) response.setHeader('Access-Control-Allow-Origin', origin);
    return handler(request, response);
  };
}

function refuse(response: ServerResponse): void {
  response.writeHead(403, { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' });
  response.end(`${OTHER_SITE}\n`);
}

export const OTHER_SITE = 'Cannot answer: a page of another site asks for it';
