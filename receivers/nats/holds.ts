/**
 * The messages that the server waits for an answer about (nats-docs, "Acknowledging Messages"). Answers go to the subject
 * that came with a message, by whatever connection there is: what was taken while there was none is acknowledged by the
 * next one, and not taken again when it comes again meanwhile.
 */
import type { JsMsg } from '@nats-io/jetstream';
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
  readonly size: number;
  /** Begins to tell the server, for as long as a message is held, that it is being worked on. */
  start(): void;
  /** Undefined where the message is held already: it came again. */
  add(message: Message): Hold | undefined;
  /** The pipelines have it. Resolves when the server knows, or when this is over and it cannot be told. */
  acknowledge(hold: Hold): Promise<void>;
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

export function createHolds(client: Pick<NatsClient, 'connection' | 'current'>, ackWait_ms: number): Holds {
  const held = new Map<string, Hold>();
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

  async function confirm(hold: Hold): Promise<void> {
    while (!ending.signal.aborted) {
      try {
        const current = await client.connection(ending.signal);
        await current.request(hold.reply, '+ACK', { timeout: CONFIRM_TIMEOUT_MS });
        return;
      } catch (error) {
        // Nobody is there to be told: the consumer was deleted.
        if ((error as { isNoResponders?: () => boolean }).isNoResponders?.() === true) return;
        await sleep(PAUSE_MS, ending.signal);
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
      const again = held.get(keyOf(message));
      if (again !== undefined) {
        again.reply = message.reply;
        return undefined;
      }
      const hold = { reply: message.reply, message };
      held.set(keyOf(message), hold);
      return hold;
    },
    async acknowledge(hold) {
      await confirm(hold);
      release(hold);
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
