/** The histogram of a declared metric: the SDK's, which is loaded with the first measurement. */
import type { Attributes, Histogram, Meter } from '@opentelemetry/api';
import type { MetricDefinition } from '../component.ts';
import type { MetricView } from './instrument.ts';

export class DeclaredHistogram implements Histogram {
  readonly isEnabled: boolean;
  readonly #meter: Meter;
  readonly #definition: MetricDefinition;
  readonly #keep: ReadonlySet<string> | undefined;
  #histogram: Histogram | undefined;

  constructor(meter: Meter, definition: MetricDefinition, view: MetricView | undefined) {
    this.#meter = meter;
    this.#definition = definition;
    this.isEnabled = view?.enabled ?? definition.optIn !== true;
    this.#keep = view?.attributes === undefined ? undefined : new Set(view.attributes);
  }

  record(value: number, attributes: Attributes = {}): void {
    if (!this.isEnabled) return;
    const { name, about, unit, boundaries } = this.#definition;
    this.#histogram ??= this.#meter.createHistogram(name, {
      description: about,
      unit,
      ...(boundaries !== undefined && { advice: { explicitBucketBoundaries: [...boundaries] } }),
    });
    const keep = this.#keep;
    const kept =
      keep === undefined ? attributes : Object.fromEntries(Object.entries(attributes).filter(([key]) => keep.has(key)));
    this.#histogram.record(value, kept);
  }
}
