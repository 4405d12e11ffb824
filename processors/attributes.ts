/** Changes the attributes of data points and log records. */
import { strictObject } from 'valibot';
import { option } from '../src/config/options.ts';
import { defineProcessor } from '../src/component.ts';
import { isLasting, markLasting, perAttributes } from '../src/model/attributes.ts';
import { Series, type LogBatch } from '../src/model/batch.ts';
import { createRegroup } from '../src/model/regroup.ts';
import { attributeActions, compileActions } from '../src/text/attribute_actions.ts';
import { logSelection, metricSelection, selectRecords, selectSeries } from '../src/text/selection.ts';

export default defineProcessor({
  type: 'attributes',
  about:
    'Changes attributes of data points and log records. Series that become one are aggregated: sums are added, gauges ' +
    'averaged (integers rounded), histograms of the same bounds added; the points that went into others are counted as merged.',
  signals: ['metrics', 'logs'],
  config: strictObject({
    actions: attributeActions('What is done to the attributes, one action after the other.'),
    metrics: option(strictObject(metricSelection), 'Which series it is done to.', {}),
    logs: option(strictObject(logSelection), 'Which log records it is done to.', {}),
  }),
  create({ config, next, drop }) {
    const change = compileActions(config.actions);
    const act = perAttributes((attributes) => {
      const changed = change(attributes);
      if (isLasting(attributes)) markLasting(changed);
      return changed;
    });
    const isSeriesMeant = selectSeries(config.metrics);
    const isRecordMeant = selectRecords(config.logs);

    const regroup = createRegroup({
      drop,
      change(series) {
        if (isSeriesMeant(series) !== true) return series;
        const attributes = act(series.attributes);
        if (attributes === series.attributes) return series;
        return new Series(series.resource, series.scope, series.metric, attributes, series.startTime);
      },
    });

    function changeRecords(batch: LogBatch): LogBatch {
      let hasChanged = false;
      const records = batch.records.map((record) => {
        if (isRecordMeant(record) !== true) return record;
        const attributes = act(record.attributes);
        if (attributes === record.attributes) return record;
        hasChanged = true;
        return { ...record, attributes };
      });
      return hasChanged ? { signal: 'logs', count: batch.count, records } : batch;
    }

    return {
      consume(batch) {
        if (batch.signal === 'metrics') return next.consume(regroup(batch));
        return next.consume(batch.signal === 'logs' ? changeRecords(batch) : batch);
      },
    };
  },
});
