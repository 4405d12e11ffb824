/** All clients of a stream: who may come, what they are sent when events come, and who is sent away. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LogRecord } from '../../src/model/batch.ts';
import { LineWriter } from '../../src/text/line_writer.ts';
import { messageOf } from '../../src/errors.ts';
import { Client, type Account, type Channel, type ChannelEvents, type Start } from './client.ts';
import { readFilter, type Filter } from './filter.ts';
import type { Ring } from './ring.ts';
import { CLOSE } from './websocket.ts';

export interface ClientsOptions {
  readonly ring: Ring;
  readonly max_clients: number;
  readonly max_clients_per_address: number;
  readonly client_timeout_ms: number;
  readonly keep_alive_ms: number;
}

/** Why clients were sent away. */
export type DropReason = 'beyond_ring' | 'timeout' | 'silent';

export interface StreamAccount extends Account {
  readonly dropped: Record<DropReason, number>;
  /** Turned away at the door. */
  refused: number;
}

export interface Clients {
  readonly account: StreamAccount;
  /** How many there are, by transport. */
  counts(): Readonly<Record<Channel['transport'], number>>;
  /** Why one from there may not come now, as the HTTP status and words. */
  refusal(address: string): readonly [status: string, text: string] | undefined;
  add(channel: Channel, filter: Filter, start: Start): void;
  /** Takes events: what comes within some milliseconds is sent at once. */
  take(records: readonly LogRecord[]): Promise<void> | void;
  /** Says goodbye to all. */
  stop(): Promise<void>;
}

/** What comes within so long travels together: nobody sees it, and each write costs more than an event. */
const GATHER_MS = 20;
const SWEEP_MS = 1000;
/** How long one that is sent away may take over reading why. */
const LINGER_MS = 30_000;
const STOP_MS = 1000;

const REASONS: Readonly<Record<DropReason, string>> = {
  beyond_ring: 'too slow: the next event is no longer kept',
  timeout: 'too slow: nothing was read for too long',
  silent: 'no answer to pings',
};

export function createClients(options: ClientsOptions): Clients {
  const { ring, max_clients, max_clients_per_address, client_timeout_ms, keep_alive_ms } = options;
  const clients = new Set<Client>();
  /** Sent away, and not gone; by the time at which their connection is destroyed. */
  const leaving = new Map<Channel, number>();
  const account: StreamAccount = { sent: 0, refused: 0, dropped: { beyond_ring: 0, timeout: 0, silent: 0 } };
  const writer = new LineWriter();
  let gathering: NodeJS.Timeout | undefined;
  let sweeping: NodeJS.Timeout | undefined;
  let lastKeepAlive_ms = 0;
  let onEmpty: (() => void) | undefined;

  function publish(): void {
    clearTimeout(gathering);
    gathering = undefined;
    ring.seal();
    for (const client of clients) client.pump();
    ring.evict();
    const now_ms = performance.now();
    for (const client of clients) dropIfSlow(client, now_ms);
  }

  function dropIfSlow(client: Client, now_ms: number): void {
    const reason = client.slowness(now_ms, client_timeout_ms);
    if (reason !== undefined) drop(client, reason);
  }

  function drop(client: Client, reason: DropReason): void {
    account.dropped[reason]++;
    dismiss(client, CLOSE.tryAgainLater, REASONS[reason]);
  }

  function dismiss(client: Client, code: number, reason: string): void {
    if (!clients.delete(client)) return;
    client.dismiss(code, reason);
    const { channel } = client;
    leaving.set(channel, performance.now() + LINGER_MS);
    // Not more memory than clients may take anyway.
    if (leaving.size > max_clients) leaving.keys().next().value!.destroy();
  }

  function sweep(): void {
    const now_ms = performance.now();
    for (const client of clients) dropIfSlow(client, now_ms);
    for (const [channel, end_ms] of leaving) if (now_ms >= end_ms) channel.destroy();
    if (now_ms - lastKeepAlive_ms < keep_alive_ms) return;
    lastKeepAlive_ms = now_ms;
    for (const client of clients) {
      if (client.isSilent(now_ms, 3 * keep_alive_ms)) drop(client, 'silent');
      else client.keepAlive();
    }
  }

  function gone(client: Client): void {
    clients.delete(client);
    leaving.delete(client.channel);
    if (clients.size > 0 || leaving.size > 0) return;
    clearInterval(sweeping);
    sweeping = undefined;
    onEmpty?.();
  }

  function eventsOf(client: Client): ChannelEvents {
    return {
      drained: () => client.drained(performance.now()),
      heard: () => client.heard(performance.now()),
      message(text) {
        if (client.isOver) return;
        try {
          const { filter } = parseMessage(text);
          // What came before is judged by the filter before.
          publish();
          client.setFilter(readFilter(filter));
        } catch (error) {
          client.notify({ frame: 'error', message: messageOf(error) });
        }
      },
      leave: (code, reason) => dismiss(client, code, reason),
      closed: () => gone(client),
    };
  }

  /** The rest of a batch that is longer than a block: one block each turn of the event loop, so that sockets get theirs. */
  async function takeRest(records: readonly LogRecord[], from: number): Promise<void> {
    for (let at = from; at < records.length;) {
      await nextTurn();
      at = takeBlock(records, at);
    }
  }

  /** Returns the index behind what it took. */
  function takeBlock(records: readonly LogRecord[], from: number): number {
    for (let at = from; at < records.length; at++) {
      if (!ring.append(records[at]!)) continue;
      publish();
      return at + 1;
    }
    gathering ??= setTimeout(publish, GATHER_MS);
    return records.length;
  }

  return {
    account,
    counts() {
      let websocket = 0;
      for (const { channel } of clients) if (channel.transport === 'websocket') websocket++;
      return { websocket, event_source: clients.size - websocket };
    },
    refusal(address) {
      if (clients.size >= max_clients) {
        account.refused++;
        return [
          '503 Service Unavailable',
          `Cannot take another client: there are ${clients.size}, as many as max_clients allows`,
        ];
      }
      let count = 0;
      for (const { channel } of clients) if (channel.address === address) count++;
      if (count < max_clients_per_address) return undefined;
      account.refused++;
      return [
        '429 Too Many Requests',
        `Cannot take another client from there: ${count} are as many as max_clients_per_address allows`,
      ];
    },
    add(channel, filter, start) {
      const client = new Client(channel, ring, filter, writer, account, performance.now());
      // It begins behind what came before it.
      publish();
      clients.add(client);
      sweeping ??= setInterval(sweep, SWEEP_MS);
      client.begin(start);
      channel.listen(eventsOf(client));
    },
    take(records) {
      const taken = takeBlock(records, 0);
      return taken < records.length ? takeRest(records, taken) : undefined;
    },
    async stop() {
      publish();
      for (const client of clients) dismiss(client, CLOSE.goingAway, 'the agent stops or changes');
      if (leaving.size > 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        onEmpty = resolve;
        const deadline = setTimeout(() => {
          for (const channel of leaving.keys()) channel.destroy();
        }, STOP_MS);
        await promise;
        clearTimeout(deadline);
      }
      clearInterval(sweeping);
      clearTimeout(gathering);
    },
  };
}

function parseMessage(text: string): { readonly filter: unknown } {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch (error) {
    throw new SyntaxError('Cannot read the message: it is no JSON', { cause: error });
  }
  const isFilter = typeof message === 'object' && message !== null && Object.keys(message).join() === 'filter';
  if (!isFilter) throw new SyntaxError('Cannot read the message: {"filter":{…}} is all that is understood');
  return message as { filter: unknown };
}
