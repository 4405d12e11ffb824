/** A series as `select` gives it. */
import type { Labels, Samples, StoredSeries } from './queryable.ts';
import type { SampleTable } from './sample_table.ts';
import type { SeriesTable } from './series_table.ts';

/** A series as it was found; once it is forgotten it has no samples. */
export class HeldSeries implements StoredSeries {
  readonly #slot: number;
  readonly #generation: number;
  readonly #table: SeriesTable;
  readonly #samples: SampleTable;
  #labels: Labels | undefined;

  constructor(slot: number, table: SeriesTable, samples: SampleTable) {
    this.#slot = slot;
    this.#generation = table.generations[slot]!;
    this.#table = table;
    this.#samples = samples;
  }

  get labels(): Labels {
    this.#labels ??= this.#isHeld ? this.#table.labels(this.#slot) : new Map();
    return this.#labels;
  }

  /** In arrays that all series of the store share. */
  samples(from_ms: number, to_ms: number): Samples {
    return this.#isHeld ? this.#samples.read(this.#slot, from_ms, to_ms) : NOTHING;
  }

  get #isHeld(): boolean {
    return this.#table.generations[this.#slot] === this.#generation && this.#table.has(this.#slot);
  }
}

const NOTHING: Samples = { count: 0, times: new Float64Array(0), values: new Float64Array(0) };
