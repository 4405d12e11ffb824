/** What users can say of how OpenTelemetry becomes Prometheus, however it travels. */
import * as v from 'valibot';
import { option } from '../config/options.ts';

/** To be spread into the options of an exporter. */
export const translationOptions = {
  translation_strategy: option(
    v.picklist([
      'UnderscoreEscapingWithSuffixes',
      'UnderscoreEscapingWithoutSuffixes',
      'NoUTF8EscapingWithSuffixes',
      'NoTranslation',
    ]),
    'How names become Prometheus names: with underscores for other characters or not, with the unit and "total" behind them or not.',
    'UnderscoreEscapingWithSuffixes',
  ),
  namespace: option(
    v.pipe(v.string(), v.regex(/^([a-zA-Z_][a-zA-Z0-9_]*)?$/, 'letters, digits and underscores')),
    'First word of every metric name.',
    '',
  ),
  scope_labels: option(
    v.boolean(),
    'Whether every series says which instrumentation it is from, as otel_scope_name and the like.',
    false,
  ),
  target_info: option(v.boolean(), 'Whether target_info carries the attributes of each resource.', true),
  resource_attributes: option(v.array(v.string()), 'Resource attributes that become labels of every series.', []),
};
