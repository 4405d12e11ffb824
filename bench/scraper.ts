/** Scrapes as Prometheus 3 does: the headers it sends, over one connection that is kept. */
import { Agent, request } from 'node:http';
import { gunzipSync } from 'node:zlib';

export type Encoding = 'identity' | 'gzip';

const connections = new Agent({ keepAlive: true });

/** The default `scrape_protocols` of Prometheus 3.5. */
const ACCEPT = [
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5',
  'application/openmetrics-text;version=0.0.1;q=0.4',
  'text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3',
  'text/plain;version=0.0.4;q=0.2',
  '*/*;q=0.1',
].join(',');

/** The body as it was sent. */
export function scrape(url: string, encoding: Encoding): Promise<Buffer> {
  const headers = { accept: ACCEPT, 'accept-encoding': encoding, 'x-prometheus-scrape-timeout-seconds': '10' };
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  request(url, { headers, agent: connections }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('end', () => {
      if (response.statusCode === 200) resolve(Buffer.concat(chunks));
      else reject(new Error(`Cannot scrape ${url}: status ${response.statusCode}`));
    });
    response.on('error', reject);
  })
    .on('error', reject)
    .end();
  return promise;
}

export function textOf(body: Buffer): string {
  return (body[0] === 0x1f && body[1] === 0x8b ? gunzipSync(body) : body).toString();
}

export function countSeries(text: string): number {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
}
