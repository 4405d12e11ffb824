import type { TimeLimit } from './component.ts';

/** A limit that is over when `expire` is called. */
class ManualTimeLimit implements TimeLimit {
  isOver = false;
  /** Made when asked for: it costs more than most collections. */
  #controller: AbortController | undefined;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.isOver) this.#controller.abort();
    return this.#controller.signal;
  }

  expire(): void {
    this.isOver = true;
    this.#controller?.abort();
  }
}

/** One is made for each collection: methods on a prototype make that cheap. */
export function createTimeLimit(): ManualTimeLimit {
  return new ManualTimeLimit();
}
