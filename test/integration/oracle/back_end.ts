/** A back end by OTLP, HTTP and gRPC, that takes, refuses, dawdles, hangs and is away as it is told. */
import * as grpc from '@grpc/grpc-js';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { decodeNumbers, NUMBERED_SIGNALS, type NumberedSignal } from './numbered.ts';
import type { Random } from './random.ts';

/**
 * `flaky` refuses 70 % of the requests, `late` answers some time after it took them, `hanging` reads and never answers,
 * `away` refuses connections.
 */
export type Mood = 'taking' | 'flaky' | 'late' | 'hanging' | 'away';

export interface BackEndOptions {
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly random: Random;
  /** It took these, and will say so. */
  readonly onTaken: (signal: NumberedSignal, numbers: readonly number[]) => void;
  /** It took these, and nobody will hear of it, by no fault of the agent. */
  readonly onUnanswered: (signal: NumberedSignal, numbers: readonly number[]) => void;
}

export interface BackEnd extends AsyncDisposable {
  readonly mood: Mood;
  /** Requests that it refused. */
  readonly refusals: number;
  become(mood: Mood): Promise<void>;
}

/** What becomes of a request. */
type Verdict = 'take' | 'refuse' | 'ignore' | { readonly takeAndAnswerAfter_ms: number };

const REFUSED_SHARE = 0.7;
const LATEST_MS = 150;

export async function startBackEnd(options: BackEndOptions): Promise<BackEnd> {
  const { httpPort, grpcPort, random } = options;
  let mood: Mood = 'taking';
  let refusals = 0;
  let listening: Listening | undefined;
  let changing: Promise<void> = Promise.resolve();
  const unanswered = new Set<{ readonly signal: NumberedSignal; readonly numbers: readonly number[] }>();

  /** `answer` says whether it took it. */
  function take(signal: NumberedSignal, body: Uint8Array, answer: (isTaken: boolean) => void): void {
    const verdict = judge();
    if (verdict === 'ignore') return;
    if (verdict === 'refuse') {
      refusals += 1;
      return answer(false);
    }
    const numbers = decodeNumbers(signal, body);
    options.onTaken(signal, numbers);
    if (verdict === 'take') return answer(true);
    const open = { signal, numbers };
    unanswered.add(open);
    setTimeout(() => {
      if (unanswered.delete(open)) answer(true);
    }, verdict.takeAndAnswerAfter_ms);
  }

  function judge(): Verdict {
    if (mood === 'taking') return 'take';
    if (mood === 'flaky') return random.chance(REFUSED_SHARE) ? 'refuse' : 'take';
    return mood === 'late' ? { takeAndAnswerAfter_ms: random.int(1, LATEST_MS) } : 'ignore';
  }

  async function change(next: Mood): Promise<void> {
    const isStuck = mood === 'hanging' && next !== 'hanging';
    mood = next;
    if (next === 'away' || isStuck) {
      for (const { signal, numbers } of unanswered) options.onUnanswered(signal, numbers);
      unanswered.clear();
      await listening?.close();
      listening = undefined;
    }
    if (next !== 'away') listening ??= await listen(httpPort, grpcPort, take);
  }

  const become = (next: Mood): Promise<void> => (changing = changing.then(() => change(next)));
  await become('taking');
  return {
    get mood() {
      return mood;
    },
    get refusals() {
      return refusals;
    },
    become,
    [Symbol.asyncDispose]: () => become('away'),
  };
}

interface Listening {
  /** Cuts all connections. */
  close(): Promise<void>;
}

type Take = (signal: NumberedSignal, body: Uint8Array, answer: (isTaken: boolean) => void) => void;

async function listen(httpPort: number, grpcPort: number, take: Take): Promise<Listening> {
  const http = await listenHttp(httpPort, take);
  const rpc = await listenGrpc(grpcPort, take);
  return {
    async close() {
      rpc.forceShutdown();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

async function listenHttp(port: number, take: Take): Promise<Server> {
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const signal = NUMBERED_SIGNALS.find((one) => request.url === `/v1/${one}`)!;
    request.toArray().then(
      (chunks: Buffer[]) => {
        const bytes = Buffer.concat(chunks);
        const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes;
        take(signal, body, (isTaken) => {
          response.writeHead(isTaken ? 200 : 503, { 'content-type': 'application/x-protobuf' });
          response.end();
        });
      },
      // Whoever sent it is gone.
      () => undefined,
    );
  };
  const server = createServer(answer);
  server.on('connection', (socket: Socket) => socket.on('error', () => undefined));
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return server;
}

async function listenGrpc(port: number, take: Take): Promise<grpc.Server> {
  const server = new grpc.Server();
  const same = (bytes: Buffer): Buffer => bytes;
  for (const signal of NUMBERED_SIGNALS) {
    const service = `opentelemetry.proto.collector.${signal}.v1.${signal === 'logs' ? 'Logs' : 'Metrics'}Service`;
    const method = {
      path: `/${service}/Export`,
      requestStream: false,
      responseStream: false,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    };
    server.addService(
      { Export: method },
      {
        Export({ request }: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>) {
          take(signal, request, (isTaken) => {
            if (isTaken) answer(null, Buffer.alloc(0));
            else answer({ code: grpc.status.UNAVAILABLE, details: 'not now' });
          });
        },
      },
    );
  }
  const insecure = grpc.ServerCredentials.createInsecure();
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, insecure, (error) => (error === null ? resolve() : reject(error))),
  );
  return server;
}
