/** Brings one block to the back end: repeats what may succeed later, splits what is too large, settles every item once. */
import type {
  CommonPushConfig,
  ComponentFigures,
  ComponentLog,
  Payload,
  PushExporter,
  Request,
  SendResult,
} from '../component.ts';
import { messageOf, RetryableError } from '../errors.ts';
import type { Signal } from '../model/batch.ts';
import type { Account, DropReason } from './account.ts';
import { attempt, type Outcome } from './attempt.ts';
import type { Clock } from './clock.ts';
import type { DeadLetters } from './dead_letters.ts';
import { createBackoff } from './retry.ts';
import { EXPIRED, type Block } from './store.ts';
import { createTrouble } from './trouble.ts';

export interface CourierOptions {
  readonly exporter: Pick<PushExporter, 'send' | 'split'>;
  readonly config: Pick<CommonPushConfig, 'timeout' | 'retry' | 'queue'>;
  readonly figures: ComponentFigures;
  readonly account: Account;
  readonly log: ComponentLog;
  readonly clock: Clock;
  readonly random: () => number;
  /** What is not settled at the end stays in the queue; otherwise it is dropped. */
  readonly isDurable: boolean;
  readonly deadLetters: DeadLetters | undefined;
}

export interface Courier {
  /** Resolves when every item of the block is settled; false if some stay in the queue. Never rejects. */
  deliver(block: Block): Promise<boolean>;
  /** Drops the blocks that wait for a repetition and have to make room. */
  abandon(isMeant: (block: Block) => boolean): void;
  /** Ends the waits that the back end did not ask for: the agent is about to stop. */
  hurry(): void;
  /** Ends all requests and waits. */
  end(): void;
}

/** A wait before a repetition. */
interface Nap {
  readonly block: Block;
  readonly isAsked: boolean;
  readonly wake: () => void;
  isAbandoned: boolean;
}

