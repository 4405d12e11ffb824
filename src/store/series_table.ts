/**
 * Which series there are: their labels, as numbers of texts, and for each label the series that have it. A series is a
 * slot; slots of forgotten series are used again, in another generation.
 */
import { createMatching, type CompiledMatcher } from './matchers.ts';
import type { Labels, Matcher } from './queryable.ts';
import { compareTexts, Symbols } from './symbols.ts';

/** Names and values alternately, sorted by name, none of the values empty. */
export type Pairs = readonly string[];

/** Of the signature and its map entry, of the lists of slots and generations. */
const SERIES_BYTES = 130;
/** Of the signature's characters and the places in the index. */
const PAIR_BYTES = 24;
/** Of a value's list in the index. */
const VALUE_BYTES = 110;

export class SeriesTable {
  /** Slots that were ever used; all below it. */
  slots = 0;
  count = 0;
  /** Changes whenever series were forgotten. */
  epoch = 0;
  /** Of each slot: changes when it is given to another series. */
  readonly generations: number[] = [];
  readonly #symbols = new Symbols();
  readonly #bySignature = new Map<string, number>();
  /** Undefined where a slot is free. */
  readonly #signatures: (string | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #labels: (WeakRef<Labels> | undefined)[] = [];
  /** Slots by name and value. */
  readonly #index = new Map<number, Map<number, number[]>>();
  readonly #matching = createMatching();
  #ownBytes = 0;

  get bytes(): number {
    return this.#ownBytes + this.#symbols.bytes;
  }

  find(pairs: Pairs): number | undefined {
    const ids: number[] = [];
    for (const text of pairs) {
      const id = this.#symbols.find(text);
      if (id === undefined) return undefined;
      ids.push(id);
    }
    return this.#bySignature.get(signatureOf(ids));
  }

  /** Adds a series that there is not yet. */
  create(pairs: Pairs): number {
    const ids = pairs.map((text) => this.#symbols.acquire(text));
    const signature = signatureOf(ids);
    const slot = this.#free.pop() ?? this.slots++;
    this.#bySignature.set(signature, slot);
    this.#signatures[slot] = signature;
    this.generations[slot] = (this.generations[slot] ?? 0) + 1;
    this.#labels[slot] = undefined;
    for (let i = 0; i < ids.length; i += 2) {
      const [name, value] = [ids[i]!, ids[i + 1]!];
      let values = this.#index.get(name);
      if (values === undefined) this.#index.set(name, (values = new Map<number, number[]>()));
      const slots = values.get(value);
      if (slots === undefined) {
        values.set(value, [slot]);
        this.#ownBytes += VALUE_BYTES;
      } else slots.push(slot);
    }
    this.count++;
    this.#ownBytes += SERIES_BYTES + ids.length * (PAIR_BYTES / 2);
    return slot;
  }

  has(slot: number): boolean {
    return this.#signatures[slot] !== undefined;
  }

  /** Takes series out, with all that the index has of them. */
  forget(slots: readonly number[]): void {
    if (slots.length === 0) return;
    const gone = new Set(slots);
    const touched = new Map<number, Set<number>>();
    for (const slot of slots) {
      const signature = this.#signatures[slot]!;
      this.#bySignature.delete(signature);
      this.#signatures[slot] = undefined;
      this.#labels[slot] = undefined;
      this.#free.push(slot);
      for (let at = 0; at < signature.length; at += 4) {
        const name = idAt(signature, at);
        const values = touched.get(name);
        if (values === undefined) touched.set(name, new Set([idAt(signature, at + 2)]));
        else values.add(idAt(signature, at + 2));
      }
      this.#ownBytes -= SERIES_BYTES + (signature.length / 2) * (PAIR_BYTES / 2);
    }
    for (const [name, values] of touched) this.#forgetValues(name, values, gone);
    this.count -= slots.length;
    this.epoch++;
  }

  #forgetValues(name: number, touched: ReadonlySet<number>, gone: ReadonlySet<number>): void {
    const values = this.#index.get(name)!;
    for (const value of touched) {
      const before = values.get(value)!;
      const left = before.filter((slot) => !gone.has(slot));
      if (left.length > 0) values.set(value, left);
      else {
        values.delete(value);
        this.#ownBytes -= VALUE_BYTES;
      }
      for (let i = left.length; i < before.length; i++) {
        this.#symbols.release(name);
        this.#symbols.release(value);
      }
    }
    if (values.size === 0) this.#index.delete(name);
  }

  /** The same object for as long as anyone has it. */
  labels(slot: number): Labels {
    const known = this.#labels[slot]?.deref();
    if (known !== undefined) return known;
    const labels = new Map<string, string>();
    const pairs = this.pairs(slot);
    for (let i = 0; i < pairs.length; i += 2) labels.set(pairs[i]!, pairs[i + 1]!);
    this.#labels[slot] = new WeakRef(labels);
    return labels;
  }

