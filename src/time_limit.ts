import type { TimeLimit } from './component.ts';

/** A limit that ends when `expire` is called. An AbortController costs more than most collections: made if asked for. */
export function createTimeLimit(): TimeLimit & { expire(): void } {
  let controller: AbortController | undefined;
  let isOver = false;
  return {
    get isOver() {
      return isOver;
    },
    get signal() {
      controller ??= new AbortController();
      if (isOver) controller.abort();
      return controller.signal;
    },
    expire() {
      isOver = true;
      controller?.abort();
    },
  };
}
