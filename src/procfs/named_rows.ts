/** What is kept of each thing that a kernel file lists by name, such as the attributes of a disk or an interface. */

interface Row<T> {
  readonly name: Uint8Array;
  readonly value: T;
  /** Number of the last pass that met it. */
  pass: number;
}

/**
 * Finds what is kept of a name by the bytes of the name. Kernel files list the same things in the same order nearly
 * every time, so the expected row is compared first, and no string is made. What a pass did not meet is forgotten.
 */
export class NamedRows<T> {
  readonly #create: (name: string) => T;
  readonly #byName = new Map<string, Row<T>>();
  readonly #order: Row<T>[] = [];
  #position = 0;
  #met = 0;
  #pass = 0;

  constructor(create: (name: string) => T) {
    this.#create = create;
  }

  get size(): number {
    return this.#byName.size;
  }

  /** Begins a pass over the file. */
  begin(): void {
    this.#position = 0;
    this.#met = 0;
    this.#pass++;
  }

  /** What is kept of the name in the bytes from `start` to before `end`; made if it is new. */
  at(bytes: Uint8Array, start: number, end: number): T {
    let row = this.#order[this.#position];
    if (row === undefined || !isSame(row.name, bytes, start, end)) row = this.#lookUp(bytes.subarray(start, end));
    this.#order[this.#position++] = row;
    if (row.pass !== this.#pass) this.#met++;
    row.pass = this.#pass;
    return row.value;
  }

  /** Ends the pass: forgets what it did not meet. */
  end(): void {
    this.#order.length = this.#position;
    if (this.#met === this.#byName.size) return;
    for (const [name, row] of this.#byName) if (row.pass !== this.#pass) this.#byName.delete(name);
  }

  #lookUp(bytes: Uint8Array): Row<T> {
    const name = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
    let row = this.#byName.get(name);
    if (row === undefined) {
      // A copy, for the bytes are the reader's; `slice` of a Buffer would be none.
      this.#byName.set(name, (row = { name: Uint8Array.from(bytes), value: this.#create(name), pass: 0 }));
    }
    return row;
  }
}

function isSame(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) if (name[i] !== bytes[start + i]) return false;
  return true;
}