export function createCourier(options: CourierOptions): Courier {
  const { exporter, config, figures, account, log, clock, random, isDurable, deadLetters } = options;
  const { max_age } = config.queue;
  let isHurried = false;
  let isEnded = false;
  const failing = createTrouble(`sending ${figures.signal}`, log, clock);
  const requests = new Set<() => void>();
  const naps = new Set<Nap>();

  async function deliver(block: Block): Promise<boolean> {
    const parts: Request[] = [block];
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      const refusal = await sendWhole(part, block);
      if (refusal === UNSETTLED) return false;
      if (refusal === undefined) continue;
      const { id } = part;
      const smaller = await split(part, block, refusal);
      parts.push(...smaller.map((own, index) => ({ ...own, id: `${id}.${index}` })).toReversed());
    }
    return true;
  }

  /**
   * Sends a request until it is settled, or until the back end says that it must be split: then returns its words.
   * UNSETTLED is for whoever opens the queue next.
   */
  async function sendWhole(whole: Request, block: Block): Promise<string | typeof UNSETTLED | undefined> {
    const { signal } = block;
    let request = whole;
    const began_ms = clock.now();
    const backoff = createBackoff(config.retry, random);
    while (!isEnded) {
      const outcome = await ask(request, signal);
      if (outcome.is === 'too_large') return outcome.error.message;
      if (outcome.is === 'rejected' || outcome.is === 'unknown') {
        const bug = outcome.is === 'unknown' ? outcome.error : undefined;
        await bury(request, block, 'rejected', messageOf(outcome.error), bug);
        return undefined;
      }
      let refusal: RetryableError;
      if (outcome.is === 'sent') {
        await settleSent(request, block, outcome.result);
        const { again } = outcome.result;
        if (again === undefined) return undefined;
        request = { ...again, id: `${request.id}+` };
        refusal = new RetryableError(outcome.result.message ?? 'the back end could not take some items');
      } else {
        refusal = outcome.error;
      }
      if (isEnded) break;
      const { message, retryAfter_ms } = refusal;
      figures.reason = message;
      // An agent that ends leaves to the next one what the back end does not take.
      if (isDurable && isHurried) return UNSETTLED;
      if (max_age > 0 && clock.wall() - block.time_ms > max_age) {
        account.drop('expired', request.count, EXPIRED);
        return undefined;
      }
      const wait_ms = backoff.next(clock.now() - began_ms, retryAfter_ms);
      if (wait_ms === undefined) {
        await bury(request, block, 'retry_exhausted', `Gives up a request of ${signal}: ${message}`);
        return undefined;
      }
      failing.has(`Sending ${signal} fails, and is tried again: ${message}`);
      if (await wait(block, wait_ms, retryAfter_ms !== undefined)) {
        account.drop('queue_full', request.count);
        return undefined;
      }
    }
    if (isDurable) return UNSETTLED;
    account.drop('shutdown', request.count);
    return undefined;
  }

  async function ask(request: Request, signal: Signal): Promise<Outcome> {
    const began_ms = clock.now();
    const { outcome, giveUp } = attempt(exporter, request, signal, config.timeout, clock);
    requests.add(giveUp);
    const result = await outcome;
    requests.delete(giveUp);
    figures.operations += 1;
    figures.duration_s += (clock.now() - began_ms) / 1000;
    if (result.is !== 'sent') figures.failed += 1;
    if (result.is === 'retryable' && result.isTimeout) figures.timed_out += 1;
    return result;
  }

  /** Settles all items of an accepted request but those that are sent again. */
  async function settleSent({ count, id }: Request, block: Block, result: SendResult): Promise<void> {
    const { refused, again, rejected = 0, message = '' } = result;
    const open = Math.max(0, count - (again?.count ?? 0));
    const known = Math.min(refused?.count ?? 0, open);
    const unknown = Math.min(Math.max(rejected, 0), open - known);
    account.sent(open - known - unknown);
    const words = `The back end refuses some items: ${message}`;
    if (unknown > 0) account.drop('rejected_by_backend', unknown, words);
    if (refused !== undefined && known > 0) {
      await bury({ body: refused.body, count: known, id }, block, 'rejected_by_backend', words);
    }
    if (unknown === 0 && known === 0 && message !== '' && again === undefined) {
      account.mention('warning', `The back end warns: ${message}`);
    }
    if (again !== undefined) return;
    figures.reason = '';
    failing.isOver(`Sends ${block.signal} again`);
  }

  /** Drops a request; what it held is kept aside where there is a place for it. */
  async function bury(request: Request, block: Block, reason: DropReason, why: string, bug?: unknown): Promise<void> {
    const { id, body, count } = request;
    await deadLetters?.keep({ id, body, count, signal: block.signal, time_ms: block.time_ms, reason, why });
    account.drop(reason, count, why, bug);
  }

  /** Parts that are smaller than the whole, which drops what they do not hold; none where it cannot be split. */
  async function split(payload: Request, block: Block, refusal: string): Promise<readonly Payload[]> {
    let parts: readonly Payload[] = [];
    let bug: unknown;
    try {
      parts = exporter.split?.(payload, block.signal) ?? [];
    } catch (error) {
      bug = error;
    }
    const missing = payload.count - parts.reduce((sum, part) => sum + part.count, 0);
    // A part as large as the whole would be refused, and split, for ever; more items than there were are a bug.
    if (parts.some(({ body }) => body.byteLength >= payload.body.byteLength) || missing < 0) parts = [];
    if (parts.length === 0) await bury(payload, block, 'too_large', refusal, bug);
    else if (missing > 0) account.drop('too_large', missing, refusal, bug);
    return parts;
  }

  /** Whether the block was abandoned meanwhile. */
  async function wait(block: Block, delay_ms: number, isAsked: boolean): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const nap: Nap = { block, isAsked, wake: resolve, isAbandoned: false };
    const callOff = clock.after(delay_ms, resolve);
    naps.add(nap);
    await promise;
    naps.delete(nap);
    callOff();
    return nap.isAbandoned;
  }

  return {
    deliver,
    abandon(isMeant) {
      for (const nap of naps) {
        if (!isMeant(nap.block)) continue;
        nap.isAbandoned = true;
        nap.wake();
      }
    },
    hurry() {
      isHurried = true;
      for (const { wake, isAsked } of naps) if (!isAsked || isDurable) wake();
    },
    end() {
      isEnded = true;
      for (const giveUp of requests) giveUp();
      for (const { wake } of naps) wake();
    },
  };
}

const UNSETTLED = Symbol('unsettled');
