/** Clients of the exporter `stream`, which keep what they are sent: by a plain HTTP request, and by Node.js' WebSocket. */
import { get, type IncomingMessage } from 'node:http';

export interface Frame {
  readonly frame: string;
  readonly [key: string]: unknown;
}

export interface StreamClient {
  readonly frames: Frame[];
  /** The ids of server-sent events, as `EPOCH-SEQ`. */
  readonly ids: string[];
  /** Sequence numbers of the events. */
  readonly seqs: number[];
  /** Resolves when as many events have come, or whatever else `isThere` says. */
  until(isThere: number | ((client: StreamClient) => boolean)): Promise<void>;
  /** Resolves when the connection has ended, with the code and reason of a WebSocket. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  /** Stops and goes on reading. */
  pause(): void;
  resume(): void;
  send(message: string): void;
  close(): void;
}

interface Core extends StreamClient {
  take(text: string): void;
  end(how: { code: number; reason: string }): void;
}

function createCore(): Core {
  const waiting: { isThere: (client: StreamClient) => boolean; resolve: () => void; reject: (e: Error) => void }[] = [];
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  let isClosed = false;
  const check = (): void => {
    for (const one of waiting.splice(0)) {
      if (one.isThere(core)) one.resolve();
      else if (isClosed) one.reject(new Error(`The stream ended: ${JSON.stringify(core.frames.slice(-3))}`));
      else waiting.push(one);
    }
  };
  const unsupported = (): never => {
    throw new Error('This client cannot do that');
  };
  const core: Core = {
    frames: [],
    ids: [],
    seqs: [],
    closed: closed.promise,
    take(text) {
      const frame = JSON.parse(text) as Frame;
      core.frames.push(frame);
      if (frame.frame === 'event') core.seqs.push(frame['seq'] as number);
      check();
    },
    end(how) {
      isClosed = true;
      closed.resolve(how);
      check();
    },
    until(isThere) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const test = typeof isThere === 'number' ? (): boolean => core.seqs.length >= isThere : isThere;
      waiting.push({ isThere: test, resolve, reject });
      check();
      return promise;
    },
    pause: unsupported,
    resume: unsupported,
    send: unsupported,
    close: unsupported,
  };
  return core;
}

/** @throws if the answer is not 200, with what it is */
export async function openEventStream(url: string, headers: Record<string, string> = {}): Promise<StreamClient> {
  const core = createCore();
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const asked = get(url, { headers, agent: false }, resolve).on('error', reject);
  const response = await promise;
  response.setEncoding('utf8');
  if (response.statusCode !== 200) {
    let text = '';
    for await (const chunk of response) text += String(chunk);
    throw new Error(`${response.statusCode} ${text.trim()}`);
  }
  let rest = '';
  response.on('data', (chunk: string) => {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop()!;
    for (const block of blocks) {
      const lines = block.split('\n');
      const id = lines.find((line) => line.startsWith('id: '));
      if (id !== undefined) core.ids.push(id.slice(4));
      const data = lines.find((line) => line.startsWith('data: '));
      if (data !== undefined) core.take(data.slice(6));
    }
  });
  response.on('error', () => {});
  response.once('close', () => core.end({ code: 0, reason: '' }));
  core.pause = () => void response.pause();
  core.resume = () => void response.resume();
  core.close = () => void asked.destroy();
  return core;
}

/** @throws if it is refused */
export async function openWebSocket(url: string): Promise<StreamClient> {
  const core = createCore();
  const socket = new WebSocket(url.replace(/^http/, 'ws'));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.addEventListener('open', () => resolve());
  socket.addEventListener('error', () => reject(new Error(`Cannot open a WebSocket at ${url}`)));
  socket.addEventListener('message', ({ data }) => core.take(String(data)));
  socket.addEventListener('close', ({ code, reason }) => core.end({ code, reason }));
  core.send = (message) => socket.send(message);
  core.close = () => socket.close(1000);
  await promise;
  return core;
}
