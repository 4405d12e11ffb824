/** Counts log records that pipelines end with, as metrics. */
import { ValueType } from '@opentelemetry/api';
import * as v from 'valibot';
import { defineReceiver } from '../../src/component.ts';
import { option, optional } from '../../src/config/options.ts';
import { FIELD_FORMS, parseField } from '../../src/model/record_fields.ts';
import { logSelection, selectRecords } from '../../src/text/selection.ts';
import { createTally } from './tally.ts';

const attribute = v.strictObject({
  key: v.pipe(v.string(), v.minLength(1), v.description('Name of the attribute of the metric.')),
  field: optional(
    v.pipe(
      v.string(),
      v.check((text) => parseField(text) !== undefined, FIELD_FORMS),
    ),
    'Where its value comes from, as severity_text, body.code or resource.service.name; if left out the attribute of that name, of the record or else of its resource.',
  ),
  default_value: optional(
    v.union([v.string(), v.number(), v.boolean()]),
    'The value where there is none; without it such a record is not counted by this metric.',
  ),
});

const metric = v.strictObject({
  description: option(v.string(), 'What it counts.', 'Log records.'),
  ...logSelection,
  attributes: option(v.array(attribute), 'Attributes that the records are counted by; none is one number for all.', []),
});

export default defineReceiver({
  type: 'count',
  about:
    'Counts log records. It is a connector: named among the exporters of pipelines for logs it counts what comes out of them, ' +
    'and named among the receivers of pipelines for metrics it sends the counts there.',
  signals: ['metrics'],
  takes: ['logs'],
  config: v.strictObject({
    logs: option(
      v.record(v.pipe(v.string(), v.regex(/^[A-Za-z][A-Za-z0-9_./-]{0,254}$/, 'the name of a metric')), metric),
      'What is counted, by the name of the metric.',
      { 'log.record.count': { description: 'Log records.' } },
    ),
  }),
  create({ config, meter }) {
    const tallies = Object.entries(config.logs).map(([name, { description, include, exclude, attributes }]) => ({
      counter: meter.createObservableCounter(name, { description, unit: '{record}', valueType: ValueType.INT }),
      isMeant: selectRecords({ include, exclude }),
      tally: createTally(attributes, config.cardinality_limit),
    }));
    return {
      consume(batch) {
        if (batch.signal !== 'logs') return;
        for (const { isMeant, tally } of tallies) {
          for (const record of batch.records) if (isMeant(record) === true) tally.add(record);
        }
      },
      collect(observer) {
        for (const { counter, tally } of tallies) {
          for (const { count, attributes } of tally.counts()) observer.observe(counter, count, attributes);
        }
      },
    };
  },
});
