/** Several hosts of one cluster, used in turn. One that fails is passed over for a while. */
import { RetryableError } from '../../src/errors.ts';

const REST_MS = 30_000;

/** Sends a request to the next host, and to the others if that one cannot take it. */
export type Rotation = <T>(send: (host: string) => Promise<T>, abort: AbortSignal) => Promise<T>;

/** @param now milliseconds of a clock */
export function createRotation(hosts: readonly string[], now: () => number): Rotation {
  const restUntil_ms = new Map<string, number>();
  let turn = 0;

  /** The rested ones from the next on; then, as the last resort, those that failed. */
  function order(): readonly string[] {
    const from = turn++ % hosts.length;
    const rotated = [...hosts.slice(from), ...hosts.slice(0, from)];
    const isResting = (host: string) => (restUntil_ms.get(host) ?? 0) > now();
    return [...rotated.filter((host) => !isResting(host)), ...rotated.filter(isResting)];
  }

  return async (send, abort) => {
    let failure: unknown;
    for (const host of order()) {
      try {
        const result = await send(host);
        restUntil_ms.delete(host);
        return result;
      } catch (error) {
        if (!(error instanceof RetryableError)) throw error;
        restUntil_ms.set(host, now() + REST_MS);
        failure = error;
        if (abort.aborted) break;
      }
    }
    throw failure;
  };
}
