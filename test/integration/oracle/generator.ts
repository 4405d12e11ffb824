/** Sends numbered items to the agent, and owes the back ends what the agent answered 200 to. */
import { request } from 'node:http';
import type { Obligations } from './obligations.ts';
import { encodeJson, encodeProtobuf, NUMBERED_SIGNALS } from './numbered.ts';
import type { Random } from './random.ts';

export interface Generator {
  /** Sends no more; whether the agent answered all that was under way, in this time. */
  stop(patience_ms?: number): Promise<boolean>;
}

const SENDERS = 3;
const LARGEST = 30;
/** A queue that is full lets its senders wait. */
const PATIENCE_MS = 1000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

export function startGenerator(port: number, obligations: Obligations, random: Random): Generator {
  const controller = new AbortController();
  let isOver = false;
  let isAnswered = true;

  async function sendAll(): Promise<void> {
    while (!isOver) {
      const signal = random.pick(NUMBERED_SIGNALS);
      const numbers = obligations.offer(signal, random.int(1, LARGEST));
      const isJson = random.chance(0.2);
      const body = isJson ? encodeJson(signal, numbers) : encodeProtobuf(signal, numbers);
      const status = await post(port, `/v1/${signal}`, body, isJson, controller.signal);
      if (status === 200) obligations.owe(signal, numbers);
      else if (status !== 'not connected') isAnswered = false;
      await pause(status === 200 ? random.int(0, 8) : 10);
    }
  }

  const senders = Array.from({ length: SENDERS }, sendAll);
  return {
    async stop(patience_ms = PATIENCE_MS) {
      isOver = true;
      const callOff = setTimeout(() => controller.abort(), patience_ms);
      await Promise.all(senders);
      clearTimeout(callOff);
      return isAnswered;
    },
  };
}

/** Its status; `unknown` where the connection broke, or was given up, before there was one. */
export function post(
  port: number,
  path: string,
  body: Uint8Array,
  isJson: boolean,
  abort?: AbortSignal,
): Promise<number | 'not connected' | 'unknown'> {
  return new Promise((resolve) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method: 'POST',
        headers: { 'content-type': isJson ? 'application/json' : 'application/x-protobuf' },
        ...(abort !== undefined && { signal: abort }),
      },
      (response) => {
        response.on('error', () => undefined).resume();
        resolve(response.statusCode!);
      },
    );
    outgoing.on('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ECONNREFUSED' ? 'not connected' : 'unknown'),
    );
    outgoing.end(body);
  });
}
