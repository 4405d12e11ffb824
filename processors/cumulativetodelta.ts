/** Turns cumulative metrics into deltas. */
import * as v from 'valibot';
import { defineProcessor } from '../src/component.ts';
import { duration, option } from '../src/config/options.ts';
import { createDeltaConverter } from '../src/model/delta.ts';
import type { Metric } from '../src/model/batch.ts';
import { metricNames, selectNames } from '../src/text/metric_names.ts';

export default defineProcessor({
  type: 'cumulativetodelta',
  about:
    'Turns cumulative monotonic sums, histograms and exponential histograms into what was added since the point before. ' +
    'A first point counts as initial_value says; points that only set a baseline, and late ones, are counted as no_delta.',
  signals: ['metrics'],
  isStateful: true,
  config: v.strictObject({
    include: option(metricNames(), 'Metrics that are converted; all if there is no name.', {}),
    exclude: option(metricNames(), 'Metrics that are not converted, though they be included.', {}),
    initial_value: option(
      v.picklist(['auto', 'keep', 'drop']),
      'What the first point of a series counts: keep, all since its start; drop, nothing; auto, all if it started after the agent did, so that a restart counts nothing twice.',
      'auto',
    ),
    max_staleness: option(duration(), 'A series without points for so long is forgotten; 0 is never.', '1h'),
  }),
  create({ config, next, drop }) {
    const isMeant = selectNames(config.include, config.exclude);
    const converter = createDeltaConverter({
      includes: (metric: Metric) => isMeant(metric.name),
      initialValue: config.initial_value,
      since: BigInt(Date.now()) * 1_000_000n,
      maxStaleness_ms: config.max_staleness === 0 ? Infinity : config.max_staleness,
    });
    return {
      consume(batch) {
        if (batch.signal !== 'metrics') return next.consume(batch);
        const converted = converter.convert(batch);
        if (converted.count < batch.count) drop('no_delta', batch.count - converted.count);
        if (converted.count === 0 && batch.count > 0 && batch.collection === undefined) return undefined;
        return next.consume(converted);
      },
    };
  },
});
