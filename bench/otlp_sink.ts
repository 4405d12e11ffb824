/**
 * A process that takes every OTLP request, as a back end would, and keeps it until it is asked what came. Whoever sends
 * to it is measured meanwhile: what it holds is looked at only then.
 */
import { fork } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import type { Signal } from '../src/model/batch.ts';
import { countItems } from '../src/model/otlp/requests.ts';

export interface Received {
  readonly requests: number;
  /** Points and records. */
  readonly items: number;
  /** As they travelled. */
  readonly bytes: number;
}

export interface Sink {
  readonly url: string;
  /** What came since it was asked last. */
  received(): Promise<Received>;
  stop(): void;
}

export async function startSink(): Promise<Sink> {
  const child = fork(import.meta.filename, { stdio: 'inherit' });
  const next = (): Promise<unknown> => new Promise((resolve) => child.once('message', resolve));
  const port = (await next()) as number;
  return {
    url: `http://127.0.0.1:${port}`,
    received() {
      const answer = next();
      child.send('received');
      return answer as Promise<Received>;
    },
    stop: () => void child.kill(),
  };
}

interface Held {
  readonly signal: Signal;
  readonly isCompressed: boolean;
  readonly body: Buffer;
}

if (process.argv[1] === import.meta.filename) {
  let held: Held[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const signal = request.url!.slice('/v1/'.length) as Signal;
      held.push({
        signal,
        isCompressed: request.headers['content-encoding'] === 'gzip',
        body: Buffer.concat(chunks),
      });
      response.writeHead(200, { 'content-type': 'application/x-protobuf', 'content-length': 0 }).end();
    });
  });
  // Longer than a turn of the others: no contestant shall have to connect anew.
  server.keepAliveTimeout = 120_000;
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port));
  process.on('message', () => {
    const received = { requests: held.length, items: 0, bytes: 0 };
    for (const { signal, isCompressed, body } of held) {
      received.items += countItems(isCompressed ? gunzipSync(body) : body, signal);
      received.bytes += body.length;
    }
    held = [];
    process.send!(received satisfies Received);
  });
}
