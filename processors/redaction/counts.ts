/** How many secrets were masked, by rule, as a metric of the agent itself (receiver `self`). */
import type { Attributes, Meter, ObservableResult } from '@opentelemetry/api';

export interface MaskCounts {
  add(rule: string): void;
  /** Lets the meter ask for the counts, which carry the attributes `of`. */
  publish(meter: Meter, of: Attributes): void;
  withdraw(): void;
}

export function createMaskCounts(): MaskCounts {
  const counts = new Map<string, number>();
  let withdraw = (): void => {};
  return {
    add(rule) {
      counts.set(rule, (counts.get(rule) ?? 0) + 1);
    },
    publish(meter, of) {
      const counter = meter.createObservableCounter('sonde.redaction.masked', {
        description: 'Secrets that were masked, by the rule that found them.',
        unit: '{secret}',
      });
      const attributesOf = new Map<string, Attributes>();
      const observe = (result: ObservableResult): void => {
        for (const [rule, count] of counts) {
          let attributes = attributesOf.get(rule);
          if (attributes === undefined) {
            attributes = { ...of, 'sonde.redaction.rule': rule };
            attributesOf.set(rule, attributes);
          }
          result.observe(count, attributes);
        }
      };
      counter.addCallback(observe);
      withdraw = () => counter.removeCallback(observe);
    },
    withdraw: () => withdraw(),
  };
}
