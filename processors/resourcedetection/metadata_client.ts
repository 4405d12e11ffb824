/** Asks the metadata service of a cloud, which answers on a link-local address or not at all. */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';

export interface MetadataClient {
  /**
   * The body of a successful answer.
   * @throws {MetadataError} for any other answer
   */
  ask(path: string, options?: AskOptions): Promise<MetadataAnswer>;
}

export interface AskOptions {
  readonly method?: 'GET' | 'PUT';
  readonly headers?: OutgoingHttpHeaders;
}

export interface MetadataAnswer {
  readonly body: string;
  readonly headers: IncomingMessage['headers'];
}

export class MetadataError extends Error {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.name = 'MetadataError';
    this.status = status;
  }
}

/** Instance documents take 1 to 5 kB. */
const MAX_BODY_BYTES = 64 * 1024;

/** `timeout_ms` is for all questions together, from now on. */
export function createMetadataClient(endpoint: string, timeout_ms: number): MetadataClient {
  const signal = AbortSignal.timeout(timeout_ms);
  return {
    async ask(path, { method = 'GET', headers = {} } = {}) {
      const url = `${endpoint}${path}`;
      try {
        return await request(url, method, headers, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        throw new Error(`Cannot ask ${url}: no answer within ${timeout_ms} ms`, { cause: error });
      }
    },
  };
}

function request(
  url: string,
  method: string,
  headers: OutgoingHttpHeaders,
  signal: AbortSignal,
): Promise<MetadataAnswer> {
  // Loaded here, because most configurations name no cloud; never through a proxy, which node:http knows nothing of.
  const http = process.getBuiltinModule(url.startsWith('https:') ? 'node:https' : 'node:http');
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(new Error(`Cannot ask ${url}: ${error.message}`, { cause: error }));
    http
      .request(url, { method, headers, signal, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        response.on('error', fail);
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          length += chunk.length;
          if (length > MAX_BODY_BYTES) response.destroy(new Error(`more than ${MAX_BODY_BYTES} bytes`));
        });
        response.on('end', () => {
          const status = response.statusCode ?? 0;
          if (status !== 200) reject(new MetadataError(`Cannot ask ${url}: HTTP ${status}`, status));
          else resolve({ body: Buffer.concat(chunks).toString('utf8'), headers: response.headers });
        });
      })
      .on('error', fail)
      .end();
  });
}
