/** The `MeterProvider` for instrumentation that is not a receiver, as libraries that measure themselves. */
import { metrics, type Meter, type MeterProvider } from '@opentelemetry/api';
import type { Resource } from '../model/batch.ts';
import { ObservableMeter } from './meter.ts';

export interface AgentMeterProvider extends MeterProvider {
  /** Every meter that was asked for, to be collected. */
  meters(): readonly ObservableMeter[];
  /** Makes it the one that `metrics.getMeter` of the API answers from. */
  register(): void;
}

export function createMeterProvider(resource: Resource, bootTime: bigint, agentStartTime: bigint): AgentMeterProvider {
  const byScope = new Map<string, ObservableMeter>();
  const provider: AgentMeterProvider = {
    getMeter(name, version = '', options): Meter {
      const key = JSON.stringify([name, version, options?.schemaUrl]);
      let meter = byScope.get(key);
      if (meter === undefined) {
        const scope = { name, version, attributes: {}, schemaUrl: options?.schemaUrl ?? '' };
        byScope.set(key, (meter = new ObservableMeter({ resource, scope, bootTime, agentStartTime })));
      }
      return meter;
    },
    meters: () => [...byScope.values()],
    register() {
      metrics.disable();
      metrics.setGlobalMeterProvider(provider);
    },
  };
  return provider;
}
