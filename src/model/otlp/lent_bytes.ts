/** The bytes that a batch is decoded from, for as long as whoever received them has to keep them. */
import { freeBytes } from '../free_bytes.ts';

export class LentBytes {
  #bytes: Uint8Array | undefined;
  #isTaken = false;
  #isRead = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isThere(): boolean {
    return this.#bytes !== undefined;
  }

  /** For someone who may keep them. Undefined when they were given back. */
  take(): Uint8Array | undefined {
    this.#isTaken = true;
    return this.#bytes;
  }

  /**
   * For someone who has decoded or copied them when this returns, and keeps nothing of them.
   * @throws {Error} they were given back
   */
  read<T>(use: (bytes: Uint8Array) => T): T {
    if (this.#bytes === undefined) throw new Error('Cannot read the bytes of a batch: they were given back');
    this.#isRead = true;
    return use(this.#bytes);
  }

  /**
   * Whoever lent them has no use for them any more: their memory goes back at once where they were decoded or copied, and
   * only that. Of those that were not nobody knows whether they will be.
   */
  end(): void {
    if (this.#isTaken || !this.#isRead || this.#bytes === undefined) return;
    freeBytes(this.#bytes);
    this.#bytes = undefined;
  }
}
