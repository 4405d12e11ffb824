/** Hands on what a processor has held: what is refused waits and is tried again, so that nothing is lost to a full queue. */
import type { ComponentLog, ProcessorContext } from './component.ts';
import { messageOf, PermanentError, RetryableError } from './errors.ts';
import type { LogRecord } from './model/batch.ts';

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
/** Hand-overs that may wait behind one that takes long. */
const MOST_WAITING = 2;

export interface HeldRecords {
  /** Whether what was handed over before is not taken, or not yet: until then nothing more is to be held. */
  readonly isBlocked: boolean;
  /** Hands on records, each of which was held as one item. Resolves when they are taken, dropped or wait for a repetition. */
  handOn(records: readonly LogRecord[]): Promise<void>;
  /** Tries a last time; what is refused is dropped as `undelivered`. */
  stop(): Promise<void>;
}

/** What it needs of a processor's context. */
export type HeldRecordsContext = Pick<ProcessorContext<unknown>, 'next' | 'drop' | 'release'> & {
  readonly log: Pick<ComponentLog, 'once' | 'over'>;
};

export function createHeldRecords({ next, drop, release, log }: HeldRecordsContext): HeldRecords {
  const waiting: (readonly LogRecord[])[] = [];
  let sending: Promise<void> = Promise.resolve();
  let isSending = false;
  let isRefused = false;
  let isStopping = false;
  let retries = 0;
  let timer: NodeJS.Timeout | undefined;

  function giveUp(records: readonly LogRecord[], reason: string): void {
    drop(reason, records.length);
    release(records.length);
  }

  async function send(): Promise<void> {
    isSending = true;
    for (let records = waiting[0]; records !== undefined; records = waiting[0]) {
      try {
        const pending = next.consume({ signal: 'logs', count: records.length, records });
        // What is taken at once makes nobody wait.
        if (pending !== undefined) await pending;
        release(records.length);
      } catch (error) {
        if (!(error instanceof RetryableError) || isStopping) {
          giveUp(records, error instanceof PermanentError ? 'refused' : 'undelivered');
        } else {
          refuse(error);
          break;
        }
      }
      waiting.shift();
      if (isRefused) log.over('refused', 'Records that were held are taken again');
      isRefused = false;
      retries = 0;
    }
    // Not when the promise is settled, which is later: what is handed over until then would wait for ever.
    isSending = false;
  }

  function refuse(error: RetryableError): void {
    isRefused = true;
    const wait_ms = Math.min(error.retryAfter_ms ?? FIRST_WAIT_MS * 2 ** retries++, LONGEST_WAIT_MS);
    log.once('refused', `Cannot hand on records that were held: ${messageOf(error)}; will try again`);
    timer = setTimeout(() => void start(), wait_ms);
  }

  function start(): Promise<void> {
    clearTimeout(timer);
    if (!isSending) sending = send();
    return sending;
  }

  return {
    get isBlocked() {
      return isRefused || waiting.length >= MOST_WAITING;
    },
    handOn(records) {
      if (records.length > 0) waiting.push(records);
      return isRefused ? Promise.resolve() : start();
    },
    async stop() {
      // What is under way was begun before.
      await sending;
      isStopping = true;
      await start();
    },
  };
}
