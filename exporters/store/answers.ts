/** Answers in the form of Prometheus' HTTP API: the envelope, its errors, and how they travel. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** What goes into the envelope of a success. */
export interface Answer {
  /** JSON. */
  readonly data: string;
  readonly warnings?: readonly string[];
  readonly infos?: readonly string[];
  /** Samples in it. */
  readonly samples?: number;
}

const STATUS = {
  bad_data: 400,
  not_found: 404,
  execution: 422,
  internal: 500,
  timeout: 503,
  unavailable: 503,
} as const;

/** A request that is answered with an error of the API. */
export class ApiError extends Error {
  readonly errorType: keyof typeof STATUS;
  /** Of the exporter's `limits`, the one that ended the query. */
  readonly limit: string | undefined;
  constructor(errorType: ApiError['errorType'], message: string, options: { cause?: unknown; limit?: string } = {}) {
    super(message, { cause: options.cause });
    this.name = 'ApiError';
    this.errorType = errorType;
    this.limit = options.limit;
  }

  get status(): number {
    return STATUS[this.errorType];
  }
}

/** `bad_data` as Prometheus says it of a parameter. */
export function invalidParameter(name: string, problem: string, cause?: unknown): ApiError {
  return new ApiError('bad_data', `invalid parameter "${name}": ${problem}`, { cause });
}

export function envelope({ data, warnings = [], infos = [] }: Answer): string {
  const list = (name: string, texts: readonly string[]): string =>
    texts.length === 0 ? '' : `,"${name}":${JSON.stringify(texts)}`;
  return `{"status":"success","data":${data}${list('warnings', warnings)}${list('infos', infos)}}`;
}

export function errorEnvelope({ errorType, message }: ApiError): string {
  return JSON.stringify({ status: 'error', errorType, error: message });
}

/** What is shorter fits into one packet as it is. */
const LEAST_COMPRESSED_BYTES = 1400;

export async function sendJson(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
): Promise<void> {
  let body: Uint8Array = Buffer.from(text);
  const headers: Record<string, string | number> = {
    'Content-Type': 'application/json',
    'X-Content-Type-Options': 'nosniff',
    Vary: 'Origin, Accept-Encoding',
  };
  if (body.length >= LEAST_COMPRESSED_BYTES && takesGzip(request.headers['accept-encoding'])) {
    body = await gzip(body);
    headers['Content-Encoding'] = 'gzip';
  }
  if (response.closed) return;
  // What of the body nobody wanted would be taken for the next request.
  if (!request.complete) headers['Connection'] = 'close';
  response.writeHead(status, { ...headers, 'Content-Length': body.length });
  response.end(body);
}

/** By RFC 9110, 12.5.3; `*` is left to those who name what they read. */
export function takesGzip(header: string | string[] | undefined): boolean {
  return String(header ?? '')
    .split(',')
    .some((part) => {
      const [coding = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
      return coding === 'gzip' && !parameters.some((text) => /^q=0(\.0*)?$/.test(text));
    });
}

/** In a thread of libuv; the first levels already take most of what JSON repeats. */
function gzip(bytes: Uint8Array): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  process
    .getBuiltinModule('node:zlib')
    .gzip(bytes, { level: 2 }, (error, compressed) => (error === null ? resolve(compressed) : reject(error)));
  return promise;
}
