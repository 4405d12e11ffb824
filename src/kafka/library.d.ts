/**
 * What is used of `@platformatic/kafka`; `paths` in tsconfig.json puts it in the place of the library's own declarations,
 * which do not compile (2.12.1: `TracingChannel<string, …>`, and `debug` without types).
 */
import type { EventEmitter } from 'node:events';

/** A value, or what gives it, asked at each connection. */
type Provider<T = string> = T | (() => T);

interface SaslOptions {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'OAUTHBEARER';
  readonly username?: Provider;
  readonly password?: Provider;
  readonly token?: Provider;
  readonly oauthBearerExtensions?: Readonly<Record<string, string>>;
}

export interface ClientOptions {
  readonly clientId: string;
  readonly bootstrapBrokers: string[];
  readonly connectTimeout?: number;
  readonly requestTimeout?: number;
  /** Milliseconds that a broker may take over a request. */
  readonly timeout?: number;
  readonly retries?: number;
  readonly retryDelay?: number;
  readonly sasl?: SaslOptions;
  readonly tls?: import('node:tls').ConnectionOptions;
}

export interface Pool {
  on(
    event: 'connecting',
    listener: (payload: {
      readonly broker: { readonly host: string };
      readonly connection: NodeJS.EventEmitter;
    }) => void,
  ): void;
}

/** Emits `error` of its own accord, as when it cannot join its group again, and `consumer:group:join`. */
declare class Client extends EventEmitter {
  readonly connections: Pool;
  /** `force` ends what is under way. */
  close(force: boolean): Promise<void>;
}

export interface MessageToProduce {
  readonly topic: string;
  readonly key?: Buffer;
  readonly value: Buffer;
  readonly headers: ReadonlyMap<Buffer, Buffer>;
}

export class Producer extends Client {
  constructor(
    options: ClientOptions & {
      readonly idempotent: true;
      readonly compression: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
      readonly autocreateTopics: boolean;
    },
  );
  send(options: { readonly messages: readonly MessageToProduce[] }): Promise<unknown>;
}

export interface Message {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly leaderEpoch: number;
  /** Absent of a record that only marks its key as deleted. */
  readonly value: Buffer | undefined;
}

export interface MessagesStream extends AsyncIterable<Message> {
  readonly connections: Pool;
  destroy(): void;
  on(event: 'error', listener: (error: Error) => void): void;
}

export interface OffsetToCommit {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly leaderEpoch: number;
}

export class Consumer extends Client {
  constructor(
    options: ClientOptions & {
      readonly groupId: string;
      readonly sessionTimeout: number;
      readonly rebalanceTimeout: number;
      readonly heartbeatInterval: number;
      readonly autocommit: false;
      readonly maxBytes: number;
      readonly maxWaitTime: number;
      readonly minBytes: number;
      /** Messages, beyond which it fetches no more. */
      readonly highWaterMark: number;
    },
  );
  /** Undefined while it is no member of its group. */
  readonly assignments: readonly { readonly topic: string; readonly partitions: readonly number[] }[] | null;
  consume(options: {
    readonly topics: readonly string[];
    readonly mode: 'committed';
    readonly fallbackMode: 'earliest' | 'latest';
  }): Promise<MessagesStream>;
  commit(options: { readonly offsets: readonly OffsetToCommit[] }): Promise<void>;
}
