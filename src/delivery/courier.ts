/** Brings one block to the back end: repeats what may succeed later, splits what is too large, settles every item once. */
import type { CommonPushConfig, ComponentFigures, ComponentLog, Payload, PushExporter, Request } from '../component.ts';
import { messageOf } from '../errors.ts';
import type { Signal } from '../model/batch.ts';
import type { Account } from './account.ts';
import { attempt, type Outcome } from './attempt.ts';
import type { Clock } from './clock.ts';
import { createBackoff } from './retry.ts';
import type { Block } from './store.ts';

export interface CourierOptions {
  readonly exporter: Pick<PushExporter, 'send' | 'split'>;
  readonly config: Pick<CommonPushConfig, 'timeout' | 'retry'>;
  readonly figures: ComponentFigures;
  readonly account: Account;
  readonly log: ComponentLog;
  readonly clock: Clock;
  readonly random: () => number;
}

export interface Courier {
  /** Resolves when every item of the block is settled; never rejects. */
  deliver(block: Block): Promise<void>;
  /** Ends the waits that the back end did not ask for: the agent is about to stop. */
  hurry(): void;
  /** Ends all requests and waits: what is not settled is dropped. */
  end(): void;
}

export function createCourier({ exporter, config, figures, account, log, clock, random }: CourierOptions): Courier {
  let isEnded = false;
  const requests = new Set<() => void>();
  const waits = new Set<{ readonly wake: () => void; readonly isAsked: boolean }>();

  async function deliver(block: Block): Promise<void> {
    const parts: Request[] = [block];
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      const refusal = await sendWhole(part, block.signal);
      if (refusal === undefined) continue;
      const { id } = part;
      const smaller = split(part, block.signal, refusal).map((own, index) => ({ ...own, id: `${id}.${index}` }));
      parts.push(...smaller.toReversed());
    }
  }

  /** Sends a payload until it is settled, or until the back end says that it must be split: then returns its words. */
  async function sendWhole(payload: Request, signal: Signal): Promise<string | undefined> {
    const { count } = payload;
    const began_ms = clock.now();
    const backoff = createBackoff(config.retry, random);
    while (!isEnded) {
      const outcome = await request(payload, signal);
      if (outcome.is === 'too_large') return outcome.error.message;
      if (outcome.is !== 'retryable') {
        settle(count, signal, outcome);
        return undefined;
      }
      if (isEnded) break;
      const { message, retryAfter_ms } = outcome.error;
      const wait_ms = backoff.next(clock.now() - began_ms, retryAfter_ms);
      figures.reason = message;
      if (wait_ms === undefined) {
        account.drop('retry_exhausted', count, `Gives up a request of ${signal}: ${message}`);
        return undefined;
      }
      log.once(`sending ${signal}`, `Sending ${signal} fails, and is tried again: ${message}`);
      await wait(wait_ms, retryAfter_ms !== undefined);
    }
    account.drop('shutdown', count);
    return undefined;
  }

  async function request(payload: Request, signal: Signal): Promise<Outcome> {
    const began_ms = clock.now();
    const { outcome, giveUp } = attempt(exporter, payload, signal, config.timeout, clock);
    requests.add(giveUp);
    const result = await outcome;
    requests.delete(giveUp);
    figures.operations += 1;
    figures.duration_s += (clock.now() - began_ms) / 1000;
    if (result.is !== 'sent') figures.failed += 1;
    if (result.is === 'retryable' && result.isTimeout) figures.timed_out += 1;
    return result;
  }

  function settle(count: number, signal: Signal, outcome: Exclude<Outcome, { is: 'retryable' | 'too_large' }>): void {
    if (outcome.is !== 'sent') {
      const bug = outcome.is === 'unknown' ? outcome.error : undefined;
      account.drop('rejected', count, messageOf(outcome.error), bug);
      return;
    }
    const words = outcome.result.message ?? '';
    const rejected = Math.min(Math.max(outcome.result.rejected ?? 0, 0), count);
    account.sent(count - rejected);
    if (rejected > 0) account.drop('rejected_by_backend', rejected, `The back end refuses some items: ${words}`);
    else if (words !== '') account.mention('warning', `The back end warns: ${words}`);
    figures.reason = '';
    log.over(`sending ${signal}`, `Sends ${signal} again`);
  }

  /** Parts that are smaller than the whole, which drops what they do not hold; none where it cannot be split. */
  function split(payload: Payload, signal: Signal, refusal: string): readonly Payload[] {
    let parts: readonly Payload[] = [];
    let bug: unknown;
    try {
      parts = exporter.split?.(payload, signal) ?? [];
    } catch (error) {
      bug = error;
    }
    const missing = payload.count - parts.reduce((sum, part) => sum + part.count, 0);
    // A part as large as the whole would be refused, and split, for ever; more items than there were are a bug.
    if (parts.some(({ body }) => body.byteLength >= payload.body.byteLength) || missing < 0) parts = [];
    const dropped = parts.length === 0 ? payload.count : missing;
    if (dropped > 0) account.drop('too_large', dropped, refusal, bug);
    return parts;
  }

  async function wait(delay_ms: number, isAsked: boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const nap = { wake: resolve, isAsked };
    const callOff = clock.after(delay_ms, resolve);
    waits.add(nap);
    await promise;
    waits.delete(nap);
    callOff();
  }

  return {
    deliver,
    hurry() {
      for (const { wake, isAsked } of waits) if (!isAsked) wake();
    },
    end() {
      isEnded = true;
      for (const giveUp of requests) giveUp();
      for (const { wake } of waits) wake();
    },
  };
}
