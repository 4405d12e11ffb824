/** The ledger of one exporter: at any time accepted + recovered = sent + dropped + queued, in items. Says in the log why it drops. */
import type { ComponentFigures, ComponentLog } from '../component.ts';
import type { Clock } from './clock.ts';

/** Why items are dropped, as it appears in the figures. */
export type DropReason =
  | 'corrupt'
  | 'encode_failed'
  | 'expired'
  | 'not_encoded'
  | 'queue_full'
  | 'rejected'
  | 'rejected_by_backend'
  | 'retry_exhausted'
  | 'shutdown'
  | 'storage_failed'
  | 'too_large';

export interface Account {
  /** Takes `count` items in: from here on they are queued. */
  accept(count: number): void;
  /** `count` items were in the queue when it was opened. */
  recover(count: number): void;
  /** `count` queued items arrived. */
  sent(count: number): void;
  /** `count` queued items are lost; `why` is a sentence for the log, said at most once a minute for each reason. */
  drop(reason: DropReason, count: number, why?: string, error?: unknown): void;
  /** Something to say that costs no items, at most once a minute. */
  mention(topic: string, message: string): void;
}

/** Reasons repeat with every request: the log hears of each at most this often. */
const SILENCE_MS = 60_000;

export function createAccount(figures: ComponentFigures, log: ComponentLog, clock: Clock): Account {
  const said = new Map<string, { at_ms: number; unsaid: number }>();

  function say(topic: string, count: number, speak: (total: number) => void): void {
    const last = said.get(topic);
    const now = clock.now();
    if (last !== undefined && now - last.at_ms < SILENCE_MS) {
      last.unsaid += count;
      return;
    }
    said.set(topic, { at_ms: now, unsaid: 0 });
    speak(count + (last?.unsaid ?? 0));
  }

  return {
    accept(count) {
      figures.accepted += count;
      figures.queued += count;
    },
    recover(count) {
      figures.recovered += count;
      figures.queued += count;
    },
    sent(count) {
      figures.sent += count;
      figures.queued -= count;
    },
    drop(reason, count, why, error) {
      figures.dropped.set(reason, (figures.dropped.get(reason) ?? 0) + count);
      figures.queued -= count;
      if (why === undefined) return;
      say(reason, count, (total) => {
        const fields = { reason, items: total, ...(error !== undefined && { stack: stackOf(error) }) };
        if (error === undefined) log.warn(why, fields);
        else log.error(why, fields);
      });
    },
    mention(topic, message) {
      say(topic, 0, () => log.warn(message));
    },
  };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
