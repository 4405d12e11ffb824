/** Posts bodies over HTTP(S), and says of each answer what it means for the delivery (OTLP specification, "Failures"). */
import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import type { CreateHttpSender, HttpSender } from '../component.ts';
import { createCredentials } from '../credentials.ts';
import { messageOf, PermanentError, RefusedError, RetryableError, TooLargeError } from '../errors.ts';
import { VERSION } from '../model/version.ts';
import { printable } from '../text/printable.ts';
import { createClientCertificates } from '../client_certificates.ts';
import { compress, isAtOnce } from './compress.ts';

/** OTLP 1.11: a client must limit how much of an answer it reads; a larger one is not tried again. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const QUOTED_CHARACTERS = 200;

type Answer = Awaited<ReturnType<HttpSender['post']>>;

/** @throws {Error} a file of TLS or of a secret cannot be read, or a header is none */
export const createHttpSender: CreateHttpSender = (options) => {
  const { compression, headers, tls = {}, retriesServerErrors = false } = options;
  // A static import of node:http costs 16 MB that an agent without HTTP exporters saves; node:https starts OpenSSL.
  const http = process.getBuiltinModule('node:http');
  const https = (): typeof import('node:https') => process.getBuiltinModule('node:https');
  const ownHeaders = checkHeaders(headers, http);
  const certificates = createClientCertificates(tls);
  const credentials = createCredentials(options.auth);
  const agentOptions = { keepAlive: true, scheduling: 'lifo', proxyEnv: proxyOf(options.proxy) } as const;
  const agents = new Map<string, Agent>();

  function optionsFor(url: URL, length: number, contentType: string, abort: AbortSignal): RequestOptions {
    const isSecure = url.protocol === 'https:';
    let agent = agents.get(url.protocol);
    if (agent === undefined) {
      agent = isSecure ? new (https().Agent)(agentOptions) : new http.Agent(agentOptions);
      agents.set(url.protocol, agent);
    }
    return {
      method: 'POST',
      agent,
      signal: abort,
      headers: {
        'user-agent': `sonde/${VERSION}`,
        ...ownHeaders,
        ...credentials(),
        'content-type': contentType,
        'content-length': length,
        ...(compression !== 'none' && { 'content-encoding': compression }),
      },
      // The agent keeps connections apart by these, so a renewed certificate is used from the next request on.
      ...(isSecure && certificates()),
    };
  }

  async function post(url: string, body: Uint8Array, contentType: string, abort: AbortSignal): Promise<Answer> {
    const target = new URL(url);
    const place = `${target.origin}${target.pathname}`;
    const bytes = await compress(body, compression);
    const options = optionsFor(target, bytes.byteLength, contentType, abort);
    const open = target.protocol === 'https:' ? https().request : http.request;
    let answer = await exchange(() => open(target, options), bytes, place);
    // The server closed an idle connection just as this request took it: that is no failure of the server.
    if (answer === 'stale connection') answer = await exchange(() => open(target, options), bytes, place);
    if (answer === 'stale connection') throw new RetryableError(`Cannot send to ${place}: the connection was closed`);
    judge(answer, place, retriesServerErrors);
    return answer;
  }

  return {
    canRelease: (body) => isAtOnce(body, compression),
    post,
    close() {
      for (const agent of agents.values()) agent.destroy();
    },
  };
};

/** One request and its whole answer, whatever its status. */
function exchange(open: () => ClientRequest, body: Uint8Array, place: string): Promise<Answer | 'stale connection'> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void =>
      reject(new RetryableError(`Cannot send to ${place}: ${messageOf(error)}`, { cause: error }));
    let request: ClientRequest;
    try {
      request = open();
    } catch (error) {
      // As a certificate and a key that do not belong together: files that are being replaced.
      fail(error);
      return;
    }
    let hasAnswer = false;
    let isWritten = false;
    request.on('finish', () => {
      isWritten = true;
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      // A server that refuses a large body answers before it has read it all: the answer counts, not the broken pipe.
      if (hasAnswer) return;
      if (request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE')) resolve('stale connection');
      else fail(error);
    });
    request.on('response', (response) => {
      hasAnswer = true;
      readAnswer(response).then(
        (answer) => {
          // Whoever hears of the answer may give the body back, so nothing may go on sending it.
          if (!isWritten) request.destroy();
          resolve(answer);
        },
        (error: unknown) => {
          request.destroy();
          if (error instanceof PermanentError) reject(error);
          else fail(error);
        },
      );
    });
    request.end(body);
  });
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) {
      throw new PermanentError(`Cannot read the answer ${response.statusCode}: it is over ${MAX_ANSWER_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) };
}

/** What OTLP names; and 407, the word of a proxy and not of the back end, which may take the request once it gets there. */
const RETRYABLE: ReadonlySet<number> = new Set([407, 429, 502, 503, 504]);

/** Throws what a status other than 2xx means. */
function judge({ status, headers, body }: Answer, place: string, retriesServerErrors: boolean): void {
  if (status >= 200 && status < 300) return;
  const words = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, 4 * QUOTED_CHARACTERS)).toString();
  const location = headers['location'] === undefined ? '' : ` (redirects are not followed: ${headers['location']})`;
  const quoted = printable(`${location}${words === '' ? '' : `: ${words}`}`, QUOTED_CHARACTERS);
  const message = `Cannot send to ${place}: it answered ${status}${quoted}`;
  const isServerError = retriesServerErrors && status >= 500;
  if (RETRYABLE.has(status) || isServerError) {
    throw new RetryableError(message, { retryAfter_ms: parseRetryAfter(headers['retry-after'], Date.now()) });
  }
  if (status === 413) throw new TooLargeError(message);
  throw new RefusedError(message, status, body, headers);
}

/** What Node.js's agents read a proxy from: the environment itself (either case), or as if it said so. */
function proxyOf(proxy: string | undefined): NodeJS.ProcessEnv {
  if (proxy === undefined) return process.env;
  return proxy === 'none' ? {} : { HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
}

/** `Retry-After: 120` or an HTTP date (RFC 9110, 10.2.3) → milliseconds from `now_ms`; undefined where it is neither. */
export function parseRetryAfter(value: string | readonly string[] | undefined, now_ms: number): number | undefined {
  if (typeof value !== 'string') return undefined;
  if (/^\s*\d{1,9}\s*$/.test(value)) return Number(value) * 1000;
  // Only dates of words, or Date.parse would take "1.5" for the fifth of January.
  const date_ms = /^\s*[A-Z][a-z]{2}/.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(date_ms) ? undefined : Math.max(0, date_ms - now_ms);
}

/** The headers with names in lower case, so that none appears twice. */
function checkHeaders(
  headers: Readonly<Record<string, string>>,
  http: typeof import('node:http'),
): Readonly<Record<string, string>> {
  const checked: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    try {
      http.validateHeaderName(name);
      http.validateHeaderValue(name, value);
    } catch (error) {
      // The value may be a secret: only the code of the error, and no cause.
      throw new Error(`Cannot use header ${JSON.stringify(name)}: ${(error as NodeJS.ErrnoException).code}`);
    }
    checked[name.toLowerCase()] = value;
  }
  return checked;
}
