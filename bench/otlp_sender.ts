/**
 * A process that sends bodies to `/v1/SIGNAL`, one every so often whether the one before was answered or not, as many
 * applications do together. It is told what to send by messages; of each it tells how many were not taken.
 */
import { fork } from 'node:child_process';
import { Agent, request } from 'node:http';
import { gzipSync } from 'node:zlib';
import type { Signal } from '../src/model/batch.ts';
import { bodiesOf } from './otlp_bodies.ts';
import { sleep } from './process.ts';

export interface Burst {
  readonly port: number;
  readonly signal: Signal;
  readonly compression: 'none' | 'gzip';
  readonly bodies: number;
  readonly gap_ms: number;
}

export interface Sender {
  /** Resolves when every body was answered. @throws if one was not taken */
  send(burst: Burst): Promise<void>;
  stop(): void;
}

export function startSender(): Sender {
  const child = fork(import.meta.filename, { stdio: 'inherit' });
  return {
    async send(burst) {
      const { promise, resolve } = Promise.withResolvers<number>();
      child.once('message', (refused) => resolve(refused as number));
      child.send(burst);
      const refused = await promise;
      if (refused > 0) throw new Error(`Cannot measure: ${refused} of ${burst.bodies} bodies were refused`);
    },
    stop: () => void child.kill(),
  };
}

if (process.argv[1] === import.meta.filename) {
  const connections = new Agent({ keepAlive: true });
  process.on('message', (burst: Burst) => {
    void sendAll(burst, connections).then((refused) => process.send!(refused));
  });
}

async function sendAll({ port, signal, compression, bodies, gap_ms }: Burst, agent: Agent): Promise<number> {
  const plain = await bodiesOf(signal);
  const all = compression === 'gzip' ? plain.map((body) => gzipSync(body)) : plain;
  const post = (body: Uint8Array): Promise<boolean> => {
    const headers = {
      'content-type': 'application/x-protobuf',
      'content-length': body.length,
      ...(compression === 'gzip' && { 'content-encoding': 'gzip' }),
    };
    const options = { host: '127.0.0.1', port, path: `/v1/${signal}`, method: 'POST', headers, agent };
    return new Promise((resolve) => {
      request(options, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode === 200));
      })
        .on('error', () => resolve(false))
        .end(body);
    });
  };
  const answers: Promise<boolean>[] = [];
  const began_ms = performance.now();
  for (let index = 0; index < bodies; index++) {
    answers.push(post(all[index % all.length]!));
    // By the clock, or what a timer is late would slow down whoever is measured on a busy machine.
    await sleep(Math.max(0, began_ms + (index + 1) * gap_ms - performance.now()));
  }
  return (await Promise.all(answers)).filter((wasTaken) => !wasTaken).length;
}
