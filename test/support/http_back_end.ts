/** An HTTP server on loopback that keeps what it was sent and answers as told. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';

export interface ReceivedRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Decompressed. */
  readonly body: Buffer;
}

export interface HttpBackEnd extends AsyncDisposable {
  readonly url: string;
  readonly requests: ReceivedRequest[];
  /** 200 without a body unless replaced. */
  answer: (request: ReceivedRequest, response: ServerResponse) => void;
}

export async function startHttpBackEnd(): Promise<HttpBackEnd> {
  const server = createServer(async (request, response) => {
    const bytes = Buffer.concat(await request.toArray());
    const encoding = request.headers['content-encoding'];
    const body = encoding === 'gzip' ? gunzipSync(bytes) : encoding === 'zstd' ? zstdDecompressSync(bytes) : bytes;
    const received = { path: request.url!, headers: request.headers, body };
    backEnd.requests.push(received);
    backEnd.answer(received, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const backEnd: HttpBackEnd = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    answer: (_, response) => response.end(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return backEnd;
}
