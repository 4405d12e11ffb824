/** `target_info`: what a resource says of itself beyond its name, joined to its series by `job` and `instance`. */
import type { AnyValue, Attributes } from '../model/attributes.ts';
import type { Metric, Resource } from '../model/batch.ts';
import { valueText } from '../text/value_text.ts';

/** The metric that carries what else a resource says of itself. */
export const TARGET_INFO: Metric = {
  name: 'target_info',
  description: 'Target metadata',
  unit: '',
  kind: 'gauge',
  isMonotonic: false,
  temporality: 'unspecified',
  valueType: 'int',
  metadata: { 'prometheus.type': 'info' },
};

/**
 * What the `target_info` of a resource carries: its `job` and `instance`, and all attributes that these are not made of.
 * Undefined where one of the two sides is empty: nothing could be joined, or there is nothing to say.
 */
export function targetAttributes({ attributes }: Resource): Attributes | undefined {
  const identity = jobAndInstance(attributes);
  const others: Record<string, AnyValue> = Object.fromEntries(
    Object.entries(attributes).filter(
      ([key]) => key !== 'service.name' && key !== 'service.namespace' && key !== 'service.instance.id',
    ),
  );
  if (identity.size === 0 || Object.keys(others).length === 0) return undefined;
  return { ...others, ...Object.fromEntries(identity) };
}

/** `job` and `instance` of a resource that is not the scrape target, as far as it says who it is. */
export function jobAndInstance(attributes: Attributes): ReadonlyMap<string, string> {
  const text = (key: string): string => {
    const value = attributes[key];
    return value === undefined ? '' : valueText(value);
  };
  const labels = new Map<string, string>();
  const service = text('service.name');
  const namespace = text('service.namespace');
  if (service !== '') labels.set('job', namespace === '' ? service : `${namespace}/${service}`);
  // Machines that send through a gateway often name only their host; without it they would all be one series.
  const instance = text('service.instance.id') || text('host.name');
  if (instance !== '') labels.set('instance', instance);
  return labels;
}
