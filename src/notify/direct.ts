/**
 * Tells people of alerts without an Alertmanager between: when one begins and when it is over, not in between; what
 * happens at once goes in one message, and what would be too many messages waits and becomes one. What cannot be sent
 * is tried again as long as it is true.
 */
import type { ComponentLog } from '../component.ts';
import { messageOf, PermanentError, RefusedError, RetryableError } from '../errors.ts';
import type { Notification } from '../rules/alert.ts';
import { createBackoff } from './backoff.ts';
import { createFigures, drop, type Channel } from './channel.ts';
import { createMessage, type Message } from './message.ts';
import type { DirectConfig } from './options.ts';
import type { Silences } from './silences.ts';
import { createTokenBucket } from './token_bucket.ts';
import { createTransitions, type Transition } from './transitions.ts';

/** A way to the people. */
export interface Transport {
  /** As `slack at hooks.slack.com`; without what is secret, as is what `send` throws. */
  readonly place: string;
  /** Takes one alert at a time. */
  readonly isPerAlert?: boolean;
  /** What to do where it does not let in: `check routing_key`. */
  readonly hint: string;
  /** @throws {RetryableError} @throws {PermanentError} */
  send(message: Message, abort: AbortSignal): Promise<void>;
  close?(): void;
}

export interface DirectOptions {
  readonly name: string;
  readonly config: Omit<DirectConfig, 'min_severity' | 'matchers' | 'rate_limit'> &
    Pick<DirectConfig, 'min_severity' | 'matchers'> & { readonly rate_limit?: DirectConfig['rate_limit'] };
  readonly transport: Transport;
  readonly log: ComponentLog;
  readonly silences: Silences;
  readonly random?: () => number;
}

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 5 * 60_000;
/** How often it is looked whether alerts were forgotten by who announced them. */
const SWEEP_MS = 15_000;
/** Answers that a change on the other side or in a file with a secret mends. */
const MENDABLE = new Set([401, 403, 404]);

export function createDirect({ name, config, transport, log, silences, random }: DirectOptions): Channel {
  const ending = new AbortController();
  const backoff = createBackoff(FIRST_WAIT_MS, LONGEST_WAIT_MS, random);
  const { rate_limit } = config;
  const bucket = rate_limit && createTokenBucket(rate_limit.messages, rate_limit.per);
  const figures = createFigures(() => transitions.waiting);
  const transitions = createTransitions(config, silences, (reason, count) => drop(figures, reason, count), Date.now());
  const complaint = `notifier ${name}`;
  let isStarted = false;
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let sweeper: NodeJS.Timeout | undefined;
  /** Not before, by a clock that nobody sets. */
  let notBefore_ms = 0;

  function schedule(): void {
    if (!isStarted || running !== undefined || transitions.waiting === 0 || ending.signal.aborted) return;
    clearTimeout(timer);
    const waited_ms = Math.max(0, Date.now() - transitions.waitingSince_ms);
    const wait_ms = Math.max(0, config.group_wait - waited_ms, notBefore_ms - performance.now());
    timer = setTimeout(run, wait_ms).unref();
  }

  function run(): void {
    if (running !== undefined) return;
    running = sendAll(false).finally(() => {
      running = undefined;
      schedule();
    });
  }

  async function sendAll(isLast: boolean): Promise<void> {
    for (;;) {
      const now_ms = Date.now();
      transitions.forgetSilenced(now_ms);
      if (transitions.waiting === 0 || ending.signal.aborted) return;
      const wait_ms = isLast ? 0 : (bucket?.take(now_ms) ?? 0);
      if (wait_ms > 0) {
        notBefore_ms = performance.now() + wait_ms;
        return;
      }
      const taken = transitions.take(transport.isPerAlert === true ? 1 : Infinity);
      if (!(await attempt(taken.items, taken.overtaken))) return;
    }
  }

  /** Returns whether to go on at once. */
  async function attempt(items: readonly Transition[], overtaken: number): Promise<boolean> {
    const timeout = AbortSignal.timeout(config.timeout);
    try {
      const message = createMessage(
        items.map(({ notification }) => notification),
        overtaken,
      );
      await transport.send(message, AbortSignal.any([timeout, ending.signal]));
    } catch (error) {
      figures.failed++;
      const why = timeout.aborted ? `no answer within ${config.timeout} ms` : messageOf(error);
      if (isForGood(error)) {
        drop(figures, 'refused', items.length);
        transitions.done(items, Date.now());
        log.once(complaint, `Notifier "${name}" (${transport.place}) is refused: ${why}; ${transport.hint}`);
        return true;
      }
      transitions.putBack(items, overtaken, Date.now());
      const asked_ms = error instanceof RetryableError ? error.retryAfter_ms : 0;
      notBefore_ms = performance.now() + backoff.next(asked_ms);
      const what = error instanceof PermanentError ? `${transport.hint}, it is tried again` : 'it is tried again';
      log.once(complaint, `Notifier "${name}" (${transport.place}) does not get through: ${why}; ${what}`);
      return false;
    }
    transitions.done(items, Date.now());
    figures.sent += items.length;
    backoff.reset();
    log.over(complaint, `Notifier "${name}" (${transport.place}) gets through again`);
    return true;
  }

  return {
    figures,
    transitions,
    notify(notifications: readonly Notification[], now_ms) {
      transitions.add(notifications, now_ms);
      schedule();
    },
    start() {
      isStarted = true;
      sweeper = setInterval(() => {
        transitions.expire(Date.now());
        schedule();
      }, SWEEP_MS).unref();
      schedule();
    },
    async stop(deadline) {
      clearTimeout(timer);
      clearInterval(sweeper);
      const giveUp = (): void => ending.abort();
      if (deadline.aborted) giveUp();
      deadline.addEventListener('abort', giveUp);
      await running;
      clearTimeout(timer);
      if (isStarted) await sendAll(true);
      isStarted = false;
      deadline.removeEventListener('abort', giveUp);
      if (transitions.waiting > 0) {
        drop(figures, 'shutdown', transitions.waiting);
        log.warn(`Notifier "${name}" (${transport.place}) ends with untold changes of alerts`, {
          alerts: transitions.waiting,
        });
      }
      transport.close?.();
    },
  };
}

/** Whether the same message will never be taken. */
function isForGood(error: unknown): boolean {
  if (error instanceof RefusedError) return !MENDABLE.has(error.status);
  return error instanceof PermanentError && !(error instanceof NotLetInError);
}

/** Who sends is not let in: with another password it would be. */
export class NotLetInError extends PermanentError {}
