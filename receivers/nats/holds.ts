/**
 * The messages that the server waits for an answer about (nats-docs, "Acknowledging Messages"). Answers go to the subject
 * that came with a message, by whatever connection there is: what was taken while there was none is acknowledged by the
 * next one, and not taken again when it comes again meanwhile.
 *
 * A server that was killed may have forgotten that it delivered a message, and then does not answer to what it is told of
 * it (nats-server, consumer.go, `processAckMsg`) before it has delivered it again. So what the pipelines have takes no
 * room here that messages to come need.
 */
import type { JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { NatsClient } from '../../src/nats/client.ts';
import { sleep } from '../../src/sleep.ts';

export interface Hold {
  /** Where answers go; another one each time that the message comes. */
  reply: string;
  readonly message: Message;
}

/** The library's messages have the field, though its types do not tell. */
export type Message = JsMsg & { readonly reply: string };

export interface Holds {
  /** How many the pipelines have not taken. */
  readonly size: number;
  /** Begins to tell the server, for as long as a message is held, that it is being worked on. */
  start(): void;
  /** Undefined where the message is held or was taken already: it came again. */
  add(message: Message): Hold | undefined;
  /** The pipelines have it: it is held no longer, and the server is told. */
  acknowledge(hold: Hold): void;
  /** Resolves when the server has answered to all acknowledgements, or is found not to. */
  acknowledged(): Promise<void>;
  /** It shall come again, in `delay_ms`. */
  giveBack(hold: Hold, delay_ms: number): void;
  /** It shall never come again. */
  refuse(hold: Hold, reason: string): void;
  /** Resolves when fewer than `count` are held, or when `abort` comes. */
  fewerThan(count: number, abort: AbortSignal): Promise<void>;
  /** From now on nothing is waited for. */
  end(): void;
}

const CONFIRM_TIMEOUT_MS = 5000;
const PAUSE_MS = 500;
/** Of these only some hundred bytes are kept; those over it would be taken twice if they came again. */
const MOST_UNCONFIRMED = 10_000;

export function createHolds(client: Pick<NatsClient, 'connection' | 'current'>, ackWait_ms: number): Holds {
  const held = new Map<string, Hold>();
  /** Where to acknowledge what the pipelines have, as long as the server did not say that it knows; oldest first. */
  const unconfirmed = new Map<string, string>();
  const telling = new Set<Promise<void>>();
  const ending = new AbortController();
  let waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  let beat: NodeJS.Timeout | undefined;

  /** As long as the pipelines are not through with a message, no other receiver shall have it. */
  function sayWorking(): void {
    for (const { reply } of held.values()) answer(reply, '+WPI');
  }

  /** Where there is no connection the answer is left out: the message comes again. */
  function answer(reply: string, words: string): void {
    try {
      client.current?.publish(reply, words);
    } catch {
      // It is just being closed.
    }
  }

  function release({ message }: Hold): void {
    held.delete(keyOf(message));
    for (const { resolve } of waiting.filter(({ count }) => held.size < count)) resolve();
    waiting = waiting.filter(({ count }) => held.size >= count);
  }

  function tell(key: string, reply: string): void {
    unconfirmed.delete(key);
    unconfirmed.set(key, reply);
    if (unconfirmed.size > MOST_UNCONFIRMED) unconfirmed.delete(unconfirmed.keys().next().value!);
    const told = confirm(key).finally(() => telling.delete(told));
    telling.add(told);
  }

  async function confirm(key: string): Promise<void> {
    while (!ending.signal.aborted) {
      let current: NatsConnection | undefined;
      try {
        current = await client.connection(ending.signal);
        const reply = unconfirmed.get(key);
        if (reply === undefined) return;
        await current.request(reply, '+ACK', { timeout: CONFIRM_TIMEOUT_MS });
        unconfirmed.delete(key);
        return;
      } catch {
        // The library fails the requests of a lost connection before it calls it closed.
        await sleep(PAUSE_MS, ending.signal);
        // A server that is there and does not confirm knows nothing of it: it is told anew when the message comes again.
        if (current?.isClosed() === false) return;
      }
    }
  }

  return {
    get size() {
      return held.size;
    },
    start() {
      // Three times within the server's patience, so that one may be lost.
      beat = setInterval(sayWorking, ackWait_ms / 3);
    },
    add(message) {
      const key = keyOf(message);
      if (unconfirmed.has(key)) {
        tell(key, message.reply);
        return undefined;
      }
      const again = held.get(key);
      if (again !== undefined) {
        again.reply = message.reply;
        return undefined;
      }
      const hold = { reply: message.reply, message };
      held.set(key, hold);
      return hold;
    },
    acknowledge(hold) {
      release(hold);
      tell(keyOf(hold.message), hold.reply);
    },
    async acknowledged() {
      await Promise.all(telling);
    },
    giveBack(hold, delay_ms) {
      answer(hold.reply, delay_ms === 0 ? '-NAK' : `-NAK ${JSON.stringify({ delay: delay_ms * 1_000_000 })}`);
      release(hold);
    },
    refuse(hold, reason) {
      answer(hold.reply, `+TERM ${reason.replaceAll(/\s+/g, ' ')}`);
      release(hold);
    },
    async fewerThan(count, abort) {
      if (held.size < count || abort.aborted) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ count, resolve });
      const giveUp = (): void => resolve();
      abort.addEventListener('abort', giveUp);
      await promise;
      abort.removeEventListener('abort', giveUp);
    },
    end() {
      clearInterval(beat);
      ending.abort();
    },
  };
}

/** The same each time that the server sends the message, and another for every message, also of a stream made anew. */
function keyOf({ info }: JsMsg): string {
  return `${info.streamSequence} ${info.timestampNanos}`;
}
