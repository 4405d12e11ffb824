/** The strings of one request (remote write 2.0, "Symbols"): each once, the empty one first, referred to by number. */
import type { Writer } from '../../src/model/otlp/writer.ts';

/** `Request.symbols`. */
const SYMBOL = 0x22;

/** What `base` holds already keeps its numbers: many requests begin with the strings of one layout. */
export class Symbols {
  readonly #base: Symbols | undefined;
  readonly #first: number;
  readonly #numbers = new Map<string, number>();

  constructor(base?: Symbols) {
    this.#base = base;
    this.#first = base?.size ?? 0;
    if (base === undefined) this.#numbers.set('', 0);
  }

  get size(): number {
    return this.#first + this.#numbers.size;
  }

  /** The number of a text, which is added if it is new. It must be well-formed, or two would be one on the wire. */
  ref(text: string): number {
    const known = this.find(text);
    if (known !== undefined) return known;
    const number = this.size;
    this.#numbers.set(text, number);
    return number;
  }

  /** Whether there are strings beyond those of `base`. */
  get isLarger(): boolean {
    return this.#numbers.size > 0;
  }

  /** Writes those beyond `base`. */
  write(writer: Writer): void {
    for (const text of this.#numbers.keys()) writer.string(SYMBOL, text);
  }

  /** The number of a text that is there. */
  find(text: string): number | undefined {
    return this.#numbers.get(text) ?? this.#base?.find(text);
  }
}
