/** Texts of labels, each kept once, by number. */

/** About what a text takes beside its characters: the string, its entry in the map, its places in the lists. */
const OVERHEAD = 88;

export class Symbols {
  /** Of all texts. */
  bytes = 0;
  readonly #texts: string[] = [];
  readonly #counts: number[] = [];
  readonly #ids = new Map<string, number>();
  readonly #free: number[] = [];

  find(text: string): number | undefined {
    return this.#ids.get(text);
  }

  text(id: number): string {
    return this.#texts[id]!;
  }

  /** The number of a text, which stays until it was released as often. */
  acquire(text: string): number {
    let id = this.#ids.get(text);
    if (id === undefined) {
      id = this.#free.pop() ?? this.#texts.length;
      // A copy: a part of a large text would hold all of it.
      const own = copyOf(text);
      this.#texts[id] = own;
      this.#counts[id] = 0;
      this.#ids.set(own, id);
      this.bytes += OVERHEAD + own.length;
    }
    this.#counts[id]!++;
    return id;
  }

  release(id: number): void {
    if (--this.#counts[id]! > 0) return;
    const text = this.#texts[id]!;
    this.bytes -= OVERHEAD + text.length;
    this.#ids.delete(text);
    this.#texts[id] = '';
    this.#free.push(id);
  }
}

function copyOf(text: string): string {
  // Shorter ones V8 copies in any case.
  if (text.length < 13) return text;
  const bytes = Buffer.from(text, 'latin1').toString('latin1');
  return bytes === text ? bytes : Buffer.from(text, 'utf16le').toString('utf16le');
}

/** By UTF-8 bytes, which is by code points; JavaScript's own order puts U+E000 to U+FFFF behind what follows them. */
export function compareTexts(one: string, other: string): number {
  if (one === other) return 0;
  const length = Math.min(one.length, other.length);
  for (let i = 0; i < length; i++) {
    let a = one.charCodeAt(i);
    let b = other.charCodeAt(i);
    if (a === b) continue;
    if (a >= 0xd800 && b >= 0xd800) {
      a = a >= 0xe000 ? a - 0x800 : a + 0x2000;
      b = b >= 0xe000 ? b - 0x800 : b + 0x2000;
    }
    return a - b;
  }
  return one.length - other.length;
}
