/** Asks a running agent for what has no end, and says in a person's words why it cannot. */
import type { IncomingMessage } from 'node:http';
import type { RequestOptions } from 'node:https';
import { messageOf } from '../errors.ts';
import type { LiveTls } from './live_address.ts';

/** What keeps a command from its answer. */
export class LiveError extends Error {
  /** What to do. */
  readonly hint: string | undefined;
  /** Of the answer; 0 where there was none. */
  readonly status: number;
  /** The command line is wrong. */
  readonly isUsage: boolean;
  constructor(
    message: string,
    options: { hint?: string | undefined; status?: number; isUsage?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'LiveError';
    this.hint = options.hint;
    this.status = options.status ?? 0;
    this.isUsage = options.isUsage ?? false;
  }

  /** Whether the same may succeed in a while. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 429 || this.status === 503;
  }
}

export interface LiveRequest {
  readonly url: string;
  readonly tls: LiveTls;
  readonly headers?: Readonly<Record<string, string>>;
  /** GET unless said. */
  readonly method?: 'POST' | 'DELETE';
  readonly body?: string;
  readonly abort: AbortSignal;
}

/** Nothing comes for longer than any keep-alive: the agent or the way to it is gone. */
const SILENCE_MS = 60_000;
const MOST_REFUSAL_BYTES = 4096;

/**
 * Resolves with an answer of status 200.
 * @throws {LiveError}
 */
export async function askLive({ url, tls, headers = {}, method, body, abort }: LiveRequest): Promise<IncomingMessage> {
  const { protocol, origin } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const options: RequestOptions = { method, headers, agent: false, signal: abort, timeout: SILENCE_MS };
  const request =
    protocol === 'https:'
      ? process.getBuiltinModule('node:https').request(url, { ...options, ...tlsOptions(tls) }, resolve)
      : process.getBuiltinModule('node:http').request(url, options, resolve);
  request.on('timeout', () => request.destroy(new Error('nothing came for a minute')));
  request.on('error', reject).end(body);
  let response: IncomingMessage;
  try {
    response = await promise;
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, origin);
  }
  if (response.statusCode === 200) return response;
  const text = await refusalOf(response);
  throw new LiveError(text === '' ? `It answered ${response.statusCode}` : text, { status: response.statusCode! });
}

function tlsOptions({ ca, cert, key, isPinned }: LiveTls): RequestOptions {
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    // A certificate that is trusted itself need not lead to a root, and is the one that is meant whatever its name.
    ...(isPinned === true && { allowPartialTrustChain: true, checkServerIdentity: () => undefined }),
  };
}

async function refusalOf(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length > MOST_REFUSAL_BYTES) break;
  }
  return text.slice(0, MOST_REFUSAL_BYTES).trim();
}

function explain(error: NodeJS.ErrnoException, origin: string): LiveError {
  const { code = '' } = error;
  const found = messageOf(error);
  const fail = (message: string, hint?: string): LiveError => new LiveError(message, { hint, cause: error });
  if (code === 'ECONNREFUSED') {
    return fail(
      `Cannot reach an agent at ${origin}: nothing listens there`,
      'start it with "sonde run", or say with --config or --url where it is',
    );
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return fail(`Cannot trust the agent at ${origin}: ${found}`, 'use a name in --url that its certificate is for');
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ISSUER/.test(code) && !code.startsWith('ERR_SSL')) {
    return fail(
      `Cannot trust the agent at ${origin}: ${found} (${code})`,
      'give the certificate of its authority, or its own, with --ca-file',
    );
  }
  if (/ALERT_(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|BAD_CERTIFICATE|UNKNOWN_CA)/.test(code)) {
    return fail(
      `Cannot open a connection to ${origin}: the agent does not accept this client (${code})`,
      'give a certificate that its client_ca_file has signed with --cert-file and --key-file',
    );
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return fail(`Cannot open a connection to ${origin}: it speaks no TLS (${code})`, 'try --url with http://');
  }
  if (code === 'ECONNRESET' && origin.startsWith('http://')) {
    return fail(`Cannot ask the agent at ${origin}: ${found}`, 'if it serves TLS, try --url with https://');
  }
  return fail(`Cannot reach an agent at ${origin}: ${found}`);
}
