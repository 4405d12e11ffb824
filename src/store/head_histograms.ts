/** The histograms of heads, each list in the order of its samples, and about how much they take. */
import { histogramBytes } from './histogram_codec.ts';
import type { NativeHistogram } from './queryable.ts';

interface List {
  readonly histograms: NativeHistogram[];
  bytes: number;
}

export class HeadHistograms {
  bytes = 0;
  readonly #lists = new Map<number, List>();

  of(head: number): readonly NativeHistogram[] {
    return this.#lists.get(head)?.histograms ?? [];
  }

  /** Returns how many bytes the head's take now. */
  add(head: number, histogram: NativeHistogram): number {
    let list = this.#lists.get(head);
    if (list === undefined) this.#lists.set(head, (list = { histograms: [], bytes: 0 }));
    list.histograms.push(histogram);
    const bytes = histogramBytes(histogram);
    this.bytes += bytes;
    return (list.bytes += bytes);
  }

  clear(head: number): void {
    this.bytes -= this.#lists.get(head)?.bytes ?? 0;
    this.#lists.delete(head);
  }
}
