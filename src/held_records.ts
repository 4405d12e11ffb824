/** Hands on what a processor has held: what is refused waits and is tried again, so that nothing is lost to a full queue. */
import type { ComponentLog, Consumer, ProcessorContext } from './component.ts';
import { messageOf, PermanentError, RetryableError } from './errors.ts';
import type { Batch, LogRecord } from './model/batch.ts';

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
/** Hand-overs that may wait behind one that takes long. */
const MOST_WAITING = 2;

interface Held {
  /** Whether what was handed over before is not taken, or not yet: until then nothing more is to be held. */
  readonly isBlocked: boolean;
  /** Tries a last time; what is refused is dropped as `undelivered`. */
  stop(): Promise<void>;
}

export interface HeldRecords extends Held {
  /** Hands on records, each of which was held as one item. Resolves when they are taken, dropped or wait for a repetition. */
  handOn(records: readonly LogRecord[]): Promise<void>;
}

/** A batch for a consumer: for `next`, its items were held; for `own`, the processor has made them. */
export interface HeldBatch {
  readonly batch: Batch;
  readonly to: Consumer;
  /** Items that are released when it is taken. */
  readonly held: number;
}

export interface HeldBatches extends Held {
  /** Hands on batches, one after the other. Resolves when they are taken, dropped or wait for a repetition. */
  handOn(batches: readonly HeldBatch[]): Promise<void>;
}

/** What it needs of a processor's context. */
export type HeldRecordsContext = Pick<ProcessorContext<unknown>, 'next' | 'drop' | 'release'> & {
  readonly log: Pick<ComponentLog, 'once' | 'over'>;
};

export function createHeldRecords(context: HeldRecordsContext): HeldRecords {
  const held = createHeldBatches(context);
  return {
    get isBlocked() {
      return held.isBlocked;
    },
    handOn(records) {
      const count = records.length;
      const batch = { signal: 'logs', count, records } as const;
      return held.handOn(count === 0 ? [] : [{ batch, to: context.next, held: count }]);
    },
    stop: () => held.stop(),
  };
}

export function createHeldBatches({ drop, release, log }: Omit<HeldRecordsContext, 'next'>): HeldBatches {
  const waiting: (readonly HeldBatch[])[] = [];
  let sending: Promise<void> = Promise.resolve();
  let isSending = false;
  let isRefused = false;
  let isStopping = false;
  let retries = 0;
  let timer: NodeJS.Timeout | undefined;

  function giveUp({ held }: HeldBatch, reason: string): void {
    // What nobody handed in is refused, and counted so.
    if (held === 0) return;
    drop(reason, held);
    release(held);
  }

  async function send(): Promise<void> {
    isSending = true;
    for (let lot = waiting[0]; lot !== undefined; lot = waiting[0]) {
      const [first, ...others] = lot;
      if (first === undefined) {
        waiting.shift();
        continue;
      }
      try {
        const pending = first.to.consume(first.batch);
        // What is taken at once makes nobody wait.
        if (pending !== undefined) await pending;
        release(first.held);
      } catch (error) {
        if (!(error instanceof RetryableError) || isStopping) {
          giveUp(first, error instanceof PermanentError ? 'refused' : 'undelivered');
        } else {
          refuse(error);
          break;
        }
      }
      waiting[0] = others;
      if (isRefused) log.over('refused', 'What was held is taken again');
      isRefused = false;
      retries = 0;
    }
    // Not when the promise is settled, which is later: what is handed over until then would wait for ever.
    isSending = false;
  }

  function refuse(error: RetryableError): void {
    isRefused = true;
    const wait_ms = Math.min(error.retryAfter_ms ?? FIRST_WAIT_MS * 2 ** retries++, LONGEST_WAIT_MS);
    log.once('refused', `Cannot hand on what was held: ${messageOf(error)}; will try again`);
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
    handOn(batches) {
      if (batches.length > 0) waiting.push(batches);
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
