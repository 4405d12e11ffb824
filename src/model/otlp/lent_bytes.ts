/** The bytes that a batch is decoded from, for as long as whoever received them has to keep them. */
import { freeBytes } from '../free_bytes.ts';

/** Bytes for someone who says when he has no more use for them. */
export interface HeldBytes {
  readonly bytes: Uint8Array;
  /** Once, and then they must not be touched any more. */
  readonly release: () => void;
}

export class LentBytes {
  #bytes: Uint8Array | undefined;
  #isTaken = false;
  #isRead = false;
  #isEnded = false;
  #holders = 0;

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

  /** For someone who needs them for a while. Undefined when they were given back. */
  hold(): HeldBytes | undefined {
    if (this.#bytes === undefined) return undefined;
    this.#isRead = true;
    this.#holders += 1;
    return {
      bytes: this.#bytes,
      release: () => {
        this.#holders -= 1;
        this.#giveBack();
      },
    };
  }

  /**
   * Whoever lent them has no use for them any more: their memory goes back once nobody holds them, where they were
   * decoded, copied or held, and only that. Of those that were not nobody knows whether they will be.
   */
  end(): void {
    this.#isEnded = true;
    this.#giveBack();
  }

  #giveBack(): void {
    if (!this.#isEnded || this.#holders > 0 || this.#isTaken || !this.#isRead || this.#bytes === undefined) return;
    freeBytes(this.#bytes);
    this.#bytes = undefined;
  }
}
