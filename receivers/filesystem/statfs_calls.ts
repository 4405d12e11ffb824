/**
 * Asks for the figures of file systems without letting one that hangs hold up the others, or the process.
 *
 * Each call that hangs keeps one of libuv's threads until the kernel gives up, which may be never. There are 4 of them
 * (`UV_THREADPOOL_SIZE`), and all file operations, name look-ups and compressions of the process need one. So a mount
 * whose call hangs is not asked again until it answered, and with too many threads taken, the mounts that may hang are
 * not asked at all. docs/decisions/hung-mounts.md
 */
import type { StatsFs } from 'node:fs';

/** What is asked of a file system; blocks are of `frsize` bytes. */
export type StatfsResult = Pick<StatsFs, 'blocks' | 'bfree' | 'bavail' | 'files' | 'ffree' | 'bsize'> & {
  readonly frsize?: number;
};
export type Statfs = (path: string) => Promise<StatfsResult>;

export type StatfsAnswer =
  | { readonly outcome: 'known'; readonly figures: StatfsResult }
  | { readonly outcome: 'failed'; readonly error: unknown }
  /** It did not answer in time, now or in an earlier collection that still waits. */
  | { readonly outcome: 'hanging' }
  /** It was not asked, because too many others hang. */
  | { readonly outcome: 'skipped' };

export interface StatfsCalls {
  /** Asks in place, for a file system whose figures the kernel has in memory: twenty times cheaper. */
  askNow(path: string): StatfsAnswer;
  /** Asks for the file system at `path`; `mayHang` says that it is not a local disk's. */
  ask(path: string, mayHang: boolean, timeout_ms: number, abort: AbortSignal): Promise<StatfsAnswer>;
  /** Calls that have not returned in time, and not since. */
  readonly hanging: number;
}

interface Call {
  readonly answer: Promise<StatfsAnswer>;
  isHanging: boolean;
}

export interface StatfsCallsOptions {
  readonly statfs: Statfs;
  readonly statfsNow: (path: string) => StatfsResult;
  /** Size of libuv's thread pool. */
  readonly threads: number;
}

export function createStatfsCalls({ statfs, statfsNow, threads }: StatfsCallsOptions): StatfsCalls {
  /** Calls that have not returned yet, by path. */
  const pending = new Map<string, Call>();
  let hanging = 0;
  // One thread is left in any case; file systems that may hang get half of them.
  const mostHanging = Math.max(1, threads - 1);
  const mostRemoteHanging = Math.max(1, Math.floor(threads / 2));

  function start(path: string): Call {
    const answer = statfs(path)
      .then(
        (figures): StatfsAnswer => ({ outcome: 'known', figures }),
        (error: unknown): StatfsAnswer => ({ outcome: 'failed', error }),
      )
      .finally(() => {
        pending.delete(path);
        if (call.isHanging) hanging--;
      });
    const call: Call = { answer, isHanging: false };
    pending.set(path, call);
    return call;
  }

  return {
    get hanging() {
      return hanging;
    },
    askNow(path) {
      try {
        return { outcome: 'known', figures: statfsNow(path) };
      } catch (error) {
        return { outcome: 'failed', error };
      }
    },
    async ask(path, mayHang, timeout_ms, abort) {
      let call = pending.get(path);
      if (call?.isHanging) return { outcome: 'hanging' };
      if (hanging >= (mayHang ? mostRemoteHanging : mostHanging)) return { outcome: 'skipped' };
      call ??= start(path);
      const answer = await inTime(call.answer, timeout_ms, abort);
      if (answer !== undefined) return answer;
      if (pending.get(path) === call && !call.isHanging) {
        call.isHanging = true;
        hanging++;
      }
      return { outcome: 'hanging' };
    },
  };
}

/** The answer, or `undefined` if the time is over or the collection given up before. */
async function inTime<T>(answer: Promise<T>, timeout_ms: number, abort: AbortSignal): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const giveUp = (): void => late.resolve(undefined);
  const timer = setTimeout(giveUp, timeout_ms);
  abort.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
    abort.removeEventListener('abort', giveUp);
  }
}