  pairs(slot: number): Pairs {
    const signature = this.#signatures[slot]!;
    const pairs: string[] = [];
    for (let at = 0; at < signature.length; at += 2) pairs.push(this.#symbols.text(idAt(signature, at)));
    return pairs;
  }

  /** Slots of the series that match all. `look` is called while they are looked for, and may throw. */
  select(matchers: readonly Matcher[], look: () => void = () => {}): readonly number[] {
    const compiled = matchers.map((matcher): CompiledMatcher => {
      const { name, test } = this.#matching(matcher);
      return {
        name,
        test(value) {
          look();
          return test(value);
        },
      };
    });
    let candidates: readonly number[] | undefined;
    for (const { name, op, value } of matchers) {
      if (op !== '=' || value === '') continue;
      const slots = this.#slotsOf(name, value);
      if (slots === undefined) return [];
      if (candidates === undefined || slots.length < candidates.length) candidates = slots;
    }
    candidates ??= this.#slotsOfPatterns(compiled) ?? this.#all();
    const tests = compiled.map((matcher) => this.#testOf(matcher));
    return candidates.filter((slot) => {
      look();
      const signature = this.#signatures[slot]!;
      return tests.every((test) => test(signature));
    });
  }

  /** Values of one label of some series. */
  valuesOf(name: string, slots: readonly number[]): string[] {
    const id = this.#symbols.find(name);
    if (id === undefined) return [];
    const values = new Set<number>();
    for (const slot of slots) {
      const value = valueIn(this.#signatures[slot]!, id);
      if (value !== undefined) values.add(value);
    }
    return Array.from(values, (value) => this.#symbols.text(value)).sort(compareTexts);
  }

  namesOf(slots: readonly number[]): string[] {
    const names = new Set<number>();
    for (const slot of slots) {
      const signature = this.#signatures[slot]!;
      for (let at = 0; at < signature.length; at += 4) names.add(idAt(signature, at));
    }
    return Array.from(names, (name) => this.#symbols.text(name)).sort(compareTexts);
  }

  hasValue(name: string, value: string): boolean {
    return this.#slotsOf(name, value) !== undefined;
  }

  #all(): number[] {
    return Array.from(this.#bySignature.values());
  }

  #slotsOf(name: string, value: string): readonly number[] | undefined {
    const [nameId, valueId] = [this.#symbols.find(name), this.#symbols.find(value)];
    return nameId === undefined || valueId === undefined ? undefined : this.#index.get(nameId)?.get(valueId);
  }

  /** Slots that one of the matchers leaves, if there is one that an absent label does not pass. */
  #slotsOfPatterns(matchers: readonly CompiledMatcher[]): readonly number[] | undefined {
    const matcher = matchers.find(({ test }) => !test(''));
    if (matcher === undefined) return undefined;
    const nameId = this.#symbols.find(matcher.name);
    const slots: number[] = [];
    for (const [value, some] of (nameId === undefined ? undefined : this.#index.get(nameId)) ?? []) {
      if (matcher.test(this.#symbols.text(value))) for (const slot of some) slots.push(slot);
    }
    return slots;
  }

  /** Looks at each value of the label once, however many series have it. */
  #testOf({ name, test }: CompiledMatcher): (signature: string) => boolean {
    const nameId = this.#symbols.find(name);
    const ofNone = test('');
    if (nameId === undefined) return () => ofNone;
    const known = new Map<number, boolean>();
    return (signature) => {
      const value = valueIn(signature, nameId);
      if (value === undefined) return ofNone;
      let verdict = known.get(value);
      if (verdict === undefined) known.set(value, (verdict = test(this.#symbols.text(value))));
      return verdict;
    };
  }
}

/** Two characters a number, which may have 32 bits. */
function signatureOf(ids: readonly number[]): string {
  let signature = '';
  for (const id of ids) signature += String.fromCharCode(id >>> 16, id & 0xffff);
  return signature;
}

function idAt(signature: string, at: number): number {
  return signature.charCodeAt(at) * 0x1_0000 + signature.charCodeAt(at + 1);
}

function valueIn(signature: string, name: number): number | undefined {
  for (let at = 0; at < signature.length; at += 4) {
    if (idAt(signature, at) === name) return idAt(signature, at + 2);
  }
  return undefined;
}

/** Labels as pairs: without empty values, sorted. */
export function toPairs(labels: Iterable<readonly [string, string]>): Pairs {
  const entries = Array.from(labels).filter(([, value]) => value !== '');
  entries.sort(([one], [other]) => compareTexts(one, other));
  return entries.flat();
}
