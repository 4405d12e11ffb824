/** The bytes that a batch is decoded from, for as long as whoever received them has to keep them. */
import { freeBytes } from '../free_bytes.ts';

export class LentBytes {
  #bytes: Uint8Array | undefined;
  #isTaken = false;
  #isRead = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** For someone who may keep them. Undefined when they were given back. */
  take(): Uint8Array | undefined {
    this.#isTaken = true;
    return this.#bytes;
  }

  /** For someone who has decoded them when this returns, and keeps nothing of them. */
  read<T>(decode: (bytes: Uint8Array) => T): T {
    this.#isRead = true;
    return decode(this.#bytes!);
  }

  /**
   * Whoever lent them has no use for them any more: their memory goes back at once where they were decoded, and only
   * that. Nobody knows whether those that were not will be.
   */
  end(): void {
    if (this.#isTaken || !this.#isRead || this.#bytes === undefined) return;
    freeBytes(this.#bytes);
    this.#bytes = undefined;
  }
}
